"""The centre's pages: plan a session, ask for its panel, conduct it, keep the expert library."""

from flask import g, redirect, render_template, request, url_for
from pydantic import BaseModel, Field
from sqlalchemy import select

from bidding.tenders import notices
from ca.parties import Organisation, Person
from ca.rights import Role, allow
from evaluation import experts, planning, sessions
from evaluation.models import EXPERT_KIND_NAMES, Expert, ExpertKind, Interest
from evaluation.views.api_panel import CONDUCTS
from evaluation.views.doors import pages, seen, shown
from storage import forms
from storage.db import find
from storage.forms import Code, When
from storage.refusals import NotFound, NotValid

SPECIALITIES = 20


class NoSuchAccount(NotValid):
    says = "没有登录名为“{login}”的账号。请核对登录名。"


class NoSuchOrganisation(NotValid):
    says = "没有统一社会信用代码为“{code}”的单位。请核对代码。"


class SessionForm(BaseModel):
    tender: int
    places: int = Field(5, ge=1, le=99)
    planned_at: When
    main_venue: str = Field(min_length=1, max_length=120)


class DrawForm(BaseModel):
    specialities: str = Field("", max_length=400)
    closes_at: When


class ReasonForm(BaseModel):
    reason: str = Field(min_length=1, max_length=500)


class ExpertForm(BaseModel):
    login: str = Field(min_length=1, max_length=60)
    kind: ExpertKind
    specialities: str = Field("", max_length=400)
    employer: Code | None = None


class InterestForm(BaseModel):
    credit_code: Code
    reason: str = Field(min_length=1, max_length=200)
    until: When | None = None


@pages.get("/new")
@allow(Role.CENTRE_STAFF)
def planning_one():
    """Plan a session over an opened tender."""
    return render_template(
        "evaluation/plan.html", tenders=planning.waiting(g.db), chosen=request.args.get("tender", type=int)
    )


@pages.post("/new")
@allow(Role.CENTRE_STAFF)
def plan():
    form = forms.read(SessionForm, request.form)
    session = sessions.convene(
        g.db, notices.seen_by(g.db, form.tender, g.actor), places=form.places, planned_at=form.planned_at,
        main_venue=form.main_venue, by=g.actor,
    )  # fmt: skip
    return shown(session)


@pages.get("/<int:session_id>/draw")
@allow(Role.CENTRE_STAFF)
def asking_draw(session_id: int):
    """Ask for the draw of the panel."""
    return render_template("evaluation/draw_request.html", session=seen(session_id), known=specialities())


@pages.post("/<int:session_id>/draw")
@allow(Role.CENTRE_STAFF)
def ask_draw(session_id: int):
    session = seen(session_id)
    form = forms.read(DrawForm, request.form)
    draw = experts.request(
        g.db, session, specialities=listed(form.specialities), closes_at=form.closes_at, by=g.actor
    )
    return redirect(url_for(".hall", draw_id=draw.id), code=303)


@pages.get("/<int:session_id>/opening")
@allow(*CONDUCTS)
def opening(session_id: int):
    """Begin the session?"""
    return render_template("evaluation/opening.html", session=conducted(session_id))


@pages.post("/<int:session_id>/opening")
@allow(*CONDUCTS)
def open_(session_id: int):
    session = sessions.open_(g.db, conducted(session_id), by=g.actor)
    return shown(session)


@pages.get("/<int:session_id>/pause")
@allow(*CONDUCTS)
def pausing(session_id: int):
    """Pause the session?"""
    return render_template("evaluation/pause.html", session=conducted(session_id))


@pages.post("/<int:session_id>/pause")
@allow(*CONDUCTS)
def pause(session_id: int):
    session = conducted(session_id)
    sessions.pause(g.db, session, reason=forms.read(ReasonForm, request.form).reason, by=g.actor)
    return shown(session)


