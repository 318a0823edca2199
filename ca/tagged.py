"""Digests that say what they are of: a tag and counted parts, so that no two meanings share bytes."""

import hashlib
import hmac

_NAME = "gongheng/1/"

Part = bytes | str | int


def framed(tag: str, parts: tuple[Part, ...]) -> bytes:
    """u16 length of the full tag ‖ "gongheng/1/" + tag ‖ for each part u64 length ‖ part.

    A string enters as UTF-8, a number as u32; all integers are big-endian.
    """
    name = (_NAME + tag).encode()
    pieces = [len(name).to_bytes(2), name]
    for part in parts:
        if isinstance(part, str):
            raw = part.encode()
        elif isinstance(part, int):
            raw = part.to_bytes(4)
        else:
            raw = part
        pieces += [len(raw).to_bytes(8), raw]
    return b"".join(pieces)


def H(tag: str, *parts: Part) -> bytes:  # noqa: N802 - the name the published format uses
    """SHA-256 of the framed parts."""
    return hashlib.sha256(framed(tag, parts)).digest()


def mac(key: bytes, tag: str, *parts: Part) -> bytes:
    """HMAC-SHA256 of the framed parts under a key or seed."""
    return hmac.digest(key, framed(tag, parts), "sha256")
