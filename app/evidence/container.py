"""The file of an evidence bundle: a ZIP of which every single byte is determined by its contents.

    manifest.json    canonical JSON: {v, project, made_at, key, items: [{path, bytes, sha256}…]}
    manifest.sig     ECDSA P-256 of the platform over H("evidence", manifest.json), r‖s as hex
    …                the items, in the manifest's order

Nothing is compressed, times are 1980-01-01, headers carry no choice, sizes are in ZIP64 form throughout; any
ZIP program opens it. The reader walks the file from its first byte and compares each with the only one it can
be, so a change of any byte, in contents or in between, is found and named by the first item it touches.
"""

import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ca import canonical
from ca.ecdsa import PlatformKey, verify
from ca.tagged import H

MANIFEST, SIGNATURE, END = "manifest.json", "manifest.sig", "the end of the file"
PIECE = 1 << 20
LONGEST_MANIFEST = 16 << 20
LOCAL, CENTRAL, END64, LOCATOR, LAST = 0x04034B50, 0x02014B50, 0x06064B50, 0x07064B50, 0x06054B50
FLAGS, MIDNIGHT, DAY = 0x0800, 0, 33  # UTF-8 names; 1980-01-01 00:00


class Bad(Exception):
    """The first thing in the file that is not as it must be."""

    def __init__(self, item: str, reason: str) -> None:
        super().__init__(f"{item}: {reason}")
        self.item, self.reason = item, reason


@dataclass(frozen=True)
class Item:
    """One item to be written: its path, and how to open its bytes (read twice: once to hash, once to copy)."""

    path: str
    open: Callable[[], BinaryIO]

    @classmethod
    def of(cls, path: str, content: bytes) -> "Item":
        from io import BytesIO

        return cls(path, lambda: BytesIO(content))


@dataclass(frozen=True)
class _Entry:
    path: str
    size: int
    crc: int
    offset: int


def write(out: BinaryIO, items: list[Item], *, project: str, made_at: str, key: PlatformKey) -> str:
    """Write a bundle; the answer is the SHA-256 of its manifest."""
    assert len({item.path for item in items}) == len(items), "each path once"
    listed = []
    for item in items:
        digest, size = hashlib.sha256(), 0
        for piece in _pieces(item):
            digest.update(piece)
            size += len(piece)
        listed.append({"path": item.path, "bytes": size, "sha256": digest.hexdigest()})
    manifest = canonical.encode(
        {"v": 1, "project": project, "made_at": made_at, "key": key.public.hex(), "items": listed}
    )
    signature = key.sign(H("evidence", manifest)).hex().encode()
    entries: list[_Entry] = []
    for item in [Item.of(MANIFEST, manifest), Item.of(SIGNATURE, signature), *items]:
        crc = size = 0
        for piece in _pieces(item):
            crc, size = zlib.crc32(piece, crc), size + len(piece)
        entry = _Entry(item.path, size, crc, out.tell())
        out.write(_local(entry))
        for piece in _pieces(item):
            out.write(piece)
        entries.append(entry)
    out.write(_tail(entries, out.tell()))
    return hashlib.sha256(manifest).hexdigest()


@dataclass(frozen=True)
class Bundle:
    """A bundle whose every byte was compared; items are read where they stand."""

    file: Path
    project: str
    made_at: str
    key: str
    places: dict[str, tuple[int, int]]  # path -> offset, bytes

    def read(self, path: str) -> bytes:
        """One item's bytes."""
        offset, size = self.places[path]
        with self.file.open("rb") as source:
            source.seek(offset)
            return source.read(size)

    def open(self, path: str) -> BinaryIO:
        """One item as a stream from its first byte; the reader stops after `places[path][1]` bytes."""
        source = self.file.open("rb")
        source.seek(self.places[path][0])
        return source


def check(file: Path, progress: Callable[[str], None] = lambda path: None) -> Bundle:
    """Read a bundle, comparing every byte; raises `Bad` with the first item that is wrong."""
    with file.open("rb") as source:
        total = os.fstat(source.fileno()).st_size
        entries: list[_Entry] = []
        raw = _small(source, MANIFEST, entries, LONGEST_MANIFEST)
        manifest = _manifest(raw)
        signature = _small(source, SIGNATURE, entries, 128)
        if signature != signature.lower() or not _signed(manifest["key"], signature, raw):
            raise Bad(SIGNATURE, "the platform's signature does not fit the manifest")
        places = {}
        for listed in manifest["items"]:
            progress(listed["path"])
            places[listed["path"]] = (_content_at(source, listed["path"]), listed["bytes"])
            _item(source, listed, entries)
        tail = _tail(entries, source.tell())
        if source.read(len(tail) + 1) != tail or source.tell() != total:
            raise Bad(END, "the directory of the file was changed, cut or added to")
    return Bundle(file, manifest["project"], manifest["made_at"], manifest["key"], places)


