"""评标会: who may do what, when; nobody alone."""

import pytest

from ca.rights import Role
from evaluation import scores, sessions
from evaluation.models import SeatState, State
from storage import clock, journal
from storage.lifecycle import WrongState


def who(seat):
    return seat.expert.person.actor


def test_a_session_from_seats_to_running(room):
    session = room.seated()
    first = session.members[0]
    sessions.accept(room.db, session, venue="第二评标室", by=who(first))
    sessions.accept(room.db, session, venue="第二评标室", by=who(first))
    with pytest.raises(sessions.UndertakingMissing):
        sessions.check_in(room.db, session, undertakes=False, by=who(first))
    with pytest.raises(sessions.NotCheckedIn):
        sessions.elect(room.db, session, number=1, by=who(first))
    sessions.check_in(room.db, session, undertakes=True, by=who(first))
    assert sessions.check_in(room.db, session, undertakes=True, by=who(first)).state is SeatState.CHECKED_IN
    with pytest.raises(sessions.NotEverybodyHere) as no:
        sessions.open_(room.db, session, by=room.centre)
    assert no.value.facts == {"missing": 4}
    with pytest.raises(sessions.NotTheLeader):
        sessions.open_(room.db, session, by=who(first))
    for seat in session.members[1:]:
        sessions.check_in(room.db, session, undertakes=True, by=who(seat))
    with pytest.raises(sessions.NoLeader):
        sessions.open_(room.db, session, by=room.centre)
    with pytest.raises(sessions.NotOnThePanel):
        sessions.elect(room.db, session, number=9, by=who(first))
    for seat in session.members[:2]:
        assert sessions.elect(room.db, session, number=3, by=who(seat)) is None
    assert sessions.elect(room.db, session, number=3, by=who(session.members[2])).number == 3

    sessions.open_(room.db, session, by=who(session.leader))
    again = sessions.open_(room.db, session, by=room.centre)

    assert (session.state, again.zero_at.microsecond % 1000) == (State.RUNNING, 0)
    assert sessions.milliseconds(session, clock.database(room.db)) >= 0
    assert journal.is_whole(room.db, session.file).ok


def test_strangers_are_not_on_the_panel(room, actor):
    session = room.seated()
    for stranger in (actor(Role.EXPERT), actor(Role.BIDDER), room.supervisor):
        with pytest.raises(sessions.NotOnThePanel):
            sessions.check_in(room.db, session, undertakes=True, by=stranger)


@pytest.mark.parametrize("places", [3, 4, 6, 0])
def test_a_panel_is_odd_and_five_at_least(room, places):
    with pytest.raises(sessions.WrongNumber):
        room.session(places)


def test_one_live_session_for_each_tender(room):
    session = room.session()
    with pytest.raises(sessions.AlreadyConvened):
        room.session()
    sessions.abort(room.db, session, reason="设备故障", by=room.centre)
    assert room.session().id != session.id


def test_only_an_opened_tender_is_evaluated(room):
    tender = room.stage.published()
    with pytest.raises(sessions.NotOpenedYet):
        sessions.convene(
            room.db, tender, places=5, planned_at=clock.database(room.db), main_venue="评标室", by=room.centre
        )


def test_only_the_centre_convenes(room):
    with pytest.raises(sessions.NotTheCentre):
        sessions.convene(
            room.db, room.tender, places=5, planned_at=clock.database(room.db), main_venue="评标室", by=room.entity
        )


def test_nothing_is_scored_while_paused(room):
    session = room.running()
    member, bid = session.members[1], room.bids[0].id
    with pytest.raises(sessions.NotTheLeader):
        sessions.pause(room.db, session, reason="休息", by=who(member))
    sessions.pause(room.db, session, reason="休息", by=who(session.leader))
    with pytest.raises(sessions.NotRunning):
        scores.give(room.db, session, bid, {"plan": "40"}, bids=room.ids, by=who(member))
    sessions.resume(room.db, session, by=room.centre)
    with pytest.raises(sessions.NotRunning):
        sessions.resume(room.db, session, by=room.centre)
    scores.give(room.db, session, bid, {"plan": "40"}, bids=room.ids, by=who(member))


def test_nobody_declines_once_it_runs(room):
    session = room.running()
    with pytest.raises((sessions.NotRunning, WrongState)):
        sessions.decline(room.db, session, reason="有事", by=who(session.members[0]))


def test_an_expert_finds_the_own_sessions_only(room, actor):
    session = room.seated()
    assert sessions.of_expert(room.db, who(session.members[0])) == [session]
    assert sessions.of_expert(room.db, actor(Role.EXPERT)) == []
