"""kill -9 in the middle of a recording: at most one segment is lost, nothing is corrupt, the chain goes on."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from evaluation import evidence
from evaluation.recorder import fmp4, pieces
from evaluation.recorder.client import Participant
from tests.evaluation.recorder.conftest import APP, Moody, run

HOUSE = Path(__file__).parents[3]


class Recorders:
    """Starts recorder processes on the same spool and store, and kills them."""

    def __init__(self, folder: Path, key: str) -> None:
        self.store = folder / "store"
        self._arguments = [str(folder / "spool"), str(self.store), key]
        self._running: list[subprocess.Popen[str]] = []

    def start(self) -> str:
        command = [sys.executable, "-m", "tests.evaluation.recorder.standalone", *self._arguments]
        process = subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, text=True)
        self._running.append(process)
        assert process.stdout is not None
        return f"http://127.0.0.1:{process.stdout.readline().strip()}"

    def kill(self) -> None:
        process = self._running[-1]
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in self._running:
            process.terminate()
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def recorders(tmp_path: Path, signer) -> Iterator[Recorders]:
    started = Recorders(tmp_path, signer.scalar.hex())
    yield started
    started.stop()


async def tell(url: str, method: str, path: str, body: Any = None) -> Any:
    async with aiohttp.ClientSession() as http:
        head = {"Authorization": f"Bearer {APP}"}
        async with http.request(method, url + path, json=body, headers=head) as response:
            assert response.status < 300, await response.text()
            return await response.json()


async def taking_part(url: str, name: str, seconds: float) -> None:
    participant = Participant(url, "7", f"7/{name}/pw")
    await participant.publish()
    await asyncio.sleep(seconds)
    await participant.leave()


async def archived(url: str) -> None:
    await tell(url, "DELETE", "/sessions/7")
    for _ in range(100):
        if (await tell(url, "GET", "/sessions/7"))["state"] == "archived":
            again = await tell(url, "POST", "/sessions/7", {"zero": 1, "participants": []})
            assert again["state"] == "archived"  # and nothing of it begins anew
            return
        await asyncio.sleep(0.1)
    raise AssertionError("never archived")


def test_killed_twice_and_robbed_of_its_disk_it_comes_back_and_goes_on(recorders, signer, tmp_path):
    """Killed in the middle of a segment; then killed and the machine replaced by one with an empty disk."""
    zero = int(time.time() * 1000)
    opened = {"zero": zero, "participants": ["a", "b"]}
    event = [{"at_ms": 5, "kind": "session.opened", "facts": {}}]
    killed_ms = 0

    async def first(url: str) -> None:
        nonlocal killed_ms
        await tell(url, "POST", "/sessions/7", opened)
        await tell(url, "POST", "/sessions/7/events", event)
        people = [Participant(url, "7", f"7/{name}/pw") for name in "ab"]
        await asyncio.gather(*(one.publish() for one in people))
        await asyncio.sleep(6)
        recorders.kill()
        killed_ms = int(time.time() * 1000) - zero
        await asyncio.gather(*(one.leave() for one in people))

    async def second(url: str) -> None:
        await taking_part(url, "a", 1.2)
        await asyncio.sleep(2.5)  # the chain's last piece is in the store by now
        recorders.kill()

    async def third(url: str) -> None:
        await tell(url, "POST", "/sessions/7", opened)
        await tell(url, "POST", "/sessions/7/events", event)
        await taking_part(url, "a", 1.2)
        await archived(url)

    run(first(recorders.start()))
    run(second(recorders.start()))
    shutil.rmtree(tmp_path / "spool")
    run(third(recorders.start()))

    store = Moody(recorders.store)
    files = store.everything("recordings/7/")
    manifest = json.loads(files["manifest.json"])
    verdict = evidence.verify_recording(manifest, files.get, key=signer.public)
    assert verdict.whole, verdict.bad
    items = manifest["items"]
    for track, segments in (("a.camera", 4), ("b.camera", 2)):
        mine = [item for item in items if item["kind"] == "segment" and item["track"] == track]
        assert [item["seq"] for item in mine] == list(range(1, segments + 1))
        assert mine[1]["found"] == "broken_off"
        assert mine[1]["t0"] + mine[1]["duration"] > killed_ms - 2500  # at most a second and what was on the way
        for item in mine:
            fmp4.read_segment(files[item["name"]])
    assert [item["kind"] for item in items].count("resumed") == 2
    assert [item["kind"] for item in items].count("event") == 1
    gaps = [(item["track"], item["reason"]) for item in items if item["kind"] == "gap"]
    assert gaps == [("a.camera", "recorder_restarted")] * 2
    assert pieces.read_items(store, "7") == items
    assert not (tmp_path / "spool" / "7").exists()
