"""Values check themselves when they are made."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.values import (
    CreditCode,
    Money,
    NotACreditCode,
    NotAnAmount,
    NotAPercent,
    NotAPeriod,
    Percent,
    Period,
    check_character,
)  # fmt: skip

fen = st.integers(-(10**14), 10**14)
START = datetime(2026, 11, 22, tzinfo=UTC)


@given(fen)
def test_money_reads_what_it_writes(amount):
    assert Money.yuan(str(Money(amount))) == Money(amount)


@given(fen, fen)
def test_sums_are_exact(one, other):
    assert Money(one) + Money(other) - Money(other) == Money(one)


@pytest.mark.parametrize(("text", "amount"), [
    ("0.05", 5), ("12", 1200), ("1,234.5", 123450), (" 3.10 ", 310), ("-0.01", -1), ("1，000", 100000),
])  # fmt: skip
def test_money_as_people_write_it(text, amount):
    assert Money.yuan(text) == Money(amount)


@pytest.mark.parametrize("text", ["", "1.234", "一百", "1e3", "NaN", "12.", "--1", "1 2", "9" * 16])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(NotAnAmount):
        Money.yuan(text)


@pytest.mark.parametrize("wrong", [1.0, "1", None, True])
def test_fen_are_whole_numbers(wrong):
    with pytest.raises(AssertionError):
        Money(wrong)


def test_a_code_with_its_right_check_character_passes():
    assert CreditCode("91350100M000100Y43") == "91350100M000100Y43"


@given(st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=17, max_size=17), st.integers(0, 16), st.integers(1, 30))
def test_every_single_wrong_character_is_found(body, place, step):
    letters = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    changed = letters[(letters.index(body[place]) + step) % 31]

    with pytest.raises(NotACreditCode):
        CreditCode(body[:place] + changed + body[place + 1 :] + check_character(body))


@pytest.mark.parametrize("text", ["", "91350100M000100Y4", "91350100M000100Y433", "91350100I000100Y43", "../../etc/passwd"])
def test_what_is_no_code_is_refused(text):
    with pytest.raises(NotACreditCode):
        CreditCode(text)


def test_a_code_is_read_in_small_letters_too():
    assert CreditCode(" 91350100m000100y43 ") == "91350100M000100Y43"


@given(st.integers(-100, 100), st.integers(1, 100), st.integers(-100, 100), st.integers(1, 100))
def test_periods_overlap_when_they_share_a_moment(a, length_a, b, length_b):
    def period(begin: int, length: int) -> Period:
        return Period(START + timedelta(hours=begin), START + timedelta(hours=begin + length))

    one, other = period(a, length_a), period(b, length_b)
    shared = set(range(a, a + length_a)) & set(range(b, b + length_b))
    assert one.overlaps(other) is other.overlaps(one) is bool(shared)
    assert (one.end in one, one.start in one) == (False, True)


def test_a_period_ends_after_it_starts():
    with pytest.raises(NotAPeriod):
        Period(START, START)


@pytest.mark.parametrize("wrong", ["-1", "100.01", "x"])
def test_what_is_no_percent_is_refused(wrong):
    with pytest.raises(NotAPercent):
        Percent(wrong)


def test_a_percent_is_exact():
    assert Percent("0.1").of(Decimal(3)) == Decimal("0.003")
