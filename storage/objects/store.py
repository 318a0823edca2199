"""What every store of files promises, and its refusals."""

import hashlib
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO

from storage import clock
from storage.refusals import NotFound, NotNow, NotValid

CHUNK = 256 * 1024  # bytes read or checked at once; memory stays flat whatever the size of a file
LONGEST_KEY, LONGEST_STEP = 900, 200  # bytes
HIGHEST_PART = 10_000
OCTETS = "application/octet-stream"

_STEP = re.compile(r"[A-Za-z0-9_=+@,-][A-Za-z0-9._=+@,-]*")
_UPLOAD = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(; ?[\w-]+=[\w.+-]+)*", re.ASCII)


class Absent(NotFound):
    says = "没有找到这份文件。请返回上一页，重新打开。"


class KeyTaken(NotNow):
    says = "这份文件已经存过，不能覆盖。如需更正，请另行提交新的文件。"


class Retained(NotNow):
    says = "这份文件仍在保存期内或已被封存，不能删除。"


class RetentionShortened(NotNow):
    says = "文件的保存期只能延长，不能缩短。"


class BadKey(NotValid):
    says = "文件的存放名称不符合要求。"


class BadRange(NotValid):
    says = "所请求的文件范围超出了文件的长度。"


class PartDamaged(NotValid):
    says = "第 {number} 部分在传输中损坏，请重新上传这一部分。"


class PartsMissing(NotValid):
    says = "文件还没有上传完整，缺少第 {number} 部分。"


class LinkExpired(NotNow):
    says = "下载链接已过期，请回到原页面重新获取。"


class Corrupt(Exception):
    """The store gave back other bytes than were written: an alarm, never a refusal."""


class OutOfReach(Exception):
    """The store does not answer now; nothing is known to be lost, trying again is safe."""


@dataclass(frozen=True)
class Stored:
    """A kept file: its name, the version of it, and what must still be true of it when it is read."""

    key: str
    version: str
    bytes: int
    sha256: str  # hexadecimal
    media_type: str
    retain_until: datetime | None
    legal_hold: bool


@dataclass(frozen=True)
class Listed:
    """A line of a listing."""

    key: str
    version: str
    bytes: int


@dataclass(frozen=True)
class Part:
    """A part of an upload that has arrived whole."""

    number: int
    bytes: int
    sha256: str


class Store(ABC):
    """Kept files. Keys are slash-separated steps of letters, digits and `._=+@,-` (BadKey otherwise)."""

    @abstractmethod
    def put(
        self, key: str, source: bytes | BinaryIO, *, media_type: str = OCTETS, retain_until: datetime | None = None
    ) -> Stored:
        """Keep a file under a name that is still free (KeyTaken), retained until a moment if one is given.

        On return it is on the disk. Until then nothing of it can be seen.
        """

    @abstractmethod
    def stat(self, key: str, *, version: str | None = None) -> Stored:
        """What is known of a file without reading it; Absent when there is none."""

    @abstractmethod
    def open(self, key: str, *, start: int = 0, length: int | None = None, version: str | None = None) -> BinaryIO:
        """The bytes from `start`, to the end or `length` of them, as a seekable file to be closed.

        Reading raises Corrupt instead of returning bytes that are not those written; over S3 this is
        certain only once a whole file was read to its end.
        """

    @abstractmethod
    def list(self, prefix: str = "", *, after: str | None = None, limit: int = 1000) -> Sequence[Listed]:
        """Files whose names begin so, in the order of their names; go on with `after` the last one."""

    @abstractmethod
    def delete(self, key: str, *, version: str | None = None) -> None:
        """Hide a file or, if a version is named, destroy that version; Retained while it must be kept."""

    @abstractmethod
    def hold(self, key: str, on: bool, *, version: str | None = None) -> None:
        """Put a file under legal hold 封存, or end it: while held it is kept, whatever its retention."""

    @abstractmethod
    def retain(self, key: str, until: datetime, *, version: str | None = None) -> None:
        """Retain a file longer than now; RetentionShortened for a shorter time, whoever asks."""

    @abstractmethod
    def begin_parts(self, key: str, *, media_type: str = OCTETS, retain_until: datetime | None = None) -> str:
        """Begin an upload in parts and return its secret name."""

    @abstractmethod
    def put_part(self, upload: str, number: int, source: bytes | BinaryIO, sha256: str) -> Part:
        """Keep part 1, 2, 3 …, in any order, again if need be; PartDamaged when its digest is another."""

    @abstractmethod
    def parts(self, upload: str) -> Sequence[Part]:
        """The parts that have arrived, by number: where a broken upload goes on."""

    @abstractmethod
    def finish_parts(self, upload: str) -> Stored:
        """Join the parts to a file as `put` would; PartsMissing when there is a gap. Safe to repeat."""

    @abstractmethod
    def drop_parts(self, upload: str) -> None:
        """Forget an upload and its parts."""

    @abstractmethod
    def uploads_before(self, moment: datetime) -> Iterator[str]:
        """Unfinished uploads that were begun before a moment, e.g. to drop them."""

    @abstractmethod
    def link(self, key: str, expires_in: timedelta, *, version: str | None = None) -> str:
        """An address by which anybody may fetch this one version until it expires."""


