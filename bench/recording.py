"""What recording one participant costs: our pass-through beside aiortc's own MediaRecorder, in the same run.

Each recorder is a process of its own on loopback, fed by senders in another process with 640×360 at 15
pictures a second and Opus. Counted is the CPU time of the recorder's process alone, in CPU-seconds per
second of one stream. Prints a list of {"name", "value", "unit", "limit", "ratio"}.

    python -m bench.recording [--streams 40] [--seconds 10]
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aiohttp import web
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRecorder

from ca import ecdsa
from evaluation.recorder import process, rtc
from evaluation.recorder.client import Participant
from evaluation.recorder.tickets import Ticket
from storage.objects import FolderStore

HOUSE = Path(__file__).parents[1]
LIMITS = {
    "ours": "asyncio's datagram path: each packet wakes the loop once",
    "decoding": "decoding and encoding every frame anew",
    "floor": "aiortc receiving and decrypting alone",
}


def ours(folder: Path) -> None:
    """The recorder as it is, with a folder as store."""
    settings = process.Settings(
        spool=folder / "spool", store=FolderStore(folder / "store"), signer=ecdsa.Key.make(), app_bearer="bench",
        authorise=lambda token: Ticket("bench", token, "expert", True, True), port=0, loopback=True,
        open_sessions=lambda: [process.OpenSession("bench", int(time.time() * 1000), ())],
    )  # fmt: skip
    process.run(settings, lambda port: print(port, flush=True))


def decoding(folder: Path) -> None:
    """What aiortc's documentation shows: a MediaRecorder for each participant."""
    asyncio.run(_plain(lambda number: MediaRecorder(str(folder / f"{number}.mp4"))))


def floor(folder: Path) -> None:
    """Receive and decrypt, nothing more: the jitter buffer's place is taken by nothing."""
    asyncio.run(_plain(lambda number: None))


async def _plain(make) -> None:
    rtc.listen_on_loopback()
    peers = []

    async def whip(request: web.Request) -> web.Response:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        recorder = make(len(peers))
        peers.append((pc, recorder))
        offer = await request.text()
        for media in rtc.offered(offer, "sendonly"):
            rtc.prefer(pc.addTransceiver(media.value, "recvonly"), media)
        if recorder is not None:
            pc.on("track", recorder.addTrack)
        await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        if recorder is None:
            for receiver in pc.getReceivers():
                setattr(receiver, rtc.JITTER_BUFFER, _Nothing())
                setattr(receiver, rtc.NACK_GENERATOR, None)
                setattr(receiver, rtc.ESTIMATOR, None)
        else:
            await recorder.start()
        await pc.setLocalDescription(await pc.createAnswer())
        return web.Response(
            status=201, text=pc.localDescription.sdp, content_type="application/sdp", headers={"Location": "/x"}
        )

    app = web.Application()
    app.router.add_post("/whip/bench", whip)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


class _Nothing:
    def add(self, packet: object) -> tuple[bool, None]:
        return False, None


async def send(url: str, streams: int, seconds: float) -> None:
    rtc.listen_on_loopback()
    people = [Participant(url, "bench", f"p{number}") for number in range(streams)]
    for tint, person in enumerate(people):
        await person.publish(tint=tint % 4)
        await asyncio.sleep(1 / 15 / streams)
    print("sending", flush=True)
    await asyncio.sleep(seconds + 3)


def measure(kind: str, streams: int, seconds: float) -> tuple[float, int]:
    """CPU-seconds per stream-second of the recorder's process, and its memory in bytes."""
    module = [sys.executable, "-m", "bench.recording"]
    with tempfile.TemporaryDirectory() as folder:
        serving = subprocess.Popen([*module, "--serve", kind, folder], cwd=HOUSE, stdout=subprocess.PIPE, text=True)
        assert serving.stdout is not None
        url = f"http://127.0.0.1:{serving.stdout.readline().strip()}"
        command = [*module, "--send", url, "--streams", str(streams), "--seconds", str(seconds)]
        sending = subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.PIPE, text=True)
        assert sending.stdout is not None
        sending.stdout.readline()
        time.sleep(1)
        before, begun = processor_seconds(serving.pid), time.monotonic()
        time.sleep(seconds)
        after, ended = processor_seconds(serving.pid), time.monotonic()
        memory = resident_bytes(serving.pid)
        for child in (sending, serving):
            child.kill()
            child.wait()
            child.stdout.close()  # type: ignore[union-attr]
    return (after - before) / (ended - begun) / streams, memory


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def results(streams: int, seconds: float) -> list[dict[str, object]]:
    slow, _ = measure("decoding", 3, seconds)
    least, _ = measure("floor", streams, seconds)
    mine, memory = measure("ours", streams, seconds)
    unit = "CPU-s per stream-second"
    return [
        {"name": "recording one participant", "value": round(mine, 5), "unit": unit, "limit": LIMITS["ours"],
         "ratio": round(slow / mine, 1)},
        {"name": "aiortc MediaRecorder (MP4)", "value": round(slow, 5), "unit": unit, "limit": LIMITS["decoding"],
         "ratio": 1.0},
        {"name": "aiortc receiving alone", "value": round(least, 5), "unit": unit, "limit": LIMITS["floor"],
         "ratio": round(slow / least, 1)},
        {"name": "recorder's memory", "value": round(memory / 2**20), "unit": f"MiB at {streams} participants",
         "limit": "a decoder thread that aiortc starts and we never use, per track", "ratio": 1.0},
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--serve", nargs=2)
    parser.add_argument("--send")
    told = parser.parse_args()
    if told.serve:
        {"ours": ours, "decoding": decoding, "floor": floor}[told.serve[0]](Path(told.serve[1]))
    elif told.send:
        asyncio.run(send(told.send, told.streams, told.seconds))
    else:
        print(json.dumps(results(told.streams, told.seconds), ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
