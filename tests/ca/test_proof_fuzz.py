"""Foreign bytes at every reader of seals and draws: each knows one kind of error, and never another.

GONGHENG_FUZZ=1000000 for the long run; the suite does a few thousand per reader.
"""

import os
import random

import pytest

from ca import canonical, merkle
from ca.canonical import NotCanonical
from ca.draws import registration, verify
from ca.draws.registration import NotRegistration
from ca.sealing import box, rescue, transcript
from ca.sealing.faults import Fault, ParamsWrong, UploadRefused
from ca.sealing.header import MAGIC, check_upload
from ca.sealing.params import Params
from ca.sealing.rescue import NotRescued
from tests.ca import draw_bundles as draws
from tests.ca.seal_vectors import BIDDER, LOT, VECTORS, opening

ROUNDS = int(os.environ.get("GONGHENG_FUZZ", "1500"))
V1 = VECTORS[0]
DRAW = draws.draw_params(f"{draws.PROJECT}:select:1")
HEADER = canonical.ascii_encode(
    {
        "v": 2, "params": V1.params.digest.hex(), "lot": LOT, "bidder": BIDDER, "seq": 1, "salt": V1.fields["salt"],
        "size": 65536, "cc": V1.fields["cc"], "E": V1.fields["E"], "teams": V1.fields["teams"], "cb": V1.fields["cb"],
        "lockb": [],
    }
)  # fmt: skip
TOKENS = [
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"0", b"-1", b"1.5", b"1e9", b"true", b"null", b"9" * 30, b"\\u0000",
    b"\\", b"\xff", b"\x00", b'"v"', b'"teams"', b'"params"', b"[[[[[[[[[[[[[[[[[[", b'""', b"02" * 33, b'"draw"',
]  # fmt: skip


def bent(chance, raw):
    """The bytes with a few random accidents."""
    out = bytearray(raw)
    for _ in range(chance.randrange(1, 5)):
        place, act = chance.randrange(len(out) + 1), chance.randrange(6)
        if act == 0 and out:
            out[place % len(out)] = chance.randrange(256)
        elif act == 1:
            out[place:place] = chance.choice(TOKENS)
        elif act == 2:
            del out[place : place + chance.randrange(1, 40)]
        elif act == 3:
            out[place:place] = out[: chance.randrange(1, 200)]
        elif act == 4:
            token = chance.choice(TOKENS)
            out[place : place + len(token)] = token
        else:
            del out[place:]
    return bytes(out)


def read_header(raw):
    check_upload(MAGIC + len(raw).to_bytes(4) + raw, 12 + len(raw) + 65552, V1.params, lot=LOT, bidder=BIDDER)


def read_quote(raw):
    try:
        quote = canonical.decode(raw)
    except NotCanonical:
        return
    box.read_quote(quote, DRAW, draws.firm(1))


def check_bundle(raw):
    assert verify.verify(raw).first_wrong is not None or raw == draws.raw_bundle("tie")


def check_transcript(raw):
    transcript.verify(raw, {})


QUOTE = canonical.encode(box.seal_quote(DRAW, project=draws.PROJECT, firm=draws.firm(1), quote="1.50"))
RESCUE = rescue._outer
OUTER = canonical.ascii_encode(
    {"v": 2, "ctx": "00" * 32, "kdf": "scrypt", "salt": "00" * 16, "nonce": "00" * 12, "ct": "00" * 99} | rescue.COST
)
SCRIPT = canonical.ascii_encode(
    {
        "v": 2, "params": opening()[0].written(), "joins": [], "freeze": [], "unlocks": [], "close": "", "releases": [],
        "bids": [], "extensions": [], "platform": "02" * 33, "signature": "00" * 64,
    }
)  # fmt: skip
READERS = {
    "canonical": (canonical.decode, draws.raw_bundle("tie"), NotCanonical),
    "ascii": (canonical.ascii_decode, HEADER, NotCanonical),
    "params": (Params.read, V1.params.canon, ParamsWrong),
    "header": (read_header, HEADER, UploadRefused),
    "box": (lambda raw: box.read_box(raw, DRAW, "owner"), box.contribute(DRAW, "owner").box, Fault),
    "quote": (read_quote, QUOTE, Fault),
    "rescue": (RESCUE, OUTER, NotRescued),
    "cell": (
        lambda raw: registration.open_cell(draws.DAY_KEY, raw),
        registration.seal_cell(draws.DAY_KEY, registration.register(draws.PROJECT, draws.firm(1))[0]).raw,
        NotRegistration,
    ),
    "bundle": (check_bundle, draws.raw_bundle("tie"), AssertionError),
    "transcript": (check_transcript, SCRIPT, AssertionError),
}


@pytest.mark.parametrize("name", READERS)
def test_one_kind_of_error(name):
    reader, good, error = READERS[name]
    chance = random.Random(name)
    for _ in range(ROUNDS):
        try:
            reader(bent(chance, good))
        except AssertionError:
            raise
        except error:
            continue


def test_paths_and_proofs_of_any_shape():
    chance = random.Random(6962)
    for _ in range(ROUNDS):
        path = [chance.randbytes(chance.choice((0, 31, 32, 32, 32))) for _ in range(chance.randrange(70))]
        numbers = [chance.choice((0, 1, 2**64, -1, chance.randrange(100))) for _ in range(2)]
        assert not merkle.includes(bytes(32), *numbers, path, bytes(31) + b"\1")
        if numbers[0] != numbers[1]:
            assert not merkle.extends(*numbers, path, bytes(31) + b"\2", bytes(31) + b"\1")
