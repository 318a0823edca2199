"""The committed vectors of the draw's bytes, computed by the product and again from the published words alone.

`again` is a second implementation: struct, json, hashlib and the raw cipher, nothing of the product.
"""

import hashlib
import json
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ca.draws import chance, pool, registration, verify
from ca.sealing import box, messages
from ca.sealing.params import Params
from tests.app.static.test_verify_draw import judge
from tests.ca.seal_vectors import key

FOLDER = Path(__file__).resolve().parents[1] / "vectors" / "draw"
VECTOR = json.loads((FOLDER / "vectors.json").read_text())
PARAMS = Params.read(VECTOR["params"].encode())
PC = bytes.fromhex(VECTOR["pc"])
KINDS = ["registration", "expert", "tie", "float-point", "lottery", "weighted", "high-stake"]


def value(name):
    return hashlib.sha256(f"draw/{name}".encode()).digest()


def again(tag, *parts):
    """H of the published format."""
    name = b"gongheng/1/" + tag.encode()
    framed = struct.pack(">H", len(name)) + name
    for part in parts:
        raw = part if isinstance(part, bytes) else part.encode() if isinstance(part, str) else struct.pack(">I", part)
        framed += struct.pack(">Q", len(raw)) + raw
    return hashlib.sha256(framed).hexdigest()


