"""`gongheng holder`: the program of one key holder, run by the holder's own body on its own machine.

It asks the centre what waits, takes its seats with fresh keys, and releases a key only after its own gate
(`ca.sealing.holder`) has seen by its own clock and eyes what was promised. Its folder holds all it knows;
nobody else needs to trust the centre for it to be safe.
"""

import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import httpx

from app.cli import until_told_to_stop
from app.commands.calling import Centre, Refused, password_of, server_options
from bidding.tenders import recognised
from ca.certificates import Unreadable
from ca.sealing.faults import MayNotRelease, ParamsWrong
from ca.sealing.holder import Holder, Release
from ca.sealing.params import DRAW, SUITE, Params
from storage import clock

TERMS = ("opening", "mode", "m", "holders", "deadline", "unlock_until", "release_until")
LONGEST_PAUSE_SECONDS = 30


class Program:
    """One holder at one centre."""

    def __init__(self, centre: Centre, folder: Path, say: Callable[[str], None]) -> None:
        self._centre, self._folder, self._say = centre, folder, say
        self._told: set[str] = set()  # what was said once is not said again each second

    def step(self) -> int:
        """Do once all that waits; the number of acts done. Raises Refused, httpx.TransportError."""
        return sum(self._do(waiting) for waiting in self._centre.get("/holder/openings")["openings"])

    def _do(self, waiting: dict[str, Any]) -> int:
        try:
            if waiting["do"] == "join":
                return self._join(waiting)
            return self._release(waiting)
        except MayNotRelease as no:
            self._say_once(f"{waiting['name']}：不释放。{no}")
        except (ParamsWrong, KeyError) as wrong:
            self._say_once(f"{waiting.get('name')}：参数不对，不予办理。{wrong}")
        except Refused as no:
            self._say_once(f"{waiting['name']}：{no}")
        return 0

    def _join(self, waiting: dict[str, Any]) -> int:
        terms = {name: waiting[name] for name in TERMS if name != "opening"}
        terms |= {"v": 2, "suite": SUITE, "opening": waiting["name"]}
        joined = self._holder(waiting).join(terms)
        body = {name: getattr(joined, name).hex() for name in ("pk", "sig", "join", "ready")}
        self._centre.post(f"/holder/openings/{int(waiting['id'])}/join", body)
        self._say(f"{waiting['name']}：已用新密钥加入")
        return 1

    def _release(self, waiting: dict[str, Any]) -> int:
        params = Params.read(waiting["params"].encode())
        holder, evidence = self._holder(waiting), waiting["evidence"]
        if params.mode == DRAW:
            given = holder.release_draw(params, evidence)
        else:
            given = holder.release_bids(params, evidence, self._close_holds)
        self._keep(params, given)
        body = {"key": given.key.hex(), "signature": given.signature.hex()}
        told = self._centre.post(f"/holder/openings/{int(waiting['id'])}/release", body)
        self._say(f"{waiting['name']}：已释放密钥（{told['verdict']}）")
        return 1

    def _holder(self, waiting: dict[str, Any]) -> Holder:
        return Holder(self._folder, waiting["holder"])

    def _close_holds(self, message: bytes, signature: bytes) -> bool:
        """A supervisor we know, under a CA whose anchor our body put into our folder, signed these roots."""
        try:
            verdict = recognised.at(self._folder).verify(signature, io.BytesIO(message), at=clock.now())
        except Unreadable:
            return False
        return verdict.good and verdict.credit_code is not None and verdict.credit_code == self._supervisor(verdict)

    def _supervisor(self, verdict: Any) -> str:
        """The supervisor as we first met it, or as our body wrote it into the folder."""
        file = self._folder / "supervisor"
        if not file.exists():
            file.write_text(f"{verdict.credit_code}\n")
        return file.read_text().strip()

    def _keep(self, params: Params, given: Release) -> None:
        """A copy for the witness: whoever carries it to the centre releases as well as we do."""
        folder = self._folder / "releases"
        folder.mkdir(mode=0o700, exist_ok=True)
        copy = {"params": params.digest.hex(), "key": given.key.hex(), "signature": given.signature.hex()}
        file = folder / f"{params.digest.hex()}.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(copy))

    def _say_once(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            self._say(words)


def pauses(every: float) -> Iterator[float]:
    """How long to wait after each failure in a row: twice as long each time, never beyond a bound."""
    pause = every
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


@click.command()
@server_options
@click.option(
    "--folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where this holder keeps its keys.",
)
@click.option(
    "--every", default=1.0, show_default=True, type=click.FloatRange(0.1, 3600), help="Seconds between looks."
)
@click.option("--once", is_flag=True, help="Look once, act, and end.")
def holder(server: str, login: str, password_file: Path | None, folder: Path, every: float, once: bool) -> None:
    """Keep one key holder's keys and release them when, and only when, it is time.

    The folder may hold what the holder's body knows from elsewhere: `platform.pub` (the platform's key, hex),
    `supervisor` (its credit code), `trust/` with the anchors of CAs and `crl/` with their revocation lists.
    What is missing of the first two is taken from the first meeting and never changed.

    \b
    Examples:
      gongheng holder --server http://127.0.0.1:8000 --folder ~/holder --login holder1 --password-file pw
      gongheng holder --folder ~/holder --login holder1 --once
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    program = Program(Centre.at(server, login, password_of(password_file)), folder, click.echo)
    if once:
        try:
            program.step()
        except (Refused, httpx.TransportError) as trouble:
            raise click.ClickException(str(trouble)) from None
        return
    stop, waits = until_told_to_stop(), pauses(every)
    while not stop.is_set():
        began = time.monotonic()
        try:
            program.step()
            waits = pauses(every)
            stop.wait(max(0.0, every - (time.monotonic() - began)))
        except Refused as no:
            if no.status in (401, 403):
                raise click.ClickException(str(no)) from None
            stop.wait(next(waits))
        except httpx.TransportError as trouble:
            program._say_once(f"连接不上服务器，稍后再试：{trouble}")
            stop.wait(next(waits))
