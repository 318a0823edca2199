"""专家抽取: a panel by a draw that anybody recomputes, with recusal, and secret until the result."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from bidding.tenders.models import State as TenderState
from ca.draws.verify import verify
from ca.rights import Role
from evaluation import experts, sessions
from evaluation.models import SeatState, State
from storage import clock, journal


def test_a_panel_is_drawn_and_the_bundle_proves_it(room):
    session = room.session()
    draw = room.released(room.closed(room.announced(session)))

    outcome = verify(draw.bundle.encode())
    assert outcome.ok, outcome.first_wrong
    assert session.state is State.SEATED
    assert [seat.expert_id for seat in session.members] == draw.order[:5]
    assert journal.is_whole(room.db, session.file).ok


def test_who_must_stay_away_is_not_in_the_pool(room):
    bidder = room.bids[0].bidder
    employed = room.expert(employer=bidder)
    formerly = room.expert()
    experts.declare_interest(
        room.db, formerly, bidder, reason="两年前任职", until=clock.database(room.db) + timedelta(days=365), by=room.centre
    )
    long_ago = room.expert()
    experts.declare_interest(
        room.db, long_ago, bidder, reason="四年前任职", until=clock.database(room.db) - timedelta(days=1), by=room.centre
    )
    of_the_entity = room.expert(employer=room.tender.procuring_entity)
    other = room.expert(specialities=("医学",))
    away = room.expert()
    away.is_available = False
    draw = room.announced(room.session())

    judged = experts.judged(room.db, draw)

    assert {expert.id: judged[expert] for expert in (employed, formerly, of_the_entity, other, away, long_ago)} == {
        employed.id: "recusal", formerly.id: "recusal", of_the_entity.id: "recusal", other.id: "speciality",
        away.id: "unavailable", long_ago.id: "eligible",
    }  # fmt: skip


def test_who_declines_is_followed_by_the_next_in_the_drawn_order(room):
    session = room.seated()
    draw_order = room.db.query(experts.ExpertDraw).filter_by(session_id=session.id).one().order
    second = session.members[1]
    sessions.decline(room.db, session, reason="生病", by=second.expert.person.actor)
    assert experts.due_to_fill(room.db) == [session.id]

    seat = experts.fill(room.db, session)

    assert (seat.expert_id, seat.state) == (draw_order[5], SeatState.NOTIFIED)
    assert experts.fill(room.db, session) is None
    assert second.expert.person_id not in {member.expert.person_id for member in session.members}


def test_too_few_experts_end_the_session_before_any_seed(room):
    for expert in room.db.query(experts.Expert).limit(3):
        expert.is_available = False
    session = room.session()
    draw = room.closed(room.announced(session))

    assert session.state is State.ABORTED
    assert (draw.pool, draw.seed) == (None, None)


def test_without_two_outside_contributions_there_is_no_draw(room):
    session = room.session()
    draw = room.announced(session)
    room.contribute(draw, room.entity, experts.ENTITY)
    room.stage.at(draw.opening.deadline)
    room.settle(draw)

    assert session.state is State.ABORTED


def test_contributions_come_in_time_from_the_right_people(room):
    draw = room.announced(room.session())
    with pytest.raises(experts.NotAContributor):
        room.contribute(draw, room.centre, experts.ENTITY)
    with pytest.raises(experts.BadBox):
        room.contribute(draw, room.supervisor, experts.ENTITY)
    with pytest.raises(experts.BadBox):
        experts.contribute(room.db, draw, "zz", by=room.supervisor)
    room.contribute(draw, room.supervisor, experts.SUPERVISOR, seq=2)
    with pytest.raises(experts.BadBox):
        room.contribute(draw, room.supervisor, experts.SUPERVISOR, seq=1)
    room.stage.at(draw.opening.deadline)
    with pytest.raises(experts.DrawClosed):
        room.contribute(draw, room.supervisor, experts.SUPERVISOR, seq=3)


def test_nothing_is_drawn_before_its_hour_or_twice(room):
    session = room.session()
    draw = room.announced(session)
    assert experts.due(room.db) == []
    experts.close(room.db, draw, key=room.stage.key)
    assert draw.pool is None
    room.released(room.closed(draw))
    seed = draw.seed
    experts.conclude(room.db, draw, key=room.stage.key)
    experts.settle(room.db, draw.id, room.equipment)

    assert draw.seed == seed
    assert len(session.seats) == 5


def test_the_journal_names_no_expert(room):
    session = room.seated()
    told = " ".join(
        str(row) for row in room.db.execute(text("SELECT act, facts, by FROM journal WHERE file = :f"), {"f": session.file})
    )

    assert not any(f"expert-{seat.expert_id}" in told for seat in session.members)


def test_only_the_centre_asks_for_a_draw(room, actor):
    session = room.session()
    with pytest.raises(sessions.NotTheCentre):
        experts.request(
            room.db, session, specialities=[], closes_at=clock.database(room.db), by=actor(Role.PROCURING_ENTITY)
        )


def test_a_draw_needs_holders_of_three_bodies(room):
    room.db.execute(text("UPDATE person SET is_active = false WHERE id IN (SELECT person_id FROM role_held WHERE role = 'key_holder')"))
    room.db.expire_all()

    with pytest.raises(experts.TooFewHolders):
        room.requested(room.session())


def test_an_expert_is_enrolled_once(room):
    person = room.stage.person("专家", Role.EXPERT)
    one = experts.enrol(room.db, person, experts.ExpertKind.ECONOMIC, ["造价"], employer=None, by=room.centre)

    assert experts.enrol(room.db, person, experts.ExpertKind.ECONOMIC, ["造价"], employer=None, by=room.centre) is one
    assert room.tender.state is TenderState.OPENED
