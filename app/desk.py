"""The desk of whoever looks at the home page, gathered from all rooms."""

from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from flask_babel import gettext
from sqlalchemy.orm import Session

from app import rooms
from ca.desk import Lying, Pile
from ca.rights import Actor


@dataclass(frozen=True)
class OnPage:
    """One thing on a desk, in the page's language and with its address."""

    title: str
    href: str
    at: datetime | None
    deadline: datetime | None
    act: str
    note: str

    @classmethod
    def of(cls, thing: Lying) -> "OnPage":
        def spoken(text: str) -> str:
            return gettext(text).format_map(thing.facts) if text else ""

        return cls(
            title=spoken(thing.says), href=url_for(thing.endpoint, **thing.values), at=thing.at, deadline=thing.at,
            act=gettext(thing.act) if thing.act else "", note=spoken(thing.note),
        )  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """Three piles, as the home page shows them."""

    now: list[OnPage]
    coming: list[OnPage]
    changed: list[OnPage]


def gather(db: Session, actor: Actor | None) -> Desk:
    """What waits, what is coming and what has changed for somebody, gathered from all rooms."""
    lying = [thing for lay in rooms.desks() for thing in lay(db, actor)] if actor else []
    return Desk(*(
        [OnPage.of(thing) for thing in sorted(lying, key=_moment) if thing.pile is pile] for pile in Pile
    ))  # fmt: skip


def _moment(thing: Lying) -> tuple[bool, float]:
    """Nearest deadlines first, newest changes first, what has no moment last."""
    stamp = thing.at.timestamp() if thing.at else 0.0
    return (thing.at is None, -stamp if thing.pile is Pile.CHANGED else stamp)
