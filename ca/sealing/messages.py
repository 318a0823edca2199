"""What the parties of an opening sign, byte for byte (gh-seal/2, §2 and §6).

Every message is D ‖ name ‖ 0x00 ‖ content, so that a signature under one name never serves another. Hashes
enter as raw 32 bytes where they stand alone, and as lower-case hex inside canonical JSON.
"""

from collections.abc import Iterable, Mapping

from ca import canonical, merkle
from ca.sealing.faults import ParamsWrong
from ca.sealing.params import Params, digest, moment, said


def join(base: bytes, pk: bytes, sig: bytes = b"") -> bytes:
    """A holder takes its seat: signed by its certificate (bids) or signing key (draws, where sig enters)."""
    return said("join", base, pk, sig)


def ready(base: bytes) -> bytes:
    """Signed by the opening key itself: its holder has it. Again 24 hours before the deadline of a tender."""
    return said("ready", base)


def params_closed(params: Params) -> bytes:
    """Signed by the procuring entity and the supervisor when all have joined."""
    return said("params", params.digest)


def receipt(
    params: bytes, *, lot: str, bidder: str, seq: int, digest: bytes, bytes_: int, at: str, leaf: bytes
) -> bytes:
    """The platform has this file, since this moment of the database's clock. leaf: see `salted_leaf`."""
    content: dict[str, str | int] = {
        "params": params.hex(), "lot": lot, "bidder": bidder, "seq": seq, "digest": digest.hex(),
        "bytes": bytes_, "at": at, "leaf": leaf.hex(),
    }  # fmt: skip
    return _told("receipt", content)


def salted_leaf(salt: bytes, digest_: bytes) -> bytes:
    """What a receipt shows before the freeze: it tells nothing to who has not the salt."""
    return digest("leaf", salt, digest_)


def freeze(params: bytes, *, root: bytes, count: int, at: str, float_point: str | None = None) -> bytes:
    """The list of bids is fixed. Signed by platform and supervisor.

    float_point: its value, or the pc of its draw.
    """
    content: dict[str, str | int] = {"params": params.hex(), "root": root.hex(), "count": count, "at": at}
    return _told("freeze", content | ({"float_point": float_point} if float_point is not None else {}))


def unlock(params: bytes, *, digest: bytes, kb: bytes) -> bytes:
    """A bidder gives its half key after the deadline."""
    return _told("unlock", {"params": params.hex(), "digest": digest.hex(), "kb": kb.hex()})


def unlocked(params: bytes, *, digest: bytes, at: str) -> bytes:
    """The platform's receipt for an unlock."""
    return _told("unlocked", {"params": params.hex(), "digest": digest.hex(), "at": at})


def close(params: bytes, freeze_root: bytes, unlock_root: bytes) -> bytes:
    """The supervisor has seen the unlocks frozen: from now on holders may release."""
    return said("close", params, freeze_root, unlock_root)


def release(params: bytes, *, freeze_root: bytes, unlock_root: bytes, holder: str, key: bytes) -> bytes:
    """A holder gives its private key of this opening."""
    content: dict[str, str | int] = {
        "params": params.hex(), "freeze": freeze_root.hex(), "unlocks": unlock_root.hex(),
        "holder": holder, "key": key.hex(),
    }  # fmt: skip
    return _told("release", content)


def destroy(params: bytes, *, holder: str) -> bytes:
    """A holder says that its unreleased key is destroyed."""
    return _told("destroy", {"params": params.hex(), "holder": holder})


def extend(params: Params, *, deadline: str, unlock_until: str, release_until: str) -> bytes:
    """Later times. Signed by supervisor and procuring entity. Raises `ParamsWrong` for earlier ones."""
    later = (deadline, unlock_until, release_until)
    check_later((params.deadline, params.unlock_until, params.release_until), later)
    content = dict(zip(("deadline", "unlock_until", "release_until"), later, strict=True))
    return _told("extend", {"params": params.digest.hex()} | content)


def check_later(was: tuple[str, str, str], now: tuple[str, str, str]) -> None:
    """Times may only move later, and keep their order. Raises `ParamsWrong`."""
    old, new = [moment(text) for text in was], [moment(text) for text in now]
    if any(b < a for a, b in zip(old, new, strict=True)) or not new[0] <= new[1] < new[2]:
        raise ParamsWrong("times move only later")


def bid_leaf(*, lot: str, bidder: str, seq: int, digest: bytes) -> bytes:
    """One line of the freeze list."""
    return _leaf("bid", {"lot": lot, "bidder": bidder, "seq": seq, "digest": digest.hex()})


def unlock_leaf(*, digest: bytes, kb: bytes) -> bytes:
    """One line of the unlock list."""
    return _leaf("unlock", {"digest": digest.hex(), "kb": kb.hex()})


def root(leaves: Iterable[bytes]) -> bytes:
    """Freeze root or unlock root: RFC 6962 over the leaves in ascending order; of none SHA-256 of nothing."""
    return merkle.root(sorted(leaves))


def _leaf(name: str, content: Mapping[str, str | int]) -> bytes:
    return digest(name, canonical.ascii_encode(content))


def _told(name: str, content: Mapping[str, str | int]) -> bytes:
    return said(name, canonical.ascii_encode(content))