def checked_key(key: str) -> str:
    """The key, if it is one: BadKey for empty, absolute, climbing, dotted-first or too long names."""
    steps = key.split("/")
    if len(key) > LONGEST_KEY or not all(len(step) <= LONGEST_STEP and _STEP.fullmatch(step) for step in steps):
        raise BadKey
    return key


def checked_upload(upload: str) -> str:
    if not _UPLOAD.fullmatch(upload):
        raise Absent
    return upload


def checked_part(number: int, sha256: str) -> None:
    if not 1 <= number <= HIGHEST_PART or not _DIGEST.fullmatch(sha256):
        raise PartDamaged(number=number)


def checked_media_type(media_type: str) -> str:
    assert _MEDIA_TYPE.fullmatch(media_type), media_type
    return media_type


def checked_parts(parts: Sequence[Part]) -> Sequence[Part]:
    """The parts, if they are 1, 2, 3 … without a gap and at least one."""
    for number, part in enumerate(parts, 1):
        if part.number != number:
            raise PartsMissing(number=number)
    if not parts:
        raise PartsMissing(number=1)
    return parts


def checked_range(start: int, length: int | None, size: int) -> tuple[int, int]:
    """The first byte and the first one after it that was not asked for."""
    if not 0 <= start <= size or (length is not None and length < 0):
        raise BadRange
    return start, size if length is None else min(start + length, size)


def until(retain_until: datetime | None, retain_days: int | None) -> datetime | None:
    """The end of retention in whole seconds, rounded up: the longer of what is asked and the default."""
    default = clock.now() + timedelta(days=retain_days) if retain_days else None
    wished = [moment for moment in (retain_until, default) if moment is not None]
    return whole_seconds(max(wished)) if wished else None


def whole_seconds(moment: datetime) -> datetime:
    assert moment.tzinfo, "a moment knows its time zone"
    return moment if not moment.microsecond else moment.replace(microsecond=0) + timedelta(seconds=1)


def chunks(source: bytes | BinaryIO) -> Iterator[bytes]:
    """A source in pieces of bounded size."""
    file = io.BytesIO(source) if isinstance(source, bytes | bytearray | memoryview) else source
    while chunk := file.read(CHUNK):
        yield chunk


class Joined(io.RawIOBase):
    """Several sources one after the other, each checked against its digest (Corrupt) when it ends."""

    def __init__(self, parts: Iterator[tuple[BinaryIO, str]]) -> None:
        self._parts = parts
        self._now: tuple[BinaryIO, str] | None = None
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, room: "memoryview") -> int:  # type: ignore[override]
        while True:
            if self._now is None:
                self._now = next(self._parts, None)
                if self._now is None:
                    return 0
                self._digest = hashlib.sha256()
            source, expected = self._now
            chunk = source.read(len(room))
            if chunk:
                self._digest.update(chunk)
                room[: len(chunk)] = chunk
                return len(chunk)
            source.close()
            self._now = None
            if self._digest.hexdigest() != expected:
                raise Corrupt("a part of an upload is not what was received")

    def close(self) -> None:
        if self._now:
            self._now[0].close()
        super().close()
