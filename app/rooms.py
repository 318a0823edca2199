"""The list of rooms, in plain sight: their doors, rows, due acts, papers, and what they lay on a desk."""

from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint
from sqlalchemy.orm import Session

from ca.desk import Lying
from ca.rights import Actor


def doors() -> list[Blueprint]:
    """Every blueprint of the house."""
    from app.documents import views as documents
    from app.messages import views as messages
    from app.portal import views as portal
    from ca.views import login

    return [
        portal.pages, login.pages, login.api, messages.pages, documents.pages, documents.api,
        # ca.holder
        # escrow
        # supermarket
        # tenders
        # evaluation
    ]  # fmt: skip


def models() -> None:
    """Import every module with rows or jobs, so that the metadata and the list of tasks are whole."""
    import app.documents.issuing
    import app.documents.models
    import app.followers
    import app.messages.models
    import app.messages.sending
    import ca.login
    import ca.parties
    import ca.tokens
    import evaluation.models
    import storage.calendar
    import storage.jobs
    import storage.journal  # noqa: F401


def ddl() -> list[Callable[[Any], None]]:
    """What a room says to the database beyond tables: triggers, functions; each is handed a connection."""
    return []


def append_only() -> list[str]:
    """Tables beside the journal that nobody may change."""
    return []


def due() -> list[tuple[str, Callable[[Session], Sequence[Any]], Callable[..., Any]]]:
    """Every act whose moment comes by itself: its name, what is due now, and the act `(db, id_, equipment)`."""
    from app import followers
    from app.documents import issuing
    from app.messages import telling

    return [
        ("messages", followers.waiting("messages"), followers.reading(telling.follow)),
        ("documents", followers.waiting("documents"), followers.reading(issuing.follow)),
        # openings
        # escrow
        # supermarket
        # tenders
        # evaluation
    ]


def desks() -> list[Callable[[Session, Actor], Sequence[Lying]]]:
    """What each room lays on a desk: `desk(db, actor) -> list[Lying]` (ca.desk)."""
    return [
        # escrow
        # supermarket
        # tenders
        # evaluation
    ]


def running_sessions(db: Session) -> Sequence[tuple[str, int, Sequence[str]]]:
    """Evaluation sessions that run now: name, zero (UTC ms), participants."""
    return []
