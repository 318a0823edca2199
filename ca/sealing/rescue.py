"""The rescue file 救援文件: both halves of a bid's key under a passphrase, kept by the bidder alone.

At opening it gives kb; in the remedy (holders' keys lost, by a logged decision) it gives kc too. The site
has no field that takes it: it is read only on the bidder's own machine.
"""

import hashlib
import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ca import canonical
from ca.canonical import NotCanonical
from ca.sealing.file import Sealed
from ca.sealing.params import is_hex

# scrypt: 128 MiB and about a third of a second; a file with other numbers is refused, not followed.
COST = {"n": 2**17, "r": 8, "p": 1}
_MEMORY = 192 * 2**20
SHORTEST_PASSPHRASE = 10
LARGEST = 4096

_OUTER = {"v", "ctx", "kdf", "n", "r", "p", "salt", "nonce", "ct"}
_INNER = {"v", "ctx", "kb", "kc", "params", "lot", "bidder", "seq"}


class NotRescued(ValueError):
    """Not a rescue file, or not its passphrase."""


@dataclass(frozen=True)
class Rescue:
    """What a rescue file holds."""

    ctx: bytes
    params: bytes  # SHA-256 of the params
    lot: str
    bidder: str
    seq: int
    kb: bytes = field(repr=False)
    kc: bytes = field(repr=False)


def rescue_of(sealed: Sealed) -> Rescue:
    """What is to be kept of a sealing."""
    fields = sealed.header.fields
    return Rescue(
        sealed.header.ctx, bytes.fromhex(fields["params"]), fields["lot"], fields["bidder"], fields["seq"],
        sealed.kb, sealed.kc,
    )  # fmt: skip


def write(rescue: Rescue, passphrase: str, *, random: Callable[[int], bytes] = os.urandom) -> bytes:
    """The bytes of the file. Raises ValueError for a passphrase under 10 characters."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise ValueError(f"a passphrase has at least {SHORTEST_PASSPHRASE} characters")
    salt, nonce = random(16), random(12)
    inner = canonical.ascii_encode(
        {
            "v": 2, "ctx": rescue.ctx.hex(), "kb": rescue.kb.hex(), "kc": rescue.kc.hex(),
            "params": rescue.params.hex(), "lot": rescue.lot, "bidder": rescue.bidder, "seq": rescue.seq,
        }
    )  # fmt: skip
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, inner, rescue.ctx)
    outer = {"v": 2, "ctx": rescue.ctx.hex(), "kdf": "scrypt", "salt": salt.hex(), "nonce": nonce.hex()}
    return canonical.ascii_encode(outer | COST | {"ct": sealed.hex()})


def read(raw: bytes, passphrase: str) -> Rescue:
    """What the file holds. Raises `NotRescued`, the same for a wrong passphrase and a changed file."""
    outer = _outer(raw)
    ctx = bytes.fromhex(outer["ctx"])
    key = _key(passphrase, bytes.fromhex(outer["salt"]))
    try:
        plain = AESGCM(key).decrypt(bytes.fromhex(outer["nonce"]), bytes.fromhex(outer["ct"]), ctx)
        inner = canonical.ascii_decode(plain)
    except (InvalidTag, NotCanonical) as error:
        raise NotRescued("another passphrase, or a changed file") from error
    if not isinstance(inner, dict) or set(inner) != _INNER or inner["ctx"] != outer["ctx"]:
        raise NotRescued("not a rescue file")
    parts = {name: bytes.fromhex(inner[name]) for name in ("params", "kb", "kc")}
    return Rescue(ctx=ctx, lot=inner["lot"], bidder=inner["bidder"], seq=inner["seq"], **parts)


def _outer(raw: bytes) -> dict[str, str]:
    try:
        outer = canonical.ascii_decode(raw) if len(raw) <= LARGEST else None
    except NotCanonical as error:
        raise NotRescued("not a rescue file") from error
    if not isinstance(outer, dict) or set(outer) != _OUTER or outer["v"] != 2 or outer["kdf"] != "scrypt":
        raise NotRescued("not a rescue file")
    lengths = {"ctx": 32, "salt": 16, "nonce": 12}
    if not all(is_hex(outer[name], size) for name, size in lengths.items()) or not is_hex(outer["ct"]):
        raise NotRescued("not a rescue file")
    if any(outer[name] != number for name, number in COST.items()):
        raise NotRescued("other costs than this version's")
    return outer


def _key(passphrase: str, salt: bytes) -> bytes:
    typed = unicodedata.normalize("NFC", passphrase).encode()
    return hashlib.scrypt(typed, salt=salt, maxmem=_MEMORY, dklen=32, **COST)
