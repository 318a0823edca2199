"""The list of rooms, in plain sight: their doors, rows, due acts, papers, and what they lay on a desk."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint
from sqlalchemy.orm import Session

from ca.desk import Lying
from ca.rights import Actor


def doors() -> list[Blueprint]:
    """Every blueprint of the house."""
    from app.documents import views as documents
    from app.evidence import views as evidence
    from app.messages import views as messages
    from app.portal import views as portal
    from app.supervision import views as supervision
    from bidding.supermarket import views as supermarket
    from bidding.tenders import views as tenders
    from ca.views import holder, login
    from escrow import views as escrow
    from evaluation import views as evaluation

    return [
        portal.pages, login.pages, login.api, messages.pages, documents.pages, documents.api,
        evidence.pages, evidence.api,
        holder.pages, holder.api,
        supermarket.pages, supermarket.api,
        tenders.pages, tenders.api,
        evaluation.pages, evaluation.api,
        supervision.pages, supervision.api,
        escrow.pages, escrow.api, escrow.bank_api,
    ]  # fmt: skip


WITH_ROWS_OR_JOBS = [
    "app.documents.issuing",
    "app.documents.models",
    "app.evidence.making",
    "app.evidence.models",
    "app.followers",
    "app.messages.models",
    "app.messages.sending",
    "bidding.supermarket.models",
    "bidding.tenders.bids",
    "bidding.tenders.due",
    "bidding.tenders.models",
    "ca.login",
    "ca.openings",
    "ca.parties",
    "ca.tokens",
    "escrow.banks.polling",
    "escrow.models",
    "escrow.sending",
    "evaluation.models",
    "storage.calendar",
    "storage.jobs",
    "storage.journal",
]


def models() -> None:
    """Import every module with rows or jobs, so that the metadata and the list of tasks are whole."""
    for module in WITH_ROWS_OR_JOBS:
        importlib.import_module(module)


def ddl() -> list[Callable[[Any], None]]:
    """What a room says to the database beyond tables: triggers, functions; each is handed a connection."""
    from escrow import ledger

    return [ledger.install]


def append_only() -> list[str]:
    """Tables beside the journal that nobody may change."""
    from escrow import ledger

    return [*ledger.APPEND_ONLY]


def due() -> list[tuple[str, Callable[[Session], Sequence[Any]], Callable[..., Any]]]:
    """Every act whose moment comes by itself: its name, what is due now, and the act `(db, id_, equipment)`."""
    from app import followers
    from app.documents import issuing
    from app.evidence import making
    from app.messages import telling
    from bidding.supermarket import waiting
    from bidding.tenders import due as tenders
    from ca import openings
    from escrow import sending
    from escrow.banks import polling
    from evaluation import experts, recordings

    return [
        ("messages", followers.waiting("messages"), followers.reading(telling.follow)),
        ("documents", followers.waiting("documents"), followers.reading(issuing.follow)),
        ("evidence", followers.waiting("evidence"), followers.reading(making.follow)),
        ("openings", openings.due, openings.settle),
        ("supermarket", waiting.due, waiting.settle_with),
        *tenders.DUE,
        ("experts", experts.due, experts.settle),
        ("experts.fill", experts.due_to_fill, experts.fill_due),
        ("recordings", recordings.due, recordings.settle),
        ("escrow.pack", sending.due_to_pack, lambda db, id_, _: sending.pack_due(db, id_)),
        ("escrow.tell", sending.due_to_tell, lambda db, id_, _: sending.tell_due(db, id_)),
        ("escrow.ask", sending.due_to_ask, lambda db, id_, _: sending.ask_due(db, id_)),
        ("escrow.poll", polling.due_to_poll, lambda db, id_, _: polling.poll_due(db, id_)),
    ]


def desks() -> list[Callable[[Session, Actor], Sequence[Lying]]]:
    """What each room lays on a desk: `desk(db, actor) -> list[Lying]` (ca.desk)."""
    from bidding.supermarket import desk as supermarket
    from escrow import desk as escrow
    from evaluation import desk as evaluation

    return [
        escrow.desk,
        supermarket.desk,
        # tenders
        evaluation.desk,
    ]


def running_sessions(db: Session) -> Sequence[tuple[str, int, Sequence[str]]]:
    """Evaluation sessions that run now: name, zero (UTC ms), participants."""
    from evaluation import recordings

    return recordings.running(db)
