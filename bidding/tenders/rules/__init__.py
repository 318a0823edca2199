"""规则: what the law says in numbers, as data with its article, and how a period is counted.

A *profile* is a file of this folder; a tender names the one it runs under. `demo.toml` inherits a law's
profile and shortens its periods to seconds, so that a whole day plays in two minutes.

Counting (`rules.md` §2): the day of the event is day 0; a last day on a rest day rolls forward to the next
working day; days are days of Asia/Shanghai. "At least n days before" counts calendar days of the dates.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
HERE = Path(__file__).parent
LONGEST_ROLL = 30  # days: no rest lasts longer; a calendar that says so is broken


class Unit(StrEnum):
    """In what a rule counts."""

    SECONDS = "seconds"
    DAYS = "days"
    WORKING_DAYS = "working_days"
    COUNT = "count"
    PERCENT = "percent"


class Trigger(StrEnum):
    """The event from which deposits go home."""

    AWARD = "award"
    CONTRACT = "contract"


class Calendar(Protocol):
    """Which days are working days; it refuses days that it does not know."""

    def is_working_day(self, day: date) -> bool: ...


@dataclass(frozen=True)
class Rule:
    """One rule of law or of the city's configuration."""

    id: str
    law: str
    article: str
    text: str
    kind: str  # direct | derived | configured
    value: int
    unit: Unit
    compliant: Mapping[str, Any]
    violating: Mapping[str, Any]

    @property
    def source(self) -> str:
        """Law and article, as a sentence cites them."""
        return f"《{self.law}》{self.article}" if self.article else self.law


@dataclass(frozen=True)
class Profile:
    """The rules one tender runs under."""

    word: str
    name: str
    losers_refunded_on: Trigger
    winner_refunded_on: Trigger
    rules: Mapping[str, Rule]

    def __getitem__(self, rule: str) -> Rule:
        return self.rules[rule]


@cache
def profile(word: str) -> Profile:
    """The profile kept in `<word>.toml`; a profile with `inherits` changes only what it names."""
    assert word in names(), f"no such profile: {word}"
    told = tomllib.loads((HERE / f"{word}.toml").read_text(encoding="utf-8"))
    base = profile(told["inherits"]) if "inherits" in told else None
    rules = dict(base.rules) if base else {}
    for given in told["rule"]:
        rules[given["id"]] = _rule(given, rules.get(given["id"]))
    return Profile(
        word=word,
        name=told["name"],
        losers_refunded_on=Trigger(told["losers_refunded_on"]) if base is None else base.losers_refunded_on,
        winner_refunded_on=Trigger(told["winner_refunded_on"]) if base is None else base.winner_refunded_on,
        rules=rules,
    )


def names() -> list[str]:
    """The profiles there are."""
    return sorted(file.stem for file in HERE.glob("*.toml"))


def _rule(given: dict[str, Any], known: Rule | None) -> Rule:
    return Rule(
        id=given["id"],
        law=given.get("law") or (known.law if known else ""),
        article=given.get("article", known.article if known else ""),
        text=given.get("text") or (known.text if known else ""),
        kind=given["kind"],
        value=given["value"],
        unit=Unit(given["unit"]),
        compliant=given["compliant"],
        violating=given["violating"],
    )


def earliest(rule: Rule, start: datetime, calendar: Calendar) -> datetime:
    """The earliest moment that lies "not less than" the period after `start`: a minimum is kept from then on."""
    if rule.unit is Unit.SECONDS:
        return start + timedelta(seconds=rule.value)
    return _midnight(_counted(rule, start, calendar))


def last(rule: Rule, start: datetime, calendar: Calendar) -> datetime:
    """The end of the period that runs from `start`: the midnight after its last day, rolled over rest days."""
    if rule.unit is Unit.SECONDS:
        return start + timedelta(seconds=rule.value)
    day = _counted(rule, start, calendar)
    for _ in range(LONGEST_ROLL):
        if calendar.is_working_day(day):
            return _midnight(day + timedelta(days=1))
        day += timedelta(days=1)
    raise AssertionError("a calendar without working days")


def beijing(moment: datetime) -> datetime:
    """The same moment on a Beijing clock, as sentences to people tell it."""
    return moment.astimezone(SHANGHAI)


def _counted(rule: Rule, start: datetime, calendar: Calendar) -> date:
    day = start.astimezone(SHANGHAI).date()
    if rule.unit is Unit.DAYS:
        return day + timedelta(days=rule.value)
    assert rule.unit is Unit.WORKING_DAYS, f"{rule.id} is no period"
    left = rule.value
    while left:
        day += timedelta(days=1)
        left -= calendar.is_working_day(day)
    return day


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)
