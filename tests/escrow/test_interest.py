"""Interest and late fee: exact, rounded once, by dated rates."""

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escrow import interest, rules
from escrow.interest import NoRate
from escrow.models import Regime
from escrow.rules import Rate
from storage.values import Money


def test_the_worked_example_of_the_formulas():
    rates = [Rate(date(2024, 10, 18), Decimal("0.10")), Rate(date(2025, 5, 20), Decimal("0.05"))]

    found = interest.for_days(Money.yuan("80000"), date(2025, 5, 1), date(2025, 6, 20), rates, 360)

    assert found == Money.yuan("7.67")


def test_the_table_of_rates_gives_the_worked_example_too():
    found = interest.due(Regime.TENDERING, Money.yuan("80000"), date(2025, 5, 1), date(2025, 6, 20))

    assert found == Money.yuan("7.67")


def test_government_procurement_knows_no_interest_but_a_late_fee():
    assert interest.due(Regime.PROCUREMENT, Money.yuan("80000"), date(2025, 5, 1), date(2025, 6, 20)) == Money(0)
    assert interest.late_fee(Regime.PROCUREMENT, Money.yuan("80000"), 10) == Money.yuan("116.00")
    assert interest.late_fee(Regime.TENDERING, Money.yuan("80000"), 10) == Money(0)
    assert interest.late_fee(Regime.PROCUREMENT, Money.yuan("80000"), -3) == Money(0)


def test_received_today_earns_nothing_and_the_first_day_counts():
    rates = [Rate(date(2025, 1, 1), Decimal("0.36"))]
    day = date(2025, 3, 1)

    assert interest.for_days(Money(100_000_000), day, day, rates, 360) == Money(0)
    assert interest.for_days(Money(100_000_000), day, day + timedelta(days=1), rates, 360) == Money(1000)


@pytest.mark.parametrize(("fen", "expected"), [(49, 0), (50, 1), (149, 1), (150, 2)])
def test_half_a_fen_is_rounded_up(fen, expected):
    rates = [Rate(date(2025, 1, 1), Decimal(360))]  # 1 % a day

    assert interest.for_days(Money(fen), date(2025, 3, 1), date(2025, 3, 2), rates, 360) == Money(expected)


def test_a_day_before_the_table_is_refused():
    with pytest.raises(NoRate):
        interest.due(Regime.TENDERING, Money(1), date(2001, 1, 1), date(2001, 1, 2))


days = st.dates(date(2015, 10, 24), date(2027, 1, 1))


@given(fen=st.integers(1, 10**11), received=days, sent=days)
def test_day_by_day_by_hand_gives_the_same(fen, received, sent):
    """The sum over single days, each with the rate in force on it, in exact fractions."""
    exact = Fraction(0)
    day = received
    while day < sent:
        percent = [rate for rate in rules.rates() if rate.since <= day][-1].percent
        exact += fen * Fraction(percent) / 36000
        day += timedelta(days=1)
    rounded = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(Decimal(1), ROUND_HALF_UP)

    assert interest.due(Regime.TENDERING, Money(fen), received, sent) == Money(int(rounded))


def test_every_regime_names_its_articles():
    for regime in Regime:
        rule = rules.regime(regime)
        assert rule.cap_article
        assert rule.refund_article
        assert rule.interest_article if rule.interest else rule.late_article
