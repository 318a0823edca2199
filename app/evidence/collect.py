"""What goes into a project's bundle: public facts, the files they speak of, and the chains that bind them.

    project.json               what this is, the heads of its chains, what was left out and why
    journal/<file>.json        a chain: each entry as the very line its hash is of, or only its hash if withheld
    notice.json, documents/…   what was published, from which the rest follows
    opening/…                  transcript and opening record
    evaluation/…               draws of experts, report with its signatures
    recording/…                chain of the recording; its media for supervision only
    award.json, deposits.json, papers.json, papers/…, draws/…, trust/…

Two scopes: everybody's, and supervision's, which also holds what the law keeps from the public (the sealed
bids, the recording's media, why somebody declined). Everything is canonical JSON (`ca.canonical`).
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.documents.models import Document
from app.evidence.container import Item
from app.evidence.models import Scope
from bidding.supermarket.models import Project
from bidding.supermarket.models import State as ProjectState
from bidding.tenders import evidence as tender_evidence
from bidding.tenders import opening
from bidding.tenders.models import State, Tender
from ca import canonical
from ca.openings import Opening
from escrow import deposits
from escrow.models import DepositState
from evaluation import report as reports
from evaluation.models import ExpertDraw, Report
from evaluation.models import Session as Panel
from storage import journal
from storage.objects import Absent, Store
from storage.values import Money

MEDIA_BYTES, SEALED_BYTES, DOCUMENT_BYTES = 512 << 20, 512 << 20, 256 << 20
PUBLIC_TENDERS = frozenset({State.STANDSTILL, State.AWARDED, State.CONTRACTED, State.FAILED, State.CANCELLED})
PUBLIC_PROJECTS = frozenset(
    {ProjectState.RESULT, ProjectState.DECLINED, ProjectState.NOTICE_ISSUED, ProjectState.FAILED}
)
WITHHELD = frozenset({"seat.declined"})  # somebody's own reasons


@dataclass
class Contents:
    """The items of a bundle while they are gathered."""

    kind: str
    scope: Scope
    project: dict[str, Any]
    items: list[Item] = field(default_factory=list)
    journals: dict[str, str] = field(default_factory=dict)  # file -> head
    left_out: list[dict[str, Any]] = field(default_factory=list)

    def add(self, path: str, thing: Any) -> None:
        self.items.append(Item.of(path, canonical.encode(plain(thing))))

    def add_raw(self, path: str, content: bytes) -> None:
        self.items.append(Item.of(path, content))

    def add_object(self, path: str, store: Store, key: str) -> None:
        self.items.append(Item(path, lambda: _opened(store, key)))

    def leave_out(self, what: str, why: str, size: int = 0) -> None:
        self.left_out.append({"what": what, "why": why, "bytes": size})

    def add_journal(self, db: Session, file: str, withheld: frozenset[str] = frozenset()) -> None:
        entries = journal.entries(db, file)
        told = [{"hash": one.hash} if one.act in withheld else {"line": line_of(one)} for one in entries]
        self.journals[file] = entries[-1].hash if entries else journal.FIRST
        self.add(f"journal/{file.replace('/', '-')}.json", {"file": file, "entries": told})

    def whole(self) -> list[Item]:
        """All items, the one that tells of the others first."""
        limits = {"media": MEDIA_BYTES, "sealed": SEALED_BYTES, "documents": DOCUMENT_BYTES}
        told = {
            "v": 1, "kind": self.kind, "scope": self.scope.value, "journals": self.journals, "limits": limits,
            "left_out": self.left_out, **self.project,
        }  # fmt: skip
        return [Item.of("project.json", canonical.encode(plain(told))), *self.items]


def tender(db: Session, store: Store, one: Tender, scope: Scope, ca_folder: Path) -> Contents:
    """Everything of a tender whose result is public."""
    contents = Contents("tender", scope, {"id": one.id, "number": one.number, "name": one.name, "state": one.state})
    told = tender_evidence.evidence(db, store, one)
    facts, objects = told["facts"], told["objects"]
    contents.add_journal(db, one.file)
    if one.opening is not None:
        contents.add_journal(db, one.opening.file)
    notice = {name: facts[name] for name in NOTICE if name in facts}
    contents.add("notice.json", notice | {"params": one.params.written()} if one.params_hash else notice)
    _documents(contents, store, objects)
    if "transcript.json" in objects:
        contents.add_object("opening/transcript.json", store, objects["transcript.json"])
        record = {name: facts[name] for name in OPENING if name in facts}
        contents.add("opening/record.json", record | {"bids": _bids(db, one, contents)})
        _trust(contents, ca_folder)
        _sealed(contents, store, told["restricted"])
    if one.standstill_until is not None:
        for panel in db.scalars(select(Panel).filter_by(tender_id=one.id).order_by(Panel.id)):
            _panel(db, store, contents, panel)
        contents.add("award.json", {name: facts[name] for name in AWARD if name in facts})
    if one.opened_at is not None and one.deposit_amount.fen:
        contents.add("deposits.json", deposit_sums(db, one))
    papers(db, store, contents)
    return contents


NOTICE = (
    "number", "name", "procuring_entity", "procuring_entity_code", "profile", "method", "budget", "ceiling_price",
    "deposit_amount", "published_at", "submission_deadline", "unlock_until", "release_until", "params_hash", "rules",
    "documents",
)  # fmt: skip
OPENING = ("freeze", "freeze_root", "unlock_root", "frozen_list", "leaves", "close", "opening_record")
AWARD = ("ranking", "report", "reported_at", "standstill_until", "award", "contract")


def supermarket(db: Session, store: Store, one: Project, scope: Scope) -> Contents:
    """Everything of a supermarket project whose result is public."""
    told = {
        "id": one.id, "number": one.number, "name": one.title, "state": one.state, "owner": one.owner.name,
        "item": one.item.code, "budget": str(one.budget), "closes_at": one.closes_at, "result_at": one.result_at,
        "failure": one.failure, "selected": one.selected.credit_code if one.selected else None,
        "code": one.check_code,
    }  # fmt: skip
    contents = Contents("supermarket", scope, told)
    contents.add_journal(db, one.file)
    for draw in one.draws:
        contents.add_journal(db, draw.opening.file)
        if draw.bundle is not None:
            contents.add_raw(f"draws/{draw.purpose}-{draw.number}.json", draw.bundle.encode())
    papers(db, store, contents)
    return contents


def stamp(db: Session, store: Store, one: Tender | Project, scope: Scope) -> str:
    """A digest of all that a bundle is made of; when it differs from a bundle's, there is news."""
    files = [one.file]
    known: list[Any] = [scope.value, one.state.value]
    if isinstance(one, Tender):
        panels = db.scalars(select(Panel).filter_by(tender_id=one.id).order_by(Panel.id)).all()
        files += [panel.file for panel in panels]
        known += [deposit_sums(db, one)] if one.opened_at and one.deposit_amount.fen else []
        known += [panel.manifest_key and exists(store, panel.manifest_key) for panel in panels]
    heads = select(journal.Entry.hash).order_by(journal.Entry.number.desc()).limit(1)
    known += [[file, db.scalar(heads.filter_by(file=file))] for file in files]
    shown = select(Document.code).where(Document.file.in_(files), Document.is_public).order_by(Document.id)
    known.append(list(db.scalars(shown)))
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def line_of(entry: journal.Entry) -> str:
    """The very text that an entry's hash is of (storage.journal)."""
    body = {
        "file": entry.file, "number": entry.number, "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "act": entry.act, "by": entry.by, "facts": entry.facts, "prev": entry.prev,
    }  # fmt: skip
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def plain(thing: Any) -> Any:
    """In the canonical form's words: yes and no as strings, moments in UTC, what is not known left out."""
    if isinstance(thing, dict):
        return {str(name): plain(value) for name, value in thing.items() if value is not None}
    if isinstance(thing, list | tuple):
        return [plain(value) for value in thing if value is not None]
    if isinstance(thing, bool):
        return str(thing).lower()
    if isinstance(thing, datetime):
        return thing.astimezone(UTC).isoformat()
    return thing if isinstance(thing, int) and thing >= 0 else str(thing)


