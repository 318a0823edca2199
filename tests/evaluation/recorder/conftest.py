"""A recorder of its own for each test, on loopback, with a store that can be told to misbehave."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from ca import ecdsa
from evaluation.recorder import h264, process, synthetic
from evaluation.recorder.client import Participant
from evaluation.recorder.session import Session
from evaluation.recorder.tickets import Ticket
from storage.objects import FolderStore, Listed, OutOfReach, Stored

APP = "bearer-of-the-app"


class Moody(FolderStore):
    """A store that can be down."""

    down = False

    def put(self, key: str, source: bytes | BinaryIO, **wishes: Any) -> Stored:
        if self.down:
            raise OutOfReach("the store is down")
        return super().put(key, source, **wishes)

    def open(self, key: str, **range_: Any) -> BinaryIO:
        if self.down:
            raise OutOfReach("the store is down")
        return super().open(key, **range_)

    def list(self, prefix: str = "", **range_: Any) -> Sequence[Listed]:
        if self.down:
            raise OutOfReach("the store is down")
        return super().list(prefix, **range_)

    def everything(self, prefix: str) -> dict[str, bytes]:
        """All that is kept under a prefix, by the rest of the name."""
        found = {}
        for listed in self.list(prefix, limit=100_000):
            with self.open(listed.key) as file:
                found[listed.key.removeprefix(prefix)] = file.read()
        return found


def tickets(token: str) -> Ticket | None:
    """Tokens of the tests say what they stand for: session/participant/what one may."""
    parts = token.split("/")
    if len(parts) != 3:
        return None
    session, participant, may = parts
    return Ticket(session, participant, "expert", "p" in may, "w" in may)


class Room:
    """A recorder, one open session, and those who joined."""

    def __init__(self, recorder: process.RecorderProcess, session: Session, store: Moody) -> None:
        self.recorder = recorder
        self.session = session
        self.store = store
        self.url = f"http://127.0.0.1:{recorder.port}"
        self._joined: list[Participant] = []

    def participant(self, name: str, may: str = "pw") -> Participant:
        joined = Participant(self.url, self.session.name, f"{self.session.name}/{name}/{may}")
        self._joined.append(joined)
        return joined

    def origin(self, address: str) -> None:
        """Let pages from there talk to the recorder."""
        self.recorder.doors.origins = (address,)

    async def leave(self) -> None:
        await asyncio.gather(*(one.leave() for one in self._joined))

    async def archived(self) -> dict[str, bytes]:
        """Close the session; what the store has of it, by name."""
        await self.session.close()
        await asyncio.wait_for(self.session.archived.wait(), 15)
        return self.store.everything(f"recordings/{self.session.name}/")


@pytest.fixture
def signer() -> ecdsa.Key:
    return ecdsa.Key.make()


@asynccontextmanager
async def opened(folder: Path, signer: ecdsa.Key, **changes: Any) -> AsyncIterator[Room]:
    """A recorder with the session "7" open, and everybody gone at the end."""
    store = Moody(folder / "store")
    settings = process.Settings(
        spool=folder / "spool", store=store, authorise=tickets, signer=signer, app_bearer=APP,
        port=0, loopback=True, origins=("http://app.test",), **changes,
    )  # fmt: skip
    recorder = process.RecorderProcess(settings)
    await recorder.start()
    session = await recorder.begin("7", int(time.time() * 1000), ["a", "b"])
    here = Room(recorder, session, store)
    try:
        yield here
    finally:
        await here.leave()
        await recorder.stop()


@pytest.fixture
def room(tmp_path: Path, signer: ecdsa.Key) -> Callable[..., Any]:
    """`async with room() as here:` gives an open Room."""
    return lambda **changes: opened(tmp_path, signer, **changes)


@pytest.fixture(scope="session")
def units() -> Callable[[int], list[bytes]]:
    """The stored form of every picture of the loop of this tint."""

    def stored(tint: int) -> list[bytes]:
        return [h264.picture(annex_b(body)).stored for body in synthetic.loop(tint).pictures]

    return stored


def annex_b(body: bytes) -> bytes:
    """Four-byte start codes throughout, as they come out of a depayloader."""
    parts = body.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
    return b"".join(b"\x00\x00\x00\x01" + part for part in parts if part)


def run(act: Coroutine[Any, Any, Any], seconds: float = 30) -> Any:
    """Run a test's coroutine with a bound on its time."""
    return asyncio.run(asyncio.wait_for(act, seconds))
