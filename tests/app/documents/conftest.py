"""The stages of the rooms below, for papers that tell of them."""

import pytest
from sqlalchemy import select

from app.documents import issuing
from app.documents.models import Document
from storage import journal
from tests.bidding.supermarket.conftest import city, keys  # noqa: F401
from tests.bidding.tenders.conftest import cas, recognised, stage  # noqa: F401
from tests.bidding.tenders.test_awards import money, opened, standing  # noqa: F401
from tests.evaluation.conftest import room  # noqa: F401


@pytest.fixture
def issued(db, equipment):
    """Issue what the last entry of an act asks for; the answer is the paper's row and its bytes."""

    def issue(file: str, act: str) -> tuple[Document | None, bytes]:
        entry = [entry for entry in journal.entries(db, file) if entry.act == act][-1]
        issuing.issue(db, entry_id=entry.id)
        document = db.scalar(select(Document).filter_by(entry_id=entry.id))
        if document is None:
            return None, b""
        with equipment.objects.open(document.object_key) as source:
            return document, source.read()

    return issue
