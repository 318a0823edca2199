"""One strict reader of ZIP files: what it reads, every other honest reader reads the same, or it refuses.

ZIP says everything twice, at each file and again at the end, and most readers look at one side only. A bid
that shows one price to one reader and another to the next must not exist (sealing.md F21), so here both
sides must agree byte for byte, files must follow each other without a gap from the first byte to the
directory, and every name must be one that means the same on every system (hostile.md H10).

Format: PKWARE APPNOTE 6.3.10, sections 4.3–4.5; store and deflate, ZIP64.
"""

import io
import stat
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from ca.certificates import Unreadable

STORED, DEFLATED = 0, 8
PIECE = 256 * 1024
LONGEST_NAME = 240  # bytes of UTF-8: file systems take 255
_END, _END_64, _END_64_PLACE = 0x06054B50, 0x06064B50, 0x07064B50
_CENTRAL, _LOCAL, _AFTER = 0x02014B50, 0x04034B50, 0x08074B50
_FLAG_AFTER, _FLAG_UTF8, _FLAGS_DEFLATE = 0x0008, 0x0800, 0x0006
_EXTRA_64 = 0x0001
_UNIX, _MAC = 3, 19  # APPNOTE 4.4.2: who made the entry
_HARMLESS_EXTRAS = {_EXTRA_64, 0x000A, 0x5455, 0x5855, 0x7875}  # sizes, times and owners; no second name (0x7075)


class BadArchive(Unreadable):
    """The file is refused; `fault` is a stable code."""

    def __init__(self, fault: str, **facts: str) -> None:
        super().__init__(**facts)
        self.fault = fault

    def sentence(self, translate: Callable[[str], str] = lambda text: text) -> str:
        """The sentence with the fault's own sentence in it; names of files are said as they are."""
        return translate(self.says).format(reason=translate(FAULTS[self.fault]).format_map(self.facts))


FAULTS = {
    "not_a_zip": "不是 ZIP 文件",
    "trailing_bytes": "ZIP 文件前后或中间有多余的内容",
    "two_stories": "ZIP 文件两处记录不一致",
    "unsupported": "ZIP 文件用了不允许的功能（加密、分卷或特殊压缩）",
    "bad_name": "文件名“{name}”不允许",
    "same_name": "有两个文件同名（“{name}”）",
    "not_a_file": "“{name}”不是普通文件（可能是链接）",
    "too_many": "文件太多",
    "too_large": "解开后太大",
    "bomb": "“{name}”的压缩比高得不合理",
    "damaged": "“{name}”已损坏",
}


@dataclass(frozen=True)
class Limits:
    """How much we are willing to unpack."""

    files: int = 1000
    total: int = 5 * 1024**3  # bytes
    ratio: int = 200  # unpacked : packed, for files over `ratio_from`
    ratio_from: int = 1024**2


@dataclass(frozen=True)
class Member:
    """One file in the archive."""

    name: str
    size: int
    packed: int
    crc: int
    method: int
    flags: int
    start: int  # of its header
    body: int  # of its bytes


