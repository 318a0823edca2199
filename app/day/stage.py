"""What every step of the day uses: the centre as each person sees it, waiting with a bound, telling what happens."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import httpx

from app.commands.bid_upload import Line
from app.commands.calling import Refused
from app.config import Settings
from app.demo.cast import Player
from app.demo.founding import Passes

AGAIN_SECONDS = 0.4
ALSO_TRY = 20  # seconds during which a server that is being restarted is called again


class StepFailed(click.ClickException):
    """A step of the day did not come out as it must; the message names it."""


@dataclass
class Stage:
    """One day at one centre."""

    settings: Settings
    passes: Passes
    folder: Path
    say: Callable[[str], None]
    pace: float = 1
    facts: dict[str, Any] = field(default_factory=dict)
    _centres: dict[str, "Patient"] = field(default_factory=dict)

    def as_(self, player: Player) -> "Patient":
        """The centre as this person's program sees it."""
        if player.login not in self._centres:
            http = httpx.Client(base_url=self.settings.address, timeout=30, trust_env=False)
            self._centres[player.login] = Patient(http, player.login, self.passes.of(player))
        return self._centres[player.login]

    def wait_for(self, what: str, ask: Callable[[], Any], seconds: float = 60) -> Any:
        """Ask again until the answer is something; a bound on everything."""
        until = time.monotonic() + seconds * self.pace
        while time.monotonic() < until:
            answer = ask()
            if answer:
                return answer
            time.sleep(AGAIN_SECONDS)
        raise StepFailed(f"等待超时：{what}")

    def state_is(self, player: Player, path: str, *states: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until the thing at this API path is in one of these states; the thing."""

        def ask() -> dict[str, Any] | None:
            thing = self.as_(player).get(path)
            return thing if thing["state"] in states else None

        found: dict[str, Any] = self.wait_for(f"{path} → {'/'.join(states)}", ask, seconds)
        return found

    def now(self) -> datetime:
        """The server's time."""
        return datetime.fromisoformat(httpx.get(f"{self.settings.address}/time", trust_env=False).json()["now"])

    def moment(self, seconds: float) -> str:
        """A moment so many seconds from now (at this day's pace), by the server's clock, to the second."""
        return (self.now() + timedelta(seconds=seconds * self.pace)).replace(microsecond=0).isoformat()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step: its name is told, and named again when it fails."""
        self.say(name)
        try:
            yield
        except (Refused, httpx.HTTPError, AssertionError, KeyError) as trouble:
            raise StepFailed(f"“{name}”没有成功：{type(trouble).__name__} {trouble}") from trouble


class Patient(Line):
    """A program that calls again when the server is away for a moment: every act is safe to repeat."""

    def get(self, path: str) -> dict[str, Any]:
        return self._patiently(lambda: super(Patient, self).get(path))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._patiently(lambda: super(Patient, self).post(path, body))

    def upload(self, path: str, content: bytes) -> dict[str, Any]:
        """Send a file as the body of the request."""
        return self._patiently(
            lambda: self._told(lambda headers: self._http.post(f"/api{path}", content=content, headers=headers))
        )

    @property
    def http(self) -> httpx.Client:
        return self._http

    def _patiently(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        until = time.monotonic() + ALSO_TRY
        while True:
            try:
                return call()
            except (httpx.TransportError, Refused) as trouble:
                away = isinstance(trouble, httpx.TransportError) or trouble.status in (500, 502, 503)
                busy = isinstance(trouble, Refused) and trouble.code == "try_again"
                if not (away or busy) or time.monotonic() > until:
                    raise
                time.sleep(AGAIN_SECONDS)
