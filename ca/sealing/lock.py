"""Lock C: one secret kc in an envelope for every team of m holders (gh-seal/2, §4).

All randomness of the envelopes derives from kc, so whoever has opened recomputes every byte, and whether a
lock is sound cannot depend on which holders came.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from ca import canonical
from ca.ecdsa import ORDER, Key, NotAKey, public_of
from ca.sealing.faults import BIDDER, Fault
from ca.sealing.params import DOMAIN, Params, digest

EMPTY_KB = b""


def kdf(secret: bytes, salt: bytes, info: bytes, length: int = 32) -> bytes:
    """HKDF-SHA256 (RFC 5869) with info = D ‖ info."""
    key = hmac.digest(salt, secret, "sha256")
    out = block = b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(key, block + DOMAIN + info + bytes([counter]), "sha256")
        out += block
    return out[:length]


def context(*, bidder: str, lot: str, params: bytes, salt: bytes, seq: int) -> bytes:
    """ctx: what a lock is bound to. Raises NotCanonical for words that cannot be written."""
    fields = {"bidder": bidder, "lot": lot, "params": params.hex(), "salt": salt.hex(), "seq": seq, "v": 2}
    return digest("ctx", canonical.ascii_encode(fields))


def commitment(name: str, ctx: bytes, key: bytes) -> bytes:
    """cb (name "kb") and cc (name "kc"): each key is bound on its own, so each is checked on its own."""
    return digest(name, ctx, key)


@dataclass(frozen=True)
class LockC:
    """What the header shows of kc: its commitment, the ephemeral point, and one envelope per team."""

    cc: bytes
    E: bytes
    teams: bytes


def close(params: Params, ctx: bytes, kc: bytes) -> LockC:
    """The lock over kc; the same bytes whenever and by whomever it is computed."""
    scalar = int.from_bytes(kdf(kc, ctx, b"eph\0", 48)) % (ORDER - 1) + 1
    ephemeral = Key(scalar.to_bytes(32))
    point = ephemeral.public
    shares = {
        place: _share(ephemeral.shared(seat.pk), ctx, place, point, seat.pk)
        for place, seat in enumerate(params.holders)
    }
    envelopes = [_xor(kc, _team_pad(shares, ctx, team)) for team in params.teams]
    return LockC(commitment("kc", ctx, kc), point, b"".join(envelopes))


def open_with(params: Params, ctx: bytes, lock: LockC, scalars: Mapping[int, bytes]) -> bytes:
    """kc, opened by the released scalars of a team (place → scalar; the first m places are used).

    Raises `Fault`: FALSE_KEY names the first holder whose scalar is not that of its published key;
    MALFORMED_LOCK_C the bidder. Raises ValueError for fewer than m scalars.
    """
    check_scalars(params, scalars)
    if len(scalars) < params.m:
        raise ValueError(f"{params.m} scalars are needed, {len(scalars)} are here")
    team = tuple(sorted(scalars)[: params.m])
    shares = {
        place: _share(Key(scalars[place]).shared(lock.E), ctx, place, lock.E, params.holders[place].pk)
        for place in team
    }
    start = 32 * params.teams.index(team)
    kc = _xor(lock.teams[start : start + 32], _team_pad(shares, ctx, team))
    check_kc(params, ctx, lock, kc)
    return kc


def check_scalars(params: Params, scalars: Mapping[int, bytes]) -> None:
    """Is each scalar that of the published key? Raises `Fault` FALSE_KEY with the holder's name."""
    for place in sorted(scalars):
        if not is_key_of(params.holders[place].pk, scalars[place]):
            raise Fault("FALSE_KEY", f"holder/{params.holders[place].id}")


def is_key_of(public: bytes, scalar: bytes) -> bool:
    """scalar·G = public? False for what is no scalar."""
    try:
        return public_of(scalar) == public
    except NotAKey:
        return False


def check_kc(params: Params, ctx: bytes, lock: LockC, kc: bytes) -> None:
    """Recompute commitment, point and every envelope from kc. Raises `Fault` MALFORMED_LOCK_C."""
    if close(params, ctx, kc) != lock:
        raise Fault("MALFORMED_LOCK_C", BIDDER)


def content_key(kb: bytes, kc: bytes, ctx: bytes, header: bytes) -> bytes:
    """CK: needs both secrets and the very bytes of the header. kb is empty outside two-lock."""
    both = len(kb).to_bytes(4) + kb + (32).to_bytes(4) + kc
    return kdf(both, ctx, b"content\0" + hashlib.sha256(header).digest())


def _share(x: bytes, ctx: bytes, place: int, point: bytes, pk: bytes) -> bytes:
    return kdf(x, ctx, b"holder\0" + bytes([place]) + point + pk)


def _team_pad(shares: Mapping[int, bytes], ctx: bytes, team: tuple[int, ...]) -> bytes:
    return kdf(b"".join(shares[place] for place in team), ctx, b"team\0" + bytes(team))


def _xor(one: bytes, two: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, two, strict=True))
