"""The calendar 工作日历: which days are worked, as rows, because the State Council decides it year by year.

Periods of the law are counted from the day after the event; a last day that is not worked moves to the next
that is (政府采购货物和服务招标投标管理办法 85; 政府采购质疑和投诉办法 42). Where the table ends, counting
refuses: a guessed holiday would be a wrong deadline.
"""

import datetime as dates
from typing import ClassVar
from zoneinfo import ZoneInfo

import chinese_calendar
from sqlalchemy import Date, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.db import Base
from storage.refusals import NotNow

BEIJING = ZoneInfo("Asia/Shanghai")
LONGEST_DAYS = 3660


class CalendarEnds(NotNow):
    """Fails closed: nobody guesses which days of next year will be holidays."""

    says = "工作日历只到 {last}，还不能计算这个期限。请联系交易中心录入新一年的节假日安排。"


class Workday(Base):
    """One day, and whether it is worked (weekends, holidays and adjusted working days taken together)."""

    __tablename__ = "workday"
    called: ClassVar[str] = "工作日历"

    day: Mapped[dates.date] = mapped_column(Date, primary_key=True)
    is_worked: Mapped[bool] = mapped_column()


def seed(db: Session, first_year: int = 2024) -> dates.date:
    """Fill the table with the years that have been announced; safe to repeat. The answer is its last day."""
    known = set(db.scalars(select(Workday.day)))
    day, rows = dates.date(first_year, 1, 1), []
    while True:
        try:
            is_worked = chinese_calendar.is_workday(day)
        except NotImplementedError:
            break
        if day not in known:
            rows.append({"day": day, "is_worked": is_worked})
        day += dates.timedelta(days=1)
    if rows:
        db.execute(insert(Workday), rows)
    return day - dates.timedelta(days=1)


def is_worked(db: Session, day: dates.date) -> bool:
    """Whether a day is worked; refuses beyond the table."""
    row = db.get(Workday, day)
    if row is None:
        last = db.scalar(select(Workday.day).order_by(Workday.day.desc()).limit(1))
        raise CalendarEnds(last=last or "—")
    return row.is_worked


def after_working_days(db: Session, start: dates.date, days: int) -> dates.date:
    """The `days`-th working day after `start`, the day of the event not counted."""
    assert 0 < days <= LONGEST_DAYS
    day = start
    while days:
        day += dates.timedelta(days=1)
        days -= is_worked(db, day)
    return day


def after_days(db: Session, start: dates.date, days: int) -> dates.date:
    """The `days`-th calendar day after `start`; a last day that is not worked moves to the next that is."""
    assert 0 < days <= LONGEST_DAYS
    day = start + dates.timedelta(days=days)
    while not is_worked(db, day):
        day += dates.timedelta(days=1)
    return day


def end_of(day: dates.date) -> dates.datetime:
    """The moment at which a day has ended in Beijing: a period that lasts until that day ends then."""
    return dates.datetime.combine(day + dates.timedelta(days=1), dates.time(), BEIJING).astimezone(dates.UTC)


def day_of(moment: dates.datetime) -> dates.date:
    """The day in Beijing on which a moment falls."""
    return moment.astimezone(BEIJING).date()
