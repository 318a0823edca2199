"""Small boxes under lock C alone, for draws: a contribution to the seed, and a registrant's quote.

A *contribution box* 随机数密盒 is a header with nothing after it: what it holds is kc itself. A *quote box*
报价密盒 adds one chunk of 128 bytes. Both open only with the keys that the holders release for the opening
they name; a box that is not exactly as it must be is void, with the same verdict for every team.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ca import canonical
from ca.canonical import NotCanonical
from ca.sealing import lock
from ca.sealing.faults import Fault, ParamsWrong
from ca.sealing.file import header_fields, nonce
from ca.sealing.header import Header, common_fields_right, common_lengths_right
from ca.sealing.params import DRAW, Params, is_hex
from ca.tagged import H

CONTRIBUTION, QUOTE = "draw", "quote"
QUOTE_SIZE = 128

_BOX_FIELDS = {"v", "params", "lot", "bidder", "seq", "salt", "cc", "E", "teams"}
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_Random = Callable[[int], bytes]


@dataclass(frozen=True)
class Contribution:
    """A box as published, and the r inside that only its maker knows until the release."""

    box: bytes
    r: bytes = field(repr=False)

    @property
    def digest(self) -> bytes:
        """What the pool lists: H("box", box)."""
        return box_digest(self.box)


def box_digest(box: bytes) -> bytes:
    return H("box", box)


def contribute(params: Params, label: str, seq: int = 1, *, random: _Random = os.urandom) -> Contribution:
    """A fresh contribution by this contributor; a replacement takes the next seq and everything new."""
    _check_draw(params)
    salt, r = random(32), random(32)
    ctx = lock.context(bidder=label, lot=CONTRIBUTION, params=params.digest, salt=salt, seq=seq)
    closed = lock.close(params, ctx, r)
    fields = header_fields(params, lot=CONTRIBUTION, bidder=label, seq=seq, salt=salt, closed=closed)
    box = canonical.ascii_encode(fields)
    read_box(box, params, label)
    return Contribution(box, r)


def read_box(box: bytes, params: Params, label: str) -> Header:
    """A contribution box read and checked without any key: the platform does it on receipt.

    Raises `Fault` VOID with the contributor as culprit.
    """
    return _read(box, _BOX_FIELDS, params, CONTRIBUTION, label)


def open_box(box: bytes, params: Params, label: str, scalars: Mapping[int, bytes]) -> bytes:
    """r, the 32 bytes contributed. Raises `Fault`: VOID (the contributor) or FALSE_KEY (a holder)."""
    lock.check_scalars(params, scalars)
    header = read_box(box, params, label)
    return _unlock(header, params, label, scalars)


def seal_quote(params: Params, *, project: str, firm: str, quote: str, random: _Random = os.urandom) -> dict[str, Any]:
    """A quote (a decimal, e.g. "1234.50") sealed by the firm's client: {h, ct} as it stands in the entry.

    Raises `ParamsWrong` when it cannot be written in 112 bytes or is no decimal.
    """
    _check_draw(params)
    if not _DECIMAL.fullmatch(quote):
        raise ParamsWrong("a quote is a plain decimal")
    try:
        content = canonical.ascii_encode({"project": project, "firm": firm, "quote": quote})
    except NotCanonical as error:
        raise ParamsWrong(f"a quote is written in ASCII: {error}") from error
    if len(content) > QUOTE_SIZE - 8:
        raise ParamsWrong("project, firm and quote are too long together")
    salt, kc = random(32), random(32)
    ctx = lock.context(bidder=firm, lot=QUOTE, params=params.digest, salt=salt, seq=1)
    closed = lock.close(params, ctx, kc)
    fields = header_fields(params, lot=QUOTE, bidder=firm, seq=1, salt=salt, closed=closed)
    fields["size"] = QUOTE_SIZE
    raw = canonical.ascii_encode(fields)
    plain = (len(content).to_bytes(8) + content).ljust(QUOTE_SIZE, b"\0")
    key = lock.content_key(lock.EMPTY_KB, kc, ctx, raw)
    return {"h": fields, "ct": AESGCM(key).encrypt(nonce(0, last=True), plain, None).hex()}


def read_quote(quote: Any, params: Params, firm: str) -> Header:
    """A sealed quote read and checked without any key. Raises `Fault` VOID (the firm)."""
    if not isinstance(quote, dict) or set(quote) != {"h", "ct"} or not is_hex(quote["ct"], QUOTE_SIZE + 16):
        raise _void(firm, "fields")
    try:
        raw = canonical.ascii_encode(quote["h"])
    except NotCanonical as error:
        raise _void(firm, "fields") from error
    header = _read(raw, _BOX_FIELDS | {"size"}, params, QUOTE, firm)
    if header.size != QUOTE_SIZE or header.seq != 1:
        raise _void(firm, "size or seq")
    return header


def open_quote(quote: Any, params: Params, *, project: str, firm: str, scalars: Mapping[int, bytes]) -> str:
    """The decimal that the firm quoted. Raises `Fault`: VOID (the firm) or FALSE_KEY (a holder)."""
    lock.check_scalars(params, scalars)
    header = read_quote(quote, params, firm)
    kc = _unlock(header, params, firm, scalars)
    key = lock.content_key(lock.EMPTY_KB, kc, header.ctx, header.raw)
    try:
        plain = AESGCM(key).decrypt(nonce(0, last=True), bytes.fromhex(quote["ct"]), None)
    except InvalidTag as error:
        raise _void(firm, "content") from error
    return _quoted(plain, project=project, firm=firm)


def _quoted(plain: bytes, *, project: str, firm: str) -> str:
    length = int.from_bytes(plain[:8])
    if length > QUOTE_SIZE - 8 or plain[8 + length :].strip(b"\0"):
        raise _void(firm, "padding")
    try:
        said = canonical.ascii_decode(plain[8 : 8 + length])
    except NotCanonical as error:
        raise _void(firm, "content") from error
    if not isinstance(said, dict) or set(said) != {"project", "firm", "quote"}:
        raise _void(firm, "content")
    decimal = said["quote"]
    if (said["project"], said["firm"]) != (project, firm):
        raise _void(firm, "another project or firm")
    if not isinstance(decimal, str) or not _DECIMAL.fullmatch(decimal):
        raise _void(firm, "no decimal")
    return decimal


def _read(raw: bytes, names: set[str], params: Params, lot: str, label: str) -> Header:
    try:
        fields = canonical.ascii_decode(raw)
    except NotCanonical as error:
        raise _void(label, "not canonical") from error
    if not isinstance(fields, dict) or set(fields) != names or not common_fields_right(fields):
        raise _void(label, "fields")
    if not common_lengths_right(fields, params):
        raise _void(label, "lengths")
    if (fields["params"], fields["lot"], fields["bidder"]) != (params.digest.hex(), lot, label):
        raise _void(label, "another opening, kind or label")
    return Header(raw, fields)


def _unlock(header: Header, params: Params, label: str, scalars: Mapping[int, bytes]) -> bytes:
    """kc; the scalars are checked already, so whatever fails now is the maker's doing."""
    try:
        return lock.open_with(params, header.ctx, header.lock, scalars)
    except Fault as fault:
        raise _void(label, "cc, E or teams") from fault


def _check_draw(params: Params) -> None:
    if params.mode != DRAW:
        raise ParamsWrong("contributions and quotes are sealed in mode draw")


def _void(label: str, why: str) -> Fault:
    return Fault("VOID", f"contributor/{label}", why)
