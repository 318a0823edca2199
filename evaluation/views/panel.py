"""A member's pages before the session opens: answer the notice, check in, name a leader."""

from flask import g, redirect, render_template, request, url_for
from pydantic import BaseModel, Field

from ca.rights import Role, allow
from evaluation import seeing, sessions
from evaluation.models import SeatState
from evaluation.views.doors import own_seat, pages, panel, shown
from storage import forms


class VenueForm(BaseModel):
    venue: str = Field(min_length=1, max_length=120)


class DeclineForm(BaseModel):
    reason: str = Field(min_length=1, max_length=500)


class CheckInForm(BaseModel):
    undertakes: bool = False


class LeaderForm(BaseModel):
    number: int


@pages.get("/<int:session_id>/answer")
@allow(Role.EXPERT)
def answering(session_id: int):
    """Say that one will come, and to which venue."""
    session = panel(session_id)
    return render_template("evaluation/answer.html", session=session, own=own_seat(session))


@pages.post("/<int:session_id>/answer")
@allow(Role.EXPERT)
def accept(session_id: int):
    session = panel(session_id)
    sessions.accept(g.db, session, venue=forms.read(VenueForm, request.form).venue, by=g.actor)
    return shown(session)


@pages.get("/<int:session_id>/declining")
@allow(Role.EXPERT)
def declining(session_id: int):
    """Say that one cannot come."""
    session = panel(session_id)
    return render_template("evaluation/declining.html", session=session, own=own_seat(session))


@pages.post("/<int:session_id>/declining")
@allow(Role.EXPERT)
def decline(session_id: int):
    sessions.decline(g.db, panel(session_id), reason=forms.read(DeclineForm, request.form).reason, by=g.actor)
    return redirect(url_for(".index"), code=303)


@pages.get("/<int:session_id>/check-in")
@allow(Role.EXPERT)
def checking_in(session_id: int):
    """Read the undertaking and come in."""
    session = panel(session_id)
    return render_template("evaluation/check_in.html", session=session, own=own_seat(session), SeatState=SeatState)


@pages.post("/<int:session_id>/check-in")
@allow(Role.EXPERT)
def check_in(session_id: int):
    session = panel(session_id)
    sessions.check_in(g.db, session, undertakes=forms.read(CheckInForm, request.form).undertakes, by=g.actor)
    return shown(session)


@pages.get("/<int:session_id>/leader")
@allow(Role.EXPERT)
def voting(session_id: int):
    """Name the leader one wants."""
    session = panel(session_id)
    names = {seat.id: seeing.name_of(session, seat, g.actor) for seat in session.members}
    return render_template("evaluation/leader.html", session=session, own=own_seat(session), names=names)


@pages.post("/<int:session_id>/leader")
@allow(Role.EXPERT)
def vote(session_id: int):
    session = panel(session_id)
    sessions.elect(g.db, session, number=forms.read(LeaderForm, request.form).number, by=g.actor)
    return shown(session)
