"""上传: a sealed file arrives in pieces, over cuts and restarts, until it is whole (tus 1.0's rules).

The offset stands in the row and is the truth; each piece that arrived, short or full, is one part in the
object store, put there before the row says so. A crash between the two only sends that piece again. What is
uploaded is no bid yet: `submission.hand_in` makes it one.
"""

import hashlib
import tempfile
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import BinaryIO, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bidding.tenders import registration
from bidding.tenders.bids import Registration, Upload
from bidding.tenders.models import Tender
from ca.rights import Actor
from storage import clock
from storage.db import find, take
from storage.objects import Store
from storage.refusals import NotFound, NotNow, NotValid

LARGEST = 5 * 1024**3  # bytes of one sealed file
LARGEST_PIECE = 32 * 1024**2  # bytes of one piece
SMALLEST_PIECE = LARGEST // 9_000  # on average: the store keeps at most 10,000 parts of one file
MOST_AT_ONCE = 3  # unfinished uploads of one bidder for one lot
LASTS = timedelta(days=7)
AFTER_DEADLINE = timedelta(hours=1)  # an upload cut by the deadline may end; it is then refused as late, with proof
_IN_MEMORY = 1024 * 1024
_READ = 256 * 1024


class Source(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes: ...


class WrongSize(NotValid):
    says = "文件大小须在 1 字节到 {most} 字节之间。"


class TooManyUploads(NotNow):
    says = "您有 {most} 个上传还没有完成。请先续传或取消其中一个。"


class WrongOffset(NotNow):
    says = "续传位置不对：服务器已收到 {received} 字节。请从那里继续。"


class TooMuch(NotValid):
    says = "收到的字节多于申报的文件大小。请重新上传。"


class PieceTooLarge(NotValid):
    says = "一次最多上传 {most} 字节。请分成较小的段。"


class AlreadyHandedIn(NotNow):
    says = "这个文件已经递交，不能取消上传。需要时请撤回投标文件。"


def begin(db: Session, store: Store, held: Registration, *, size: int, by: Actor) -> Upload:
    """Begin an upload of `size` bytes for the actor's own registration, before the deadline."""
    held = registration.mine(db, held.id, by)
    tender = registration.hold_open(db, held.tender_id)
    registration.still_open(db, tender)
    if not 0 < size <= LARGEST:
        raise WrongSize(most=LARGEST)
    take(db, Registration, held.id)
    now = clock.database(db)
    unfinished = select(func.count()).where(
        Upload.registration_id == held.id, ~Upload.used, ~Upload.dropped, Upload.expires_at > now,
        Upload.completed_at.is_(None),
    )  # fmt: skip
    if (db.scalar(unfinished) or 0) >= MOST_AT_ONCE:
        raise TooManyUploads(most=MOST_AT_ONCE)
    key = f"sealed/{uuid.uuid4().hex}"
    upload = Upload(
        id=uuid.uuid4(), registration_id=held.id, object_key=key, multipart_id=store.begin_parts(key), size=size,
        received=0, begun_at=now, expires_at=_expiry(now, tender), used=False, dropped=False,
    )  # fmt: skip
    db.add(upload)
    db.flush()
    return upload


def mine(db: Session, upload_id: object, by: Actor) -> Upload:
    """The upload with this id, if it is the actor's and still there; others' are not even there."""
    upload = find(db, Upload, upload_id)
    registration.mine(db, upload.registration_id, by)
    if upload.dropped or clock.database(db) >= upload.expires_at:
        raise NotFound(what=Upload.called)
    return upload


def receive(db: Session, store: Store, upload: Upload, offset: int, source: Source, *, by: Actor) -> Upload:
    """Take the next piece, from `offset` on, as far as it arrives; the last one makes the file whole.

    A source that breaks off (OSError) leaves what came before: the row tells where to go on.
    """
    upload = mine(db, upload.id, by)
    if offset != upload.received:
        raise WrongOffset(received=upload.received)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, prefix="piece-") as piece:
        length, sha256 = _spool(source, piece, upload.size - offset)
        upload = take(db, Upload, upload.id)
        if offset != upload.received:
            raise WrongOffset(received=upload.received)
        if length:
            piece.seek(0)
            store.put_part(upload.multipart_id, upload.parts + 1, piece, sha256)  # type: ignore[arg-type]
            upload.parts += 1
            upload.received += length
    if upload.received == upload.size and upload.completed_at is None:
        stored = store.finish_parts(upload.multipart_id)
        upload.digest, upload.completed_at = stored.sha256, clock.database(db)
    db.flush()
    return upload


def drop(db: Session, store: Store, upload: Upload, *, by: Actor) -> None:
    """The bidder gives an upload up. Safe to repeat."""
    upload = take(db, Upload, mine(db, upload.id, by).id)
    if upload.used:
        raise AlreadyHandedIn
    _forget(store, upload)


def due_to_expire(db: Session) -> Sequence[uuid.UUID]:
    """Uploads whose time is over and that became no bid."""
    return db.scalars(
        select(Upload.id).where(~Upload.used, ~Upload.dropped, Upload.expires_at <= func.gh_clock())
    ).all()


def expire(db: Session, store: Store, upload_id: uuid.UUID) -> None:
    """Forget it. Safe to repeat."""
    upload = take(db, Upload, upload_id)
    if not upload.used and not upload.dropped and clock.database(db) >= upload.expires_at:
        _forget(store, upload)


def erase(store: Store, key: str) -> None:
    """Destroy a file in the store, not only hide it."""
    try:
        version = store.stat(key).version
    except NotFound:
        return
    store.delete(key, version=version)


def _forget(store: Store, upload: Upload) -> None:
    if upload.completed_at is None:
        store.drop_parts(upload.multipart_id)
    else:
        erase(store, upload.object_key)
    upload.dropped = True


def _expiry(now: datetime, tender: Tender) -> datetime:
    return min(now + LASTS, tender.submission_deadline + AFTER_DEADLINE)


def _spool(source: Source, piece: "BinaryIO | tempfile.SpooledTemporaryFile[bytes]", left: int) -> tuple[int, str]:
    """Copy what arrives, at most `left` bytes; how many came, and their SHA-256."""
    digest, length = hashlib.sha256(), 0
    while chunk := _next(source):
        length += len(chunk)
        if length > left:
            raise TooMuch
        if length > LARGEST_PIECE:
            raise PieceTooLarge(most=LARGEST_PIECE)
        digest.update(chunk)
        piece.write(chunk)
    return length, digest.hexdigest()


def _next(source: Source) -> bytes:
    try:
        return source.read(_READ)
    except OSError:  # the line was cut: what came before counts
        return b""