def exists(store: Store, key: str) -> bool:
    """Whether the store has it."""
    try:
        store.stat(key)
    except Absent:
        return False
    return True


# --- parts of a tender -------------------------------------------------------------------------------------


def _documents(contents: Contents, store: Store, objects: dict[str, str]) -> None:
    total = 0
    for path, key in sorted(objects.items()):
        if not path.startswith("documents/"):
            continue
        size = store.stat(key).bytes
        if total + size > DOCUMENT_BYTES:
            contents.leave_out(path, "too_large", size)
            continue
        total += size
        contents.add_object(path, store, key)


def _bids(db: Session, one: Tender, contents: Contents) -> list[dict[str, Any]]:
    """The bids of the frozen list with the ids by which the evaluation knows them, each with its own chain."""
    told = []
    for bid in opening.listed(db, one, *opening.SHOWN):
        contents.add_journal(db, bid.file)
        told.append({
            "id": str(bid.id), "digest": bid.digest, "bidder": bid.bidder.credit_code, "name": bid.bidder.name,
            "price": str(bid.price) if bid.price else None, "result": bid.result, "plaintext": bid.plaintext_sha256,
        })  # fmt: skip
    return told


def _sealed(contents: Contents, store: Store, restricted: dict[str, str]) -> None:
    sealed = {path: key for path, key in restricted.items() if path.startswith("sealed/")}
    if contents.scope is not Scope.SUPERVISION:
        if sealed:
            contents.leave_out("sealed", "for_supervision")
        return
    total = 0
    for path, key in sorted(sealed.items()):
        total += store.stat(key).bytes
        if total > SEALED_BYTES:
            contents.leave_out(path, "too_large", store.stat(key).bytes)
            continue
        contents.add_object(path, store, key)


