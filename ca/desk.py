"""A desk 工作台: what lies before somebody – what waits for them, what is coming, what has changed.

Each room lays its own things there (`desk(db, actor) -> list[Lying]`); the home page shows them in order.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Pile(StrEnum):
    """Where on the desk a thing lies."""

    NOW = "now"
    COMING = "coming"
    CHANGED = "changed"


@dataclass(frozen=True)
class Lying:
    """One thing on a desk. `says`, `act` and `note` are Chinese source sentences; facts fill `says` and `note`."""

    pile: Pile
    says: str
    endpoint: str  # of the page where it is done, with its values
    values: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    at: datetime | None = None  # deadline, moment to come, or moment of the change
    act: str = ""  # words of the button
    note: str = ""
