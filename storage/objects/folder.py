"""Files in a folder, with the meaning of S3: versions, names given once, retention, parts, links.

Each key is a folder (`notices/12/text.pdf!`) that holds, for each version, the bytes, and beside them a
line of JSON whose appearance makes the version exist. Everything is written aside, synced and renamed, so
a crash at any moment leaves either the whole file or none. Who owns the disk can of course destroy it:
that what is kept is genuine is proved by signed manifests, not by this folder.
"""

import base64
import fcntl
import hashlib
import hmac
import io
import json
import os
import secrets
import shutil
import time
import zlib
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from storage import clock
from storage.objects import store
from storage.objects.store import (
    CHUNK,
    OCTETS,
    Absent,
    Corrupt,
    KeyTaken,
    LinkExpired,
    Listed,
    Part,
    PartDamaged,
    Retained,
    RetentionShortened,
    Store,
    Stored,
)

LINK_PATH = "/objects/link/"
_MARK = "!"  # ends the folder of a key; no step of a key contains it


@dataclass(frozen=True)
class _Note:
    """The JSON beside a version."""

    stored: Stored
    sums: array  # CRC-32 of each CHUNK: a range is checked without reading the whole
    put: str  # which call of `put` wrote it, so that a repeated one knows its own work

    def text(self) -> str:
        kept = self.stored
        return json.dumps({
            "bytes": kept.bytes, "sha256": kept.sha256, "media_type": kept.media_type, "put": self.put,
            "retain_until": kept.retain_until and kept.retain_until.isoformat(), "legal_hold": kept.legal_hold,
            "sums": base64.b64encode(self.sums.tobytes()).decode(),
        })

    @classmethod
    def read(cls, key: str, version: str, text: str) -> "_Note":
        try:
            told: dict[str, Any] = json.loads(text)
            until = told["retain_until"] and datetime.fromisoformat(told["retain_until"])
            stored = Stored(
                key, version, told["bytes"], told["sha256"], told["media_type"], until, told["legal_hold"]
            )
            return cls(stored, array("I", base64.b64decode(told["sums"])), told["put"])
        except (ValueError, KeyError, TypeError):
            raise Corrupt(f"the note of {key} version {version} cannot be read") from None


@dataclass(frozen=True)
class _Arrived:
    """A file that was received whole and lies aside."""

    path: Path
    bytes: int
    sha256: str
    sums: array


