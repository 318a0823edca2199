"""Interest 利息 and late fee 超期资金占用费: exact sums, rounded once (`escrow/rules/interest.md`)."""

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from escrow import rules
from escrow.models import Regime
from escrow.rules import Rate
from storage.refusals import NotValid
from storage.values import Money


class NoRate(NotValid):
    says = "没有 {day} 适用的利率。请先在利率表中登记。"


def for_days(principal: Money, received: date, sent: date, rates: Sequence[Rate], days_of_a_year: int) -> Money:
    """Interest on `principal` from the day it was received to the day before it was sent back."""
    if received >= sent:
        return Money(0)
    if not rates or rates[0].since > received:
        raise NoRate(day=received.isoformat())
    weighted = Decimal(0)
    for place, rate in enumerate(rates):
        begins = max(rate.since, received)
        ends = min(rates[place + 1].since, sent) if place + 1 < len(rates) else sent
        weighted += rate.percent * max((ends - begins).days, 0)
    return _rounded(principal.fen * weighted, days_of_a_year)


def due(regime: Regime, principal: Money, received: date, sent: date) -> Money:
    """The interest the law of this regime adds to a refund."""
    if not rules.regime(regime).interest:
        return Money(0)
    return for_days(principal, received, sent, rules.rates(), rules.table("rates")["days_of_a_year"])


def late_fee(regime: Regime, principal: Money, days_late: int) -> Money:
    """What is owed beside the principal when a refund leaves `days_late` days after its last day."""
    loan, factor = rules.table("deposits")["loan"], rules.regime(regime).late_factor
    return _rounded(principal.fen * Decimal(loan["percent"]) * factor * max(days_late, 0), loan["days_of_a_year"])


def _rounded(fen_percent_days: Decimal, days_of_a_year: int) -> Money:
    """One rounding, HALF_UP to the fen."""
    fen = fen_percent_days / (100 * days_of_a_year)
    return Money(int(fen.quantize(Decimal(1), rounding=ROUND_HALF_UP)))
