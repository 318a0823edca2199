"""One check of one bundle: its items as they are read, what was found, and the words all checks share."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.evidence.chains import Chain, Wrong, decoded
from app.evidence.container import Bundle
from ca.draws.verify import Outcome, verify


@dataclass
class Check:
    """One check of one bundle."""

    bundle: Bundle
    key: bytes
    trust: Path | None
    told: Callable[[str, str], None]
    project: dict[str, Any] = field(default_factory=dict)
    chains: dict[str, Chain] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    lines: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    reading: str = "project.json"  # the item that is looked at

    def has(self, path: str) -> bool:
        return path in self.bundle.places

    def under(self, folder: str) -> list[str]:
        """The items below a folder, in the order of the bundle."""
        return [path for path in self.bundle.places if path.startswith(f"{folder}/")]

    def read(self, path: str) -> bytes:
        if path not in self.bundle.places:
            raise Wrong(path, "missing")
        self.seen.add(path)
        self.reading = path
        return self.bundle.read(path)

    def json(self, path: str, fields: set[str] | None = None) -> Any:
        return decoded(path, self.read(path), fields)

    def sha256(self, path: str) -> str:
        """The digest of one item, read piece by piece."""
        if path not in self.bundle.places:
            raise Wrong(path, "missing")
        self.seen.add(path)
        digest, left = hashlib.sha256(), self.bundle.places[path][1]
        with self.bundle.open(path) as source:
            while left and (piece := source.read(min(1 << 20, left))):
                digest.update(piece)
                left -= len(piece)
        return digest.hexdigest()

    def good(self, path: str, says: str) -> None:
        """Note that an item stood its test."""
        self.lines.append((path, says))
        self.told(path, says)

    def left_out(self, what: str) -> bool:
        """Whether the bundle itself says that it goes without something."""
        return any(one["what"] == what for one in self.project["left_out"])

    def chain(self, file: str) -> Chain:
        if file not in self.chains:
            raise Wrong(f"journal/{file.replace('/', '-')}.json", "missing")
        return self.chains[file]


def expect(item: str, what: str, found: Any, wanted: Any) -> None:
    """Two items that must tell the same."""
    if found != wanted:
        raise Wrong(item, f"{what}: {_short(found)} instead of {_short(wanted)}")


def _short(thing: Any) -> str:
    text = str(thing)
    return text if len(text) <= 120 else f"{text[:117]}…"


def draw(check: Check, path: str, number: str) -> Outcome:
    """A draw recomputed by its own rules (`ca.draws.verify`)."""
    outcome = verify(check.read(path), platform=check.key)
    if not outcome.ok:
        raise Wrong(path, str(outcome.first_wrong))
    expect(path, "project", outcome.project, number)
    check.remarks += [f"{path}: {remark}" for remark in outcome.remarks]
    return outcome
