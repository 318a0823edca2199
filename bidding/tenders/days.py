"""Which days are working days 工作日, for counting the law's periods; unknown years are refused, not guessed."""

from datetime import date

import chinese_calendar
from sqlalchemy.orm import Session

from bidding.tenders import rules
from storage.refusals import NotNow


class UnknownYear(NotNow):
    says = "系统还没有 {year} 年的工作日历，不能计算法定期限。请交易中心先更新工作日历。"


class StateCalendar:
    """The State Council's yearly arrangement of rest days and adjusted working days."""

    def is_working_day(self, day: date) -> bool:
        """Whether people work on this day. Raises UnknownYear."""
        try:
            return bool(chinese_calendar.is_workday(day))
        except NotImplementedError:
            raise UnknownYear(year=day.year) from None


_calendar = StateCalendar()


def calendar(db: Session) -> rules.Calendar:
    """The calendar this centre counts by."""
    return _calendar
