"""链片: the chain in the object store while the session runs, a few seconds behind it.

Names in the store are given once, so a growing list cannot stand there. Instead the chain is laid down in
pieces, `chain/000012-000019.jsonl`, each of whole items whose files the store has already confirmed. From
them anybody who may read the store makes a live playlist, an event rail, or – should this machine be lost –
the chain itself.
"""

import re
from collections import deque
from dataclasses import dataclass
from typing import Any

from ca import canonical
from evaluation.evidence import Item, Kind
from evaluation.recorder.playlist import Entry, playlist
from storage.objects import Store

PREFIX = "recordings"
PIECE = re.compile(r".*/chain/(\d{6})-(\d{6})\.jsonl")


def key_of(session: str, name: str) -> str:
    """Where a file of a session stands in the object store."""
    return f"{PREFIX}/{session}/{name}"


@dataclass
class _Line:
    place: int
    line: bytes
    waits_for: str  # name of a file that is not yet in the store, or ""


class Pieces:
    """Lines on their way into the store, in order, each once its file is there."""

    def __init__(self) -> None:
        self._waiting: deque[_Line] = deque()
        self._confirmed: set[str] = set()

    def add(self, place: int, line: bytes, waits_for: str = "") -> None:
        self._waiting.append(_Line(place, line, waits_for))

    def confirm(self, name: str) -> None:
        self._confirmed.add(name)

    def take(self) -> tuple[str, bytes] | None:
        """The next piece – its name in the session and its bytes – if there is anything to lay down."""
        ready: list[_Line] = []
        while self._waiting:
            first = self._waiting[0]
            if first.waits_for and first.waits_for not in self._confirmed:
                break
            self._confirmed.discard(first.waits_for)
            ready.append(self._waiting.popleft())
        if not ready:
            return None
        name = f"chain/{ready[0].place:06}-{ready[-1].place:06}.jsonl"
        return name, b"".join(one.line + b"\n" for one in ready)


def read_items(store: Store, session: str, after: int = -1) -> list[Item]:
    """Items of a running (or closed) session with a place above `after`, as far as they are in the store."""
    items: dict[int, Item] = {}
    for listed in store.list(key_of(session, "chain/"), limit=100_000):
        found = PIECE.fullmatch(listed.key)
        if found and int(found.group(2)) > after:
            with store.open(listed.key) as file:
                lines = file.read().splitlines()
            items.update((item["n"], item) for item in map(canonical.decode, lines))
    return [items[n] for n in sorted(items) if n > after]


def entries(items: list[Item], track: str) -> list[Entry]:
    """The segments of one track among these items, each with the init it needs."""
    found, init = [], ""
    for item in items:
        if item.get("track") != track:
            continue
        if item["kind"] == Kind.INIT:
            init = file_of(item)
        elif item["kind"] == Kind.SEGMENT:
            found.append(Entry(file_of(item), init, item["t0"], item["duration"]))
    return found


def file_of(item: dict[str, Any]) -> str:
    return str(item["name"]).split("/", 1)[1]


def tracks(items: list[Item]) -> list[str]:
    return sorted({item["track"] for item in items if item["kind"] == Kind.SEGMENT})


def live_playlist(items: list[Item], track: str) -> str:
    """The playlist of a track as of now (EVENT), or for good (VOD) when the closing record is among the items."""
    zero = next((item["zero"] for item in items if item["kind"] == Kind.OPENED), 0)
    closed = any(item["kind"] == Kind.CLOSED for item in items)
    return playlist(entries(items, track), zero, closed=closed)
