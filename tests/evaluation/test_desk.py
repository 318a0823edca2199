"""On everybody's desk lies the next step, and its page exists."""

from ca.desk import Pile
from evaluation import desk, experts, report, scores, sessions


def lies(room, actor):
    """The sentences on somebody's desk, by pile."""
    room.db.flush()
    return [(thing.pile, thing.says) for thing in desk.desk(room.db, actor)]


def who(seat):
    return seat.expert.person.actor


def test_the_next_step_lies_before_whoever_takes_it(room, app):
    assert lies(room, room.centre) == [(Pile.NOW, desk.TO_PLAN)]
    session = room.session()
    assert lies(room, room.centre) == [(Pile.NOW, desk.TO_DRAW)]
    draw = room.announced(session)
    assert lies(room, room.entity) == lies(room, room.supervisor) == [(Pile.NOW, desk.TO_SEAL)]
    room.contribute(draw, room.entity, experts.ENTITY)
    assert lies(room, room.entity) == []
    room.contribute(draw, room.supervisor, experts.SUPERVISOR)
    room.stage.at(draw.opening.deadline)
    room.settle(draw)
    room.released(draw)
    first, second = (who(seat) for seat in session.members[:2])
    assert lies(room, first) == [(Pile.NOW, desk.INVITED)]
    sessions.accept(room.db, session, venue="第二评标室", by=first)
    assert lies(room, first) == [(Pile.NOW, desk.COME)]
    for seat in session.members:
        sessions.check_in(room.db, session, undertakes=True, by=who(seat))
    assert lies(room, first) == [(Pile.NOW, desk.VOTE)]
    for seat in session.members[:3]:
        sessions.elect(room.db, session, number=1, by=who(seat))
    assert (lies(room, first), lies(room, second)) == ([(Pile.NOW, desk.OPEN)], [(Pile.COMING, desk.WAIT)])
    sessions.open_(room.db, session, by=first)
    assert lies(room, second) == [(Pile.NOW, desk.SCORE)]
    assert lies(room, room.supervisor) == [(Pile.NOW, desk.LIVE)]
    for seat in session.members:
        room.fill_in(session, seat)
        scores.hand_in(room.db, session, bids=room.ids, by=who(seat))
    assert (lies(room, first), lies(room, second)) == ([(Pile.NOW, desk.COMPILE)], [(Pile.COMING, desk.WAIT)])
    change = scores.ask_change(
        room.db, session, room.bids[0].id, "plan", "38", ground=scores.Ground.ABNORMAL, reason="畸高", by=second
    )
    assert lies(room, first) == [(Pile.NOW, desk.DECIDE)]
    scores.decide_change(room.db, session, change.id, consent=False, by=first)
    report.compile_(room.db, session, bids=room.opened, by=first)
    assert lies(room, second) == [(Pile.NOW, desk.SIGN)]
    for seat in session.members:
        report.sign(room.db, session, dissent=None, key=room.stage.key, by=who(seat))
    assert lies(room, second) == [(Pile.CHANGED, desk.OVER)]
    for thing in desk.desk(room.db, second):
        assert thing.endpoint in app.view_functions
