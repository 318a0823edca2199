"""Results that hold for a stretch of time, remembered so that many checks are cheap."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime
from typing import Generic, TypeVar

T = TypeVar("T")
Window = tuple[datetime, datetime]


class Remembered(Generic[T]):
    """The last `most` results, each with the stretch of time (both ends included) for which it holds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, tuple[T, Window]] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def at(self, key: Hashable, moment: datetime) -> T | None:
        """What is known for this moment."""
        with self._one_at_a_time:
            kept = self._kept.get(key)
            if kept is None or not kept[1][0] <= moment <= kept[1][1]:
                return None
            self._kept.move_to_end(key)
            return kept[0]

    def keep(self, key: Hashable, result: T, window: Window) -> None:
        """Remember a result; the one that was not asked for longest goes."""
        with self._one_at_a_time:
            self._kept[key] = result, window
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def forget(self) -> None:
        """Everything (for measuring)."""
        with self._one_at_a_time:
            self._kept.clear()
