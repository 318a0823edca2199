"""已归档: a session that is wholly in the store. Asked about it, the recorder answers from its manifest.

Whoever closes it, opens it or tells its events once more – an app that was killed before it could note that it
had done so – gets the same answer as the first time; nothing is ever added.
"""

import json
from typing import Any

from evaluation.evidence import Kind
from evaluation.recorder.pieces import key_of
from storage.objects import Absent, Store


class Closed(Exception):
    """The session's chain is closed: nothing new can be added."""


class Archived:
    """What is left to be asked of an archived session."""

    is_open = False

    def __init__(self, name: str, items: list[dict[str, Any]]) -> None:
        self.name = name
        self._items = items

    async def close(self) -> None:
        """It is closed."""

    async def events(self, events: list[dict[str, Any]]) -> list[int]:
        """The places of events that were told before. Raises Closed for a new one."""
        known = {
            json.dumps([item["at"], item["what"], item["facts"]], sort_keys=True): item["n"]
            for item in self._items
            if item["kind"] == Kind.EVENT
        }
        try:
            return [
                known[json.dumps([event["at_ms"], event["kind"], event["facts"]], sort_keys=True)] for event in events
            ]
        except KeyError:
            raise Closed from None

    def standing(self) -> dict[str, Any]:
        """As `Session.standing`."""
        ends: dict[str, dict[str, Any]] = {}
        for item in self._items:
            if item["kind"] == Kind.SEGMENT:
                ends[item["track"]] = item
        last = self._items[-1]
        return {
            "session": self.name, "state": "archived", "now_ms": last["at"], "items": len(self._items),
            "tracks": [
                {
                    "name": track, "live": False, "viewers": 0, "segments": item["seq"],
                    "end_ms": item["t0"] + item["duration"],
                }
                for track, item in sorted(ends.items())
            ],
        }  # fmt: skip


def find_archived(store: Store, name: str) -> Archived | None:
    """A session by its manifest in the store. Blocking."""
    try:
        with store.open(key_of(name, "manifest.json")) as file:
            return Archived(name, json.loads(file.read())["items"])
    except Absent:
        return None
