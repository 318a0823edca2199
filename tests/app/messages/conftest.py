"""The stages of the rooms below, and the journal followed into boxes."""

import pytest
from sqlalchemy import select

from app.messages import telling
from app.messages.models import Message
from storage import journal
from tests.bidding.supermarket.conftest import city, keys  # noqa: F401
from tests.bidding.tenders.conftest import cas, recognised, stage  # noqa: F401
from tests.bidding.tenders.test_awards import money, opened, standing  # noqa: F401
from tests.evaluation.conftest import room  # noqa: F401


class Boxes:
    """Everybody's messages, after the journal was followed to its end."""

    def __init__(self, db, equipment) -> None:
        self.db, self.equipment, self.place = db, equipment, 0

    def follow(self) -> "Boxes":
        later = select(journal.Entry).where(journal.Entry.id > self.place).order_by(journal.Entry.id)
        for entry in self.db.scalars(later):
            telling.follow(self.db, entry, self.equipment)
            self.place = entry.id
        return self

    def of(self, actor) -> list[str]:
        found = select(Message).filter_by(person_id=actor.person_id).order_by(Message.id)
        return [message.says.format_map(message.facts) for message in self.db.scalars(found)]

    def all(self) -> list[Message]:
        return list(self.db.scalars(select(Message).order_by(Message.id)))


@pytest.fixture
def boxes(db, equipment):
    return Boxes(db, equipment).follow()
