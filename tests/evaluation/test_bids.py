"""The opened bids as the panel reads them."""

from types import SimpleNamespace
from uuid import uuid4

import pytest

from evaluation import bids, report, sessions
from storage import journal


def who(seat):
    return seat.expert.person.actor


def test_members_read_the_bids_once_they_are_in(room):
    session = room.seated()
    first = session.members[0]
    with pytest.raises(sessions.NotCheckedIn):
        bids.for_member(room.db, session, who(first))
    with pytest.raises(sessions.NotOnThePanel):
        bids.for_member(room.db, session, room.centre)
    for seat in session.members:
        sessions.check_in(room.db, session, undertakes=True, by=who(seat))
    with pytest.raises(sessions.NotRunning):
        bids.for_member(room.db, session, who(first))
    for seat in session.members[:3]:
        sessions.elect(room.db, session, number=1, by=who(seat))
    sessions.open_(room.db, session, by=who(first))

    found = bids.for_member(room.db, session, who(first))

    assert bids.ids(found) == room.ids
    one = found[0]
    place = next(place for place, paper in enumerate(one.documents) if paper["name"] == "技术标.pdf")
    name, content = bids.document(room.db, room.stage.store, session, one.bid_id, place, by=who(first))
    with content:
        assert (name, content.read()) == ("技术标.pdf", b"%PDF-1.7 technical")
    told = journal.entries(room.db, session.file)[-1]
    assert (told.act, told.facts["seat"], told.facts["bid"]) == ("document.opened", "member-1", str(one.bid_id))
    for wrong, where in ((uuid4(), 0), (one.bid_id, len(one.documents)), (one.bid_id, -1)):
        with pytest.raises(bids.NoSuchPaper):
            bids.document(room.db, room.stage.store, session, wrong, where, by=who(first))


def test_a_bid_without_a_price_must_be_rejected_before_the_result_is_computed(room):
    session = room.handed_in()
    offered = bids.opened(room.db, room.tender)
    broken = SimpleNamespace(bid_id=offered[0].bid_id, price=None)

    with pytest.raises(report.NotComputable):
        report.compile_(room.db, session, bids=[broken, *offered[1:]], by=who(session.leader))
    assert report.compile_(room.db, session, bids=offered, by=who(session.leader)).result["ranking"]
