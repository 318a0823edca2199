"""Rules of the strongroom as data, each with its article; a city overrides what is configured, not the law.

The tables stand beside this file: `rates.toml` (interest), `deposits.toml` (regimes, numbers, patience).
"""

import tomllib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Rate:
    """A yearly rate in per cent, in force from a day until the next one's day."""

    since: date
    percent: Decimal


@dataclass(frozen=True)
class RegimeRule:
    """What one law says about deposits."""

    name: str
    interest: bool
    interest_article: str
    cap_percent: Decimal
    cap_article: str
    refund_days: int
    refund_days_kind: str
    refund_article: str
    late_factor: Decimal
    late_article: str


@cache
def table(name: str) -> dict[str, Any]:
    """One of the tables beside this file."""
    return tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))


@cache
def rates() -> tuple[Rate, ...]:
    """The demand-deposit rates, oldest first."""
    found = [Rate(row["from"], Decimal(row["percent"])) for row in table("rates")["rate"]]
    assert found == sorted(found, key=lambda rate: rate.since), "rates stand in the order of their days"
    return tuple(found)


@cache
def regime(name: str) -> RegimeRule:
    """The rule of a regime (`tendering`, `procurement`)."""
    row = table("deposits")[name]
    return RegimeRule(**row | {key: Decimal(row[key]) for key in ("cap_percent", "late_factor")})


def bank(name: str) -> int:
    """A number from the table of how we deal with a bank, e.g. `patience_seconds`."""
    number: int = table("deposits")["bank"][name]
    return number
