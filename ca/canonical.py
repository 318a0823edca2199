"""One way, and only one, to write a thing down as bytes, so that a digest of it means one thing.

Two forms, both JSON with sorted keys and no spaces:

* `encode` / `decode`: a restricted JCS (RFC 8785). Objects with ASCII keys, arrays, strings (UTF-8),
  integers 0 … 2^53−1. Decimals are strings, bytes are lower-case hex strings; no true, false, null.
* `ascii_encode` / `ascii_decode`: the same, but strings are printable ASCII that needs no escape. Sealed
  files and everything signed about them use it, because two small readers in two languages agree on it.

A reader parses, writes again and compares: whatever is not exactly what a writer would have written
(spaces, doubled keys, 1.0, upper-case escapes) is `NotCanonical`.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

Thing = Any  # str | int | list[Thing] | dict[str, Thing]; a recursive alias says no more and reads worse

LARGEST = 2**53 - 1
DEEPEST = 16

_PLAIN = re.compile(r"[ !#-\[\]-~]*")
_KEY = re.compile(r"[!-~][ -~]*")


class NotCanonical(ValueError):
    """These bytes, or this thing, are not in the canonical form."""


def encode(thing: Thing) -> bytes:
    """The one UTF-8 form of a thing. Raises `NotCanonical` for what has no such form."""
    return _write(thing, plain=False)


def decode(raw: bytes) -> Thing:
    """What these bytes say; raises `NotCanonical` unless they are exactly what `encode` writes."""
    return _read(raw, plain=False)


def ascii_encode(thing: Thing) -> bytes:
    """The one ASCII form of a thing (sealed files, params, messages about them)."""
    return _write(thing, plain=True)


def ascii_decode(raw: bytes) -> Thing:
    """What these bytes say; raises `NotCanonical` unless they are exactly what `ascii_encode` writes."""
    return _read(raw, plain=True)


def _write(thing: Thing, *, plain: bool) -> bytes:
    _check(thing, plain=plain, depth=0)
    text = json.dumps(thing, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("a string holds half a character") from error


def _read(raw: bytes, *, plain: bool) -> Thing:
    try:
        thing = json.loads(raw.decode(), parse_float=_refuse, parse_constant=_refuse)
    except NotCanonical:
        raise
    except (ValueError, RecursionError) as error:
        raise NotCanonical("not JSON") from error
    if _write(thing, plain=plain) != raw:
        raise NotCanonical("not written the one way")
    return thing


def _refuse(text: str) -> Thing:
    raise NotCanonical(f"{text} is no integer")


def _check(thing: Thing, *, plain: bool, depth: int) -> None:
    if depth > DEEPEST:
        raise NotCanonical("nested too deeply")
    if isinstance(thing, list):
        for part in thing:
            _check(part, plain=plain, depth=depth + 1)
    elif isinstance(thing, Mapping):
        for key, part in thing.items():
            if not isinstance(key, str) or not _KEY.fullmatch(key) or (plain and not _PLAIN.fullmatch(key)):
                raise NotCanonical("a key is not plain ASCII")
            _check(part, plain=plain, depth=depth + 1)
    else:
        _check_leaf(thing, plain=plain)


def _check_leaf(thing: Thing, *, plain: bool) -> None:
    if isinstance(thing, str):
        if plain and not _PLAIN.fullmatch(thing):
            raise NotCanonical("a string is not plain ASCII")
    elif isinstance(thing, bool) or not isinstance(thing, int):
        raise NotCanonical(f"{type(thing).__name__} has no canonical form")
    elif not 0 <= thing <= LARGEST:
        raise NotCanonical("an integer is out of range")
