"""What happens by itself: every act whose moment comes, for the worker's sweep (`app.worker`).

Each entry is (name, who is due, the act on one of them); the act asks again under its lock, so it may come
twice or late. `tools` brings the object store, the platform's key and the recognised CAs.
"""

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.orm import Session

from bidding.tenders import awards, notices, opening, recognised, submission, unsealing, uploads
from bidding.tenders.recognised import Recognised
from ca.ecdsa import PlatformKey
from ca.rights import SYSTEM
from storage import jobs
from storage.objects import Store


class Settings(Protocol):
    """Where this centre keeps its files."""

    @property
    def home(self) -> Path: ...


class Tools(Protocol):
    """What the acts use."""

    @property
    def objects(self) -> Store: ...
    @property
    def platform_key(self) -> PlatformKey: ...
    @property
    def settings(self) -> Settings: ...


def recognised_by(tools: Tools) -> Recognised:
    """The CAs this centre recognises: the folder `ca/` in its home."""
    return recognised.at(tools.settings.home / "ca")


@jobs.task("tenders.open_bid")
def open_bid(db: Session, *, bid_id: str) -> None:
    """Open one bid; a job, because a large one takes longer than the sweep may wait."""
    tools: Tools = db.info["equipment"]
    unsealing.open_bid(db, tools.objects, uuid.UUID(bid_id), recognised=recognised_by(tools))


def order_opening(db: Session, bid_id: uuid.UUID) -> None:
    """Order that job; dropped while the same order still waits, so each sweep may ask anew."""
    jobs.later(db, "tenders.open_bid", once=f"tenders.open_bid/{bid_id}", bid_id=str(bid_id))


Act = Callable[[Session, Any, Any], object]
DUE: list[tuple[str, Callable[[Session], Sequence[Any]], Act]] = [
    ("tenders.publish", notices.due_to_publish, lambda db, id_, tools: notices.publish_joined(db, id_)),
    (
        "tenders.verify", submission.due_to_verify,
        lambda db, id_, tools: submission.verify(
            db, tools.objects, id_, key=tools.platform_key, recognised=recognised_by(tools)
        ),
    ),
    ("tenders.freeze", opening.due_to_freeze, lambda db, id_, tools: opening.freeze(db, id_, key=tools.platform_key)),
    (
        "tenders.begin_unlocking", opening.due_to_begin_unlocking,
        lambda db, id_, tools: opening.begin_unlocking(db, id_),
    ),
    ("tenders.end_unlocking", opening.due_to_end_unlocking, lambda db, id_, tools: opening.end_unlocking(db, id_)),
    ("tenders.begin_opening", unsealing.due_to_begin, lambda db, id_, tools: unsealing.begin(db, id_)),
    ("tenders.open_bid", unsealing.due_to_open, lambda db, id_, tools: order_opening(db, id_)),
    (
        "tenders.finish_opening", unsealing.due_to_finish,
        lambda db, id_, tools: unsealing.finish(db, tools.objects, id_, key=tools.platform_key),
    ),
    (
        "tenders.standstill_over", awards.due_to_announce,
        lambda db, id_, tools: awards.announce_standstill_over(db, id_, by=SYSTEM),
    ),
    (
        "tenders.delete_ciphertext", submission.due_to_delete,
        lambda db, id_, tools: submission.delete_ciphertext(db, tools.objects, id_),
    ),
    (
        "tenders.expire_upload", uploads.due_to_expire,
        lambda db, id_, tools: uploads.expire(db, tools.objects, id_),
    ),
]  # fmt: skip
