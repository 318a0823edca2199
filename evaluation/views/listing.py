"""The room's front page: an expert's own sessions; for the others the sessions they may follow."""

from flask import g, jsonify, make_response, render_template

from ca.rights import Role, allow
from evaluation import bids, planning, scores, seeing
from evaluation.methods import METHOD_NAMES
from evaluation.models import RECORDED, SeatState, Session, State
from evaluation.recordings import ENDED
from evaluation.views import files, story
from evaluation.views.api import LOOKERS
from evaluation.views.doors import pages, panel, seen
from evaluation.views.doors import ticket as room_ticket


@pages.get("/")
@allow(*LOOKERS)
def index():
    """What waits, and what has been."""
    found = seeing.of(g.db, g.actor)
    seats = {session.id: seeing.seat(session, g.actor) for session in found}
    return render_template(
        "evaluation/index.html", sessions=found, seats=seats, ENDED=ENDED, State=State,
        waiting=planning.waiting(g.db) if g.actor.is_a(Role.CENTRE_STAFF) else None,
    )  # fmt: skip


@pages.get("/<int:session_id>")
@allow(*LOOKERS)
def show(session_id: int):
    """A session: its state in words, what happens next, and the one act this person can do now."""
    session = seen(session_id)
    return render_template("evaluation/show.html", **told(session))


@pages.get("/<int:session_id>/now")
@allow(*LOOKERS)
def now(session_id: int):
    """The part of a session's page that changes by itself."""
    answer = make_response(render_template("evaluation/now.html", **told(seen(session_id))))
    answer.headers["Cache-Control"] = "no-store"
    return answer


@pages.get("/<int:session_id>/ticket")
@allow(Role.EXPERT, Role.SUPERVISOR)
def ticket(session_id: int):
    """A room token for the page's own script."""
    return jsonify(room_ticket(seen(session_id)))


@pages.get("/<int:session_id>/bids/<uuid:bid_id>/documents/<int:place>")
@allow(Role.EXPERT)
def document(session_id: int, bid_id, place: int):
    """One document of a bid; the session's file tells that it was opened."""
    name, content = bids.document(g.db, g.objects, panel(session_id), bid_id, place, by=g.actor)
    return files.attachment(content, name)


def told(session: Session) -> dict:
    """What a session's page shows to this visitor."""
    own, sees_panel = seeing.seat(session, g.actor), seeing.sees_panel(session, g.actor)
    followed = seeing.may_follow(session, g.actor)
    report = seeing.report(g.db, session, g.actor)
    signed = {each.seat_id for each in report.signatures} if report else set()
    return {
        "session": session, "own": own, "seats": session.members if sees_panel else None, "report": report,
        "signed": signed, "names": {seat.id: seeing.name_of(session, seat, g.actor) for seat in session.members},
        "draws": seeing.draws(g.db, session) if followed else [], "next": story.next_step(session),
        "act": act(session, own, signed), "State": State, "SeatState": SeatState, "METHOD_NAMES": METHOD_NAMES,
        "is_centre": g.actor.is_a(Role.CENTRE_STAFF), "is_buyer": seeing.is_buyer(session, g.actor),
        "is_supervisor": g.actor.is_a(Role.SUPERVISOR), "criteria": list(scores.criteria(session.tender).values()),
        "is_live": session.state not in ENDED, "RECORDED": RECORDED,
        "timeline": story.timeline(g.db, session, whole=followed and sees_panel),
    }  # fmt: skip


def act(session: Session, own, signed) -> str:
    """The one primary act this visitor can do now, by name; empty when there is none."""
    if own is None:
        return ""
    if session.state is State.SEATED:
        if own.state is SeatState.NOTIFIED:
            return "answer"
        if own.state is SeatState.ACCEPTED:
            return "check_in"
        if session.leader is None:
            return "vote" if own.vote_for is None else ""
        here = all(seat.state is SeatState.CHECKED_IN for seat in session.members)
        return "open" if own.is_leader and here and len(session.members) == session.places else ""
    if session.state in RECORDED and own.state is SeatState.CHECKED_IN:
        return "sign" if session.state is State.SIGNING and own.id not in signed else "room"
    if session.state is State.RUNNING:
        return "check_in"
    return ""


