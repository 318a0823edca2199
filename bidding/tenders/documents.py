"""招标文件: what is published with a tender, read by anybody, without registering and without being counted.

(电子招标投标办法 第二十、二十一条: no condition to download; who and how many is told to nobody, so it is
not even written down.)
"""

import re
import tempfile
import uuid
from typing import IO, BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from bidding.tenders import notices, rules
from bidding.tenders.days import calendar
from bidding.tenders.models import Document, DocumentKind, State, Tender
from ca.rights import Actor
from storage import clock, journal
from storage.db import find, take
from storage.objects import Store
from storage.refusals import NotFound, NotNow, NotValid

LARGEST = 256 * 1024**2
LONGEST_NAME = 100
MOST = 50
_READ = 256 * 1024
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f/\\<>:\"|?*\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


class BadDocumentName(NotValid):
    says = "文件名不能用：不得含有 / \\ 等特殊字符或不可见字符，不得以点开头，最长 {most} 个字。请改名后再上传。"


class NameTaken(NotValid):
    says = "已经有同名文件“{name}”。请改名后再上传。"


class DocumentTooLarge(NotValid):
    says = "文件是空的，或超过 {most} 字节。"


class TooManyDocuments(NotValid):
    says = "一个项目最多 {most} 个文件。请合并后再上传。"


class NoteTooLate(NotNow):
    says = "距投标截止不足规定时间，不符合{source}：“{text}”请先顺延投标截止时间。"


class FixedOnceOut(NotNow):
    says = "公告发布后文件不能更换或删除，只能发布澄清与修改。"


def add(
    db: Session, store: Store, tender: Tender, kind: DocumentKind, name: str, source: IO[bytes], *, by: Actor
) -> Document:  # fmt: skip
    """Add a file to a draft, or a clarification to a published tender while the law's time allows."""
    tender = notices.mine(take(db, Tender, tender.id), by)
    _may_add(db, tender, kind)
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or name.startswith(".") or _FORBIDDEN.search(name):
        raise BadDocumentName(most=LONGEST_NAME)
    if any(document.name == name for document in of(db, tender)):
        raise NameTaken(name=name)
    if len(of(db, tender)) >= MOST:
        raise TooManyDocuments(most=MOST)
    key = f"tenders/{tender.id}/{uuid.uuid4().hex}"
    with tempfile.TemporaryFile(prefix="document-") as spooled:
        _copy(source, spooled)
        stored = store.put(key, spooled)
    document = Document(
        tender_id=tender.id, kind=kind, name=name, size=stored.bytes, sha256=stored.sha256, object_key=key,
        added_at=clock.database(db),
    )  # fmt: skip
    db.add(document)
    db.flush()
    journal.record(
        db, tender.file, "tender_document.added", by=by, name=name, kind=kind.value, sha256=stored.sha256
    )
    return document


def remove(db: Session, store: Store, document: Document, *, by: Actor) -> None:
    """Take a file out of a draft again."""
    tender = notices.mine(take(db, Tender, document.tender_id), by)
    if tender.state is not State.DRAFT:
        raise FixedOnceOut
    journal.record(db, tender.file, "tender_document.removed", by=by, name=document.name, sha256=document.sha256)
    store.delete(document.object_key)
    db.delete(document)
    db.flush()


def of(db: Session, tender: Tender) -> list[Document]:
    """The tender's files, in the order they were added."""
    return list(db.scalars(select(Document).filter_by(tender_id=tender.id).order_by(Document.id)))


def seen(db: Session, tender: Tender, document_id: int) -> Document:
    """One file of a tender that may be seen (`notices.seen_by`)."""
    document = find(db, Document, document_id)
    if document.tender_id != tender.id:
        raise NotFound(what=Document.called)
    return document


def _may_add(db: Session, tender: Tender, kind: DocumentKind) -> None:
    if tender.state is State.DRAFT:
        return
    if tender.state is not State.PUBLISHED or kind is not DocumentKind.CLARIFICATION:
        raise FixedOnceOut
    rule = tender.rules["change_to_deadline"]
    if rules.earliest(rule, clock.database(db), calendar(db)) > tender.submission_deadline:
        raise NoteTooLate(source=rule.source, text=rule.text)


def _copy(source: IO[bytes], target: BinaryIO) -> None:
    length = 0
    while chunk := source.read(_READ):
        length += len(chunk)
        if length > LARGEST:
            raise DocumentTooLarge(most=LARGEST)
        target.write(chunk)
    if not length:
        raise DocumentTooLarge(most=LARGEST)
    target.seek(0)
