"""Files in any S3 that has versions, object lock and conditional writes, through the `minio` client.

The bucket is made with object lock if it is missing. Names are given once by `If-None-Match: *`; the
digest of the whole goes with the file as metadata, so a source is first spooled to local disk. Parts of
uploads wait in a second bucket without lock (`<bucket>-parts`) and are joined by this side, which checks
each of them on the way.
"""

import hashlib
import io
import json
import re
import secrets
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO
from xml.etree import ElementTree

import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.datatypes import Part as SentPart
from minio.error import MinioException, S3Error
from minio.objectlockconfig import DAYS, ObjectLockConfig
from minio.retention import Retention
from minio.versioningconfig import ENABLED

from storage import clock
from storage.objects import store
from storage.objects.store import (
    CHUNK,
    OCTETS,
    Absent,
    Corrupt,
    KeyTaken,
    Listed,
    OutOfReach,
    Part,
    PartDamaged,
    Retained,
    RetentionShortened,
    Store,
    Stored,
)

SENT_AT_ONCE = 8 * 1024 * 1024  # bytes of one request, and of memory
_VERSION = re.compile(r"[A-Za-z0-9._-]{1,200}")
_XML = "http://s3.amazonaws.com/doc/2006-03-01/"
_ABSENT = {"NoSuchKey", "NoSuchVersion", "NoSuchObject", "MethodNotAllowed", "InvalidVersionId"}
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}


