"""Working days as the State Council announced them; beyond the table nobody guesses."""

from datetime import UTC, date, datetime

import pytest

from storage import calendar


@pytest.fixture(autouse=True)
def seeded(db):
    calendar.seed(db)


@pytest.mark.parametrize(("day", "is_worked"), [
    (date(2026, 2, 17), False),  # 春节
    (date(2026, 2, 28), True),   # Saturday, worked instead
    (date(2026, 10, 1), False),  # 国庆节
    (date(2026, 10, 10), True),  # Saturday, worked instead
    (date(2026, 11, 21), False),  # Saturday
    (date(2026, 11, 23), True),
])  # fmt: skip
def test_days_of_2026(db, day, is_worked):
    assert calendar.is_worked(db, day) is is_worked


@pytest.mark.parametrize(("start", "days", "end"), [
    (date(2026, 9, 29), 5, date(2026, 10, 12)),  # the holiday week is passed over, Saturday the 10th is worked
    (date(2026, 11, 20), 1, date(2026, 11, 23)),
    (date(2026, 11, 23), 2, date(2026, 11, 25)),
])  # fmt: skip
def test_working_days_are_counted_from_the_day_after(db, start, days, end):
    assert calendar.after_working_days(db, start, days) == end


def test_a_last_day_on_a_holiday_moves_on(db):
    assert calendar.after_days(db, date(2026, 9, 28), 3) == date(2026, 10, 8)


def test_beyond_the_table_it_refuses(db):
    with pytest.raises(calendar.CalendarEnds, match="2026-12-31"):
        calendar.after_working_days(db, date(2026, 12, 30), 5)


def test_seeding_again_changes_nothing(db):
    last = calendar.seed(db)
    assert calendar.seed(db) == last == date(2026, 12, 31)


def test_a_day_ends_at_midnight_in_beijing():
    assert calendar.end_of(date(2026, 11, 22)) == datetime(2026, 11, 22, 16, tzinfo=UTC)
    assert calendar.day_of(datetime(2026, 11, 22, 16, tzinfo=UTC)) == date(2026, 11, 23)