def _trust(contents: Contents, folder: Path) -> None:
    """The CAs by which the supervisor's signature of the close was judged."""
    for part in ("trust", "chain", "crl"):
        for file in sorted((folder / part).glob("*")):
            if file.is_file():
                contents.add_raw(f"trust/{part}/{file.name}", file.read_bytes())


def _panel(db: Session, store: Store, contents: Contents, panel: Panel) -> None:
    everything = contents.scope is Scope.SUPERVISION
    contents.add_journal(db, panel.file, frozenset() if everything else WITHHELD)
    for draw in db.scalars(select(ExpertDraw).filter_by(session_id=panel.id).order_by(ExpertDraw.number)):
        contents.add_journal(db, db.get_one(Opening, draw.opening_id).file)
        if draw.bundle is not None:
            contents.add_raw(f"evaluation/{panel.id}/draw-{draw.number}.json", draw.bundle.encode())
    report = db.scalar(select(Report).filter_by(session_id=panel.id))
    if report is not None:
        contents.items.append(Item.of(f"evaluation/{panel.id}/report.json", canonical.encode(_report(report))))
    if panel.manifest_key is not None:
        _recording(store, contents, panel)


def _report(report: Report) -> dict[str, Any]:
    signatures = [{"statement": one.statement, "signature": one.signature} for one in report.signatures]
    both = reports.plain({"sheet": report.sheet, "result": report.result})
    return {**both, "sha256": report.sha256, "signatures": signatures}


def _recording(store: Store, contents: Contents, panel: Panel) -> None:
    assert panel.manifest_key is not None
    if not exists(store, panel.manifest_key):
        contents.leave_out(f"recording/{panel.id}", "being_archived")
        return
    with store.open(panel.manifest_key) as source:
        manifest = json.loads(source.read())
    contents.add(f"recording/{panel.id}/manifest.json", manifest)
    media = [item for item in manifest["items"] if item["kind"] in ("init", "segment")]
    size = sum(item["bytes"] for item in media)
    if contents.scope is not Scope.SUPERVISION or size > MEDIA_BYTES:
        why = "for_supervision" if contents.scope is not Scope.SUPERVISION else "too_large"
        contents.leave_out(f"recording/{panel.id}/media", why, size)
        return
    folder = panel.manifest_key.rpartition("/")[0]
    for item in media:
        contents.add_object(f"recording/{panel.id}/media/{item['name']}", store, f"{folder}/{item['name']}")


def deposit_sums(db: Session, one: Tender) -> dict[str, Any]:
    """What anybody may know of the money: sums, never accounts or payers."""
    rows = [row for row in deposits.of(db, one.lot.reference) if row.opened_at is not None]
    states = sorted({row.state.value for row in rows})
    amounts = {
        state: str(sum((row.received for row in rows if row.state.value == state), Money(0))) for state in states
    }
    count = {state: sum(row.state.value == state for row in rows) for state in states}
    home = sum((row.received for row in rows if row.state is DepositState.REFUNDED), Money(0))
    return {
        "amount": str(one.deposit_amount), "count": count, "received_by_state": amounts,
        "received": str(sum((row.received for row in rows), Money(0))), "refunded": str(home),
    }  # fmt: skip


# --- papers ------------------------------------------------------------------------------------------------


def papers(db: Session, store: Store, contents: Contents) -> None:
    """Every public paper of the project, as it left the house."""
    shown = select(Document).where(Document.file.in_(list(contents.journals)), Document.is_public)
    told = []
    for document in db.scalars(shown.order_by(Document.id)):
        path = f"papers/{document.code}.pdf"
        contents.add_object(path, store, document.object_key)
        told.append({
            "code": document.code, "kind": document.kind, "title": document.title, "file": document.file,
            "sha256": document.sha256, "bytes": document.bytes, "issued_at": document.issued_at,
            "void_at": document.void_at,
        })  # fmt: skip
    contents.add("papers.json", {"papers": told})


def _opened(store: Store, key: str) -> BinaryIO:
    return store.open(key)


