"""What the bundled server stands on: a user without privileges, folders it can enter, its processes."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

SYSTEM_USER = "gongheng-pg"
ELSEWHERE = Path("/var/lib/gongheng")  # for root, when the home stands where another user cannot enter
USEFUL_NAMES = ("postgres", "initdb")

User = pwd.struct_passwd


class PostgresTrouble(Exception):
    """The bundled server cannot do what was asked; the sentence says why and what helps."""


class HomeTaken(PostgresTrouble):
    """Another running process owns this home."""


def unprivileged() -> User | None:
    """Who the database runs as: None means "as we do"; for root another user, since PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for _ in range(5):
        with suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)
        if not (useradd := shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")):
            break
        made = subprocess.run(
            [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            capture_output=True, check=False,
        )
        if made.returncode != 0:
            time.sleep(0.2)  # another process may hold the lock of /etc/passwd
    for name in (SYSTEM_USER, "postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresTrouble(
        f"PostgreSQL refuses to run as root and no other user was found. Make one (useradd --system {SYSTEM_USER}), "
        "start as another user, or set DATABASE_URL."
    )


def as_user(user: User | None) -> dict[str, Any]:
    """The arguments of `subprocess` that make a child this user."""
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


def environment() -> dict[str, str]:
    """A child's environment without any PG… setting of the person who starts us."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"LC_ALL": "C", **kept}


def run(command: Sequence[str | Path], user: User | None, cwd: Path = Path("/")) -> subprocess.CompletedProcess[str]:
    """Run a short command as this user and return what it said."""
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment(), check=False,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, **as_user(user),
    )


def place_for(home: Path, user: User | None) -> Path:
    """The folder of cluster and logs: in the home, or where the user can enter, with a link in the home."""
    link = home / "postgres"
    if link.is_dir() and can_enter(link.resolve(), user):
        return link.resolve()
    place = link
    if not can_enter(home, user):
        if link.exists() and not link.is_symlink():
            raise PostgresTrouble(f"{link} cannot be entered by the user {user and user.pw_name}; move the home.")
        place = ELSEWHERE / hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        ELSEWHERE.mkdir(mode=0o755, parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(place)
    place.mkdir(mode=0o700, exist_ok=True)
    if user:
        os.chown(place, user.pw_uid, user.pw_gid)
    return place


def can_enter(folder: Path, user: User | None) -> bool:
    """Whether the user can walk down to this folder (by mode bits; None is ourselves)."""
    if user is None:
        return True
    for step in (folder, *folder.parents):
        status = step.stat()
        if status.st_uid == user.pw_uid:
            bit = 0o100
        else:
            bit = 0o010 if status.st_gid == user.pw_gid else 0o001
        if not status.st_mode & bit:
            return False
    return True


def runtime_folder(user: User | None) -> Path:
    """Where short-lived sockets belong on this system."""
    last = Path(tempfile.gettempdir())
    wish = Path("/run") if user else Path(os.environ.get("XDG_RUNTIME_DIR") or last)
    return wish if wish.is_dir() and os.access(wish, os.W_OK | os.X_OK) and can_enter(wish, user) else last


def replace(path: Path, text: str, *, mode: int, user: User | None = None) -> None:
    """Write a small file whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(number, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(number)
        if user:
            os.fchown(number, user.pw_uid, user.pw_gid)
    new.rename(path)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def working_in(place: Path) -> list[int]:
    """The processes of PostgreSQL whose working folder lies in `place`: ours by definition."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):
            folder = Path(os.readlink(entry / "cwd"))
            named = (entry / "comm").read_text().strip() in USEFUL_NAMES
            if named and folder.is_relative_to(place) and "State:\tZ" not in (entry / "status").read_text():
                found.append(int(entry.name))
    return found


def postmaster_among(pids: list[int], cluster: Path) -> list[int]:
    """The one that the cluster's own note calls the postmaster, if it is among these."""
    with suppress(OSError, ValueError, IndexError):
        noted = int((cluster / "postmaster.pid").read_text().split()[0])
        return [noted] if noted in pids else []
    return []
