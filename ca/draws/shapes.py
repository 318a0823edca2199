"""The exact form of every object of a draw: a field too many or too few is a wrong file.

A shape is a function (a test of one value), a dict (exactly these fields; "name?" may be absent), a list of
one shape (any number of it) or a tuple (an array of exactly these).
"""

import re
from collections.abc import Callable
from typing import Any

from ca.sealing.faults import ParamsWrong
from ca.sealing.params import ID, is_hex, moment

REGISTRATION, EXPERT, BID, NONE = "registration", "expert", "bid", "none"
DEFAULT, HIGH_STAKE, LOTTERY = "default", "high-stake", "rfc3797"
EQUAL, LISTED = "equal", "listed"
ELIGIBLE = "eligible"
PLATFORM, OUTSIDE = "platform", "outside"

Shape = Any


class Wrong(Exception):
    """The first wrong item of a bundle, by its name."""

    def __init__(self, item: str) -> None:
        super().__init__(item)
        self.item = item


def like(thing: Any, shape: Shape) -> bool:
    """Has the thing this shape?"""
    if callable(shape):
        return shape(thing)
    if isinstance(shape, list):
        return isinstance(thing, list) and all(like(part, shape[0]) for part in thing)
    if isinstance(shape, tuple):
        return isinstance(thing, list) and len(thing) == len(shape) and all(map(like, thing, shape))
    if not isinstance(thing, dict):
        return False
    named = {name.removesuffix("?"): part for name, part in shape.items()}
    needed = {name for name in shape if not name.endswith("?")}
    return needed <= set(thing) <= set(named) and all(like(thing[name], named[name]) for name in thing)


def hexes(length: int) -> Callable[[Any], bool]:
    return lambda thing: is_hex(thing, length)


def text(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern)
    return lambda thing: isinstance(thing, str) and compiled.fullmatch(thing) is not None


def one_of(*words: str) -> Callable[[Any], bool]:
    return lambda thing: isinstance(thing, str) and thing in words


def number(thing: Any) -> bool:
    return isinstance(thing, int) and thing >= 0


def natural(thing: Any) -> bool:
    return isinstance(thing, int) and thing >= 1


def any_hex(thing: Any) -> bool:
    return is_hex(thing) and 2 <= len(thing) <= 2048


def is_moment(thing: Any) -> bool:
    try:
        moment(thing)
    except ParamsWrong:
        return False
    return True


