"""评标室 The room while the session runs: everybody's picture beside the bids and the score sheet.

Every page in here carries the pictures and one region, `#sheet`, which alone is exchanged while a member goes
from scoring to handing in, to changes, to the report – so nobody's connection falls. Without scripts they are
ordinary pages.
"""

import json
from uuid import UUID

from flask import g, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from pydantic import BaseModel, Field
from werkzeug.wrappers import Response

from ca.rights import Role, allow
from evaluation import bids, report, scores, seeing
from evaluation.methods import METHOD_NAMES
from evaluation.models import GROUND_NAMES, RECORDED, Change, Ground, SeatState, Session, State
from evaluation.views.api import LOOKERS
from evaluation.views.doors import bid_ids, own_seat, pages, panel, seen
from storage import forms
from storage.refusals import NotFound

PREFIX = "score-"  # of the fields of a score sheet: a field for each criterion


class ReviewForm(BaseModel):
    passes: bool | None = None
    reason: str = Field("", max_length=500)


class ChangeForm(BaseModel):
    score: str = Field(min_length=1, max_length=120)
    to: str = Field(min_length=1, max_length=20)
    ground: Ground
    reason: str = Field(min_length=1, max_length=2000)


class DecisionForm(BaseModel):
    consent: bool


class SignatureForm(BaseModel):
    dissent: str = Field("", max_length=5000)


@pages.get("/<int:session_id>/room")
@allow(Role.EXPERT)
def room(session_id: int):
    """The bids and one's own score sheet, beside the pictures."""
    session = panel(session_id)
    if session.state not in RECORDED or own_seat(session).state is not SeatState.CHECKED_IN:
        return redirect(url_for(".show", session_id=session.id), code=303)
    return _page("evaluation/sheet.html", session)


@pages.get("/<int:session_id>/room/now")
@allow(Role.EXPERT)
def room_now(session_id: int):
    """The lines of the room that change by themselves."""
    answer = make_response(render_template("evaluation/room_now.html", **_facts(panel(session_id))))
    answer.headers["Cache-Control"] = "no-store"
    return answer


@pages.get("/<int:session_id>/room/<uuid:bid_id>")
@allow(Role.EXPERT)
def bid(session_id: int, bid_id: UUID):
    """One bid's sheet; the whole sheet is one page."""
    session = panel(session_id)
    if bid_id not in bid_ids(session):
        raise NotFound
    return _page("evaluation/sheet.html", session, saving=bid_id)


@pages.post("/<int:session_id>/room/<uuid:bid_id>")
@allow(Role.EXPERT)
def save(session_id: int, bid_id: UUID):
    """Keep what a member has written about one bid; only what changed is written down."""
    session = panel(session_id)
    form = forms.read(ReviewForm, request.form)
    given = {
        name.removeprefix(PREFIX): value.strip() for name, value in request.form.items() if name.startswith(PREFIX)
    }
    scores.fill_in(
        g.db, session, bid_id, passes=form.passes, reason=form.reason,
        values={criterion: value for criterion, value in given.items() if value}, bids=bid_ids(session), by=g.actor,
    )  # fmt: skip
    return redirect(url_for(".room", session_id=session.id, _anchor=f"bid-{bid_id}"), code=303)


@pages.get("/<int:session_id>/handing-in")
@allow(Role.EXPERT)
def handing_in(session_id: int):
    """Hand in? From then on scores change only by request."""
    return _page("evaluation/handing_in.html", panel(session_id))


@pages.post("/<int:session_id>/handing-in")
@allow(Role.EXPERT)
def hand_in(session_id: int):
    session = panel(session_id)
    scores.hand_in(g.db, session, bids=bid_ids(session), by=g.actor)
    return redirect(url_for(".room", session_id=session.id), code=303)


@pages.get("/<int:session_id>/changes")
@allow(Role.EXPERT)
def asking_change(session_id: int):
    """Ask for a change of one's own score, on a ground of law."""
    return _page("evaluation/change_form.html", panel(session_id))


@pages.post("/<int:session_id>/changes")
@allow(Role.EXPERT)
def ask_change(session_id: int):
    session = panel(session_id)
    form = forms.read(ChangeForm, request.form)
    bid_id, _colon, criterion = form.score.partition(":")
    try:
        chosen = UUID(bid_id)
    except ValueError:
        raise scores.NoSuchCriterion(criterion=form.score) from None
    scores.ask_change(g.db, session, chosen, criterion, form.to, ground=form.ground, reason=form.reason, by=g.actor)
    return redirect(url_for(".room", session_id=session.id), code=303)


