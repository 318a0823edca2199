"""Which days are working days 工作日 for a tender's periods: the centre's own calendar table."""

from datetime import date

from sqlalchemy.orm import Session

from bidding.tenders import rules
from storage import calendar as table


class Worked:
    """The calendar of this database; beyond its end it refuses (`storage.calendar.CalendarEnds`)."""

    def __init__(self, db: Session) -> None:
        self._db = db

    def is_working_day(self, day: date) -> bool:
        """Whether people work on this day."""
        return table.is_worked(self._db, day)


def calendar(db: Session) -> rules.Calendar:
    """The calendar this centre counts by."""
    return Worked(db)
