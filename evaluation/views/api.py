"""Calls for programs, first half: experts, sessions, and the draw of a panel."""

from typing import Any

from flask import Response, g
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from bidding.tenders import notices
from ca.parties import Organisation, Person
from ca.rights import Role, allow
from evaluation import experts, seeing, sessions
from evaluation.models import Expert, ExpertKind
from evaluation.views import told
from evaluation.views.doors import api, seen
from storage.db import find
from storage.forms import Code, When
from storage.refusals import NotFound

FOLLOWERS = (Role.CENTRE_STAFF, Role.PROCURING_ENTITY, Role.SUPERVISOR)
LOOKERS = (Role.EXPERT, *FOLLOWERS)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ExpertIn(Strict):
    """A person by login or by number, and what they know."""

    login: str | None = Field(None, max_length=60)
    person_id: int | None = None
    kind: ExpertKind = ExpertKind.TECHNICAL
    specialities: list[str] = Field(default_factory=list, max_length=20)
    employer: Code | None = Field(None, description="credit code")


class ExpertOut(BaseModel):
    id: int
    name: str
    kind: ExpertKind
    specialities: list[str]
    employer: str | None
    is_available: bool


class ExpertList(BaseModel):
    experts: list[ExpertOut]


class InterestIn(Strict):
    """Why an expert stays away from an organisation's matters."""

    credit_code: Code
    reason: str = Field(min_length=1, max_length=200)
    until: When | None = None


class SessionIn(Strict):
    tender_id: int
    places: int = Field(5, ge=0, le=99)
    planned_at: When
    main_venue: str = Field(min_length=1, max_length=120)


class ReasonIn(Strict):
    reason: str = Field(min_length=1, max_length=500)


class DrawIn(Strict):
    specialities: list[str] = Field(default_factory=list, max_length=20)
    closes_at: When


class BoxIn(Strict):
    box: str = Field(max_length=2 * experts.LONGEST_BOX, description="sealed contribution, lower-case hex")


@api.post("/experts")
@allow(Role.CENTRE_STAFF)
@api.input(ExpertIn, arg_name="body")
@api.output(ExpertOut, status_code=201)
def enrol(body: ExpertIn):
    """Take a person into the expert library."""
    expert = experts.enrol(
        g.db, _person(body), body.kind, body.specialities, employer=_employer(body.employer), by=g.actor
    )
    return _expert(expert)


@api.get("/experts")
@allow(Role.CENTRE_STAFF)
@api.output(ExpertList)
def library():
    """The expert library."""
    return {"experts": [_expert(expert) for expert in g.db.scalars(select(Expert).order_by(Expert.id))]}


@api.post("/experts/<int:expert_id>/interests")
@allow(Role.CENTRE_STAFF)
@api.input(InterestIn, arg_name="body")
@api.output(ExpertOut, status_code=201)
def declare_interest(expert_id: int, body: InterestIn):
    """Write down why an expert must stay away from an organisation's matters."""
    expert = find(g.db, Expert, expert_id)
    organisation = _employer(body.credit_code)
    assert organisation is not None
    experts.declare_interest(g.db, expert, organisation, reason=body.reason, until=body.until, by=g.actor)
    return _expert(expert)


@api.post("/sessions")
@allow(Role.CENTRE_STAFF)
@api.input(SessionIn, arg_name="body")
@api.output(told.SessionOut, status_code=201)
def convene(body: SessionIn):
    """Plan a session over an opened tender."""
    tender = notices.seen_by(g.db, body.tender_id, g.actor)
    session = sessions.convene(
        g.db, tender, places=body.places, planned_at=body.planned_at, main_venue=body.main_venue, by=g.actor
    )
    return told.session(session, g.actor)


@api.get("/sessions")
@allow(*LOOKERS)
@api.output(told.SessionList)
def list_sessions():
    """The sessions one may see, newest first; an expert's own."""
    return {"sessions": [told.session(session, g.actor) for session in seeing.of(g.db, g.actor)]}


@api.get("/sessions/<int:session_id>")
@allow(*LOOKERS)
@api.output(told.SessionOut)
def show(session_id: int):
    """A session, as much of it as the asker may see."""
    return told.session(seen(session_id), g.actor)


@api.post("/sessions/<int:session_id>/abort")
@allow(Role.CENTRE_STAFF)
@api.input(ReasonIn, arg_name="body")
@api.output(told.SessionOut)
def abort(session_id: int, body: ReasonIn):
    """End a session without a result."""
    session = seen(session_id)
    sessions.abort(g.db, session, reason=body.reason, by=g.actor)
    return told.session(session, g.actor)


@api.post("/sessions/<int:session_id>/draw")
@allow(Role.CENTRE_STAFF)
@api.input(DrawIn, arg_name="body")
@api.output(told.DrawOut, status_code=201)
def request_draw(session_id: int, body: DrawIn):
    """Begin the draw of the panel; holders' programs make their keys for it."""
    draw = experts.request(
        g.db, seen(session_id), specialities=body.specialities, closes_at=body.closes_at, by=g.actor
    )
    return told.draw(draw, g.actor)


@api.get("/draws/<int:draw_id>")
@allow(*FOLLOWERS)
@api.output(told.DrawOut)
def show_draw(draw_id: int):
    """A draw: its parameters, its signed notice, its deadline, and who has contributed."""
    return told.draw(seeing.draw(g.db, draw_id, g.actor), g.actor)


@api.post("/draws/<int:draw_id>/contributions")
@allow(Role.PROCURING_ENTITY, Role.SUPERVISOR)
@api.input(BoxIn, arg_name="body")
@api.output(told.DrawOut, status_code=201)
def contribute(draw_id: int, body: BoxIn):
    """Hand in a sealed contribution; the highest number counts."""
    draw = seeing.draw(g.db, draw_id, g.actor)
    experts.contribute(g.db, draw, body.box, by=g.actor)
    return told.draw(draw, g.actor)


@api.get("/draws/<int:draw_id>/bundle")
@allow(*FOLLOWERS)
@api.doc(summary="Everything to repeat the draw; once the session has finished")
def draw_bundle(draw_id: int) -> Response:
    """Everything to repeat the draw; it names the pool, so it comes out once the session has finished."""
    return bundle_of(draw_id)


def bundle_of(draw_id: int) -> Response:
    """The bundle of a draw as a file."""
    draw = seeing.draw(g.db, draw_id, g.actor)
    if draw.bundle is None or not seeing.shows_result(draw.session):
        raise NotFound
    answer = Response(draw.bundle, mimetype="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="expert-draw-{draw.id}.json"'
    return answer


def _person(body: ExpertIn) -> Person:
    if body.person_id is not None:
        return find(g.db, Person, body.person_id)
    person = g.db.scalar(select(Person).filter_by(login=body.login)) if body.login else None
    if person is None:
        raise NotFound(what=Person.called)
    return person


def _employer(code: Any) -> Organisation | None:
    if code is None:
        return None
    found = g.db.scalar(select(Organisation).filter_by(credit_code=code))
    if found is None:
        raise NotFound(what=Organisation.called)
    return found


def _expert(one: Expert) -> dict[str, Any]:
    return {
        "id": one.id, "name": one.person.name, "kind": one.kind, "specialities": one.specialities,
        "employer": one.employer.name if one.employer else None, "is_available": one.is_available,
    }  # fmt: skip
