"""Rules as data 规则: periods and numbers of the supermarket, each with the text it comes from.

One file per profile. A region names the profile it follows; `demo` shortens the periods to seconds so that a
whole day can be watched. A project keeps the profile it was published under, and its notice the hash of it.
"""

import hashlib
import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from ca import canonical
from storage import calendar
from storage.refusals import NotValid

HERE = Path(__file__).parent
STANDARD = "standard"
SECONDS = {"seconds": 1, "hours": 3600}


class NoSuchProfile(NotValid):
    says = "没有名为“{profile}”的规则。请从列出的规则中选择。"


@dataclass(frozen=True)
class Term:
    """A length of time as a rule gives it, with the text it comes from."""

    count: int
    unit: str  # seconds, hours, days, working_days
    article: str

    def after(self, db: Session, start: datetime) -> datetime:
        """When a period that starts at this moment is over, in whole seconds, rounded up.

        Days are counted from the day after and end with the last one in Beijing; a last day that is not worked
        moves on (政府采购质疑和投诉办法 42). Raises CalendarEnds where the calendar does not reach.
        """
        if self.unit in SECONDS:
            end = start + timedelta(seconds=self.count * SECONDS[self.unit])
            return end if end.microsecond == 0 else end.replace(microsecond=0) + timedelta(seconds=1)
        count = {"days": calendar.after_days, "working_days": calendar.after_working_days}[self.unit]
        return calendar.end_of(count(db, calendar.day_of(start), self.count))


@dataclass(frozen=True)
class Rules:
    """One profile, read and checked."""

    profile: str
    written: dict[str, Any]

    def period(self, name: str) -> Term:
        """A period by its name, e.g. `objection`."""
        rule = self.written["period"][name]
        return Term(rule["count"], rule["unit"], rule["article"])

    def number(self, name: str) -> int:
        """A number by its name, e.g. `fewest_registrations`."""
        value: int = self.written["number"][name]["value"]
        return value

    def word(self, name: str) -> str:
        """A choice by its name, e.g. `after_declining`."""
        value: str = self.written["word"][name]["value"]
        return value

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical form, printed in the notice."""
        return hashlib.sha256(canonical.encode(self.written)).hexdigest()


@cache
def of(profile: str) -> Rules:
    """The rules of a profile. Raises NoSuchProfile."""
    if profile not in profiles():
        raise NoSuchProfile(profile=profile[:40])
    return Rules(profile, tomllib.loads((HERE / f"{profile}.toml").read_text()))


def profiles() -> list[str]:
    """The names of all profiles."""
    return sorted(file.stem for file in HERE.glob("*.toml"))
