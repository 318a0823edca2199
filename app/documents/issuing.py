"""Issuing papers: what the journal says becomes a PDF in the object store, once.

`PAPERS` names, for each act of the journal that asks for a paper, the kind and the function that reads the
rows and says what stands on it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.documents.models import Document, new_code
from app.documents.paper import Paper, pdf
from storage import jobs, journal
from storage.db import find


@dataclass(frozen=True)
class Kind:
    """A kind of paper: its name and who says what stands on it."""

    name: str
    write: Callable[[Session, journal.Entry], Paper | None]  # None: this entry needs no paper
    is_public: bool = True


PAPERS: dict[str, Kind] = {}  # act in the journal -> kind; filled by app.documents.papers


def follow(db: Session, entry: journal.Entry, equipment: Any) -> None:
    """Order a paper for an entry that asks for one."""
    from app.documents import papers  # noqa: F401  (it fills PAPERS)

    if entry.act in PAPERS:
        jobs.later(db, "documents.issue", once=f"document/{entry.id}", entry_id=entry.id)


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
    code = new_code()
    paper = replace(paper, code=code, check_address=f"{equipment.settings.address}/verify/{code}")
    content = pdf(paper)
    kept = equipment.objects.put(f"documents/{code}.pdf", content, media_type="application/pdf")
    document = Document(
        code=code, kind=kind.name, title=paper.title, file=entry.file, entry_id=entry.id, object_key=kept.key,
        sha256=kept.sha256, bytes=kept.bytes, issued_at=entry.at, is_public=kind.is_public,
    )  # fmt: skip
    db.add(document)
    db.flush()
    journal.record(db, entry.file, "document.issued", by=None, kind=kind.name, code=code, sha256=kept.sha256)