def canon(thing):
    return json.dumps(thing, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def seal_again(secret, nonce, plain, aad):
    cipher = Cipher(algorithms.AES(secret), modes.GCM(nonce)).encryptor()
    cipher.authenticate_additional_data(aad)
    return cipher.update(plain) + cipher.finalize() + cipher.tag


def test_statement_entry_cell_and_leaf_of_every_registration():
    day_key = value("day key")
    bodies = [*VECTOR["bodies"], VECTOR["withdrawal"]]
    entries = [*VECTOR["entries"], VECTOR["withdrawal_entry"]]
    shas = [*VECTOR["cells_sha256"], VECTOR["withdrawal_cell_sha256"]]
    rests = [*VECTOR["rests"], VECTOR["withdrawal_rest"]]
    for number, (body, entry, sha, rest) in enumerate(zip(bodies, entries, shas, rests, strict=True), 1):
        salt, nonce = value(f"salt/{number}"), value(f"nonce/{number}")[:12]
        cell = registration.seal_cell(day_key, body, salt=salt, nonce=nonce)
        assert cell.entry.hex() == entry == again("cell", canon(body), salt)
        assert hashlib.sha256(cell.raw).hexdigest() == sha
        plain = (salt + struct.pack(">I", len(canon(body))) + canon(body)).ljust(2048, b"\0")
        secret = bytes.fromhex(again("cellkey", day_key, cell.entry))
        assert cell.raw == cell.entry + nonce + seal_again(secret, nonce, plain, cell.entry)
        assert cell.rest.hex() == rest == hashlib.sha256(cell.raw[32:]).hexdigest()
        leaf = registration.log_leaf(cell.entry, cell.rest)
        assert leaf.hex() == VECTOR["log_leaves"][number - 1] == again("log", cell.entry, cell.rest)


def test_statements_withdrawal_and_once():
    for body, statement in zip(VECTOR["bodies"], VECTOR["statements"], strict=True):
        unsigned = {name: part for name, part in body.items() if name != "statement_sig"}
        assert registration.statement(body).hex() == statement == again("statement", canon(unsigned))
    assert VECTOR["withdrawal"]["w"] == value("secret/3").hex()
    assert VECTOR["bodies"][2]["w"] == again("w", value("secret/3"))
    assert registration.withdrawal_holds(VECTOR["withdrawal"], VECTOR["bodies"][2])
    assert registration.once(value("day key"), "DZ-2026-0001", "91510000MA0000003X", 1).hex() == VECTOR["once"]
    entry = bytes.fromhex(VECTOR["entries"][2])
    assert registration.withdrawn_by_signature(entry).hex() == VECTOR["withdraw_message"] == again("withdraw", entry)


def test_log_head_and_path():
    hashed = [hashlib.sha256(b"\0" + bytes.fromhex(leaf)).digest() for leaf in VECTOR["log_leaves"]]
    left, right = (hashlib.sha256(b"\1" + hashed[i] + hashed[i + 1]).digest() for i in (0, 2))
    root = hashlib.sha256(b"\1" + left + right).digest()
    assert root.hex() == VECTOR["log_root"]
    assert [hashed[3].hex(), left.hex()] == VECTOR["path_2"]
    assert registration.log_head(4, root).hex() == VECTOR["log_head"] == again("log-head", 4, root)


def test_what_is_hashed_of_facts_weights_groups_and_other_entries():
    for name, act in (("facts", pool.facts_hash), ("weights", pool.weights_hash), ("groups", pool.groups_hash)):
        assert act(VECTOR[name]).hex() == VECTOR[f"{name}_hash"] == again(name, canon(VECTOR[name]))
    expert = pool.expert_entry("DZ-2026-0001", "person-1", value("salt/1")).hex()
    assert expert == VECTOR["expert_entry"] == again("expert", "DZ-2026-0001", "person-1", value("salt/1"))
    assert pool.bid_entry(value("bid")).hex() == VECTOR["tie_entry"] == again("tie", value("bid"))


def test_params_base_and_joins():
    assert hashlib.sha256(VECTOR["params"].encode()).hexdigest() == VECTOR["params_hash"] == PARAMS.digest.hex()
    fields = json.loads(VECTOR["params"])
    fields["holders"] = [seat["id"] for seat in fields["holders"]]
    assert hashlib.sha256(b"gh-seal/2 base\0" + canon(fields)).hexdigest() == VECTOR["base"] == PARAMS.base.hex()
    seat = PARAMS.holders[0]
    joined = b"gh-seal/2 join\0" + PARAMS.base + seat.pk + seat.sig
    assert messages.join(PARAMS.base, seat.pk, seat.sig).hex() == VECTOR["join_message_1"] == joined.hex()
    ready = b"gh-seal/2 ready\0" + PARAMS.base
    assert messages.ready(PARAMS.base).hex() == VECTOR["ready_message"] == ready.hex()


def test_notice_pool_and_what_is_signed():
    notice, fixed = VECTOR["notice"], VECTOR["pool"]
    pool.check_notice(notice)
    pool.check_pool(fixed, notice)
    named = again("notice", canon(notice))
    assert pool.notice_hash(notice).hex() == VECTOR["notice_hash"] == named == fixed["notice"]
    assert pool.notice_signed(notice).hex() == VECTOR["notice_message"] == again("notice-sig", bytes.fromhex(named))
    assert pool.commitment(fixed).hex() == VECTOR["pc"] == again("pool", canon(fixed))
    assert pool.pool_signed(PC).hex() == VECTOR["pool_message"] == again("pool-sig", PC)
    assert pool.release_signed(PC).hex() == VECTOR["release_message"] == again("release", PC)
    assert pool.result_signed(bytes(32)).hex() == VECTOR["result_message_of_zeros"] == again("result", bytes(32))
    assert fixed["log_root"] == VECTOR["log_head"]
    assert fixed["facts"] == VECTOR["facts_hash"]


def test_pool_root():
    statuses = dict(zip(map(bytes.fromhex, VECTOR["entries"][:2]), ("eligible", "资质过期 expired"), strict=True))
    root = chance.pool_root("DZ-2026-0001", statuses, value("pad"), 8)
    leaves = [again("leaf", entry, status) for entry, status in statuses.items()]
    leaves += [again("pad", "DZ-2026-0001", value("pad"), number) for number in range(6)]
    level = [hashlib.sha256(b"\0" + bytes.fromhex(leaf)).digest() for leaf in sorted(leaves)]
    while len(level) > 1:
        level = [hashlib.sha256(b"\1" + level[i] + level[i + 1]).digest() for i in range(0, len(level), 2)]
    assert root.hex() == VECTOR["root"] == level[0].hex() == VECTOR["pool"]["root"]


def scalars(*places):
    return {place: key(f"{PARAMS.opening}/holder{place + 1}").scalar for place in places}


def test_boxes_quote_and_seed():
    opened = {}
    for number, (label, raw) in enumerate(sorted(VECTOR["boxes"].items())):
        raw = bytes.fromhex(raw)
        assert box.box_digest(raw).hex() == VECTOR["box_digests"][label] == again("box", raw)
        for places in ((0, 1), (0, 2), (1, 2)):
            opened[label] = box.open_box(raw, PARAMS, label, scalars(*places))
        assert opened[label] == value(f"box/{2 * number + 2}")
        salt_and_r = iter((value(f"box/{2 * number + 1}"), opened[label]))
        assert box.contribute(PARAMS, label, random=lambda size, of=salt_and_r: next(of)).box == raw
    told = {"project": "DZ-2026-0001", "firm": "91510000MA0000001X"}
    assert box.open_quote(VECTOR["quote"], PARAMS, scalars=scalars(1, 2), **told) == "1234.50"
    parts = [part for label, r in sorted(opened.items()) for part in (label, r)]
    assert chance.seed_of(PC, opened).hex() == VECTOR["seed"] == again("seed", PC, *parts)


def test_live_list_and_delay():
    seed, listing = bytes.fromhex(VECTOR["seed"]), VECTOR["live_list"].encode()
    live = {"witness": value("live/1"), "公民 7": value("live/2")}
    assert pool.live_list(live) == listing == canon([[name, live[name].hex()] for name in sorted(live)])
    assert pool.live_signed(PC, listing).hex() == VECTOR["live_message"] == again("live", PC, listing)
    value_ = bytes.fromhex(again("live", PC, seed, listing))
    for place in range(64):
        salt = b"gongheng/1/delay" + struct.pack(">I", place)
        value_ = hashlib.pbkdf2_hmac("sha256", value_, salt, 100, 32)
    assert chance.live_seed(PC, seed, listing, 6400)[0] == value_ == bytes.fromhex(VECTOR["live_seed_6400"])


@pytest.mark.parametrize("kind", KINDS)
def test_bundles_once_published_hold_for_ever(kind):
    """Files made by the first version of the format: no later version may refuse them."""
    raw = (FOLDER / f"{kind}.json").read_bytes()
    outcome = verify.verify(raw)
    first_wrong, lines = judge(raw)
    assert outcome.ok, outcome.first_wrong
    assert first_wrong is None
    assert any(outcome.winner in line for line in lines)
