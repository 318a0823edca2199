"""SM2 public-key encryption (GB/T 32918.4) of 32 bytes, as C1‖C3‖C2, for lock B alone.

OpenSSL signs for us elsewhere; what is missing there is done here in whole numbers. It runs on the bidder's
own machine, once per sealing or unlocking, and is not in constant time.
"""

import hashlib
import secrets
from collections.abc import Callable

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
LENGTH = 65 + 32 + 32

Point = tuple[int, int] | None  # None: infinity


class NotSm2(ValueError):
    """No point of the curve, or no ciphertext for this key."""


def encrypt(point: bytes, secret: bytes) -> bytes:
    """C1 (uncompressed) ‖ C3 ‖ C2 of 32 bytes under a public key, 04 ‖ x ‖ y. Raises `NotSm2`."""
    public = _point(point)
    while True:
        k = secrets.randbelow(ORDER - 1) + 1
        mask, check = _shared(_times(k, public), secret)
        if any(mask):
            sealed = bytes(a ^ b for a, b in zip(secret, mask, strict=True))
            return _written(_times(k, G)) + check(secret) + sealed


def decrypt(scalar: bytes, sealed: bytes) -> bytes:
    """The 32 bytes. Raises `NotSm2` when the check value does not fit."""
    if len(sealed) != LENGTH:
        raise NotSm2("another length")
    mask, check = _shared(_times(int.from_bytes(scalar), _point(sealed[:65])), sealed[97:])
    secret = bytes(a ^ b for a, b in zip(sealed[97:], mask, strict=True))
    if not secrets.compare_digest(check(secret), sealed[65:97]):
        raise NotSm2("not for this key, or changed")
    return secret


def _shared(spot: Point, of: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """The mask of the same length as `of`, and the function that makes the check value."""
    if spot is None:
        raise NotSm2("infinity")
    x, y = (number.to_bytes(32) for number in spot)
    mask = b"".join(_sm3(x + y + number.to_bytes(4)) for number in range(1, -(-len(of) // 32) + 1))[: len(of)]
    return mask, lambda secret: _sm3(x + secret + y)


def _sm3(raw: bytes) -> bytes:
    return hashlib.new("sm3", raw).digest()


def _written(spot: Point) -> bytes:
    assert spot is not None
    return b"\4" + spot[0].to_bytes(32) + spot[1].to_bytes(32)


def _point(raw: bytes) -> Point:
    x, y = int.from_bytes(raw[1:33]), int.from_bytes(raw[33:])
    if len(raw) != 65 or raw[0] != 4 or max(x, y) >= P or (y * y - x * x * x - A * x - B) % P:
        raise NotSm2("no point of the curve")
    return x, y


def _plus(one: Point, two: Point) -> Point:
    if one is None or two is None:
        return one or two
    if one[0] == two[0] and (one[1] + two[1]) % P == 0:
        return None
    if one == two:
        slope = (3 * one[0] ** 2 + A) * pow(2 * one[1], -1, P)
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, P)
    x = (slope**2 - one[0] - two[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def _times(scalar: int, spot: Point) -> Point:
    total: Point = None
    for bit in f"{scalar:b}":
        total = _plus(total, total)
        if bit == "1":
            total = _plus(total, spot)
    return total
