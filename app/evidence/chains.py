"""A journal chain as a bundle holds it: every entry the very line its hash is of, or only its hash."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from ca import canonical
from storage.journal import FIRST

PREFIX = b"gongheng/journal/1\x00"
FIELDS = {"file", "number", "at", "act", "by", "facts", "prev"}


class Wrong(Exception):
    """The first item that is not as it must be, and why."""

    def __init__(self, item: str, reason: str) -> None:
        super().__init__(f"{item}: {reason}")
        self.item, self.reason = item, reason


@dataclass(frozen=True)
class Line:
    """One entry that is told."""

    number: int
    at: str
    act: str
    facts: dict[str, Any]
    hash: str


@dataclass
class Chain:
    """A chain whose every hash was computed again."""

    item: str
    file: str
    head: str = FIRST
    lines: list[Line] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)  # of all entries, withheld ones too
    withheld: int = 0

    def all(self, act: str) -> list[Line]:
        """Every entry of an act, in order."""
        return [line for line in self.lines if line.act == act]

    def last(self, act: str) -> Line:
        """The last entry of an act; there must be one."""
        found = self.all(act)
        if not found:
            raise Wrong(self.item, f"no entry “{act}”")
        return found[-1]

    def state(self, table: str) -> str | None:
        """The state that the moves of one thing lead to; each must begin where the one before it ended."""
        state = None
        for line in self.lines:
            kind, _, to = line.act.partition(".")
            if kind != table or "was" not in line.facts:
                continue
            if state is not None and line.facts["was"] != state:
                told = f"{line.act} from “{line.facts['was']}”, but it was “{state}”"
                raise Wrong(self.item, f"entry {line.number}: {told}")
            state = to
        return state


def read(item: str, raw: bytes) -> Chain:
    """The chain of one item, recomputed. Raises `Wrong` with the first entry that does not fit."""
    told = decoded(item, raw, {"file", "entries"})
    chain, at = Chain(item, told["file"]), ""
    for number, entry in enumerate(told["entries"], 1):
        if set(entry) == {"hash"}:
            chain.head = entry["hash"]
            chain.withheld += 1
        else:
            line = _line(chain, number, entry, at)
            chain.lines.append(line)
            chain.head, at = line.hash, line.at
        chain.hashes.append(chain.head)
    return chain


def _line(chain: Chain, number: int, entry: dict[str, Any], before: str) -> Line:
    try:
        body = json.loads(entry["line"])
        again = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert set(body) == FIELDS
        assert again == entry["line"]
    except (ValueError, TypeError, KeyError, AssertionError):
        raise Wrong(chain.item, f"entry {number}: not an entry") from None
    if (body["file"], body["number"], body["prev"]) != (chain.file, number, chain.head):
        raise Wrong(chain.item, f"entry {number}: does not follow the entry before it")
    if body["at"] < before:
        raise Wrong(chain.item, f"entry {number}: earlier than the entry before it")
    digest = hashlib.sha256(PREFIX + entry["line"].encode()).hexdigest()
    return Line(number, body["at"], body["act"], body["facts"], digest)


def decoded(item: str, raw: bytes, fields: set[str] | None = None) -> Any:
    """What canonical JSON says, with exactly these fields when some are named."""
    try:
        told = canonical.decode(raw)
    except canonical.NotCanonical as error:
        raise Wrong(item, f"not canonical JSON: {error}") from None
    if fields is not None and (not isinstance(told, dict) or set(told) != fields):
        raise Wrong(item, "other fields than it must have")
    return told