class FolderStore(Store):
    """The default store. Several processes may use the same folder."""

    def __init__(self, folder: Path, *, retain_days: int | None = None) -> None:
        self.folder = Path(folder)
        self.retain_days = retain_days
        self._kept, self._aside, self._uploads = (self.folder / name for name in ("kept", "aside", "uploads"))
        for path in (self._kept, self._aside, self._uploads):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    # Keeping and reading

    def put(
        self, key: str, source: bytes | BinaryIO, *, media_type: str = OCTETS, retain_until: datetime | None = None
    ) -> Stored:
        return self._put(key, source, media_type, retain_until, secrets.token_hex(16))

    def _put(
        self, key: str, source: bytes | BinaryIO, media_type: str, retain_until: datetime | None, put: str
    ) -> Stored:
        store.checked_key(key)
        store.checked_media_type(media_type)
        arrived = self._receive(source)
        try:
            with self._locked(key) as place:
                current = _current(place)
                if current is not None:
                    note = self._note(key, current)
                    if note.put == put:
                        return note.stored
                    raise KeyTaken
                stored = Stored(
                    key, _next_version(place), arrived.bytes, arrived.sha256, media_type,
                    store.until(retain_until, self.retain_days), False,
                )
                arrived.path.rename(place / stored.version)
                _write(place / f"{stored.version}.json", _Note(stored, arrived.sums, put).text())
                return stored
        finally:
            arrived.path.unlink(missing_ok=True)

    def stat(self, key: str, *, version: str | None = None) -> Stored:
        return self._note(store.checked_key(key), version).stored

    def open(self, key: str, *, start: int = 0, length: int | None = None, version: str | None = None) -> BinaryIO:
        note = self._note(store.checked_key(key), version)
        begin, end = store.checked_range(start, length, note.stored.bytes)
        try:
            file = os.open(self._place(key) / note.stored.version, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise Corrupt(f"the bytes of {key} version {note.stored.version} are gone") from None
        if os.fstat(file).st_size != note.stored.bytes:
            os.close(file)
            raise Corrupt(f"{key} version {note.stored.version} has another length than was written")
        return io.BufferedReader(_Checked(file, note, begin, end), CHUNK)

    def list(self, prefix: str = "", *, after: str | None = None, limit: int = 1000) -> Sequence[Listed]:
        found: list[Listed] = []
        for key, place in _walk(self._kept, "", prefix, after or ""):
            if len(found) == limit:
                break
            if key.startswith(prefix) and (after is None or key > after) and (version := _current(place)):
                found.append(Listed(key, version, (place / version).stat().st_size))
        return found

    # Removing and retaining

    def delete(self, key: str, *, version: str | None = None) -> None:
        with self._locked(store.checked_key(key), make=False) as place:
            kept = self._note(key, version).stored
            if kept.legal_hold or (kept.retain_until and kept.retain_until > clock.now()):
                raise Retained
            if version is None:
                _write(place / f"{_next_version(place)}.gone", "")
                return
            (place / f"{version}.json").unlink()
            _sync(place)
            (place / version).unlink(missing_ok=True)

    def hold(self, key: str, on: bool, *, version: str | None = None) -> None:
        with self._locked(store.checked_key(key), make=False) as place:
            note = self._note(key, version)
            self._rewrite(place, note, replace(note.stored, legal_hold=on))

    def retain(self, key: str, until: datetime, *, version: str | None = None) -> None:
        until = store.whole_seconds(until)
        with self._locked(store.checked_key(key), make=False) as place:
            note = self._note(key, version)
            if note.stored.retain_until and until < note.stored.retain_until:
                raise RetentionShortened
            self._rewrite(place, note, replace(note.stored, retain_until=until))

    def _rewrite(self, place: Path, note: _Note, stored: Stored) -> None:
        _write(place / f"{stored.version}.json", replace(note, stored=stored).text())

    # Uploads in parts

    def begin_parts(self, key: str, *, media_type: str = OCTETS, retain_until: datetime | None = None) -> str:
        wish = {
            "key": store.checked_key(key), "media_type": store.checked_media_type(media_type),
            "retain_until": retain_until and store.whole_seconds(retain_until).isoformat(),
        }
        upload = secrets.token_hex(16)
        (self._uploads / upload).mkdir(mode=0o700)
        _write(self._uploads / upload / "wish.json", json.dumps(wish))
        _sync(self._uploads)
        return upload

    def put_part(self, upload: str, number: int, source: bytes | BinaryIO, sha256: str) -> Part:
        self._wish(upload)
        store.checked_part(number, sha256)
        arrived = self._receive(source)
        try:
            if arrived.sha256 != sha256:
                raise PartDamaged(number=number)
            place = self._uploads / upload
            older = [path for path in place.glob(f"{number:05d}-*") if not path.name.endswith(sha256)]
            try:
                arrived.path.rename(place / f"{number:05d}-{sha256}")
            except FileNotFoundError:  # dropped or finished meanwhile
                raise Absent from None
            for path in older:
                path.unlink(missing_ok=True)
            _sync(place)
            return Part(number, arrived.bytes, sha256)
        finally:
            arrived.path.unlink(missing_ok=True)

    def parts(self, upload: str) -> Sequence[Part]:
        self._wish(upload)
        found = sorted(path for path in (self._uploads / upload).iterdir() if path.name != "wish.json")
        newest: dict[int, Part] = {}
        for path in sorted(found, key=lambda path: path.stat().st_mtime_ns):
            number, _, sha256 = path.name.partition("-")
            newest[int(number)] = Part(int(number), path.stat().st_size, sha256)
        return [newest[number] for number in sorted(newest)]

    def finish_parts(self, upload: str) -> Stored:
        wish = self._wish(upload)
        parts = store.checked_parts(self.parts(upload))
        place = self._uploads / upload
        files = (((place / f"{part.number:05d}-{part.sha256}").open("rb"), part.sha256) for part in parts)
        until = wish["retain_until"] and datetime.fromisoformat(wish["retain_until"])
        with io.BufferedReader(store.Joined(files), CHUNK) as joined:
            stored = self._put(wish["key"], joined, wish["media_type"], until, upload)
        self.drop_parts(upload)
        return stored

    def drop_parts(self, upload: str) -> None:
        self._wish(upload)
        shutil.rmtree(self._uploads / upload, ignore_errors=True)

    def uploads_before(self, moment: datetime) -> Iterator[str]:
        for place in sorted(self._uploads.iterdir()):
            if place.stat().st_ctime < moment.timestamp():
                yield place.name

    def _wish(self, upload: str) -> dict[str, Any]:
        try:
            wish: dict[str, Any] = json.loads((self._uploads / store.checked_upload(upload) / "wish.json").read_text())
            return wish
        except FileNotFoundError:
            raise Absent from None

    # Links

    def link(self, key: str, expires_in: timedelta, *, version: str | None = None) -> str:
        version = self.stat(key, version=version).version
        expires = int((clock.now() + expires_in).timestamp())
        asked = {"version": version, "expires": expires, "signature": self._signature(key, version, expires)}
        return f"{LINK_PATH}{quote(key)}?{urlencode(asked)}"

    def follow(self, link: str) -> Stored:
        """The file that a link names: Absent when the link is not one of ours, LinkExpired after its time."""
        parts = urlsplit(link)
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        key = unquote(parts.path).removeprefix(LINK_PATH)
        version, expires = asked.get("version", ""), asked.get("expires", "")
        if not (expires.isascii() and expires.isdecimal()):
            raise Absent
        genuine = self._signature(key, version, int(expires))
        if not hmac.compare_digest(genuine.encode(), asked.get("signature", "").encode()):
            raise Absent
        if int(expires) <= clock.now().timestamp():
            raise LinkExpired
        return self.stat(key, version=version)

    def _signature(self, key: str, version: str, expires: int) -> str:
        path = self.folder / "link.key"
        if not path.exists():
            new = self._aside / secrets.token_hex(16)
            _write(new, secrets.token_hex(32))
            with suppress(FileExistsError):  # the first of several processes wins
                os.link(new, path)
            new.unlink()
        text = f"{key}\n{version}\n{expires}".encode()
        return hmac.new(bytes.fromhex(path.read_text()), text, hashlib.sha256).hexdigest()

    # The folder itself

    def _place(self, key: str) -> Path:
        return self._kept / (key + _MARK)

    def _note(self, key: str, version: str | None) -> _Note:
        place = self._place(key)
        version = version if version is not None else _current(place)
        if version is None or not (version.isalnum() and version.isascii()):
            raise Absent
        try:
            return _Note.read(key, version, (place / f"{version}.json").read_text())
        except FileNotFoundError:
            raise Absent from None

    @contextmanager
    def _locked(self, key: str, *, make: bool = True) -> Iterator[Path]:
        """The folder of a key, with nobody else changing it; the kernel frees it when we are killed."""
        place = self._place(key)
        if make:
            _make_lasting(place, self._kept)
        try:
            folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise Absent from None
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield place
            os.fsync(folder)
        finally:
            os.close(folder)

    def _receive(self, source: bytes | BinaryIO) -> _Arrived:
        """Write a source aside and make it last."""
        path = self._aside / secrets.token_hex(16)
        size, digest, sums = 0, hashlib.sha256(), array("I")
        rest = b""
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400), "wb", 0) as file:
                for chunk in store.chunks(source):
                    _write_all(file, chunk)
                    digest.update(chunk)
                    size += len(chunk)
                    rest = rest + chunk if rest or len(chunk) != CHUNK else chunk
                    while len(rest) >= CHUNK:
                        sums.append(zlib.crc32(rest[:CHUNK]))
                        rest = rest[CHUNK:]
                if rest:
                    sums.append(zlib.crc32(rest))
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return _Arrived(path, size, digest.hexdigest(), sums)

    def _sweep(self) -> None:
        """Remove what killed processes left half-received a day ago."""
        for path in self._aside.iterdir():
            try:
                if path.stat().st_mtime < time.time() - 86_400:
                    path.unlink()
            except FileNotFoundError:
                continue