def _manifest(raw: bytes) -> dict:
    try:
        manifest = canonical.decode(raw)
        good = set(manifest) == {"v", "project", "made_at", "key", "items"} and manifest["v"] == 1
        good = good and all(set(item) == {"path", "bytes", "sha256"} for item in manifest["items"])
        good = good and all(
            isinstance(item["bytes"], int) and isinstance(item["path"], str) for item in manifest["items"]
        )
    except (ValueError, TypeError, AttributeError, KeyError):
        good = False
    if not good:
        raise Bad(MANIFEST, "not a manifest in canonical form")
    return manifest


def _signed(key: str, signature: bytes, raw: bytes) -> bool:
    try:
        return verify(bytes.fromhex(key), H("evidence", raw), bytes.fromhex(signature.decode()))
    except ValueError:
        return False


def _content_at(source: BinaryIO, path: str) -> int:
    return source.tell() + len(_local(_Entry(path, 0, 0, 0)))


def _small(source: BinaryIO, path: str, entries: list[_Entry], longest: int) -> bytes:
    """The first two items: their size is only known from their header, which is then compared whole."""
    offset, blank = source.tell(), _local(_Entry(path, 0, 0, 0))
    header = source.read(len(blank))
    if len(header) != len(blank):
        raise Bad(path, "the file ends here")
    size = struct.unpack_from("<Q", header, len(blank) - 16)[0]
    content = source.read(size) if size <= longest else b""
    entry = _Entry(path, size, zlib.crc32(content), offset)
    if len(content) != size or header != _local(entry):
        raise Bad(path, "changed, or the file is cut here")
    entries.append(entry)
    return content


def _item(source: BinaryIO, listed: dict, entries: list[_Entry]) -> None:
    path, offset = listed["path"], source.tell()
    header = source.read(len(_local(_Entry(path, 0, 0, 0))))
    crc, digest, left = 0, hashlib.sha256(), listed["bytes"]
    while left and (piece := source.read(min(PIECE, left))):
        crc, left = zlib.crc32(piece, crc), left - len(piece)
        digest.update(piece)
    entry = _Entry(path, listed["bytes"], crc, offset)
    if left:
        raise Bad(path, "the file ends here")
    if digest.hexdigest() != listed["sha256"]:
        raise Bad(path, "contents changed")
    if header != _local(entry):
        raise Bad(path, "its header was changed")
    entries.append(entry)


def _pieces(item: Item) -> Iterator[bytes]:
    with item.open() as source:
        while piece := source.read(PIECE):
            yield piece


def _local(entry: _Entry) -> bytes:
    name = entry.path.encode()
    extra = struct.pack("<HHQQ", 1, 16, entry.size, entry.size)
    head = struct.pack(
        "<IHHHHHIIIHH", LOCAL, 45, FLAGS, 0, MIDNIGHT, DAY, entry.crc, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(extra)
    )
    return head + name + extra


def _tail(entries: list[_Entry], start: int) -> bytes:
    directory = b""
    for entry in entries:
        name = entry.path.encode()
        extra = struct.pack("<HHQQQ", 1, 24, entry.size, entry.size, entry.offset)
        directory += struct.pack(
            "<IHHHHHHIIIHHHHHII", CENTRAL, 45, 45, FLAGS, 0, MIDNIGHT, DAY, entry.crc, 0xFFFFFFFF, 0xFFFFFFFF,
            len(name), len(extra), 0, 0, 0, 0, 0xFFFFFFFF,
        ) + name + extra  # fmt: skip
    count, size = len(entries), len(directory)
    return (
        directory
        + struct.pack("<IQHHIIQQQQ", END64, 44, 45, 45, 0, 0, count, count, size, start)
        + struct.pack("<IIQI", LOCATOR, 0, start + size, 1)
        + struct.pack("<IHHHHIIH", LAST, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    )
