"""评分: for oneself until handed in; afterwards only with a ground, a reason and somebody else's consent."""

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from evaluation import report, scores, sessions
from evaluation.methods import recompute
from evaluation.models import ChangeState, Ground, State
from storage import journal
from storage.lifecycle import WrongState


def who(seat):
    return seat.expert.person.actor


@pytest.mark.parametrize("value", ["50.01", "-1", "abc", "1.234", "1e1", "", "NaN", "４０"])
def test_scores_stay_in_range(room, value):
    session = room.running()
    with pytest.raises(scores.OutOfRange):
        scores.give(room.db, session, room.bids[0].id, {"plan": value}, bids=room.ids, by=who(session.members[0]))


def test_only_bids_and_criteria_of_this_tender_are_scored(room):
    session = room.running()
    member = who(session.members[0])
    with pytest.raises(scores.NoSuchBid):
        scores.give(room.db, session, uuid4(), {"plan": "1"}, bids=room.ids, by=member)
    with pytest.raises(scores.NoSuchCriterion):
        scores.give(room.db, session, room.bids[0].id, {"price": "1"}, bids=room.ids, by=member)
    with pytest.raises(scores.ReasonMissing):
        scores.review(room.db, session, room.bids[0].id, passes=False, reason=" ", bids=room.ids, by=member)
    with pytest.raises(sessions.NotOnThePanel):
        scores.give(room.db, session, room.bids[0].id, {"plan": "1"}, bids=room.ids, by=room.supervisor)


def test_all_is_done_before_handing_in_and_sealed_after(room):
    session = room.running()
    seat = session.members[0]
    with pytest.raises(scores.Unfinished) as no:
        scores.hand_in(room.db, session, bids=room.ids, by=who(seat))
    assert no.value.facts == {"missing": 3 + 3 * 2}
    room.fill_in(session, seat)
    room.fill_in(session, seat, plan="41")  # until handed in it may be done again
    with pytest.raises(scores.NotHandedIn):
        scores.ask_change(
            room.db, session, room.bids[0].id, "plan", "30", ground=Ground.SUM, reason="x", by=who(seat)
        )
    first = scores.hand_in(room.db, session, bids=room.ids, by=who(seat)).submitted_at

    assert scores.hand_in(room.db, session, bids=room.ids, by=who(seat)).submitted_at == first
    with pytest.raises(scores.HandedIn):
        scores.give(room.db, session, room.bids[0].id, {"plan": "1"}, bids=room.ids, by=who(seat))
    assert not scores.all_handed_in(session)
    with pytest.raises(report.NotEverybodyHandedIn):
        report.compile_(room.db, session, bids=room.opened, by=who(session.leader))


def test_a_change_needs_the_leader_and_leaves_its_trace(room):
    session = room.handed_in()
    seat, bid = session.members[2], room.bids[0].id

    def ask(by=seat, reason="与他人客观分不一致"):
        return scores.ask_change(
            room.db, session, bid, "record", "18", ground=Ground.OBJECTIVE, reason=reason, by=who(by)
        )

    with pytest.raises(scores.ReasonMissing):
        ask(reason="")
    change = ask()
    with pytest.raises(report.ChangesWaiting):
        report.compile_(room.db, session, bids=room.opened, by=who(session.leader))
    with pytest.raises(scores.NotForOneself):
        scores.decide_change(room.db, session, change.id, consent=True, by=who(seat))
    with pytest.raises(sessions.NotTheLeader):
        scores.decide_change(room.db, session, change.id, consent=True, by=who(session.members[3]))
    scores.decide_change(room.db, session, change.id, consent=True, by=who(session.leader))
    with pytest.raises(scores.AlreadyDecided):
        scores.decide_change(room.db, session, change.id, consent=False, by=who(session.leader))

    assert change.state is ChangeState.APPROVED
    trace = [entry for entry in journal.entries(room.db, session.file) if entry.act.startswith("score_change.")]
    assert [entry.act for entry in trace] == ["score_change.asked", "score_change.approved"]
    assert (trace[1].facts["was_score"], trace[1].facts["to_score"]) == ("15", "18")
    sheet = report.sheet_of(room.db, session, room.opened)
    assert sheet["scores"][str(bid)][seat.name]["record"] == "18"


