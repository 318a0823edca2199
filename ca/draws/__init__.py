"""The provable draw 可验证摇号: one engine for intermediaries, experts, ties and float points.

`chance` turns a seed into an order, `rfc3797` does the same from lottery figures, and the other modules
make and check the objects that fix the pool and the seed before anybody can know the outcome.
"""

from ca.draws.chance import (
    CannotDraw,
    delay,
    delay_is,
    float_point,
    live_seed,
    order,
    pool_root,
    seed_of,
    uniform_int,
    weighted,
)

__all__ = [
    "CannotDraw",
    "delay",
    "delay_is",
    "float_point",
    "live_seed",
    "order",
    "pool_root",
    "seed_of",
    "uniform_int",
    "weighted",
]
