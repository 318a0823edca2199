"""Calls for programs, second half: what a member of the panel does, from the notice to the signature."""

from uuid import UUID

from flask import Response, g
from pydantic import BaseModel, Field

from ca.rights import Role, allow
from evaluation import bids, report, scores, seeing, sessions
from evaluation.models import Ground, SeatState
from evaluation.report import NoReport
from evaluation.views import files, told
from evaluation.views.api import LOOKERS, ReasonIn, Strict
from evaluation.views.doors import api, bid_ids, panel, seen
from evaluation.views.doors import ticket as room_ticket

CONDUCTS = (Role.EXPERT, Role.CENTRE_STAFF)
READERS = (Role.EXPERT, Role.SUPERVISOR)


class VenueIn(Strict):
    venue: str = Field(min_length=1, max_length=120)


class DeclinedOut(BaseModel):
    state: str


class CheckIn(Strict):
    undertakes: bool


class LeaderIn(Strict):
    number: int = Field(ge=1, le=99)


class ReviewIn(Strict):
    passes: bool
    reason: str = Field("", max_length=500)


class ScoresIn(Strict):
    values: dict[str, str] = Field(min_length=1, max_length=200, description="criterion to decimal string")


class ChangeIn(Strict):
    bid_id: UUID
    criterion: str = Field(max_length=40)
    to: str = Field(max_length=20)
    ground: Ground
    reason: str = Field(min_length=1, max_length=2000)


class ChangeOut(BaseModel):
    id: int
    state: str


class DecisionIn(Strict):
    consent: bool


class SignatureIn(Strict):
    dissent: str | None = Field(None, max_length=5000)


@api.post("/sessions/<int:session_id>/accept")
@allow(Role.EXPERT)
@api.input(VenueIn, arg_name="body")
@api.output(told.SessionOut)
def accept(session_id: int, body: VenueIn):
    """Say that one will come, and to which venue."""
    session = panel(session_id)
    sessions.accept(g.db, session, venue=body.venue, by=g.actor)
    return told.session(session, g.actor)


@api.post("/sessions/<int:session_id>/decline")
@allow(Role.EXPERT)
@api.input(ReasonIn, arg_name="body")
@api.output(DeclinedOut)
def decline(session_id: int, body: ReasonIn):
    """Say that one cannot come; the next in the drawn order takes the place."""
    sessions.decline(g.db, panel(session_id), reason=body.reason, by=g.actor)
    return {"state": SeatState.DECLINED.value}


@api.post("/sessions/<int:session_id>/check-in")
@allow(Role.EXPERT)
@api.input(CheckIn, arg_name="body")
@api.output(told.SessionOut)
def check_in(session_id: int, body: CheckIn):
    """Sign the undertaking and come in."""
    session = panel(session_id)
    sessions.check_in(g.db, session, undertakes=body.undertakes, by=g.actor)
    return told.session(session, g.actor)


@api.post("/sessions/<int:session_id>/leader")
@allow(Role.EXPERT)
@api.input(LeaderIn, arg_name="body")
@api.output(told.SessionOut)
def elect(session_id: int, body: LeaderIn):
    """Name a leader; whoever has more than half of the seats leads."""
    session = panel(session_id)
    sessions.elect(g.db, session, number=body.number, by=g.actor)
    return told.session(session, g.actor)


@api.post("/sessions/<int:session_id>/open")
@allow(*CONDUCTS)
@api.output(told.SessionOut)
def open_(session_id: int):
    """Begin: the session's clock starts, and so does the recording."""
    session = seen(session_id)
    return told.session(sessions.open_(g.db, session, by=g.actor), g.actor)


@api.post("/sessions/<int:session_id>/pause")
@allow(*CONDUCTS)
@api.input(ReasonIn, arg_name="body")
@api.output(told.SessionOut)
def pause(session_id: int, body: ReasonIn):
    """Pause; the recording goes on."""
    session = seen(session_id)
    sessions.pause(g.db, session, reason=body.reason, by=g.actor)
    return told.session(session, g.actor)


@api.post("/sessions/<int:session_id>/resume")
@allow(*CONDUCTS)
@api.output(told.SessionOut)
def resume(session_id: int):
    """Go on after a pause."""
    session = seen(session_id)
    sessions.resume(g.db, session, by=g.actor)
    return told.session(session, g.actor)


@api.get("/sessions/<int:session_id>/bids")
@allow(Role.EXPERT)
@api.output(told.BidsOut)
def list_bids(session_id: int):
    """The opened bids with their documents, for a checked-in member while the session is open."""
    session = panel(session_id)
    found = bids.for_member(g.db, session, g.actor)
    return {"bids": [told.bid(bid) for bid in found], "criteria": list(scores.criteria(session.tender).values())}


@api.get("/sessions/<int:session_id>/bids/<uuid:bid_id>/documents/<int:place>")
@allow(Role.EXPERT)
@api.doc(summary="One document of a bid")
def document(session_id: int, bid_id: UUID, place: int) -> Response:
    """One document of a bid; the session's file tells that it was opened."""
    name, content = bids.document(g.db, g.objects, panel(session_id), bid_id, place, by=g.actor)
    return files.attachment(content, name)


