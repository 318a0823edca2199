"""Calling a centre's API from a program: log in, carry the token, log in again when it has run out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import httpx

SECONDS = 30


class Refused(Exception):
    """The server said no: `code` is stable, `sentence` is for people."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(f"{sentence}（{code}）")
        self.status, self.code, self.sentence = status, code, sentence


class Centre:
    """One centre as a program of one person sees it."""

    def __init__(self, http: httpx.Client, login: str, password: str) -> None:
        self._http, self._login, self._password = http, login, password
        self._token = ""

    @classmethod
    def at(cls, server: str, login: str, password: str) -> "Centre":
        """A centre by its address; no proxy of the environment stands between."""
        return cls(httpx.Client(base_url=server, timeout=SECONDS, trust_env=False), login, password)

    def get(self, path: str) -> dict[str, Any]:
        """What the API says. Raises Refused, httpx.TransportError."""
        return self._told(lambda headers: self._http.get(f"/api{path}", headers=headers))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Act through the API. Raises Refused, httpx.TransportError."""
        return self._told(lambda headers: self._http.post(f"/api{path}", json=body, headers=headers))

    def _told(self, ask: Callable[[dict[str, str]], httpx.Response]) -> dict[str, Any]:
        if not self._token:
            self._log_in()
        answer = ask({"Authorization": f"Bearer {self._token}"})
        if answer.status_code == 401:  # the token has run out
            self._log_in()
            answer = ask({"Authorization": f"Bearer {self._token}"})
        return _read(answer)

    def _log_in(self) -> None:
        body = {"login": self._login, "password": self._password}
        self._token = _read(self._http.post("/api/tokens", json=body))["token"]


def _read(answer: httpx.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        told = {}
    if answer.is_success and isinstance(told, dict):
        return told
    said = told if isinstance(told, dict) else {}
    raise Refused(
        answer.status_code,
        str(said.get("code", answer.status_code)),
        str(said.get("detail", answer.reason_phrase)),
    )


def password_of(file: Path | None) -> str:
    """The password from a file, or asked for at the terminal; never from the command line."""
    if file is not None:
        return file.read_text().strip()
    return str(click.prompt("密码", hide_input=True))


Command = TypeVar("Command", bound=Callable[..., Any])


def server_options(command: Command) -> Command:
    """--server, --login, --password-file: the same for every program that calls a centre."""
    for option in (
        click.option(
            "--password-file",
            envvar="GONGHENG_PASSWORD_FILE",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="File with the password; asked for when left out.",
        ),
        click.option("--login", required=True, envvar="GONGHENG_LOGIN", help="Name of the account."),
        click.option(
            "--server",
            default="http://127.0.0.1:8000",
            show_default=True,
            envvar="GONGHENG_SERVER",
            help="Address of the centre.",
        ),
    ):
        command = option(command)
    return command