class Archive:
    """A ZIP file, checked whole before the first byte of content is given out."""

    def __init__(self, file: BinaryIO, limits: Limits | None = None) -> None:
        """`file` must be seekable and stay open. Raises BadArchive."""
        self._file, self._limits = file, limits or Limits()
        try:
            listed, directory = self._directory()
            self.members = tuple(self._located(listed, directory))
        except (struct.error, UnicodeDecodeError, OverflowError) as error:
            raise BadArchive("not_a_zip") from error
        _check_names([member.name for member in self.members])
        self._check_sizes()
        self._by_name = {member.name: member for member in self.members}

    @property
    def files(self) -> tuple[Member, ...]:
        """Members that are files, in the order in which they stand."""
        return tuple(member for member in self.members if not member.name.endswith("/"))

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Member:
        return self._by_name[name]

    def pieces(self, member: Member) -> Iterator[bytes]:
        """The content, unpacked piece by piece; raises BadArchive at the end if it is not what was announced."""
        self._file.seek(member.body)
        unpacked = self._inflate(member) if member.method == DEFLATED else self._raw(member)
        size, crc = 0, 0
        for piece in unpacked:
            size, crc = size + len(piece), zlib.crc32(piece, crc)
            if size > member.size:
                break
            yield piece
        if size != member.size or crc != member.crc:
            raise BadArchive("damaged", name=member.name)

    def open(self, member: Member) -> BinaryIO:
        """The content as a file that is read forward (and may be begun again)."""
        return io.BufferedReader(_Unpacked(self, member), PIECE)

    def read(self, name: str, limit: int) -> bytes:
        """A small file whole. Raises BadArchive when it is larger than `limit` bytes."""
        if self[name].size > limit:
            raise BadArchive("too_large")
        return b"".join(self.pieces(self[name]))

    def _raw(self, member: Member) -> Iterator[bytes]:
        left = member.packed
        while left > 0:
            piece = self._file.read(min(PIECE, left))
            if not piece:
                return
            left -= len(piece)
            yield piece

    def _inflate(self, member: Member) -> Iterator[bytes]:
        machine = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for packed in self._raw(member):
                while packed:
                    if machine.eof:
                        raise BadArchive("damaged", name=member.name)
                    yield machine.decompress(packed, PIECE)
                    packed = machine.unconsumed_tail
            while not machine.eof and (piece := machine.decompress(b"", PIECE)):
                yield piece
        except zlib.error as error:
            raise BadArchive("damaged", name=member.name) from error
        if not machine.eof or machine.unused_data:
            raise BadArchive("damaged", name=member.name)

    def _at(self, place: int, count: int) -> bytes:
        self._file.seek(place)
        found = self._file.read(count)
        if len(found) != count:
            raise BadArchive("not_a_zip")
        return found

    def _directory(self) -> tuple[list[tuple[Member, bytes]], int]:
        """The entries of the central directory with their raw names, and where it begins."""
        end = self._file.seek(0, 2) - 22
        if end < 0 or self._at(end, 4) != struct.pack("<I", _END):
            raise BadArchive("not_a_zip")
        _, disk, first_disk, here, count, size, start, comment = struct.unpack("<IHHHHIIH", self._at(end, 22))
        if comment:
            raise BadArchive("trailing_bytes")
        stop = end
        if 0xFFFF in (here, count) or 0xFFFFFFFF in (size, start):
            here, count, size, start, stop = self._zip64(end)
        if disk or first_disk or here != count:
            raise BadArchive("unsupported")
        if count > self._limits.files:
            raise BadArchive("too_many")
        if start + size != stop:
            raise BadArchive("trailing_bytes")
        return list(self._entries(self._at(start, size), count)), start

    def _zip64(self, end: int) -> tuple[int, int, int, int, int]:
        place = end - 20
        magic, disk, record, disks = struct.unpack("<IIQI", self._at(place, 20)) if place >= 0 else (0, 0, 0, 0)
        if magic != _END_64_PLACE or disk or disks != 1 or record + 56 != place:
            raise BadArchive("trailing_bytes")
        magic, length, _, _, disk, first_disk, here, count, size, start = struct.unpack(
            "<IQHHIIQQQQ", self._at(record, 56)
        )
        if magic != _END_64 or length != 44 or disk or first_disk:
            raise BadArchive("unsupported")
        return here, count, size, start, record

    def _entries(self, directory: bytes, count: int) -> Iterator[tuple[Member, bytes]]:
        place = 0
        for _ in range(count):
            fields = struct.unpack_from("<IHHHHHHIIIHHHHHII", directory, place)
            magic, made_by, _, flags, method, _, _, crc, packed, size = fields[:10]
            name_length, extra_length, comment, disk, _, attributes, start = fields[10:]
            if magic != _CENTRAL:
                raise BadArchive("not_a_zip")
            place += 46
            raw, extra = directory[place : place + name_length], directory[place + name_length :][:extra_length]
            place += name_length + extra_length + comment
            if place > len(directory):
                raise BadArchive("not_a_zip")
            size, packed, start, disk = _wide(extra, size, packed, start, disk)
            if comment or disk or method not in (STORED, DEFLATED):
                raise BadArchive("unsupported")
            if flags & ~(_FLAG_AFTER | _FLAG_UTF8 | _FLAGS_DEFLATE):
                raise BadArchive("unsupported")
            name = _name(raw, flags, made_by)
            _check_kind(name, made_by, attributes, size)
            yield Member(name, size, packed, crc, method, flags, start, 0), raw
        if place != len(directory):
            raise BadArchive("trailing_bytes")

    def _located(self, listed: Sequence[tuple[Member, bytes]], directory: int) -> Iterator[Member]:
        """The members where they stand, in file order, each found to follow the one before."""
        expected = 0
        for member, raw in sorted(listed, key=lambda pair: pair[0].start):
            if member.start != expected:
                raise BadArchive("trailing_bytes")
            header = struct.unpack("<IHHHHHIIIHH", self._at(member.start, 30))
            magic, _, flags, method, _, _, crc, packed, size, name_length, extra_length = header
            tail = self._at(member.start + 30, name_length + extra_length)
            if magic != _LOCAL:
                raise BadArchive("two_stories")
            size, packed, _, _ = _wide(tail[name_length:], size, packed, 0, 0)
            if (flags, method, tail[:name_length]) != (member.flags, member.method, raw):
                raise BadArchive("two_stories")
            told_later = flags & _FLAG_AFTER and (crc, packed, size) == (0, 0, 0)
            if not told_later and (crc, packed, size) != (member.crc, member.packed, member.size):
                raise BadArchive("two_stories")
            body = member.start + 30 + name_length + extra_length
            expected = body + member.packed
            if flags & _FLAG_AFTER:
                expected += self._told_after(member, expected)
            yield Member(
                member.name, member.size, member.packed, member.crc, member.method, member.flags, member.start, body
            )
        if expected != directory:
            raise BadArchive("trailing_bytes")

    def _told_after(self, member: Member, place: int) -> int:
        """Length of the data descriptor (APPNOTE 4.3.9), which must say the same once more."""
        for form, width in (("<III", 12), ("<IQQ", 20)):
            for magic in (struct.pack("<I", _AFTER), b""):
                if max(member.packed, member.size) > 0xFFFFFFFF and width == 12:
                    continue
                self._file.seek(place)
                found = self._file.read(len(magic) + width)
                if found == magic + struct.pack(form, member.crc, member.packed, member.size):
                    return len(found)
        raise BadArchive("two_stories")

    def _check_sizes(self) -> None:
        total = 0
        for member in self.members:
            total += member.size
            if total > self._limits.total:
                raise BadArchive("too_large")
            if member.method == STORED and member.size != member.packed:
                raise BadArchive("two_stories")
            if member.size > max(self._limits.ratio_from, member.packed * self._limits.ratio):
                raise BadArchive("bomb", name=member.name)


