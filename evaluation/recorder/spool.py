"""暂存: segments on the local disk, from the first byte until the object store has confirmed the last.

A segment is written as `NNNNNN.part`, hashed while it is written, brought to the disk, and only then given
its name. What a kill -9 leaves behind is therefore either a whole segment or a `.part` whose complete
fragments are still good.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

from evaluation.recorder import fmp4

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
TRACK = re.compile(r"[A-Za-z0-9_-]{1,64}\.(camera|screen)")
SEGMENT = re.compile(r"(\d{6})\.m4s")
INIT = re.compile(r"init-(\d{6})\.mp4")
CHAIN = "chain.jsonl"


@dataclass(frozen=True)
class Kept:
    """A file that stands whole on the local disk."""

    name: str  # track/file, the name under which evidence and store know it
    path: Path
    size: int
    sha256: str

    @property
    def order(self) -> tuple[str, str, bool]:
        """By track and number, an init before the segments it is for."""
        track, file = self.name.split("/")
        return track, file.removeprefix("init-"), not file.startswith("init-")


def digest_of(name: str, content: bytes, path: Path = Path()) -> Kept:
    """A file as it is told of: length and digest."""
    return Kept(name, path, len(content), hashlib.sha256(content).hexdigest())


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable (a rename alone may be forgotten by a power failure)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(file: RawIOBase, content: bytes) -> None:
    """Unbuffered, so that nothing is written later than we believe; a write may take only a part."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) or 0 :]


class Part:
    """A segment being written. Hashing goes along with writing, so that finishing costs nothing."""

    def __init__(self, folder: Path, track: str, name: str) -> None:
        self.name = f"{track}/{name}"
        self._path = folder / track / name
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._draft = self._path.with_suffix(".part")
        self._file = self._draft.open("wb", buffering=0)
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, content: bytes) -> None:
        """Hand bytes to the system at once: they survive our own death, if not the machine's. All or none."""
        try:
            write_all(self._file, content)
        except OSError:
            self._file.seek(self.size)
            self._file.truncate()
            raise
        self._digest.update(content)
        self.size += len(content)

    def finish(self) -> Kept:
        """Bring it to the disk and give it its name. Safe to repeat after an OSError."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()
            self._draft.rename(self._path)
        sync_folder(self._path.parent)
        return Kept(self.name, self._path, self.size, self._digest.hexdigest())

    def drop(self) -> None:
        """Nothing was written: leave nothing behind."""
        self._file.close()
        self._draft.unlink(missing_ok=True)


class Spool:
    """The folder of all sessions that are not yet wholly in the store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def of(self, session: str) -> "SessionSpool":
        assert NAME.fullmatch(session), session
        return SessionSpool(self.folder / session)

    def sessions(self) -> list[str]:
        """Sessions with something left here, by name."""
        found = (path.name for path in self.folder.iterdir() if (path / CHAIN).exists())
        return sorted(name for name in found if NAME.fullmatch(name))


class SessionSpool:
    """One session's folder: the chain, and a folder for each track."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def chain_file(self) -> Path:
        return self.folder / CHAIN

    def begin(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        sync_folder(self.folder.parent)

    def part(self, track: str, name: str) -> Part:
        assert TRACK.fullmatch(track), track
        return Part(self.folder, track, name)

    def append(self, lines: list[bytes]) -> None:
        """Add lines to the chain file; they are on the disk when this returns. All or none."""
        new = not self.chain_file.exists()
        with self.chain_file.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                write_all(file, b"".join(line + b"\n" for line in lines))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise
        if new:
            sync_folder(self.folder)

    def lines(self) -> list[bytes]:
        """The lines of the chain that were written whole; a last line cut off by a crash is no line."""
        if not self.chain_file.exists():
            return []
        return self.chain_file.read_bytes().split(b"\n")[:-1]

    def cut_chain(self, count: int) -> None:
        """Keep only the first `count` lines (after a crash in the middle of a line)."""
        lines = self.lines()[:count]
        draft = self.chain_file.with_suffix(".cut")
        draft.write_bytes(b"".join(line + b"\n" for line in lines))
        draft.replace(self.chain_file)

    def laid(self, count: int) -> None:
        """Note how many lines of the chain stand in the store, in pieces."""
        draft = self.folder / "laid.new"
        draft.write_text(str(count))
        draft.replace(self.folder / "laid")

    def lines_laid(self) -> int:
        note = self.folder / "laid"
        return int(note.read_text()) if note.exists() else 0

    def files(self) -> list[Kept]:
        """All finished files, track by track, in the order of their numbers."""
        found = []
        for path in self.folder.glob("*/*"):
            ours = SEGMENT.fullmatch(path.name) or INIT.fullmatch(path.name)
            if ours and TRACK.fullmatch(path.parent.name):
                found.append(digest_of(f"{path.parent.name}/{path.name}", path.read_bytes(), path))
        return sorted(found, key=lambda kept: kept.order)

    def mend(self) -> list[str]:
        """Make whole segments of broken-off ones; what has not one whole fragment is dropped. Names mended."""
        mended = []
        for draft in sorted(self.folder.glob("*/*.part")):
            content = draft.read_bytes()
            good = fmp4.whole_part(content) if not draft.name.startswith("init-") else 0
            if good:
                with draft.open("r+b") as file:
                    file.truncate(good)
                    os.fsync(file.fileno())
                draft.rename(draft.with_suffix(".m4s"))
                sync_folder(draft.parent)
                mended.append(f"{draft.parent.name}/{draft.stem}.m4s")
            else:
                draft.unlink()
        return mended

    def remove(self) -> None:
        """The store has everything: leave nothing here."""
        for path in sorted(self.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        self.folder.rmdir()
