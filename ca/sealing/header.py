"""The header of a sealed file: exact fields and lengths, checked without any key (gh-seal/2, §3, §5)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ca import canonical, ecdsa
from ca.canonical import NotCanonical
from ca.sealing.faults import UploadRefused
from ca.sealing.lock import LockC, context
from ca.sealing.params import ID, TWO_LOCK, Params, is_hex

MAGIC = b"GHSEAL2\n"
LONGEST = 65_536
CHUNK = 65_536
FLOOR = 65_536
TAG = 16
RESERVED_LOTS = ("draw", "quote")
LOCKB_ALGORITHMS = ("RSA-OAEP-256", "P256-HPKE", "SM2-C1C3C2")
HEAD_AT_MOST = len(MAGIC) + 4 + LONGEST

_FIELDS = {"v", "params", "lot", "bidder", "seq", "salt", "size", "cc", "E", "teams"}
_TWO_LOCK_FIELDS = _FIELDS | {"cb", "lockb"}
_HEX = ("params", "salt", "cc", "E", "teams")


@dataclass(frozen=True)
class Header:
    """A header as read: its very bytes and its fields."""

    raw: bytes
    fields: dict[str, Any]

    @cached_property
    def ctx(self) -> bytes:
        return context(
            bidder=self.fields["bidder"],
            lot=self.fields["lot"],
            params=bytes.fromhex(self.fields["params"]),
            salt=bytes.fromhex(self.fields["salt"]),
            seq=self.fields["seq"],
        )

    @cached_property
    def lock(self) -> LockC:
        return LockC(*(bytes.fromhex(self.fields[name]) for name in ("cc", "E", "teams")))

    @property
    def seq(self) -> int:
        return self.fields["seq"]

    @property
    def size(self) -> int:
        """Bytes of the padded plaintext."""
        return self.fields["size"]

    @property
    def cb(self) -> bytes | None:
        """The commitment to kb; None outside two-lock."""
        return bytes.fromhex(self.fields["cb"]) if "cb" in self.fields else None

    @property
    def file_length(self) -> int:
        return file_length(len(self.raw), self.size)


def file_length(header: int, size: int) -> int:
    """Bytes of the whole file for a header and padded plaintext of these sizes."""
    return len(MAGIC) + 4 + header + size + TAG * -(-size // CHUNK)


def padme(length: int) -> int:
    """The length rounded up so that it tells at most its magnitude and a few leading bits (Padmé)."""
    exponent = length.bit_length() - 1
    step = exponent - exponent.bit_length()
    return length + (-length % (1 << step)) if step > 0 else length


def padded(length: int) -> int:
    """Size of the padded plaintext for `length` bytes of content."""
    return max(FLOOR, padme(8 + length))


def check_upload(head: bytes, length: int, params: Params, *, lot: str, bidder: str, after: int = 0) -> Header:
    """Is this a sealed file for this opening, lot and bidder, newer than version `after`? Needs no key.

    head: the beginning of the file, at least `HEAD_AT_MOST` bytes or all of it; length: of the whole file.
    Raises `UploadRefused` with the first fault in the order of `faults.UPLOAD`.
    """
    header = read_header(head, length, params)
    _check_meant_for(header, params, lot=lot, bidder=bidder, right_seq=lambda seq: seq > after)
    return header


def check_same(head: bytes, length: int, params: Params, *, lot: str, bidder: str, seq: int) -> Header:
    """The same at opening, where the version is known. Raises `UploadRefused`."""
    header = read_header(head, length, params)
    _check_meant_for(header, params, lot=lot, bidder=bidder, right_seq=lambda found: found == seq)
    return header


def read_header(head: bytes, length: int, params: Params) -> Header:
    """The header at the beginning of a file. Raises `UploadRefused` up to LENGTH."""
    start = len(MAGIC) + 4
    size = int.from_bytes(head[len(MAGIC) : start])
    if len(head) < start or head[: len(MAGIC)] != MAGIC or size > LONGEST:
        raise UploadRefused("NOT_SEALED")
    raw = head[start : start + size]
    header = parse_header(raw, params)
    if length != header.file_length:
        raise UploadRefused("LENGTH")
    return header


def parse_header(raw: bytes, params: Params) -> Header:
    """Header bytes read and checked on their own. Raises `UploadRefused` up to LENGTHS."""
    try:
        fields = canonical.ascii_decode(raw)
    except NotCanonical as error:
        raise UploadRefused("NOT_CANONICAL") from error
    if not _right_fields(fields) or fields["lot"] in RESERVED_LOTS:
        raise UploadRefused("FIELDS")
    if not _right_lengths(fields, params):
        raise UploadRefused("LENGTHS")
    return Header(raw, fields)


def _check_meant_for(
    header: Header, params: Params, *, lot: str, bidder: str, right_seq: Callable[[int], bool]
) -> None:
    fields = header.fields
    if fields["params"] != params.digest.hex() or ("cb" in fields) != (params.mode == TWO_LOCK):
        raise UploadRefused("OTHER_OPENING_OR_MODE")
    if fields["lot"] != lot:
        raise UploadRefused("OTHER_LOT")
    if fields["bidder"] != bidder:
        raise UploadRefused("OTHER_BIDDER")
    if not right_seq(fields["seq"]):
        raise UploadRefused("OTHER_SEQ")


def _right_fields(fields: Any) -> bool:
    if not isinstance(fields, dict) or set(fields) not in (_FIELDS, _TWO_LOCK_FIELDS):
        return False
    return common_fields_right(fields) and type(fields["size"]) is int and _right_lockb(fields)


def common_fields_right(fields: dict[str, Any]) -> bool:
    """Types and patterns shared by headers of bids, quotes and contribution boxes."""
    if fields["v"] != 2 or type(fields["seq"]) is not int or fields["seq"] < 1:
        return False
    if not all(isinstance(fields[name], str) and ID.fullmatch(fields[name]) for name in ("lot", "bidder")):
        return False
    if not all(is_hex(fields[name]) for name in _HEX):
        return False
    point = bytes.fromhex(fields["E"])
    return len(point) != ecdsa.POINT or ecdsa.is_point(point)


def common_lengths_right(fields: dict[str, Any], params: Params) -> bool:
    """Lengths shared by headers of bids, quotes and contribution boxes."""
    lengths = {"params": 32, "salt": 32, "cc": 32, "E": 33, "teams": 32 * params.team_count}
    return all(is_hex(fields[name], length) for name, length in lengths.items())


def _right_lockb(fields: dict[str, Any]) -> bool:
    if "lockb" not in fields:
        return True
    wraps = fields["lockb"]
    if not is_hex(fields["cb"]) or not isinstance(wraps, list) or len(wraps) > 4:
        return False
    return all(
        isinstance(wrap, dict)
        and set(wrap) == {"cert", "alg", "ct"}
        and wrap["alg"] in LOCKB_ALGORITHMS
        and is_hex(wrap["cert"])
        and is_hex(wrap["ct"])
        for wrap in wraps
    )


def _right_lengths(fields: dict[str, Any], params: Params) -> bool:
    if not common_lengths_right(fields, params):
        return False
    if "cb" not in fields:
        return True
    return is_hex(fields["cb"], 32) and all(
        is_hex(wrap["cert"], 32) and 0 < len(wrap["ct"]) <= 4096 for wrap in fields["lockb"]
    )
