"""Issuing papers: what the journal says becomes a PDF in the object store, once.

`PAPERS` names, for each act of the journal that asks for a paper, the kind and the function that reads the
rows and says what stands on it. A paper that may not be seen yet is made all the same, and shown when the
result is public (`reveal`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.documents import signing
from app.documents.models import Document, new_code
from app.documents.paper import Paper, pdf
from evaluation.models import Session as Panel
from storage import jobs, journal
from storage.db import find

IsPublic = Callable[[Session, journal.Entry], bool]
Write = Callable[[Session, journal.Entry], Paper | None]  # None: this entry needs no paper
REVEALING = "tender.standstill"  # the act that makes the papers of the evaluation public
VOIDING = {  # acts after which a paper of this kind is no longer in force
    "supermarket_project.declined": "selection_notice",
    "tender.standstill": "letter_of_award",
    "tender.failed": "letter_of_award",
}


@dataclass(frozen=True)
class Kind:
    """A kind of paper: its name, who says what stands on it, and whether it may be seen now (None: always)."""

    name: str
    write: Write
    is_public: IsPublic | None = None


PAPERS: dict[str, Kind] = {}  # act in the journal -> kind; filled by app.documents.papers


def follow(db: Session, entry: journal.Entry, equipment: Any) -> None:
    """Order a paper for an entry that asks for one. Papers of one file are made one after the other."""
    from app.documents import papers  # noqa: F401  (it fills PAPERS)

    if entry.act in PAPERS:
        jobs.later(
            db, "documents.issue", lock=f"documents/{entry.file}", once=f"document/{entry.id}", entry_id=entry.id
        )
    if entry.act in VOIDING:
        jobs.later(db, "documents.void", lock=f"documents/{entry.file}", entry_id=entry.id)
    if entry.act == REVEALING:
        tender_id = int(entry.file.rpartition("/")[2])
        for panel in db.scalars(select(Panel).filter_by(tender_id=tender_id)):
            jobs.later(db, "documents.reveal", lock=f"documents/{panel.file}", file=panel.file)


@jobs.task("documents.issue")
def issue(db: Session, *, entry_id: int) -> None:
    """Make the paper of one entry and keep it; safe to repeat."""
    from app.documents import papers  # noqa: F401

    entry = find(db, journal.Entry, entry_id)
    kind = PAPERS[entry.act]
    if db.scalar(select(Document).filter_by(entry_id=entry.id, kind=kind.name)):
        return
    paper = kind.write(db, entry)
    if paper is None:
        return
    equipment = db.info["equipment"]
    code = paper.code or new_code()
    paper = replace(paper, code=code, check_address=f"{equipment.settings.address}/verify/{code}")
    content = signing.seal(pdf(paper), equipment.settings, reason=paper.title)
    key = f"documents/{code}-{new_code()}.pdf"  # a name of its own for each try: a signature is never the same twice
    kept = equipment.objects.put(key, content, media_type="application/pdf")
    document = Document(
        code=code, kind=kind.name, title=paper.title, file=entry.file, entry_id=entry.id, object_key=kept.key,
        sha256=kept.sha256, bytes=kept.bytes, issued_at=entry.at,
        is_public=kind.is_public is None or kind.is_public(db, entry),
    )  # fmt: skip
    db.add(document)
    db.flush()
    journal.record(
        db, entry.file, "document.issued", by=None, kind=kind.name, code=code, sha256=kept.sha256, bytes=kept.bytes
    )


@jobs.task("documents.reveal")
def reveal(db: Session, *, file: str) -> None:
    """The result is public: so are the papers that waited for it. Safe to repeat."""
    for document in db.scalars(select(Document).filter_by(file=file, is_public=False)):
        document.is_public = True


@jobs.task("documents.void")
def void(db: Session, *, entry_id: int) -> None:
    """Something took a paper's place: its page says so from now on. Safe to repeat."""
    entry = find(db, journal.Entry, entry_id)
    earlier = select(Document).filter_by(file=entry.file, kind=VOIDING[entry.act], void_at=None)
    for document in db.scalars(earlier.where(Document.entry_id < entry.id)):
        document.void_at = entry.at
        journal.record(db, entry.file, "document.voided", by=None, kind=document.kind, code=document.code)