class S3Store(Store):
    """The store of a centre that has an S3; several processes may use the same bucket."""

    def __init__(
        self, host: str, access_key: str, secret_key: str, bucket: str, *, spool: Path,
        secure: bool = True, region: str | None = None, retain_days: int | None = None,
    ) -> None:
        timeout = urllib3.Timeout(connect=5, read=60)
        pool = urllib3.PoolManager(maxsize=16, timeout=timeout, retries=urllib3.Retry(2, backoff_factor=0.2))
        self._client: Any = Minio(
            host, access_key, secret_key, secure=secure, region=region, http_client=pool
        )
        self._bucket, self._parts_bucket = bucket, f"{bucket}-parts"
        self._spool = spool
        self._retain_days = retain_days
        self._ready = False
        self._making = threading.Lock()

    # Keeping and reading

    def put(
        self, key: str, source: bytes | BinaryIO, *, media_type: str = OCTETS, retain_until: datetime | None = None
    ) -> Stored:
        return self._put(key, source, media_type, retain_until, secrets.token_hex(16))

    def _put(
        self, key: str, source: bytes | BinaryIO, media_type: str, retain_until: datetime | None, put: str
    ) -> Stored:
        store.checked_key(key)
        headers = {
            "If-None-Match": "*", "Content-Type": store.checked_media_type(media_type),
            "X-Amz-Meta-Media-Type": media_type, "X-Amz-Meta-Put": put,
        }
        if until := store.until(retain_until, self._retain_days):
            headers["X-Amz-Object-Lock-Mode"] = COMPLIANCE
            headers["X-Amz-Object-Lock-Retain-Until-Date"] = until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self._spooled(source) as (file, size, sha256), self._asked() as client:
            headers["X-Amz-Meta-Sha256"] = sha256
            try:
                version = _send(client, self._bucket, key, file, size, headers)
            except S3Error as error:
                if error.code not in _TAKEN:
                    raise
                version = self._own_earlier(key, put)
        return Stored(key, version, size, sha256, media_type, until, False)

    def _own_earlier(self, key: str, put: str) -> str:
        """The version that this same call already wrote before its answer was lost, else KeyTaken."""
        try:
            found = self._client.stat_object(self._bucket, key)
        except S3Error:
            raise KeyTaken from None
        if found.metadata.get("x-amz-meta-put") != put:
            raise KeyTaken
        return str(found.version_id)

    def stat(self, key: str, *, version: str | None = None) -> Stored:
        store.checked_key(key)
        if version is not None and not _VERSION.fullmatch(version):
            raise Absent
        with self._asked() as client:
            try:
                found = client.stat_object(self._bucket, key, version_id=version)
            except S3Error as error:
                if version is not None and error.code in {"BadRequest", "InvalidArgument"}:
                    raise Absent from None  # not a version in this server's writing
                raise
        told = found.metadata
        until = told.get("x-amz-object-lock-retain-until-date")
        sha256 = told.get("x-amz-meta-sha256")
        if sha256 is None:
            raise Corrupt(f"{key} was not written by this store: it has no digest")
        return Stored(
            key, str(found.version_id), int(found.size), sha256, told.get("x-amz-meta-media-type", OCTETS),
            datetime.fromisoformat(until.replace("Z", "+00:00")) if until else None,
            told.get("x-amz-object-lock-legal-hold") == "ON",
        )

    def open(self, key: str, *, start: int = 0, length: int | None = None, version: str | None = None) -> BinaryIO:
        kept = self.stat(key, version=version)
        begin, end = store.checked_range(start, length, kept.bytes)
        return io.BufferedReader(_Fetched(partial(self._fetch, kept), kept, begin, end), CHUNK)

    def _fetch(self, kept: Stored, begin: int, end: int) -> Any:
        with self._asked() as client:
            return client.get_object(
                self._bucket, kept.key, offset=begin, length=end - begin, version_id=kept.version
            )

    def list(self, prefix: str = "", *, after: str | None = None, limit: int = 1000) -> Sequence[Listed]:
        found: list[Listed] = []
        with self._asked() as client:
            for entry in client.list_objects(self._bucket, prefix=prefix, recursive=True, start_after=after):
                if len(found) == limit:
                    break
                if after is not None and entry.object_name <= after:
                    continue  # SeaweedFS begins a page with names of the last one when folders are among them
                found.append(Listed(entry.object_name, entry.version_id or "", entry.size))
        return found

    # Removing and retaining

    def delete(self, key: str, *, version: str | None = None) -> None:
        kept = self.stat(key, version=version)
        if kept.legal_hold or (kept.retain_until and kept.retain_until > clock.now()):
            raise Retained
        with self._asked() as client:
            try:
                client.remove_object(self._bucket, key, version_id=version)
            except S3Error as error:
                if error.code in {"AccessDenied", "InvalidRequest", "ObjectLocked"}:
                    raise Retained from None
                raise

    def hold(self, key: str, on: bool, *, version: str | None = None) -> None:
        kept = self.stat(key, version=version)
        with self._asked() as client:
            act = client.enable_object_legal_hold if on else client.disable_object_legal_hold
            act(self._bucket, key, version_id=kept.version)

    def retain(self, key: str, until: datetime, *, version: str | None = None) -> None:
        kept, until = self.stat(key, version=version), store.whole_seconds(until)
        if kept.retain_until and until < kept.retain_until:
            raise RetentionShortened
        with self._asked() as client:
            try:
                client.set_object_retention(
                    self._bucket, key, Retention(COMPLIANCE, until.astimezone(UTC)), version_id=kept.version
                )
            except S3Error as error:
                if error.code == "AccessDenied":  # somebody retained it longer meanwhile
                    raise RetentionShortened from None
                raise

    # Uploads in parts

    def begin_parts(self, key: str, *, media_type: str = OCTETS, retain_until: datetime | None = None) -> str:
        wish = {
            "key": store.checked_key(key), "media_type": store.checked_media_type(media_type),
            "retain_until": retain_until and store.whole_seconds(retain_until).isoformat(),
        }
        upload = secrets.token_hex(16)
        text = json.dumps(wish).encode()
        with self._asked() as client:
            client.put_object(self._parts_bucket, f"{upload}/wish", io.BytesIO(text), len(text))
        return upload

    def put_part(self, upload: str, number: int, source: bytes | BinaryIO, sha256: str) -> Part:
        self._wish(upload)
        store.checked_part(number, sha256)
        with self._spooled(source) as (file, size, found), self._asked() as client:
            if found != sha256:
                raise PartDamaged(number=number)
            older = [name for name, _ in self._part_names(client, upload) if name.startswith(f"{number:05d}-")]
            name = f"{number:05d}-{size}-{sha256}"
            _send(client, self._parts_bucket, f"{upload}/{name}", file, size, {})
            for other in set(older) - {name}:
                client.remove_object(self._parts_bucket, f"{upload}/{other}")
        return Part(number, size, sha256)

    def parts(self, upload: str) -> Sequence[Part]:
        self._wish(upload)
        newest: dict[int, Part] = {}
        with self._asked() as client:
            for name, _ in sorted(self._part_names(client, upload), key=lambda found: found[1]):
                number, size, sha256 = name.split("-")
                newest[int(number)] = Part(int(number), int(size), sha256)
        return [newest[number] for number in sorted(newest)]

    def _part_names(self, client: Any, upload: str) -> Sequence[tuple[str, datetime]]:
        entries = client.list_objects(self._parts_bucket, prefix=f"{upload}/", recursive=True)
        named = ((entry.object_name.partition("/")[2], entry.last_modified) for entry in entries)
        return [(name, moment) for name, moment in named if name != "wish"]

    def finish_parts(self, upload: str) -> Stored:
        wish = self._wish(upload)
        parts = store.checked_parts(self.parts(upload))
        until = wish["retain_until"] and datetime.fromisoformat(wish["retain_until"])
        files = self._part_files(upload, parts)
        with self._asked(), io.BufferedReader(store.Joined(files), CHUNK) as joined:
            stored = self._put(wish["key"], joined, wish["media_type"], until, upload)
        self.drop_parts(upload)
        return stored

    def _part_files(self, upload: str, parts: Sequence[Part]) -> Iterator[tuple[Any, str]]:
        for part in parts:
            name = f"{upload}/{part.number:05d}-{part.bytes}-{part.sha256}"
            response = self._client.get_object(self._parts_bucket, name)
            try:
                yield response, part.sha256
            finally:
                response.close()
                response.release_conn()

    def drop_parts(self, upload: str) -> None:
        self._wish(upload)
        with self._asked() as client:
            for name, _ in self._part_names(client, upload):
                client.remove_object(self._parts_bucket, f"{upload}/{name}")
            client.remove_object(self._parts_bucket, f"{upload}/wish")

    def uploads_before(self, moment: datetime) -> Iterator[str]:
        with self._asked() as client:
            for entry in client.list_objects(self._parts_bucket, recursive=True):
                if entry.object_name.endswith("/wish") and entry.last_modified < moment:
                    yield entry.object_name.partition("/")[0]

    def _wish(self, upload: str) -> dict[str, Any]:
        with self._asked() as client:
            response = client.get_object(self._parts_bucket, f"{store.checked_upload(upload)}/wish")
            try:
                wish: dict[str, Any] = json.loads(response.data)
                return wish
            finally:
                response.close()
                response.release_conn()

    # Links

    def link(self, key: str, expires_in: timedelta, *, version: str | None = None) -> str:
        kept = self.stat(key, version=version)
        with self._asked() as client:
            return str(client.presigned_get_object(
                self._bucket, key, expires=expires_in, version_id=kept.version
            ))

    # The other side

    @contextmanager
    def _asked(self) -> Iterator[Any]:
        """The client, with buckets that exist; S3's errors become ours."""
        try:
            if not self._ready:
                self._make_buckets()
            yield self._client
        except S3Error as error:
            if error.code in _ABSENT:
                raise Absent from None
            raise OutOfReach(f"the object store answered {error.code}") from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise OutOfReach(f"the object store does not answer: {type(error).__name__}") from error

    def _make_buckets(self) -> None:
        with self._making:
            for bucket, lock in ((self._bucket, True), (self._parts_bucket, False)):
                if not self._client.bucket_exists(bucket):
                    try:
                        self._client.make_bucket(bucket, object_lock=lock)
                    except S3Error as error:
                        if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                            raise
            if self._client.get_bucket_versioning(self._bucket).status != ENABLED:
                raise OutOfReach(f"the bucket {self._bucket} keeps no versions, so nothing in it would be safe")
            if self._retain_days:
                rule = ObjectLockConfig(COMPLIANCE, self._retain_days, DAYS)
                self._client.set_object_lock_config(self._bucket, rule)
            self._ready = True

    @contextmanager
    def _spooled(self, source: bytes | BinaryIO) -> Iterator[tuple[IO[bytes], int, str]]:
        """The source on local disk (small ones in memory), with its length and digest."""
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        size, digest = 0, hashlib.sha256()
        with tempfile.SpooledTemporaryFile(max_size=SENT_AT_ONCE, dir=str(self._spool)) as file:
            for chunk in store.chunks(source):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            file.seek(0)
            yield file, size, digest.hexdigest()


