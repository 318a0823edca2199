"""From a seed to an order 由种子到顺序: pure functions that anybody repeats with the same result.

Nothing here knows a clock, a file or a party. Entries are 32-byte commitments; a purpose says what the
order is for ("select", "tie/1", "expert/roads", "float-point"), so one seed can serve several questions
without one answer telling another.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ca import merkle
from ca.tagged import H, Part, mac

FLOAT_POINT = "float-point"
HEAVIEST = 10**6
SEGMENTS = 64


class CannotDraw(ValueError):
    """This is nothing to draw from: no entry, a doubled one, weights out of bounds, too little chance."""


def seed_of(pc: bytes, contributions: Mapping[str, bytes]) -> bytes:
    """The seed: H("seed", pc, label, r, …) with the labels sorted; void contributions are left out."""
    parts: list[Part] = [pc]
    for label in sorted(contributions):
        parts += [label, contributions[label]]
    return H("seed", *parts)


def live_seed(pc: bytes, seed: bytes, listing: bytes, iterations: int) -> tuple[bytes, list[bytes]]:
    """High-stake mode: the seed after the delay over the live list, and the 64 checkpoints."""
    checkpoints = delay(H("live", pc, seed, listing), iterations)
    return checkpoints[-1], checkpoints


def order(seed: bytes, entries: Iterable[bytes], purpose: str = "select") -> list[bytes]:
    """All entries in the order this seed draws them. Raises `CannotDraw` for none or a doubled one."""
    return sorted(_distinct(entries), key=lambda entry: (mac(seed, "rank", purpose, entry), entry))


def weighted(seed: bytes, weights: Mapping[bytes, int], purpose: str = "select") -> list[bytes]:
    """The order when each entry holds a whole number of tickets 按权重 (≥ 1, together ≤ 10^6).

    An entry's rank is the smallest of its tickets: exactly successive sampling in proportion to weight.
    """
    entries = _distinct(weights)
    if any(weight < 1 for weight in weights.values()) or sum(weights.values()) > HEAVIEST:
        raise CannotDraw("weights are whole numbers from 1, together at most 1,000,000")

    def rank(entry: bytes) -> tuple[bytes, bytes]:
        tickets = (mac(seed, "ticket", purpose, entry, ticket) for ticket in range(weights[entry]))
        return min(tickets), entry

    return sorted(entries, key=rank)


def _distinct(entries: Iterable[bytes]) -> list[bytes]:
    listed = list(entries)
    if not listed:
        raise CannotDraw("nothing to draw from")
    if len(set(listed)) != len(listed):
        raise CannotDraw("an entry stands twice")
    return listed


def uniform_int(seed: bytes, count: int, purpose: str = FLOAT_POINT) -> int:
    """A number 0 … count − 1, each equally likely: the first of a row of macs that is small enough."""
    if not 1 <= count <= 2**32:
        raise CannotDraw("count is from 1 to 2^32")
    bits = (count - 1).bit_length()
    for trial in range(2**32):
        number = int.from_bytes(mac(seed, "int", purpose, trial)) >> (256 - bits)
        if number < count:
            return number
    raise AssertionError("2^32 misses in a row")


def float_point(seed: bytes, values: Sequence[str], purpose: str = FLOAT_POINT) -> str:
    """One of the decimals listed in the notice 浮动点 (抽取下浮系数)."""
    if not values:
        raise CannotDraw("no values listed")
    return values[uniform_int(seed, len(values), purpose)]


def delay(start: bytes, iterations: int) -> list[bytes]:
    """The 64 checkpoints of a chain that nobody can hurry: 64 segments of PBKDF2-HMAC-SHA256."""
    _check_iterations(iterations)
    checkpoints, value = [], start
    for place in range(SEGMENTS):
        value = _segment(value, place, iterations)
        checkpoints.append(value)
    return checkpoints


def delay_is(start: bytes, iterations: int, checkpoints: Sequence[bytes]) -> bool:
    """Are these the checkpoints? Recomputes every segment, two at a time."""
    _check_iterations(iterations)
    if len(checkpoints) != SEGMENTS:
        return False
    starts = [start, *checkpoints[:-1]]
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda place: _segment(starts[place], place, iterations), range(SEGMENTS))
        return all(value == claimed for value, claimed in zip(found, checkpoints, strict=True))


def _check_iterations(iterations: int) -> None:
    if iterations < SEGMENTS or iterations % SEGMENTS:
        raise CannotDraw("iterations are a multiple of 64")


def _segment(value: bytes, place: int, iterations: int) -> bytes:
    salt = b"gongheng/1/delay" + place.to_bytes(4)
    return hashlib.pbkdf2_hmac("sha256", value, salt, iterations // SEGMENTS, 32)


def pool_root(project: str, statuses: Mapping[bytes, str], pad_key: bytes, capacity: int) -> bytes:
    """The root over all live entries and pads up to a public capacity, so that it tells no number.

    statuses: entry → "eligible" or the reason why not. Raises `CannotDraw` when they do not fit.
    """
    if len(statuses) > capacity:
        raise CannotDraw("more entries than the capacity")
    leaves = [H("leaf", entry, status) for entry, status in statuses.items()]
    leaves += [H("pad", project, pad_key, place) for place in range(capacity - len(leaves))]
    return merkle.root(sorted(leaves))
