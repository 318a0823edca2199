"""录音录像 Recordings: they begin and end with the state of the row, and every event of the session's journal
stands in the recording's chain, with its millisecond.

The recorder is another process. Telling it something is repeated until it has answered; what was told is kept
in the row, so two workers or a crash do no harm: the recorder takes an event it already has only once a row
says so, and a session it already knows as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import IO, Any

import httpx
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session as Db

from bidding.tenders.models import Tender
from ca.parties import Region
from ca.rights import Actor, Role
from evaluation.models import RECORDED, Seat, Session, State
from evaluation.recorder import pieces
from evaluation.sessions import milliseconds
from storage import clock, journal
from storage.db import take
from storage.objects import Absent, BadKey, Store, Stored
from storage.refusals import NotFound

TIMEOUT_SECONDS = 5.0
PREFIX = pieces.PREFIX
ENDED = (State.FINISHED, State.ABORTED)


class NoRecording(NotFound):
    says = "这次评标会还没有录音录像。评标开始后自动录制。"


def due(db: Db) -> Sequence[int]:
    """Sessions of which the recorder does not yet know everything that the rows say."""
    newest = (
        select(func.max(journal.Entry.number))
        .where(journal.Entry.file == func.concat("session/", Session.id))
        .scalar_subquery()
    )
    unopened = Session.state.in_(RECORDED) & Session.recording_opened_at.is_(None)
    open_ = Session.recording_opened_at.is_not(None) & Session.recording_closed_at.is_(None)
    behind = open_ & (Session.events_told < newest)
    over = open_ & Session.state.in_(ENDED)
    return db.scalars(select(Session.id).where(or_(unopened, behind, over)).order_by(Session.id)).all()


def settle(db: Db, id_: int, equipment: Any) -> None:
    """Tell the recorder what it does not know of one session. Safe to repeat."""
    session = take(db, Session, id_)
    if session.zero_at is None or session.recording_closed_at is not None:
        return
    recorder = Recorder(equipment.settings.recorder_address, equipment.settings.secret("recorder.key").hex())
    if session.recording_opened_at is None:
        recorder.open(session.recording, zero_ms(session), [seat.name for seat in session.members])
        session.recording_opened_at = clock.database(db)
        session.events_told = 0
    told = [entry for entry in journal.entries(db, session.file) if entry.number > session.events_told]
    if told:
        recorder.events(session.recording, [event_of(session, entry) for entry in told])
        session.events_told = told[-1].number
    if session.state in ENDED:
        recorder.close(session.recording)
        session.recording_closed_at = clock.database(db)
        session.manifest_key = f"{PREFIX}/{session.recording}/manifest.json"
        # Written after the close on purpose: it tells of the recording and is not part of it.
        entry = journal.record(db, session.file, "recording.closed", by=None, manifest=session.manifest_key)
        session.events_told = entry.number


@dataclass(frozen=True)
class Recorder:
    """The recorder's door for the app."""

    address: str
    bearer: str

    def open(self, name: str, zero: int, participants: list[str]) -> None:
        """Begin recording; known already is fine."""
        self._ask("POST", f"/sessions/{name}", {"zero": zero, "participants": participants})

    def events(self, name: str, events: list[dict[str, Any]]) -> None:
        """Put events into the chain."""
        self._ask("POST", f"/sessions/{name}/events", events)

    def close(self, name: str) -> None:
        """End the recording: closing record, playlists, manifest."""
        self._ask("DELETE", f"/sessions/{name}", None)

    def _ask(self, method: str, path: str, body: Any) -> None:
        answer = httpx.request(
            method, self.address + path, json=body, headers={"Authorization": f"Bearer {self.bearer}"},
            timeout=TIMEOUT_SECONDS,
        )  # fmt: skip
        answer.raise_for_status()


def zero_ms(session: Session) -> int:
    """Zero of the session's clock, in ms since 1970."""
    assert session.zero_at is not None
    return int(session.zero_at.timestamp() * 1000)


def event_of(session: Session, entry: journal.Entry) -> dict[str, Any]:
    """A journal entry as an event of the recording: when, what, and its hash, so that both bind each other."""
    kind = entry.act.replace("evaluation_session.", "session.")
    facts = {name: str(value) for name, value in entry.facts.items() if name in SHOWN and value is not None}
    return {"at_ms": milliseconds(session, entry.at), "kind": kind, "facts": facts | {"entry": entry.hash}}


