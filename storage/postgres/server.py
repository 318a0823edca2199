"""The server itself: its cluster, its roles and its postmaster, owned by one process at a time."""

from __future__ import annotations

import fcntl
import logging
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from storage.postgres.binaries import find_binaries
from storage.postgres.ground import (
    HomeTaken,
    PostgresTrouble,
    as_user,
    environment,
    place_for,
    postmaster_among,
    replace,
    run,
    runtime_folder,
    sync_folder,
    unprivileged,
    working_in,
)

DATABASE = "gongheng"
ADMIN, OWNER, APP = "postgres", "gongheng_owner", "gongheng_app"
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 107  # bytes, sun_path of unix(7)
START_SECONDS = 300  # a long crash recovery is still a start
STOP_SECONDS = 30

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Urls:
    """SQLAlchemy URLs of one database: `app` for work, `owner` for migrations, `admin` for the superuser."""

    app: str
    owner: str
    admin: str


class Server:
    """One bundled PostgreSQL: its cluster, its socket and its postmaster, owned by one process at a time.

    `durable=False` trades safety of the disk for speed and is for tests only. The home may not be
    shared over a network file system.
    """

    def __init__(self, home: Path, *, durable: bool = True, binaries: Path | None = None) -> None:
        self.home = Path(home).resolve()
        self.durable = durable
        self.restarts = 0  # how often a dead postmaster was started again
        self._wanted = binaries
        self._lock: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None
        self._leaving = threading.Event()
        self._stood = threading.Event()
        self._owner_pid = 0

    # What others ask

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> str:
        """Start the server and answer the app's URL; HomeTaken or PostgresTrouble says why not."""
        self._take_home()
        try:
            self._user = unprivileged()
            self._place = place_for(self.home, self._user)
            self._evict()
            self._binaries = find_binaries(self._wanted, user=self._user, major=self._major_of_cluster())
            if not (self._cluster / "PG_VERSION").exists():
                self._make_cluster()
            self._socket = self._make_socket_folder()
            self._write_settings()
            self._keep_running()
            self._make_roles()
        except BaseException:
            self.stop()
            raise
        return self.urls().app

    def stop(self) -> None:
        """End our own postmaster in good order, else by force; a second call does nothing."""
        if self._lock is None or self._owner_pid != os.getpid():
            return
        self._leaving.set()
        for sign, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
            if self._keeper is None or not self._keeper.is_alive():
                break
            if self._child is not None and self._child.poll() is None:
                self._child.send_signal(sign)
            self._keeper.join(seconds)
        if self._keeper is not None:
            self._evict()
        with suppress(FileNotFoundError, AttributeError):
            shutil.rmtree(self._socket)
        os.close(self._lock)
        self._lock = self._keeper = self._child = None

    def alive(self) -> bool:
        """Whether the server answers now (it starts again by itself when its postmaster died)."""
        try:
            with self._admin(connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster, None when there is none at this moment."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def urls(self, database: str = DATABASE) -> Urls:
        """The URLs of a database, also for another process of the same user while the server runs."""
        try:
            host = quote((self.home / "postgres.socket").read_text().strip(), safe="/")
        except FileNotFoundError:
            raise PostgresTrouble(f"No database was ever started in {self.home}.") from None
        return Urls(*(f"postgresql+psycopg://{role}@/{database}?host={host}" for role in (APP, OWNER, ADMIN)))

    def create_database(self, name: str, template: str | None = None) -> Urls:
        """A new database of the owner, empty or a copy of `template` (to which nobody may be connected)."""
        with self._admin() as db:
            db.execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                *map(sql.Identifier, (name, OWNER, template or "template0"))))
        with self._admin(name) as db:
            give_app_its_rights(db)
        return self.urls(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        with self._admin() as db:
            db.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    # The cluster

    @property
    def _cluster(self) -> Path:
        return self._place / "cluster"

    def _take_home(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.home / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, 20).decode() or "unknown"
            os.close(lock)
            raise HomeTaken(
                f"The database in {self.home} already runs under process {owner}; "
                "stop that one first, or choose another home."
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        self._lock, self._owner_pid = lock, os.getpid()
        self._leaving.clear()
        self._stood.clear()

    def _major_of_cluster(self) -> int | None:
        with suppress(FileNotFoundError):
            return int((self._cluster / "PG_VERSION").read_text())
        return None

    def _make_cluster(self) -> None:
        """initdb beside the final name, then rename: a half-made cluster is never taken for a whole one."""
        half = self._place / "cluster.half"
        shutil.rmtree(half, ignore_errors=True)
        locale = (
            ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            if self._binaries.major >= 17
            else ["--locale=C.UTF-8"]
        )
        made = run(
            [self._binaries.folder / "initdb", "-D", half, "-U", ADMIN, "--encoding=UTF8", *locale,
             "--auth-local=peer", "--auth-host=reject", "--data-checksums", "--no-instructions",
             *([] if self.durable else ["--no-sync"])],
            self._user,
        )
        if made.returncode != 0:
            raise PostgresTrouble(f"PostgreSQL could not make its cluster in {half}: {made.stderr.strip()[-2000:]}")
        half.rename(self._cluster)
        sync_folder(self._place)

    def _make_socket_folder(self) -> Path:
        """A private folder with a short path; the same as last time if it is still ours."""
        note = self.home / "postgres.socket"
        uid = self._user.pw_uid if self._user else os.geteuid()
        if note.exists():
            known = Path(note.read_text().strip())
            with suppress(FileNotFoundError, NotADirectoryError):
                status = known.lstat()
                if status.st_uid == uid and status.st_mode & 0o170777 == 0o040700:
                    for stale in known.iterdir():
                        stale.unlink()
                    return known
        folder = Path(tempfile.mkdtemp(prefix="gongheng-", dir=runtime_folder(self._user)))
        if len(os.fsencode(folder / SOCKET_NAME)) > SOCKET_PATH_LIMIT:
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix="gongheng-", dir="/tmp"))
        os.chown(folder, uid, -1)
        replace(note, f"{folder}\n", mode=0o600)
        return folder

    def _write_settings(self) -> None:
        """Settings are ours at every start; the centre's own tuning goes into `local.conf` beside the cluster."""
        settings = {
            "listen_addresses": "''",
            "unix_socket_directories": f"'{self._socket}'",
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "timezone": "'UTC'",
            "log_timezone": "'UTC'",
            "lc_messages": "'C'",
            "jit": "off",
            "log_line_prefix": "'%m [%p] %u@%d '",
            # A log must not tell what people wrote: neither statements nor the values of failed rows.
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
            "log_parameter_max_length_on_error": "0",
        }
        if self.durable:
            settings |= {
                "logging_collector": "on", "log_directory": f"'{self._place / 'log'}'",
                "log_filename": "'postgres-%a.log'", "log_truncate_on_rotation": "on",
                "log_rotation_age": "1d", "log_rotation_size": "0",
            }
        else:
            settings |= {
                "fsync": "off", "full_page_writes": "off",  # safe from kill -9 of processes, not from a power cut
                "shared_buffers": "'64MB'", "max_wal_size": "'256MB'",
            }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        lines.append(f"include_if_exists = '{self._place / 'local.conf'}'")
        person = pwd.getpwuid(os.geteuid()).pw_name
        users = [f'gongheng "{person}" {role}' for role in (ADMIN, OWNER, APP)]
        for name, text in {
            "postgresql.conf": "\n".join(lines),
            "pg_hba.conf": "local all all peer map=gongheng",
            "pg_ident.conf": "\n".join(users),
        }.items():
            replace(self._cluster / name, text + "\n", mode=0o600, user=self._user)

    def _make_roles(self) -> None:
        with self._admin() as db:
            roles = {name for (name,) in db.execute("SELECT rolname FROM pg_roles")}
            for role, rights in ((OWNER, "CREATEDB"), (APP, "")):
                if role not in roles:
                    db.execute(sql.SQL(f"CREATE ROLE {{}} LOGIN {rights}").format(sql.Identifier(role)))
            known = db.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if not known:
            self.create_database(DATABASE)

    def _admin(self, database: str = ADMIN, connect_timeout: int = 10) -> psycopg.Connection[tuple[object, ...]]:
        folder = (self.home / "postgres.socket").read_text().strip()
        return psycopg.connect(
            host=folder, dbname=database, user=ADMIN, autocommit=True, connect_timeout=connect_timeout
        )

    # The postmaster

    def _keep_running(self) -> None:
        """Start the keeper and wait until the server answers, however long a recovery takes."""
        self._keeper = threading.Thread(target=self._keep, name="postgres-keeper", daemon=True)
        self._keeper.start()
        until = time.monotonic() + START_SECONDS
        while not self.alive():
            if not self._keeper.is_alive():
                raise PostgresTrouble(f"PostgreSQL did not start: {self._last_words()}")
            if time.monotonic() > until:
                raise PostgresTrouble(f"PostgreSQL gave no answer in {START_SECONDS} s: {self._last_words()}")
            time.sleep(0.02)
        self._stood.set()

    def _keep(self) -> None:
        """Start the postmaster and start it again whenever it died, until we leave.

        The child is told to stop when this *thread* ends (PR_SET_PDEATHSIG), so that no database
        outlives a supervisor that was killed; hence one thread for the whole life of the server.
        """
        pause = 0.1
        while not self._leaving.is_set():
            born = time.monotonic()
            try:
                with (self._place / "start.log").open("wb") as words:
                    self._child = subprocess.Popen(
                        self._command(), stdin=subprocess.DEVNULL, stdout=words, stderr=words,
                        cwd="/", env=environment(), start_new_session=True,
                        **({} if shutil.which("setpriv") else as_user(self._user)),
                    )
                status = self._child.wait()
            except OSError:
                log.exception("postmaster could not be started")
                status = -1
            if self._leaving.is_set() or not self._stood.is_set():
                return
            self.restarts += 1
            log.warning("postmaster ended with status %s and is started again", status)
            self._evict()
            pause = 0.1 if time.monotonic() - born > 60 else min(pause * 2, 5)
            self._leaving.wait(pause)

    def _command(self) -> list[str]:
        command = [str(self._binaries.folder / "postgres"), "-D", str(self._cluster)]
        if not (setpriv := shutil.which("setpriv")):
            return command
        drop = [f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups"] if self._user else []
        return [setpriv, *drop, "--pdeathsig", "SIGINT", "--no-new-privs", "--", *command]

    def _evict(self) -> None:
        """End whatever still works in our cluster after a crash, then take away its stale notes.

        A server's processes are known by their working folder, which is the cluster itself, so this
        can never hit another server. A postmaster.pid whose number was since given to a stranger
        would make PostgreSQL refuse to start; with the home locked and nobody inside, it is stale.
        """
        for sign, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5), (signal.SIGKILL, 10)):
            until = time.monotonic() + seconds
            inside = working_in(self._place)
            for pid in postmaster_among(inside, self._cluster) if sign == signal.SIGINT else inside:
                with suppress(ProcessLookupError):
                    os.kill(pid, sign)
            while inside and time.monotonic() < until:
                time.sleep(0.02)
                inside = working_in(self._place)
                if sign == signal.SIGINT and not postmaster_among(inside, self._cluster):
                    break  # orphans heed no polite word
            if not inside:
                break
        else:
            raise PostgresTrouble(f"Processes {inside} hold the cluster {self._cluster} and cannot be ended.")
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def _last_words(self) -> str:
        found = [self._place / "start.log", *sorted((self._place / "log").glob("*.log"), key=os.path.getmtime)[-1:]]
        texts = (path.read_text(errors="replace").strip()[-1500:] for path in found if path.exists())
        return " | ".join(text for text in texts if text) or "it said nothing."