class _Fetched(io.RawIOBase):
    """A range of a version, fetched as it is read; read whole to its end it must have the digest written."""

    def __init__(self, fetch: Any, kept: Stored, begin: int, end: int) -> None:
        self._fetch, self._kept, self._begin, self._end = fetch, kept, begin, end
        self._at = begin
        self._response: Any = None
        self._digest, self._digested = hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (self._begin, self._at, self._end)[whence]
        if base + offset < self._begin:
            raise ValueError("before the beginning")
        if base + offset != self._at:
            self._let_go()
            self._at = base + offset
        return self._at - self._begin

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        if self._at >= self._end:
            return 0
        try:
            if self._response is None:
                self._response = self._fetch(self._at, self._end)
            piece = self._response.read(min(len(room), self._end - self._at))
        except urllib3.exceptions.HTTPError as error:
            raise OutOfReach(f"the object store broke off: {type(error).__name__}") from error
        if not piece:
            raise Corrupt(f"{self._kept.key} version {self._kept.version} is shorter than was written")
        if self._at == self._digested:
            self._digest.update(piece)
            self._digested += len(piece)
            if self._digested == self._kept.bytes and self._digest.hexdigest() != self._kept.sha256:
                raise Corrupt(f"{self._kept.key} version {self._kept.version} is not what was written")
        room[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _let_go(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response.release_conn()
            self._response = None

    def close(self) -> None:
        self._let_go()
        super().close()


def _send(client: Any, bucket: str, key: str, file: IO[bytes], size: int, headers: dict[str, str]) -> str:
    """Send a file in requests of bounded size; `If-None-Match` holds at the moment it appears.

    The public methods of the client know no conditional write, hence the ones below them.
    """
    if size <= SENT_AT_ONCE:
        return str(client._put_object(bucket, key, file.read(), dict(headers)).version_id)
    condition = {name: value for name, value in headers.items() if name == "If-None-Match"}
    rest = {name: value for name, value in headers.items() if name not in condition}
    upload = client._create_multipart_upload(bucket, key, rest)
    try:
        sent: list[SentPart] = []
        while chunk := file.read(SENT_AT_ONCE):
            number = len(sent) + 1
            sent.append(SentPart(number, client._upload_part(bucket, key, chunk, None, upload, number)))
        answer = client._execute(
            "POST", bucket, key, body=_list_of(sent), query_params={"uploadId": upload},
            headers={"Content-Type": "application/xml", **condition},
        )
    except BaseException:
        client._abort_multipart_upload(bucket, key, upload)
        raise
    return str(answer.headers.get("x-amz-version-id"))


def _list_of(sent: Sequence[SentPart]) -> bytes:
    root = ElementTree.Element("CompleteMultipartUpload", xmlns=_XML)
    for part in sent:
        element = ElementTree.SubElement(root, "Part")
        ElementTree.SubElement(element, "PartNumber").text = str(part.part_number)
        ElementTree.SubElement(element, "ETag").text = f'"{part.etag}"'
    return ElementTree.tostring(root)
