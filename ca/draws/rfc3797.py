"""RFC 3797: choosing by published lottery figures 公开彩票号码, as a centre may ask for.

The sources stand in the notice by name and issue; a missing issue is replaced by the next one. The method
uses MD5 because the RFC does; its chance is only as good as the figures, so too few of them are refused.
"""

import hashlib
import math
from collections.abc import Sequence

from ca.draws.chance import CannotDraw

MARGIN = 16  # bits of chance beyond what the choice itself needs
LARGEST_POOL = 2**16 - 1


def figures(text: str) -> list[int]:
    """The figures of one source, written with spaces between. Raises `CannotDraw`."""
    words = text.split()
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        raise CannotDraw(f"no figures: {text!r}")
    return [int(word) for word in words]


def needed(pool: int, pick: int) -> float:
    """Bits that the choice needs: log2 C(pool, pick). Not money and not a score, so a float may judge."""
    return math.log2(math.comb(pool, pick))


def held(sources: Sequence[Sequence[int]]) -> float:
    """Bits that these figures can hold when the notice names no ranges: a careful estimate.

    One number of d digits: 10^d equally likely. Several different numbers: a choice from 1 … the largest.
    """
    bits = 0.0
    for source in sources:
        if len(source) == 1:
            bits += math.log2(10) * len(str(source[0]))
        elif len(set(source)) == len(source):
            bits += math.log2(math.comb(max(source) + (0 in source), len(source)))
        else:
            bits += len(source) * math.log2(max(source) + 1)
    return bits


def choose(pool: int, pick: int, sources: Sequence[Sequence[int]], bits: float | None = None) -> list[int]:
    """Positions 1 … pool in the order drawn, `pick` of them.

    bits: the entropy of the sources as the notice counts it; when given, less than needed + 16 is refused.
    """
    if not 1 <= pick <= pool <= LARGEST_POOL:
        raise CannotDraw("pick is from 1 to pool, pool at most 65,535")
    if not sources or not all(sources):
        raise CannotDraw("a source has no figures")
    if bits is not None and bits < needed(pool, pick) + MARGIN:
        raise CannotDraw(f"the sources hold {bits:.1f} bits, {needed(pool, pick) + MARGIN:.1f} are needed")
    key = "".join("".join(f"{number}." for number in sorted(source)) + "/" for source in sources).encode()
    left, chosen = list(range(1, pool + 1)), []
    for place in range(pick):
        counter = place.to_bytes(2)
        number = int.from_bytes(hashlib.md5(counter + key + counter, usedforsecurity=False).digest())
        chosen.append(left.pop(number % len(left)))
    return chosen