def test_a_refused_change_changes_nothing(room):
    session = room.handed_in()
    seat, bid = session.members[2], room.bids[0].id
    before = report.sheet_of(room.db, session, room.opened)
    change = scores.ask_change(room.db, session, bid, "plan", "1", ground=Ground.ABNORMAL, reason="畸高", by=who(seat))
    scores.decide_change(room.db, session, change.id, consent=False, by=who(session.leader))

    assert report.sheet_of(room.db, session, room.opened) == before


def test_the_leader_does_not_act_alone(room):
    session = room.handed_in()
    leader = session.leader
    change = scores.ask_change(
        room.db, session, room.bids[0].id, "plan", "1", ground=Ground.ABNORMAL, reason="畸高", by=who(leader)
    )
    with pytest.raises(scores.NotForOneself):
        scores.decide_change(room.db, session, change.id, consent=True, by=who(leader))
    other = next(seat for seat in session.members if not seat.is_leader)
    scores.decide_change(room.db, session, change.id, consent=True, by=who(other))
    with pytest.raises(IntegrityError, match="nobody_decides_alone"), room.db.begin_nested():
        room.db.execute(text("UPDATE score_change SET decided_by = seat_id"))


def test_the_majority_rejects_a_bid(room):
    session = room.running()
    bad = room.bids[1].id
    for number, seat in enumerate(session.members):
        room.fill_in(session, seat)
        scores.review(
            room.db, session, bad, passes=number > 2, reason="未响应工期要求", bids=room.ids, by=who(seat)
        )
        scores.hand_in(room.db, session, bids=room.ids, by=who(seat))
    made = report.compile_(room.db, session, bids=room.opened, by=who(session.leader))

    assert made.result["rejected"] == {str(bad): "未响应工期要求"}
    assert len(made.result["ranking"]) == 2


def test_a_report_is_signed_by_all_and_handed_over_once(room):
    session = room.signing()
    made = room.db.query(report.Report).filter_by(session_id=session.id).one()
    assert recompute(made.sheet) == made.result
    assert report.digest(made.sheet, made.result) == made.sha256
    with pytest.raises(report.NotSigner):
        report.sign(room.db, session, dissent=None, key=room.stage.key, by=room.supervisor)
    for number, seat in enumerate(session.members):
        report.sign(room.db, session, dissent="价格分过高" if number == 4 else None, key=room.stage.key, by=who(seat))
        report.sign(room.db, session, dissent=None, key=room.stage.key, by=who(seat))

    assert session.state is State.FINISHED
    assert room.tender.state.value == "evaluated"
    assert [line["place"] for line in room.tender.ranking] == [1, 2, 3]
    assert [signature.dissent for signature in made.signatures] == [None] * 4 + ["价格分过高"]
    with pytest.raises(sessions.NotRunning):
        scores.give(room.db, session, room.bids[0].id, {"plan": "1"}, bids=room.ids, by=who(session.members[0]))


def test_only_the_leader_compiles_and_nobody_signs_before(room):
    session = room.handed_in()
    with pytest.raises(report.NoReport):
        report.sign(room.db, session, dissent=None, key=room.stage.key, by=who(session.leader))
    other = next(seat for seat in session.members if not seat.is_leader)
    with pytest.raises(sessions.NotTheLeader):
        report.compile_(room.db, session, bids=room.opened, by=who(other))
    once = report.compile_(room.db, session, bids=room.opened, by=who(session.leader))
    assert report.compile_(room.db, session, bids=room.opened, by=who(session.leader)) is once


def test_a_finished_session_moves_no_more(room):
    session = room.signing()
    with pytest.raises(WrongState):
        sessions.pause(room.db, session, reason="x", by=room.centre)
