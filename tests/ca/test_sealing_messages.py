"""What is signed about an opening, byte for byte: by the product, and again from the published words alone."""

import hashlib
import json
from pathlib import Path

import pytest

from ca.sealing import messages
from ca.sealing.faults import ParamsWrong
from tests.ca.seal_vectors import VECTORS, opening

VECTOR = json.loads((Path(__file__).resolve().parents[1] / "vectors" / "seal" / "messages.json").read_text())
V1 = VECTORS[0].params


def value(name):
    return hashlib.sha256(f"messages/{name}".encode()).digest()


def canon(content):
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def said(name, raw):
    return b"gh-seal/2 " + name.encode() + b"\0" + raw


DIGEST, KB, KEY = value("digest"), value("kb"), value("key")
AT = "2026-11-30T00:59:59Z"
LATER = {
    "deadline": "2026-11-30T01:10:00Z", "unlock_until": "2026-11-30T01:40:00Z", "release_until": "2026-11-30T02:10:00Z",
}  # fmt: skip
PLACE = {"lot": "1", "bidder": "91610000000000000X", "seq": 2}
LEAF = messages.salted_leaf(value("salt"), DIGEST)
FREEZE = messages.root([messages.bid_leaf(**PLACE, digest=DIGEST), messages.bid_leaf(**PLACE | {"seq": 3}, digest=KB)])
UNLOCKS = messages.root([messages.unlock_leaf(digest=DIGEST, kb=KB)])
PARAMS = {"params": V1.digest.hex()}

CASES = {
    "join": (
        messages.join(V1.base, V1.holders[0].pk, b"\2" * 33),
        said("join", V1.base + V1.holders[0].pk + b"\2" * 33),
    ),
    "ready": (messages.ready(V1.base), said("ready", V1.base)),
    "params": (messages.params_closed(V1), said("params", V1.digest)),
    "receipt": (
        messages.receipt(V1.digest, **PLACE, digest=DIGEST, bytes_=66661, at=AT, leaf=LEAF),
        said("receipt", canon(PARAMS | PLACE | {"digest": DIGEST.hex(), "bytes": 66661, "at": AT, "leaf": LEAF.hex()})),
    ),
    "freeze": (
        messages.freeze(V1.digest, root=FREEZE, count=2, at=AT),
        said("freeze", canon(PARAMS | {"root": FREEZE.hex(), "count": 2, "at": AT})),
    ),
    "freeze with float point": (
        messages.freeze(V1.digest, root=FREEZE, count=2, at=AT, float_point="0.97"),
        said("freeze", canon(PARAMS | {"root": FREEZE.hex(), "count": 2, "at": AT, "float_point": "0.97"})),
    ),
    "unlock": (
        messages.unlock(V1.digest, digest=DIGEST, kb=KB),
        said("unlock", canon(PARAMS | {"digest": DIGEST.hex(), "kb": KB.hex()})),
    ),
    "unlocked": (
        messages.unlocked(V1.digest, digest=DIGEST, at=AT),
        said("unlocked", canon(PARAMS | {"digest": DIGEST.hex(), "at": AT})),
    ),
    "close": (messages.close(V1.digest, FREEZE, UNLOCKS), said("close", V1.digest + FREEZE + UNLOCKS)),
    "release": (
        messages.release(V1.digest, freeze_root=FREEZE, unlock_root=UNLOCKS, holder="H1", key=KEY),
        said(
            "release",
            canon(PARAMS | {"freeze": FREEZE.hex(), "unlocks": UNLOCKS.hex(), "holder": "H1", "key": KEY.hex()}),
        ),
    ),
    "destroy": (messages.destroy(V1.digest, holder="H1"), said("destroy", canon(PARAMS | {"holder": "H1"}))),
    "extend": (messages.extend(V1, **LATER), said("extend", canon(PARAMS | LATER))),
}


@pytest.mark.parametrize("name", CASES)
def test_every_message(name):
    made, again = CASES[name]
    assert made == again
    assert hashlib.sha256(made).hexdigest() == VECTOR[name]


def test_roots_and_leaves():
    def leaf(name, content):
        return hashlib.sha256(said(name, canon(content))).digest()

    two = sorted(leaf("bid", PLACE | {"seq": seq, "digest": raw.hex()}) for seq, raw in ((2, DIGEST), (3, KB)))
    nodes = [hashlib.sha256(b"\0" + one).digest() for one in two]
    assert hashlib.sha256(b"\1" + nodes[0] + nodes[1]).digest() == FREEZE
    unlock = leaf("unlock", {"digest": DIGEST.hex(), "kb": KB.hex()})
    assert hashlib.sha256(b"\0" + unlock).digest() == UNLOCKS
    assert hashlib.sha256(said("leaf", value("salt") + DIGEST)).digest() == LEAF
    assert messages.root([]) == hashlib.sha256().digest()
    found = {"freeze root": FREEZE, "unlock root": UNLOCKS, "salted leaf": LEAF, "base of V1": V1.base}
    assert {name: raw.hex() for name, raw in found.items()} == VECTOR["roots"]


def test_f15_a_receipt_tells_nothing_of_other_bids():
    """Before the freeze: the same bytes whether one bid came or a hundred, and a leaf that only its owner knows."""
    told = messages.receipt(V1.digest, **PLACE, digest=DIGEST, bytes_=1, at=AT, leaf=LEAF)
    assert b"index" not in told
    assert messages.salted_leaf(value("other salt"), DIGEST) != LEAF


def test_no_message_passes_for_another():
    heads = {made.split(b"\0")[0] for made, _ in CASES.values()}
    assert len(heads) == len(CASES) - 1  # the two freezes share theirs


@pytest.mark.parametrize(
    "wrong",
    [
        {"deadline": "2026-11-30T00:59:59Z"}, {"unlock_until": "2026-11-30T01:29:00Z"},
        {"release_until": "2026-11-30T01:40:00Z"}, {"deadline": "2026-11-30T01:41:00Z"}, {"deadline": "soon"},
    ],
)  # fmt: skip
def test_times_move_only_later_and_keep_their_order(wrong):
    params, _ = opening()
    with pytest.raises(ParamsWrong):
        messages.extend(params, **LATER | wrong)
