"""Whole stories – a tender from notice to contract with its recording, a drawn project – and their bundles."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from app.documents import issuing, papers  # noqa: F401
from app.evidence import checks, container, making
from app.evidence.models import EvidenceBundle, Scope
from bidding.tenders import awards, contracts, hall
from ca import canonical
from ca.ecdsa import PlatformKey
from ca.parties import Person
from evaluation import evidence, recordings, report, scores
from evaluation.models import Ground
from storage import clock, journal
from tests.bidding.supermarket.conftest import city, keys  # noqa: F401
from tests.bidding.tenders.conftest import cas, recognised, stage  # noqa: F401
from tests.bidding.tenders.test_awards import money, opened  # noqa: F401
from tests.evaluation.conftest import room  # noqa: F401


def record(room, session) -> None:  # noqa: F811
    """What the recorder leaves in the store: a chain with the session's events, two tracks, a closing record."""
    store, name = room.stage.store, session.recording
    chain = evidence.Chain(name, room.stage.key)
    members = [seat.name for seat in session.members]
    lines = [chain.add(evidence.Kind.OPENED, at=0, zero=recordings.zero_ms(session), participants=members)]
    for seq in (1, 2):
        for track in ("member-1.camera", "member-2.camera"):
            body = hashlib.sha256(f"{track} {seq}".encode()).digest() * 20
            segment = f"{track}/{seq:06}.m4s"
            store.put(f"recordings/{name}/{segment}", body)
            lines.append(chain.add(
                evidence.Kind.SEGMENT, name=segment, track=track, seq=seq, t0=seq * 4000, duration=4000,
                bytes=len(body), sha256=hashlib.sha256(body).hexdigest(),
            ))  # fmt: skip
    for entry in journal.entries(room.db, session.file):
        told = recordings.event_of(session, entry)
        lines.append(chain.add(evidence.Kind.EVENT, at=told["at_ms"], what=told["kind"], facts=told["facts"]))
    lines.append(chain.close(90_000))
    session.manifest_key = f"recordings/{name}/manifest.json"
    store.put(session.manifest_key, json.dumps(evidence.manifest(name, lines)).encode())
    session.recording_closed_at = clock.database(room.db)
    journal.record(room.db, session.file, "recording.closed", by=None, manifest=session.manifest_key)


def issue(db, file: str, act: str) -> None:
    entry = [entry for entry in journal.entries(db, file) if entry.act == act][-1]
    issuing.issue(db, entry_id=entry.id)


@pytest.fixture
def contracted(room, equipment, cas):  # noqa: F811
    """A tender from notice to contract, with a score changed by consent, its recording and its papers."""
    cas.save(equipment.settings.home / "ca")
    db, tender, bids = room.db, room.tender, room.bids
    supplier = db.get(Person, bids[0].person_id).actor
    hall.confirm(db, bids[0], by=supplier)
    session = room.handed_in()
    leader = session.leader.expert.person.actor
    asking = next(seat for seat in session.members if not seat.is_leader).expert.person.actor
    change = scores.ask_change(
        db, session, bids[0].id, "plan", "45", ground=Ground.SUM, reason="合计有误", by=asking
    )
    scores.decide_change(db, session, change.id, consent=True, by=leader)
    report.compile_(db, session, bids=room.opened, by=leader)
    for seat in session.members:
        dissent = "价格分偏高" if seat.number == 2 else None
        report.sign(db, session, dissent=dissent, key=room.stage.key, by=seat.expert.person.actor)
    record(room, session)
    awards.publish_candidates(db, tender, by=room.entity)
    room.stage.at(tender.standstill_until)
    winner = next(bid for bid in bids if str(bid.id) == tender.ranking[0]["bid_id"])
    awards.award(db, tender, winner, by=room.entity)
    contract = contracts.draw_up(db, tender, by=room.entity)
    contracts.sign(db, contract, by=room.entity)
    contracts.sign(db, contract, by=db.get(Person, winner.person_id).actor)
    issue(db, tender.file, "tender.opened")
    issue(db, session.file, "evaluation_session.seated")
    issue(db, session.file, "evaluation_session.finished")
    issue(db, tender.file, "tender.awarded")
    db.flush()
    return tender


@pytest.fixture
def made(db, equipment, tmp_path):
    """Make a project's bundle as the job does; the answer is its file."""

    def make(file: str, scope: Scope = Scope.PUBLIC) -> Path:
        making.make(db, file=file, scope=scope.value)
        bundle = db.scalars(select(EvidenceBundle).filter_by(file=file, scope=scope).order_by(EvidenceBundle.id)).all()[-1]
        out = tmp_path / f"{scope.value}.zip"
        with equipment.objects.open(bundle.object_key) as source:
            out.write_bytes(source.read())
        return out

    return make


@dataclass
class Kept:
    """A bundle that was made once for many tests: its items, and the platform's key to sign another story."""

    items: dict[str, bytes]
    project: str
    key: PlatformKey

    def told_again(self, into: Path, items: dict[str, bytes] | None = None, key: PlatformKey | None = None) -> Path:
        """What a dishonest platform does: other contents, whole and signed as they should be."""
        with into.open("wb") as out:
            listed = [container.Item.of(path, raw) for path, raw in (items or self.items).items()]
            container.write(out, listed, project=self.project, made_at="2026-11-22T08:00:00Z", key=key or self.key)
        return into

    def judged(self, into: Path, items: dict[str, bytes]) -> checks.Outcome:
        return checks.verify(container.check(self.told_again(into, items)), platform=self.key.public)


_once: dict[str, Kept] = {}


def kept(file: Path, key: PlatformKey) -> Kept:
    bundle = container.check(file)
    return Kept({path: bundle.read(path) for path in bundle.places}, bundle.project, key)


@pytest.fixture
def tender_bundle(request) -> Kept:
    """A tender's bundle for supervision, which holds everything."""
    if "tender" not in _once:
        tender, make = request.getfixturevalue("contracted"), request.getfixturevalue("made")
        key = request.getfixturevalue("equipment").platform_key
        _once["tender"] = kept(make(tender.file, Scope.SUPERVISION), key)
    return _once["tender"]


@pytest.fixture
def supermarket_bundle(request) -> Kept:
    if "supermarket" not in _once:
        project, make = request.getfixturevalue("city").issued(), request.getfixturevalue("made")
        equipment, db = request.getfixturevalue("equipment"), request.getfixturevalue("db")
        issue(db, project.file, "supermarket_project.notice_issued")
        db.flush()
        _once["supermarket"] = kept(make(project.file), equipment.platform_key)
    return _once["supermarket"]


def spoken(raw: bytes):
    return canonical.decode(raw)
