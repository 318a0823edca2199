"""What lies in a supervisor's region: projects of every kind, their state, and the file of each in the journal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from bidding.supermarket.models import Project
from bidding.supermarket.models import State as ProjectState
from bidding.supermarket.views import story as supermarket_story
from bidding.tenders.models import State as TenderState
from bidding.tenders.models import Tender
from bidding.tenders.views import story as tender_story
from ca.parties import Person, Region
from ca.rights import Actor
from evaluation.models import Session
from evaluation.views import story as session_story
from storage import journal
from storage.db import find
from storage.refusals import NotFound

NEWEST = 500  # of each kind in one tree


@dataclass(frozen=True)
class Kind:
    """One kind of thing a supervisor follows."""

    row: type[Any]
    name: str
    endpoint: str  # of its own page
    argument: str
    called: Callable[[Any], str]
    number: Callable[[Any], str]
    titles: dict[str, Any]


KINDS = {
    "supermarket": Kind(
        Project, "中介超市", "supermarket.show", "project_id", lambda one: one.title, lambda one: one.number,
        supermarket_story.TITLES,
    ),
    "tender": Kind(
        Tender, "招标投标", "tenders.show", "tender_id", lambda one: one.name, lambda one: one.number,
        tender_story.TITLES,
    ),
    "session": Kind(
        Session, "评标会", "evaluation.show", "session_id", lambda one: one.tender.name,
        lambda one: one.tender.number, session_story.TITLES,
    ),
}  # fmt: skip
HIDDEN = {Project: (ProjectState.DRAFT,), Tender: (TenderState.DRAFT, TenderState.JOINING), Session: ()}


def oversees(actor: Actor, region: Region | None) -> bool:
    """Whether something of a region is this supervisor's to see: his own region, or a county of it."""
    if actor.region_id is None or region is None:
        return True
    return actor.region_id in (region.id, region.parent_id)


def all_of(db: Db, kind: str, actor: Actor) -> list[Any]:
    """What of one kind lies in the supervisor's region, newest first; drafts are their owners' own."""
    row = KINDS[kind].row
    hidden = HIDDEN[row]
    query = select(row).where(row.state.not_in(hidden)) if hidden else select(row)
    found = db.scalars(query.order_by(row.id.desc()).limit(NEWEST)).unique()
    return [one for one in found if oversees(actor, one.region)]


def one_of(db: Db, kind: str, id_: int, actor: Actor) -> Any:
    """One thing by its kind and number; what is not the supervisor's to see is not there."""
    if kind not in KINDS:
        raise NotFound
    found = find(db, KINDS[kind].row, id_)
    if found.state in HIDDEN[KINDS[kind].row] or not oversees(actor, found.region):
        raise NotFound(what=found.called)
    return found


def regions(db: Db, actor: Actor) -> Sequence[Region]:
    """The regions a supervisor may choose from."""
    return [one for one in db.scalars(select(Region).order_by(Region.code)) if oversees(actor, one)]


@dataclass(frozen=True)
class Line:
    """One entry of a file: what was done, when, in which roles, and its hash. Never who, never what is sealed."""

    number: int
    at: Any
    act: str
    title: str
    roles: frozenset[Any]
    note: str
    hash: str


def lines(db: Db, kind: str, thing: Any) -> list[Line]:
    """The whole file of a thing."""
    titles = KINDS[kind].titles
    roles: dict[int, frozenset[Any]] = {}
    told = []
    for entry in journal.entries(db, thing.file):
        if entry.by and entry.by not in roles:
            roles[entry.by] = find(db, Person, entry.by).actor.roles
        note = session_story.note(entry.act, entry.facts) if kind == "session" else ""
        told.append(Line(
            entry.number, entry.at, entry.act, str(titles.get(entry.act, "")), roles.get(entry.by or 0, frozenset()),
            note, entry.hash,
        ))  # fmt: skip
    return told