@pages.get("/<int:session_id>/changes/<int:change_id>")
@allow(Role.EXPERT)
def deciding(session_id: int, change_id: int):
    """Consent to a change?"""
    session = panel(session_id)
    line = next((each for each in seeing.changes(g.db, session, g.actor) if each.id == change_id), None)
    if line is None:
        raise NotFound(what=Change.called)
    return _page("evaluation/decision.html", session, line=line)


@pages.post("/<int:session_id>/changes/<int:change_id>")
@allow(Role.EXPERT)
def decide(session_id: int, change_id: int):
    session = panel(session_id)
    scores.decide_change(g.db, session, change_id, consent=forms.read(DecisionForm, request.form).consent, by=g.actor)
    return redirect(url_for(".room", session_id=session.id), code=303)


@pages.get("/<int:session_id>/compiling")
@allow(Role.EXPERT)
def compiling(session_id: int):
    """Let the result be computed?"""
    return _page("evaluation/compiling.html", panel(session_id))


@pages.post("/<int:session_id>/compiling")
@allow(Role.EXPERT)
def compile_(session_id: int):
    session = panel(session_id)
    report.compile_(g.db, session, bids=bids.opened(g.db, session.tender), by=g.actor)
    return redirect(url_for(".signing", session_id=session.id), code=303)


@pages.get("/<int:session_id>/signature")
@allow(Role.EXPERT)
def signing(session_id: int):
    """Sign the report, or sign it with a dissent."""
    session = panel(session_id)
    if seeing.report(g.db, session, g.actor) is None:
        raise NotFound
    return _page("evaluation/signature.html", session)


@pages.post("/<int:session_id>/signature")
@allow(Role.EXPERT)
def sign(session_id: int):
    session = panel(session_id)
    dissent = forms.read(SignatureForm, request.form).dissent or None
    report.sign(g.db, session, dissent=dissent, key=g.platform_key, by=g.actor)
    return redirect(url_for(".report", session_id=session.id), code=303)


@pages.get("/<int:session_id>/report", endpoint="report")
@allow(*LOOKERS)
def report_page(session_id: int):
    """The report: the ranking, how it was computed, who signed."""
    session = seen(session_id)
    if seeing.report(g.db, session, g.actor) is None:
        raise NotFound
    return _page("evaluation/report.html", session)


@pages.get("/<int:session_id>/report.json")
@allow(*LOOKERS)
def report_file(session_id: int):
    """Sheet and result as a file: anybody computes the one from the other."""
    session = seen(session_id)
    found = seeing.report(g.db, session, g.actor)
    if found is None:
        raise NotFound
    answer = Response(json.dumps(seeing.plain(found), ensure_ascii=False, indent=1), mimetype="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="evaluation-report-{session.id}.json"'
    return answer


def _page(template: str, session: Session, **more: object):
    """A page of the room: with the pictures while they are there, else alone."""
    own = seeing.seat(session, g.actor)
    inside = own is not None and own.state is SeatState.CHECKED_IN and session.state in RECORDED
    frame = "evaluation/room.html" if inside else "evaluation/alone.html"
    return render_template(template, frame=frame, **_facts(session), **more)


def _facts(session: Session) -> dict:
    """What every page of the room may show."""
    own = seeing.seat(session, g.actor)
    offered = bids.opened(g.db, session.tender)
    known = bids.ids(offered)
    found = seeing.report(g.db, session, g.actor)
    return {
        "session": session, "own": own, "bids": offered, "titles": {bid.bid_id: bid.name for bid in offered},
        "criteria": scores.criteria(session.tender), "sheet": seeing.sheet(g.db, own) if own else None,
        "unfinished": scores.unfinished(g.db, session, own, known) if own else 0, "prefix": PREFIX,
        "changes": seeing.changes(g.db, session, g.actor), "grounds": GROUND_NAMES, "report": found,
        "change_states": Change.STATE_NAMES, "methods": METHOD_NAMES,
        "all_in": scores.all_handed_in(session), "State": State, "numbers": {s.id: s.number for s in session.seats},
        "everybody": seeing.all_scores(g.db, session) if seeing.sees_scores(session, g.actor) else None,
        "signed": {each.seat_id for each in found.signatures} if found else set(),
        "names": {seat.id: seeing.name_of(session, seat, g.actor) for seat in session.members},
        "recorder": g.house.settings.recorder_address, "words": words(),
    }  # fmt: skip


def words() -> str:
    """What the room's script says, in the page's language."""
    return json.dumps(
        {
            "connecting": _("正在连接…"), "connected": _("已连接，正在录音录像"),
            "waiting": _("连接中断，正在重新连接…"), "refused": _("未获准进入评标室"),
            "alone": _("没有可用的摄像头和麦克风，仅可观看"), "absent": _("未在场"),
            "mute": _("静音"), "unmute": _("取消静音"), "share": _("共享屏幕"), "unshare": _("停止共享"),
        },
        ensure_ascii=False,
    )  # fmt: skip