SHOWN = {"seat", "bid", "venue", "criterion", "was_score", "to_score", "decided_by", "ground", "reason", "report"}
"""Facts that a recording shows. Scores stay sealed between members until all have handed in: none is here but
those of a change, which is only possible afterwards."""


def running(db: Db) -> Sequence[tuple[str, int, Sequence[str]]]:
    """Sessions that are being recorded: name, zero (UTC ms), participants."""
    rows = db.scalars(
        select(Session).where(Session.recording_opened_at.is_not(None), Session.recording_closed_at.is_(None))
    )
    return [(row.recording, zero_ms(row), [seat.name for seat in row.members]) for row in rows]


def oversees(session: Session, actor: Actor) -> bool:
    """Whether a session lies in a supervisor's region, or in a county of it."""
    regions = {session.region_id, session.region.parent_id if session.region else None}
    return actor.region_id is None or session.region_id is None or actor.region_id in regions


def may_watch(session: Session, actor: Actor | None) -> bool:
    """Who may watch live and replay: supervisors of the region, and the centre's staff once it is over."""
    if actor is None:
        return False
    if actor.is_a(Role.SUPERVISOR):
        return oversees(session, actor)
    return actor.is_a(Role.CENTRE_STAFF) and session.state in ENDED


@dataclass(frozen=True)
class Search:
    """How recordings are found: by name, by time, by region."""

    text: str = ""
    region_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


def search(db: Db, wish: Search, *, limit: int = 100) -> Sequence[Session]:
    """Sessions with a recording, newest first."""
    query = select(Session).join(Tender).where(Session.zero_at.is_not(None))
    if wish.text:
        query = query.where(or_(Tender.name.contains(wish.text, autoescape=True), Tender.number == wish.text))
    if wish.region_id is not None:
        below = select(Region.id).where(or_(Region.id == wish.region_id, Region.parent_id == wish.region_id))
        query = query.where(Session.region_id.in_(below))
    if wish.since is not None:
        query = query.where(Session.zero_at >= wish.since)
    if wish.until is not None:
        query = query.where(Session.zero_at < wish.until)
    return db.scalars(query.order_by(Session.zero_at.desc()).limit(limit)).all()


def ticket_claims(session: Session, seat: Seat | None) -> dict[str, Any]:
    """What a room token says: members send and watch, a supervisor watches unseen."""
    if seat is not None:
        return {"session": session.recording, "role": "expert", "publish": True, "watch": True}
    return {"session": session.recording, "role": "supervisor", "publish": False, "watch": True}


class Chains:
    """Chains of recorded sessions as far as the store has them; what was read once is not read again."""

    SESSIONS_KEPT = 32

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[str, list[dict[str, Any]]] = {}

    def items(self, store: Store, session: Session) -> list[dict[str, Any]]:
        """Every item of a session's chain that is in the store by now."""
        with self._lock:
            known = self._known.pop(session.recording, [])
            known = known + pieces.read_items(store, session.recording, known[-1]["n"] if known else -1)
            self._known[session.recording] = known
            while len(self._known) > self.SESSIONS_KEPT:
                self._known.pop(next(iter(self._known)))
            return known


def tracks(items: list[dict[str, Any]]) -> list[str]:
    """Names of the tracks that have a segment: `member-3.camera`."""
    return pieces.tracks(items)


def is_archived(store: Store, session: Session) -> bool:
    """Whether the recorder has laid down the manifest, the last thing it does."""
    try:
        store.stat(_key(session, "manifest.json"))
    except Absent:
        return False
    return True


def playlist(store: Store, chains: Chains, session: Session, track: str) -> str:
    """A track as HLS, a few seconds behind while the session runs."""
    items = chains.items(store, session)
    if track not in tracks(items):
        raise NoRecording
    return pieces.live_playlist(items, track)


def stat(store: Store, session: Session, name: str) -> Stored:
    """What is known of one file of a recording. Raises NoRecording."""
    try:
        return store.stat(_key(session, name))
    except (Absent, BadKey):
        raise NoRecording from None


def open_file(store: Store, session: Session, name: str, *, start: int = 0, length: int | None = None) -> IO[bytes]:
    """Bytes of one file of a recording."""
    return store.open(_key(session, name), start=start, length=length)


def _key(session: Session, name: str) -> str:
    return pieces.key_of(session.recording, name)
