"""Receipts 回执: what the platform signs at once, and how anybody checks it years later with nothing but this.

A receipt is canonical JSON {name, content, platform, signature} and, for its holder alone, {salt, opening}.
Signed are D ‖ name ‖ 0x00 ‖ canon(content) (sealing.md §6) by the platform's key: ECDSA on P-256 with
SHA-256, r ‖ s, hex. The salted leaf inside shows that the bid is in the list published at the freeze, and
before that it shows nothing to anybody who has not the salt.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ca import canonical, ecdsa
from ca.certificates import Unreadable
from ca.ecdsa import Key
from ca.sealing import messages
from ca.sealing.params import said

LARGEST = 64 * 1024
_PLACE = {"params": "hex32", "digest": "hex32", "at": "moment"}
CONTENTS: dict[str, dict[str, str]] = {
    "receipt": _PLACE | {"lot": "id", "bidder": "id", "seq": "count", "bytes": "count", "leaf": "hex32"},
    "unlocked": _PLACE,
    "freeze": {"params": "hex32", "root": "hex32", "count": "number", "at": "moment"},
}
MAY_HOLD = {"freeze": {"float_point": "id"}}
_SHAPES = {
    "hex32": re.compile(r"[0-9a-f]{64}"),
    "moment": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z"),
    "id": re.compile(r"[A-Za-z0-9._:-]{1,64}"),
}


@dataclass(frozen=True)
class ReceiptVerdict:
    """What a check of one receipt found. None: was not asked, for want of the thing to compare with."""

    name: str
    content: Mapping[str, Any]
    signature_good: bool  # 平台签名成立
    of_this_platform: bool  # signed by the key that the asker knows
    leaf_good: bool | None  # salt and digest make the leaf
    file_good: bool | None  # the file at hand is the file received
    listed: bool | None  # the bid stands in the list of the freeze

    @property
    def good(self) -> bool:
        """Nothing that was asked is wrong."""
        asked = (self.leaf_good, self.file_good, self.listed)
        return self.signature_good and self.of_this_platform and False not in asked


def sign(name: str, content: Mapping[str, Any], key: Key) -> dict[str, Any]:
    """A receipt signed by the platform; `content` has exactly the fields of CONTENTS[name]."""
    assert _formed(name, content), (name, content)
    signature = key.sign(_message(name, content))
    return {"name": name, "content": dict(content), "platform": key.public.hex(), "signature": signature.hex()}


def read(raw: bytes) -> dict[str, Any]:
    """A receipt from its file. Raises Unreadable."""
    try:
        found = canonical.decode(raw.rstrip(b"\n")) if len(raw) <= LARGEST else None
    except canonical.NotCanonical as error:
        raise Unreadable(reason="不是回执") from error
    if not isinstance(found, dict) or not _whole(found):
        raise Unreadable(reason="不是回执")
    return found


def check(
    receipt: Mapping[str, Any],
    *,
    platform: bytes,
    digest: bytes | None = None,
    size: int | None = None,
    listed: list[Mapping[str, Any]] | None = None,
) -> ReceiptVerdict:
    """Check a receipt that was `read`.

    `platform`: the platform's public key, 33 bytes, from a source other than the receipt. `digest`, `size`:
    of the file at hand. `listed`: the published list of the freeze, {lot, bidder, seq, digest} each.
    """
    name, content = receipt["name"], receipt["content"]
    key = bytes.fromhex(receipt["platform"])
    held = ecdsa.verify(key, _message(name, content), bytes.fromhex(receipt["signature"]))
    leaf: bool | None = None
    if "salt" in receipt and "leaf" in content:
        salted = messages.salted_leaf(bytes.fromhex(receipt["salt"]), bytes.fromhex(content["digest"]))
        leaf = salted.hex() == content["leaf"]
    file: bool | None = None
    if digest is not None:
        file = content.get("digest") == digest.hex() and size in (None, content.get("bytes", size))
    there: bool | None = None
    if listed is not None and name == "receipt":
        mine = {field: content[field] for field in ("lot", "bidder", "seq", "digest")}
        there = any({field: entry.get(field) for field in mine} == mine for entry in listed)
    return ReceiptVerdict(name, content, held, key == platform, leaf, file, there)


def _message(name: str, content: Mapping[str, Any]) -> bytes:
    return said(name, canonical.ascii_encode(dict(content)))


def _whole(found: dict[str, Any]) -> bool:
    """Whether it has the form of a receipt."""
    strings = {"name", "platform", "signature"}
    if not strings | {"content"} <= set(found) <= strings | {"content", "salt", "opening"}:
        return False
    if not all(isinstance(found[field], str) for field in set(found) - {"content"}):
        return False
    hexes = ((found["platform"], 66), (found["signature"], 128), (found.get("salt", "0" * 64), 64))
    if not all(re.fullmatch(f"[0-9a-f]{{{length}}}", text) for text, length in hexes):
        return False
    return _formed(found["name"], found["content"])


def _formed(name: str, content: Any) -> bool:
    wanted = CONTENTS.get(name)
    if wanted is None or not isinstance(content, Mapping):
        return False
    shapes = wanted | {field: shape for field, shape in MAY_HOLD.get(name, {}).items() if field in content}
    return set(content) == set(shapes) and all(_shaped(content[field], shape) for field, shape in shapes.items())


def _shaped(value: Any, shape: str) -> bool:
    if shape in ("count", "number"):
        return type(value) is int and value >= (1 if shape == "count" else 0)
    return isinstance(value, str) and bool(_SHAPES[shape].fullmatch(value))