class _Unpacked(io.RawIOBase):
    """A member as a file."""

    def __init__(self, archive: Archive, member: Member) -> None:
        self._begin = lambda: archive.pieces(member)
        self._pieces, self._rest = self._begin(), b""

    def readable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """Back to the beginning, and nowhere else."""
        if (place, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("forward only")
        self._pieces, self._rest = self._begin(), b""
        return 0

    def readinto(self, room: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(room), len(self._rest))
        room[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _wide(extra: bytes, size: int, packed: int, start: int, disk: int) -> tuple[int, int, int, int]:
    """Sizes and place, from the ZIP64 extra field where the short ones are full (APPNOTE 4.5.3)."""
    place, wide = 0, None
    while place < len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        body = extra[place + 4 : place + 4 + length]
        if len(body) != length or kind not in _HARMLESS_EXTRAS or (kind == _EXTRA_64 and wide is not None):
            raise BadArchive("unsupported")
        if kind == _EXTRA_64:
            wide = body
        place += 4 + length
    found, at = [], 0
    for value, full, form in ((size, 0xFFFFFFFF, "<Q"), (packed, 0xFFFFFFFF, "<Q"), (start, 0xFFFFFFFF, "<Q"),
                              (disk, 0xFFFF, "<I")):  # fmt: skip
        if wide is not None and value == full:
            (value,) = struct.unpack_from(form, wide, at)
            at += struct.calcsize(form)
        found.append(value)
    return found[0], found[1], found[2], found[3]


def _name(raw: bytes, flags: int, made_by: int) -> str:
    """The name: UTF-8 when the archive says so or was made on Unix (Debian's zip never says so), else ASCII."""
    try:
        return raw.decode("utf-8" if flags & _FLAG_UTF8 or made_by >> 8 == _UNIX else "ascii")
    except UnicodeDecodeError as error:
        raise BadArchive("bad_name", name=raw.decode("ascii", "replace")[:40]) from error


def _check_kind(name: str, made_by: int, attributes: int, size: int) -> None:
    """Files and empty folders; no links, no devices."""
    mode = attributes >> 16 if made_by >> 8 in (_UNIX, _MAC) else 0  # Unix, macOS
    wanted = stat.S_IFDIR if name.endswith("/") else stat.S_IFREG
    if stat.S_IFMT(mode) not in (0, wanted) or (name.endswith("/") and size):
        raise BadArchive("not_a_file", name=name[:40])


def _check_names(names: Sequence[str]) -> None:
    """Names that mean one place on every system, and no two that mean the same."""
    seen: set[str] = set()
    for name in names:
        if not plain_name(name.removesuffix("/")):
            raise BadArchive("bad_name", name="".join(c if c.isprintable() else "?" for c in name[:40]))
        folded = unicodedata.normalize("NFKC", name.removesuffix("/")).casefold()
        if folded in seen:
            raise BadArchive("same_name", name=name[:40])
        seen.add(folded)
    folders = {folded.rpartition("/")[0] for folded in seen}
    for name in names:  # a file cannot also be a folder
        if not name.endswith("/") and unicodedata.normalize("NFKC", name).casefold() in folders:
            raise BadArchive("same_name", name=name[:40])


def plain_name(name: str) -> bool:
    """Whether a name is a relative path of ordinary parts, in NFC, without control or direction characters."""
    if not name or len(name.encode("utf-8", "replace")) > LONGEST_NAME or unicodedata.normalize("NFC", name) != name:
        return False
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for letter in name):
        return False
    parts = name.split("/")
    if any(letter in name for letter in '\\:*?"<>|') or any(part in ("", ".", "..") for part in parts):
        return False
    return all(part == part.strip() and not part.endswith(".") for part in parts)
