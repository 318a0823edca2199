"""The evaluation room's two blueprints, and what every door of it needs."""

from datetime import timedelta
from typing import Any

from apiflask import APIBlueprint
from flask import Blueprint, g, redirect, url_for
from werkzeug.wrappers import Response

from ca.rights import Role
from evaluation import bids, recordings, seeing
from evaluation.models import RECORDED, Seat, SeatState, Session
from evaluation.recordings import NoRecording
from evaluation.sessions import NotCheckedIn
from storage.refusals import NotFound

pages = Blueprint("evaluation", __name__, url_prefix="/evaluation", template_folder="../templates")
api = APIBlueprint("evaluation_api", __name__, url_prefix="/api/evaluation", tag="评标 evaluation")

TICKET_LASTS = timedelta(minutes=15)
AUDIENCE = "room"


def seen(session_id: int) -> Session:
    """A session that this visitor may see."""
    return seeing.seen(g.db, session_id, g.actor)


def own_seat(session: Session) -> Seat:
    """The visitor's seat; who has none finds nothing here."""
    found = seeing.seat(session, g.actor)
    if found is None:
        raise NotFound(what=Session.called)
    return found


def panel(session_id: int) -> Session:
    """A session in which the visitor has a seat."""
    session = seen(session_id)
    own_seat(session)
    return session


def bid_ids(session: Session) -> set[Any]:
    """The ids of the bids this session is about."""
    return bids.ids(bids.opened(g.db, session.tender))


def ticket(session: Session) -> dict[str, str]:
    """A room token for a checked-in member or a supervisor, and where the recorder is."""
    if session.state not in RECORDED:
        raise NoRecording
    own = seeing.seat(session, g.actor)
    if own is None and not (g.actor.is_a(Role.SUPERVISOR) and recordings.may_watch(session, g.actor)):
        raise NotFound(what=Session.called)
    if own is not None and own.state is not SeatState.CHECKED_IN:
        raise NotCheckedIn
    subject = own.name if own is not None else f"supervisor-{g.actor.person_id}"
    claims = recordings.ticket_claims(session, own)
    token = g.house.tokens.sign(AUDIENCE, subject, TICKET_LASTS, **claims)
    return {
        "token": token, "recorder": g.house.settings.recorder_address, "session": session.recording,
        "participant": subject,
    }  # fmt: skip


def shown(session: Session) -> Response:
    """Back to the session's page."""
    return redirect(url_for("evaluation.show", session_id=session.id), code=303)
