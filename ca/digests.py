"""Digests 摘要 of contents larger than memory: read once, in pieces, by several algorithms at a time."""

import hashlib
from typing import Any, BinaryIO

from cryptography.hazmat.primitives import hashes

PIECE = 1024 * 1024
KNOWN = ("sha1", "sha224", "sha256", "sha384", "sha512", "sm3")  # those we can compute; policy says which count


class Digests(dict[str, bytes]):
    """摘要 of one content by several algorithms, so that it need be read but once."""

    @classmethod
    def of(cls, content: BinaryIO, *wanted: str) -> "Digests":
        """Read to the end, in pieces."""
        running = [(name, _start(name)) for name in wanted]
        room = memoryview(bytearray(PIECE))
        while read_now := content.readinto(room):  # type: ignore[attr-defined]
            for _, digest in running:
                digest.update(room[:read_now])
        return cls({name: digest.digest() for name, digest in running})


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