H32, H33, H64 = hexes(32), hexes(33), hexes(64)
WORD = text(ID.pattern)
PROJECT = text(r"[A-Za-z0-9._:/-]{1,48}")
PURPOSE = text(r"[A-Za-z0-9._:/-]{1,64}")
DECIMAL = text(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
LINE = text(r"[^\x00-\x1f\x7f]{1,200}")


def purpose(thing: Any) -> bool:
    """A question that the seed answers: an order of which so many are picked, or one of these values."""
    ranked = like(thing, {"purpose": PURPOSE, "pick": natural})
    return ranked or like(thing, {"purpose": PURPOSE, "values": [DECIMAL]})


NOTICE = {
    "v": lambda thing: thing == 1,
    "project": PROJECT,
    "opening": WORD,
    "rule": H32,
    "method": WORD,
    "kind": one_of(REGISTRATION, EXPERT, BID, NONE),
    "purposes": [purpose],
    "weights": one_of(EQUAL, LISTED),
    "minimum": number,
    "capacity": number,
    "close": is_moment,
    "mode": one_of(DEFAULT, HIGH_STAKE, LOTTERY),
    "signers": {"owner": H33, "platform": H33},
    "params?": H32,
    "contributors?": [(WORD, one_of(PLATFORM, OUTSIDE))],
    "delay?": natural,
    "lottery?": [(LINE, LINE, natural)],
}
POOL = {
    "project": PROJECT,
    "notice": H32,
    "contributions": [(WORD, H32)],
    "log_root?": H32,
    "facts?": H32,
    "root?": H32,
    "inputs?": [H32],
    "previous?": H32,
}
QUOTE = {
    "h": {
        "v": number, "params": H32, "lot": WORD, "bidder": WORD, "seq": number, "salt": H32, "size": number,
        "cc": H32, "E": H33, "teams": is_hex,
    },
    "ct": hexes(144),
}  # fmt: skip
REGISTER = {
    "kind": one_of("register"),
    "project": PROJECT,
    "firm": WORD,
    "cert?": H32,
    "account?": H33,
    "w": H32,
    "share": H32,
    "quote?": lambda thing: isinstance(thing, dict),  # a malformed one is void, not a wrong bundle
    "statement_sig": any_hex,
}
WITHDRAW = {
    "kind": one_of("withdraw"),
    "project": PROJECT,
    "firm": WORD,
    "entry": H32,
    "w?": H32,
    "sig?": any_hex,
    "account?": LINE,
}
_LOGGED = {"entry": H32, "salt": H32, "rest": H32, "cell": number, "path": [H32]}
ENTRY = {
    REGISTRATION: {
        **_LOGGED,
        "body": REGISTER,
        "status": LINE,
        "withdrawal?": {**_LOGGED, "body": WITHDRAW},
    },
    EXPERT: {"entry": H32, "person": WORD, "salt": H32, "status": LINE},
    BID: {"entry": H32, "bid": H32, "status": one_of(ELIGIBLE)},
}
BUNDLE = {
    "notice": NOTICE,
    "notice_signatures": {"owner": H64, "platform": H64},
    "params?": lambda thing: isinstance(thing, dict),
    "joins?": [{"join": H64, "ready": H64}],
    "pool": POOL,
    "pool_signature": H64,
    "releases?": lambda thing: (
        isinstance(thing, dict)
        and all(WORD(name) and like(part, {"signature": H64, "key": H32}) for name, part in thing.items())
    ),
    "facts?": [(WORD, LINE)],
    "pad_key?": H32,
    "log_size?": number,
    "entries?": lambda thing: isinstance(thing, list),
    "contributions?": [{"label": WORD, "box": is_hex}],
    "weights?": [(WORD, natural)],
    "groups?": [(WORD, PURPOSE)],
    "figures?": [[number]],
    "live?": {"list": [(LINE, H32)], "signatures": [(LINE, H33, H64)]},
    "delay?": [H32],
    "seed?": H32,
    "order": lambda thing: (
        isinstance(thing, dict)
        and all(PURPOSE(name) and (DECIMAL(part) or like(part, [H32])) for name, part in thing.items())
    ),
    "result_signature": H64,
}


def notice_fields(mode: str) -> set[str]:
    """The optional fields that a notice of this mode must have, and no other."""
    if mode == LOTTERY:
        return {"lottery"}
    return {"params", "contributors"} | ({"delay"} if mode == HIGH_STAKE else set())


def pool_fields(kind: str) -> set[str]:
    """The optional fields (besides `inputs` and `previous`) that a pool of this kind must have."""
    fields = {
        REGISTRATION: {"log_root", "facts", "root"},
        EXPERT: {"facts", "root"},
        BID: {"root"},
        NONE: set(),
    }
    return fields[kind]


def bundle_fields(notice: dict[str, Any]) -> set[str]:
    """The exact fields of a bundle under this notice."""
    fields = {name for name in BUNDLE if not name.endswith("?")}
    if notice["mode"] == LOTTERY:
        fields |= {"figures"}
    else:
        fields |= {"params", "joins", "releases", "contributions", "seed"}
    if notice["mode"] == HIGH_STAKE:
        fields |= {"live", "delay"}
    if notice["kind"] != NONE:
        fields |= {"pad_key", "entries"}
    if notice["kind"] in (REGISTRATION, EXPERT):
        fields |= {"facts"}
    if notice["kind"] == REGISTRATION:
        fields |= {"log_size"}
    if notice["kind"] == EXPERT:
        fields |= {"groups"}
    if notice["weights"] == LISTED:
        fields |= {"weights"}
    return fields
