"""Keys on the curve P-256: ECDSA with SHA-256 as r‖s (64 bytes), and the shared x of two keys.

Public keys are 33-byte compressed points everywhere. `PlatformKey` is the platform's own signing key, kept
as one file that only its owner may read.
"""

import os
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
POINT = 33
SIGNATURE = 64
_SHA256 = ec.ECDSA(hashes.SHA256())


class NotAKey(ValueError):
    """These bytes are no point of the curve, or no scalar of it."""


@dataclass(frozen=True)
class Key:
    """A private key. Never shown by repr; its scalar leaves only where a release asks for it."""

    scalar: bytes

    def __post_init__(self) -> None:
        if len(self.scalar) != 32 or not 1 <= int.from_bytes(self.scalar) < ORDER:
            raise NotAKey("a scalar is 32 bytes, at least 1 and below the order")

    def __repr__(self) -> str:
        return f"Key(public={self.public.hex()})"

    @classmethod
    def make(cls) -> "Key":
        """A fresh key from the system's own randomness."""
        return cls((secrets.randbelow(ORDER - 1) + 1).to_bytes(32))

    @property
    def public(self) -> bytes:
        return public_of(self.scalar)

    def sign(self, message: bytes) -> bytes:
        """r‖s over SHA-256 of the message; the nonce is the library's."""
        r, s = decode_dss_signature(_private(self.scalar).sign(message, _SHA256))
        return r.to_bytes(32) + s.to_bytes(32)

    def shared(self, other: bytes) -> bytes:
        """The x of scalar × point, 32 bytes. Raises `NotAKey` for a bad point."""
        return _private(self.scalar).exchange(ec.ECDH(), _public(other))


class PlatformKey(Key):
    """The platform's signing key 平台签名密钥: made once, kept in a folder outside database and backups."""

    @classmethod
    def at(cls, folder: Path, name: str = "platform") -> "PlatformKey":
        """The key kept in this folder, made now if there is none. The file is for its owner only (0600)."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"{name}.key"
        if not file.exists():
            _write_once(file, cls.make().scalar)
        return cls(bytes.fromhex(file.read_text().strip()))


def _write_once(file: Path, scalar: bytes) -> None:
    """Two processes may start at once: the link of the first stands, the second reads it."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(scalar.hex() + "\n")
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def public_of(scalar: bytes) -> bytes:
    """The compressed point of a 32-byte scalar. Raises `NotAKey`."""
    return _private(scalar).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def is_point(raw: bytes) -> bool:
    """Are these 33 bytes a compressed point of the curve?"""
    try:
        _public(raw)
    except NotAKey:
        return False
    return True


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Did the key behind this point sign the message? False, never an error, for anything malformed."""
    if len(signature) != SIGNATURE:
        return False
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    try:
        _public(public).verify(encode_dss_signature(r, s), message, _SHA256)
    except (InvalidSignature, NotAKey):
        return False
    return True


def _private(scalar: bytes) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(scalar)
    if len(scalar) != 32 or not 1 <= number < ORDER:
        raise NotAKey("no scalar of the curve")
    return ec.derive_private_key(number, ec.SECP256R1())


@lru_cache(maxsize=256)
def _public(raw: bytes) -> ec.EllipticCurvePublicKey:
    if len(raw) != POINT or raw[0] not in (2, 3):
        raise NotAKey("no compressed point")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError as error:
        raise NotAKey("no point of the curve") from error