@api.post("/sessions/<int:session_id>/bids/<uuid:bid_id>/review")
@allow(Role.EXPERT)
@api.input(ReviewIn, arg_name="body")
@api.output(told.ScoresOut)
def review(session_id: int, bid_id: UUID, body: ReviewIn):
    """Say whether a bid qualifies and responds; a no needs its reason."""
    session = panel(session_id)
    known = bid_ids(session)
    scores.review(g.db, session, bid_id, passes=body.passes, reason=body.reason, bids=known, by=g.actor)
    g.db.flush()
    return told.sheet(session, g.actor, known)


@api.post("/sessions/<int:session_id>/bids/<uuid:bid_id>/scores")
@allow(Role.EXPERT)
@api.input(ScoresIn, arg_name="body")
@api.output(told.ScoresOut)
def give_scores(session_id: int, bid_id: UUID, body: ScoresIn):
    """Score one bid, some or all criteria."""
    session = panel(session_id)
    known = bid_ids(session)
    scores.give(g.db, session, bid_id, body.values, bids=known, by=g.actor)
    return told.sheet(session, g.actor, known)


@api.get("/sessions/<int:session_id>/scores")
@allow(*READERS)
@api.output(told.ScoresOut)
def show_scores(session_id: int):
    """One's own sheet, and everybody's once all have handed in."""
    session = seen(session_id)
    return told.sheet(session, g.actor, bid_ids(session))


@api.post("/sessions/<int:session_id>/hand-in")
@allow(Role.EXPERT)
@api.output(told.SessionOut)
def hand_in(session_id: int):
    """Hand one's scores in; from now on they change only with a ground, a reason and the leader's consent."""
    session = panel(session_id)
    scores.hand_in(g.db, session, bids=bid_ids(session), by=g.actor)
    return told.session(session, g.actor)


@api.get("/sessions/<int:session_id>/changes")
@allow(*READERS)
@api.output(told.ChangeList)
def list_changes(session_id: int):
    """Requests to change a score that the asker may see."""
    return {"changes": [told.change(line) for line in seeing.changes(g.db, seen(session_id), g.actor)]}


@api.post("/sessions/<int:session_id>/changes")
@allow(Role.EXPERT)
@api.input(ChangeIn, arg_name="body")
@api.output(ChangeOut, status_code=201)
def ask_change(session_id: int, body: ChangeIn):
    """Ask for a change of one's own score, on a ground of law."""
    change = scores.ask_change(
        g.db, panel(session_id), body.bid_id, body.criterion, body.to, ground=body.ground, reason=body.reason,
        by=g.actor,
    )  # fmt: skip
    return {"id": change.id, "state": change.state.value}


@api.post("/sessions/<int:session_id>/changes/<int:change_id>/decision")
@allow(Role.EXPERT)
@api.input(DecisionIn, arg_name="body")
@api.output(ChangeOut)
def decide_change(session_id: int, change_id: int, body: DecisionIn):
    """Consent or not; the leader's own request is decided by any other member."""
    change = scores.decide_change(g.db, panel(session_id), change_id, consent=body.consent, by=g.actor)
    return {"id": change.id, "state": change.state.value}


@api.post("/sessions/<int:session_id>/report")
@allow(Role.EXPERT)
@api.output(told.ReportOut, status_code=201)
def compile_report(session_id: int):
    """Let the result be computed; from here on nothing can be changed."""
    session = panel(session_id)
    report.compile_(g.db, session, bids=bids.opened(g.db, session.tender), by=g.actor)
    return report_of(session_id)


@api.get("/sessions/<int:session_id>/report")
@allow(*LOOKERS)
@api.output(told.ReportOut)
def show_report(session_id: int):
    """The report: its sheet, the result anybody recomputes from it, and who signed."""
    return report_of(session_id)


@api.post("/sessions/<int:session_id>/report/signature")
@allow(Role.EXPERT)
@api.input(SignatureIn, arg_name="body")
@api.output(told.SessionOut)
def sign_report(session_id: int, body: SignatureIn):
    """Sign the report, or sign it with a dissent and its reason."""
    session = panel(session_id)
    report.sign(g.db, session, dissent=body.dissent, key=g.platform_key, by=g.actor)
    return told.session(session, g.actor)


@api.get("/sessions/<int:session_id>/ticket")
@allow(*READERS)
@api.output(told.TicketOut)
def ticket(session_id: int):
    """A short-lived token for the recorder: members send and watch, supervisors watch unseen."""
    return room_ticket(seen(session_id))


def report_of(session_id: int) -> dict:
    """The report that this asker may see."""
    session = seen(session_id)
    found = seeing.report(g.db, session, g.actor)
    if found is None:
        raise NoReport
    return told.report(found, {each.id: each.number for each in session.seats})