def give_app_its_rights(db: psycopg.Connection[tuple[object, ...]]) -> None:
    """Whatever the owner will make in this database, the app may read and write – unless revoked later."""
    for rights in ("SELECT, INSERT, UPDATE, DELETE ON TABLES", "USAGE, SELECT ON SEQUENCES"):
        db.execute(sql.SQL(f"ALTER DEFAULT PRIVILEGES FOR ROLE {{}} GRANT {rights} TO {{}}").format(
            sql.Identifier(OWNER), sql.Identifier(APP)))


@contextmanager
def temporary_server(*, durable: bool = False) -> Iterator[Server]:
    """A server of its own for a test run, in a folder that goes with it."""
    _clear_forgotten()
    home = Path(tempfile.mkdtemp(prefix="gongheng-test-"))
    home.chmod(0o755)  # so that the unprivileged user of a root's server can enter
    try:
        with Server(home, durable=durable) as server:
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _clear_forgotten() -> None:
    """Take away what test runs that were killed left behind: old folders that nobody holds."""
    for home in Path(tempfile.gettempdir()).glob("gongheng-test-*"):
        with suppress(OSError):
            if home.stat().st_mtime > time.time() - 3600:
                continue
            with (home / "postgres.lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                socket = Path((home / "postgres.socket").read_text().strip())
                shutil.rmtree(home)
                shutil.rmtree(socket)