@pages.get("/<int:session_id>/resumption")
@allow(*CONDUCTS)
def resuming(session_id: int):
    """Go on after a pause?"""
    return render_template("evaluation/resumption.html", session=conducted(session_id))


@pages.post("/<int:session_id>/resumption")
@allow(*CONDUCTS)
def resume(session_id: int):
    session = conducted(session_id)
    sessions.resume(g.db, session, by=g.actor)
    return shown(session)


@pages.get("/<int:session_id>/abortion")
@allow(Role.CENTRE_STAFF)
def aborting(session_id: int):
    """End the session without a result?"""
    return render_template("evaluation/abortion.html", session=seen(session_id))


@pages.post("/<int:session_id>/abortion")
@allow(Role.CENTRE_STAFF)
def abort(session_id: int):
    session = seen(session_id)
    sessions.abort(g.db, session, reason=forms.read(ReasonForm, request.form).reason, by=g.actor)
    return shown(session)


@pages.get("/experts")
@allow(Role.CENTRE_STAFF)
def library():
    """The expert library."""
    people = g.db.scalars(select(Expert).order_by(Expert.id)).all()
    return render_template("evaluation/experts.html", experts=people, kinds=EXPERT_KIND_NAMES)


@pages.get("/experts/new")
@allow(Role.CENTRE_STAFF)
def enrolling():
    """Take a person into the library."""
    return render_template("evaluation/expert_form.html", kinds=EXPERT_KIND_NAMES)


@pages.post("/experts/new")
@allow(Role.CENTRE_STAFF)
def enrol():
    form = forms.read(ExpertForm, request.form)
    person = g.db.scalar(select(Person).filter_by(login=form.login))
    if person is None:
        raise NoSuchAccount(login=form.login)
    employer = organisation(form.employer) if form.employer else None
    experts.enrol(g.db, person, form.kind, listed(form.specialities), employer=employer, by=g.actor)
    return redirect(url_for(".library"), code=303)


@pages.get("/experts/<int:expert_id>/interests")
@allow(Role.CENTRE_STAFF)
def interests(expert_id: int):
    """Why this expert stays away from whose matters."""
    expert = find(g.db, Expert, expert_id)
    kept = g.db.scalars(select(Interest).filter_by(expert_id=expert.id).order_by(Interest.id)).all()
    names = {each.organisation_id: find(g.db, Organisation, each.organisation_id).name for each in kept}
    return render_template("evaluation/interests.html", expert=expert, interests=kept, names=names)


@pages.post("/experts/<int:expert_id>/interests")
@allow(Role.CENTRE_STAFF)
def declare(expert_id: int):
    expert = find(g.db, Expert, expert_id)
    form = forms.read(InterestForm, request.form)
    experts.declare_interest(
        g.db, expert, organisation(form.credit_code), reason=form.reason, until=form.until, by=g.actor
    )
    return redirect(url_for(".interests", expert_id=expert.id), code=303)


def conducted(session_id: int):
    """A session that this visitor may conduct: as the centre's staff, or as its leader."""
    session = seen(session_id)
    mine = next((seat for seat in session.members if seat.expert.person_id == g.actor.person_id), None)
    if not g.actor.is_a(Role.CENTRE_STAFF) and mine is None:
        raise NotFound(what=session.called)
    return session


def listed(text: str) -> list[str]:
    """Specialities, as one writes them in a line: separated by commas or spaces."""
    words = text.replace("、", ",").replace("，", ",").replace(" ", ",").split(",")
    return [word.strip()[:40] for word in words if word.strip()][:SPECIALITIES]


def specialities() -> list[str]:
    """Specialities that somebody of the library has."""
    return sorted({each for expert in g.db.scalars(select(Expert)) for each in expert.specialities})


def organisation(code: str) -> Organisation:
    """The organisation of a credit code. Raises NoSuchOrganisation."""
    found = g.db.scalar(select(Organisation).filter_by(credit_code=code))
    if found is None:
        raise NoSuchOrganisation(code=code)
    return found
