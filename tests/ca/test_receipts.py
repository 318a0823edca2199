"""Receipts: made, read back, checked offline; every changed byte is found."""

import hashlib

import pytest

from ca import canonical, receipts
from ca.certificates import Unreadable
from ca.ecdsa import Key
from ca.sealing import messages
from tests.ca.paper import CODE

KEY = Key((7).to_bytes(32))
FILE = b"a sealed bid"
DIGEST, SALT, PARAMS = hashlib.sha256(FILE).digest(), b"s" * 32, b"p" * 32
LEAF = messages.salted_leaf(SALT, DIGEST)
CONTENT = {
    "params": PARAMS.hex(), "lot": "1", "bidder": CODE, "seq": 2, "digest": DIGEST.hex(), "bytes": len(FILE),
    "at": "2026-06-01T09:30:00Z", "leaf": LEAF.hex(),
}  # fmt: skip
RECEIPT = receipts.sign("receipt", CONTENT, KEY) | {"salt": SALT.hex(), "opening": "GH-1"}
LISTED = [{"lot": "1", "bidder": CODE, "seq": 2, "digest": DIGEST.hex()}, {"lot": "1", "bidder": "x", "seq": 1}]


def check(receipt=RECEIPT, **wishes):
    known = {"platform": KEY.public, "digest": DIGEST, "size": len(FILE), "listed": LISTED} | wishes
    return receipts.check(receipts.read(canonical.encode(receipt)), **known)


def test_good_receipt():
    verdict = check()

    assert verdict.good
    assert (verdict.leaf_good, verdict.file_good, verdict.listed) == (True, True, True)


def test_signed_bytes_are_those_of_the_sealing_messages():
    message = messages.receipt(
        PARAMS, lot="1", bidder=CODE, seq=2, digest=DIGEST, bytes_=len(FILE), at=CONTENT["at"], leaf=LEAF
    )

    assert receipts.ecdsa.verify(KEY.public, message, bytes.fromhex(RECEIPT["signature"]))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("unlocked", {"params": PARAMS.hex(), "digest": DIGEST.hex(), "at": "2026-06-01T09:30:00.123456Z"}),
        ("freeze", {"params": PARAMS.hex(), "root": DIGEST.hex(), "count": 0, "at": "2026-06-01T09:30:00Z"}),
        (
            "freeze",
            {
                "params": PARAMS.hex(),
                "root": DIGEST.hex(),
                "count": 3,
                "at": "2026-06-01T09:30:00Z",
                "float_point": "5",
            },
        ),
    ],
)
def test_other_kinds(name, content):
    assert check(receipts.sign(name, content, KEY), digest=None, listed=None).good


@pytest.mark.parametrize(
    ("wishes", "found"),
    [
        ({"platform": Key((8).to_bytes(32)).public}, {"of_this_platform": False}),
        ({"digest": bytes(32)}, {"file_good": False}),
        ({"size": 5}, {"file_good": False}),
        ({"listed": LISTED[1:]}, {"listed": False}),
        ({"listed": []}, {"listed": False}),
        ({"receipt": RECEIPT | {"salt": "0" * 64}}, {"leaf_good": False}),
        ({"receipt": RECEIPT | {"signature": "1" * 128}}, {"signature_good": False}),
        ({"receipt": RECEIPT | {"platform": Key((8).to_bytes(32)).public.hex()}},
         {"signature_good": False, "of_this_platform": False}),
    ],
)  # fmt: skip
def test_one_wrong_thing(wishes, found):
    verdict = check(**wishes)

    assert not verdict.good
    fields = ("signature_good", "of_this_platform", "leaf_good", "file_good", "listed")
    assert {field: getattr(verdict, field) for field in fields if not getattr(verdict, field)} == found


@pytest.mark.parametrize("field", CONTENT)
def test_changed_content_breaks_the_signature(field):
    changed = CONTENT | {field: CONTENT[field] + 1 if isinstance(CONTENT[field], int) else CONTENT[field][::-1]}
    if changed == CONTENT:
        changed[field] = "2"
    try:
        verdict = check(RECEIPT | {"content": changed})
    except Unreadable:
        assert field == "at"
        return
    assert not verdict.signature_good


def test_a_signature_under_one_name_serves_no_other():
    content = {"params": PARAMS.hex(), "digest": DIGEST.hex(), "at": "2026-06-01T09:30:00Z"}
    moved = receipts.sign("unlocked", content, KEY) | {"name": "receipt"}
    with pytest.raises(Unreadable):
        check(moved)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[]", b"null", b"1", b"x" * 100_000, canonical.encode(RECEIPT)[:-1], b" " + canonical.encode(RECEIPT),
     canonical.encode(RECEIPT | {"more": "x"}), canonical.encode(RECEIPT | {"signature": "zz"}),
     canonical.encode(RECEIPT | {"name": "other"}), canonical.encode(RECEIPT | {"content": {}}),
     canonical.encode(RECEIPT | {"content": CONTENT | {"seq": "2"}}), canonical.encode(RECEIPT | {"salt": 5})],
)  # fmt: skip
def test_what_is_no_receipt(raw):
    with pytest.raises(Unreadable):
        receipts.read(raw)
