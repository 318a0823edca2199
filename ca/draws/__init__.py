"""The provable draw 可验证摇号: one engine for intermediaries, experts, ties and float points.

The public format is `docs/draw-format.md`. Where to look:

* `registration` what a firm hands in, the cell in which it is kept, the log in which it stands
* `pool`         what is fixed before the seed can exist: notice, facts, pool, contributions
* `chance`       from a seed to an order or a value, as pure functions (also offered here)
* `rfc3797`      the same from published lottery figures
* `bundle`       the one file from which anybody recomputes everything
* `verify`       that check, step by step (`entries`: who could be drawn; `shapes`: the exact form of all)
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