class _Checked(io.RawIOBase):
    """A range of a version: every block is checked before any byte of it is given, the whole at its end."""

    def __init__(self, file: int, note: _Note, begin: int, end: int) -> None:
        self._file, self._note, self._begin, self._end = file, note, begin, end
        self._at = begin
        self._block, self._bytes = -1, b""
        self._digest, self._digested = hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (self._begin, self._at, self._end)[whence]
        if base + offset < self._begin:
            raise ValueError("before the beginning")
        self._at = base + offset
        return self._at - self._begin

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        if self._at >= self._end:
            return 0
        block, inside = divmod(self._at, CHUNK)
        if block != self._block:
            self._load(block)
        piece = self._bytes[inside:][: min(len(room), self._end - self._at)]
        room[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _load(self, block: int) -> None:
        kept = self._note.stored
        read = os.pread(self._file, CHUNK, block * CHUNK)
        whole = len(read) == min(CHUNK, kept.bytes - block * CHUNK)
        if not whole or block >= len(self._note.sums) or zlib.crc32(read) != self._note.sums[block]:
            raise Corrupt(f"{kept.key} version {kept.version} is damaged in block {block}")
        if block == self._digested:  # read from the beginning without a gap: the digest can be told
            self._digest.update(read)
            self._digested += 1
            if self._digested == len(self._note.sums) and self._digest.hexdigest() != kept.sha256:
                raise Corrupt(f"{kept.key} version {kept.version} is not what was written")
        self._block, self._bytes = block, read

    def close(self) -> None:
        if not self.closed:
            os.close(self._file)
        super().close()


def _current(place: Path) -> str | None:
    """The newest version of a key, None if there is none or it was deleted."""
    try:
        names = os.listdir(place)
    except (FileNotFoundError, NotADirectoryError):
        return None
    told = [name for name in names if name.endswith((".json", ".gone"))]
    version, _, kind = max(told, default="").partition(".")
    return version if kind == "json" else None


def _next_version(place: Path) -> str:
    """A version that sorts after all there are, whatever the clock does."""
    last = max((name[:16] for name in os.listdir(place) if name[:16].isalnum()), default="0")
    return f"{max(time.time_ns(), int(last, 16) + 1):016x}{secrets.token_hex(4)}"


def _walk(folder: Path, path: str, prefix: str, after: str) -> Iterator[tuple[str, Path]]:
    """Keys and their folders, in the order of the keys, going down only where one can match."""
    steps = []
    for entry in os.scandir(folder):
        is_key = entry.name.endswith(_MARK)
        steps.append((path + (entry.name[:-1] if is_key else entry.name + "/"), is_key, Path(entry.path)))
    for name, is_key, place in sorted(steps):
        if is_key:
            yield name, place
        elif (name.startswith(prefix) or prefix.startswith(name)) and (name >= after or after.startswith(name)):
            yield from _walk(place, name, prefix, after)


def _make_lasting(folder: Path, top: Path) -> None:
    """Make a folder and those above it, each name synced into its parent."""
    missing = []
    while folder != top and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for step in reversed(missing):
        step.mkdir(mode=0o700, exist_ok=True)
        _sync(step.parent)


def _write(path: Path, text: str) -> None:
    """Write a small file whole or not at all, and make it last."""
    new = path.with_name(f".{secrets.token_hex(8)}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    _sync(path.parent)


def _write_all(file: Any, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
