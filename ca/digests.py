"""Digests 摘要 of contents larger than memory: read once, in pieces, by several algorithms at a time."""

import hashlib
from typing import Any, BinaryIO

from cryptography.hazmat.primitives import hashes

PIECE = 1024 * 1024
KNOWN = ("sha1", "sha224", "sha256", "sha384", "sha512", "sm3")  # those we can compute; policy says which count


class Running:
    """Digests of one content, fed piece by piece."""

    def __init__(self, *wanted: str) -> None:
        self._running = {name: _start(name) for name in wanted}

    def update(self, piece: bytes | memoryview) -> None:
        for digest in self._running.values():
            digest.update(piece)

    def digests(self) -> "Digests":
        """What was found; call once."""
        return Digests({name: digest.digest() for name, digest in self._running.items()})


class Digests(dict[str, bytes]):
    """摘要 of one content by several algorithms, so that it need be read but once."""

    @classmethod
    def of(cls, content: BinaryIO, *wanted: str) -> "Digests":
        """Read to the end, in pieces."""
        running = Running(*wanted)
        room = memoryview(bytearray(PIECE))
        while read_now := content.readinto(room):  # type: ignore[attr-defined]
            running.update(room[:read_now])
        return running.digests()


class _Sm3:
    """SM3 with the face of hashlib."""

    def __init__(self) -> None:
        self._hash = hashes.Hash(hashes.SM3())

    def update(self, piece: bytes | memoryview) -> None:
        self._hash.update(piece)

    def digest(self) -> bytes:
        return self._hash.finalize()


def _start(name: str) -> Any:
    return _Sm3() if name == "sm3" else hashlib.new(name, usedforsecurity=name != "sha1")
