"""A centre 一个中心: the processes that together serve one city, started, watched and stopped as one.

The bundled database runs under this process; web, worker, recorder and whatever else is asked for are
children. A child that dies is started again (with a growing pause); when this process dies, however it
dies, the children die with it.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from app import schema
from app.config import Settings
from storage import db
from storage.postgres import Server

LONGEST_PAUSE_SECONDS = 8.0
END_SECONDS = 10.0
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


@dataclass
class Child:
    """One process of the centre."""

    name: str
    command: list[str]
    log: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    start_again_at: float = 0.0

    def start(self) -> None:
        """Start it, with its output in its log file."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True, preexec_fn=partial(die_with_parent, os.getpid()),
            )  # fmt: skip

    def watch(self, now: float) -> None:
        """Start it again if it died: at once the first time, later after a pause."""
        if self.process is None or self.process.poll() is None:
            return
        if self.start_again_at == 0.0:
            self.deaths += 1
            self.start_again_at = now + min(LONGEST_PAUSE_SECONDS, 0.1 * 2 ** min(self.deaths - 1, 7))
        if now >= self.start_again_at:
            self.start_again_at = 0.0
            self.start()

    def end(self, sign: int) -> None:
        """Send a signal to the process and its own children."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, sign)


@dataclass
class Centre:
    """One home folder, one database, and its processes."""

    settings: Settings
    children: dict[str, Child] = field(default_factory=dict)
    server: Server | None = None
    database_url: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None

    def begin(self) -> None:
        """Start the database and bring its shape up to date."""
        self.settings.home.mkdir(parents=True, exist_ok=True)
        (self.settings.home / "logs").mkdir(exist_ok=True)
        if self.settings.database_url:
            self.database_url = owner = self.settings.database_url
        else:
            self.server = Server(self.settings.home)
            self.server.start()
            urls = self.server.urls()
            self.database_url, owner = urls.app, urls.owner
        engine = db.connect(owner)
        schema.upgrade(engine)
        engine.dispose()

    @property
    def running(self) -> Settings:
        """The settings as the processes see them: with the address of the database."""
        return self.settings.model_copy(update={"database_url": self.database_url})

    def environment(self) -> dict[str, str]:
        """What a child must know, as variables."""
        given = self.settings.model_dump(exclude_none=True, exclude={"database_url"})
        return os.environ | {f"GONGHENG_{name.upper()}": str(value) for name, value in given.items()} | {
            "DATABASE_URL": self.database_url, "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def add(self, name: str, *command: str, **environment: str) -> Child:
        """Start a child; it is watched from now on."""
        child = Child(
            name, list(command), self.settings.home / "logs" / f"{name}.log", self.environment() | environment
        )
        child.start()
        self.children[name] = child
        return child

    def serve(self) -> None:
        """Start what every centre runs: web, worker, recorder."""
        gongheng = [sys.executable, "-m", "app.cli"]
        self.add(
            "web", sys.executable, "-m", "granian", "--interface", "wsgi", "app.wsgi:app",
            "--host", self.settings.host, "--port", str(self.settings.port),
            "--workers", str(self.settings.web_processes), "--blocking-threads", "8", "--respawn-failed-workers",
            "--no-access-log", "--log-level", "warning",
        )  # fmt: skip
        self.add("worker", *gongheng, "worker")
        self.add("recorder", *gongheng, "recorder")
        self._watcher = threading.Thread(target=self._watch, name="centre", daemon=True)
        self._watcher.start()

    def wait_until_up(self, seconds: float = 60) -> None:
        """Return when the web server answers."""
        import httpx

        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if httpx.get(f"http://{self.settings.host}:{self.settings.port}/healthz", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        tail = (self.settings.home / "logs" / "web.log").read_text(errors="replace")[-2000:]
        raise TimeoutError(f"网页服务没有启动。日志末尾：\n{tail}")

    def end(self) -> None:
        """Stop everything of this centre, the database last."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join(timeout=2)
        for child in self.children.values():
            child.end(signal.SIGTERM)
        until = time.monotonic() + END_SECONDS
        for child in self.children.values():
            if child.process is not None:
                try:
                    child.process.wait(max(0.1, until - time.monotonic()))
                except subprocess.TimeoutExpired:
                    child.end(signal.SIGKILL)
                    child.process.wait()
                child.end(signal.SIGKILL)
        if self.server is not None:
            self.server.stop()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            for child in list(self.children.values()):
                child.watch(time.monotonic())


def die_with_parent(parent: int | None = None) -> None:
    """Let the kernel end this process when the one that started it ends, however that happens."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:  # it has ended already
        os._exit(1)


def free_port(preferred: int | None = None) -> int:
    """A free port on the loopback address: the preferred one if nobody has it."""
    for wish in (preferred, 0):
        if wish is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wish))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
            return port
    raise OSError("no free port")


@contextmanager
def running(settings: Settings) -> Iterator[Centre]:
    """A centre that serves until the block ends."""
    centre = Centre(settings)
    try:
        centre.begin()
        centre.serve()
        centre.wait_until_up()
        yield centre
    finally:
        centre.end()
