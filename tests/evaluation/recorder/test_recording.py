"""Real WebRTC over loopback: what is sent is what stands in the store, frame by frame, whatever the line loses."""

import asyncio
import io
import json
import random
from collections.abc import Callable

import av
import pytest
from aiortc.rtp import is_rtcp

from evaluation import evidence
from evaluation.recorder import fmp4, rtc, synthetic
from evaluation.recorder.archived import Closed
from evaluation.recorder.client import Refused
from evaluation.recorder.fmp4 import Media
from tests.evaluation.recorder.conftest import run


def drop(peer: rtc.Peer, wanted: Callable[[], bool]) -> None:
    """Lose media packets on the wire, before SRTP sees them (it refuses what it has seen once)."""
    ice = peer.pc.getTransceivers()[0].receiver.transport.transport._connection
    taken = ice.data_received

    def take_some(packet: bytes, component: int) -> None:
        if not (127 < packet[0] < 192 and not is_rtcp(packet) and wanted()):
            taken(packet, component)

    ice.data_received = take_some


def lossy(monkeypatch, losses: dict[str, float], seed: int) -> None:
    """Drop packets on the recorder's side of the wire, retransmissions too."""
    chance = random.Random(seed)
    receive = rtc.Aiortc.receive

    async def receive_with_loss(self, offer, sink):
        peer = await receive(self, offer, sink)
        rate = losses.get(sink._stand.track.name, 0)
        drop(peer, lambda: chance.random() < rate)
        return peer

    monkeypatch.setattr(rtc.Aiortc, "receive", receive_with_loss)


def recorded(files: dict[str, bytes], track: str) -> dict[Media, list[fmp4.Sample]]:
    samples: dict[Media, list[fmp4.Sample]] = {media: [] for media in Media}
    for name in sorted(files):
        if name.startswith(f"{track}/") and name.endswith(".m4s"):
            for media, some in fmp4.read_segment(files[name]).samples.items():
                samples[media] += some
    return samples


def assert_in_step(samples: dict[Media, list[fmp4.Sample]]) -> None:
    """No two samples overlap or leave a hole, and sound and picture of one moment stand within 40 ms."""
    for media, some in samples.items():
        for before, after in zip(some, some[1:]):
            assert before.at + before.duration == after.at, (media, before.at)
    starts = {media: some[0].at * 1000 / fmp4.RATE[media] for media, some in samples.items()}
    assert abs(starts[Media.VIDEO] - starts[Media.AUDIO]) <= 40


def assert_all_there(sent: list[int], frames: tuple, stored: list[bytes]) -> None:
    """All that was sent is stored, in order, once; at most the last few were still on their way."""
    wanted = [frames[index] for index in sent]
    assert len(stored) >= len(wanted) - 12
    assert stored == wanted[: len(stored)]


def test_every_frame_is_there_at_no_two_and_five_percent_loss(room, monkeypatch, units, signer):
    losses = {"a.camera": 0.0, "b.camera": 0.02, "c.camera": 0.05}
    lossy(monkeypatch, losses, seed=20261122)

    async def play():
        async with room() as here:
            people = [here.participant(name) for name in "abc"]
            for tint, person in enumerate(people):
                await person.publish(tint=tint)
            await asyncio.sleep(9)
            for person in people:
                await person.leave()
            return people, await here.archived()

    people, files = run(play())

    for tint, (person, track) in enumerate(zip(people, losses)):
        samples = recorded(files, track)
        assert len(samples[Media.VIDEO]) > 120
        pictures, sounds = samples[Media.VIDEO], samples[Media.AUDIO]
        assert_all_there(person.video.sent, tuple(units(tint)), [sample.data for sample in pictures])
        assert_all_there(person.audio.sent, synthetic.loop(tint).sounds, [sample.data for sample in sounds])
        assert_in_step(samples)
        segments = [name for name in files if name.startswith(track) and name.endswith(".m4s")]
        assert len(segments) == 3  # cut at four seconds, at a key picture that was asked for
        for name in segments:
            assert fmp4.read_segment(files[name]).samples[Media.VIDEO][0].key
    manifest = json.loads(files["manifest.json"])
    verdict = evidence.verify_recording(manifest, files.get, key=signer.public)
    assert verdict.whole, verdict.bad
    assert verdict.segments == 9
    assert [item for item in manifest["items"] if item["kind"] == "gap"] == []


def test_total_loss_for_a_while_is_a_gap_and_recording_goes_on(room, monkeypatch):
    silence = {"now": False}

    async def play():
        async with room() as here:
            person = here.participant("a")
            await person.publish()
            peer = here.session._stands["a.camera"].connection
            drop(peer, lambda: silence["now"])
            await asyncio.sleep(1.2)
            silence["now"] = True
            await asyncio.sleep(3.6)  # longer than the sender's memory of 128 packets
            silence["now"] = False
            await asyncio.sleep(2.4)
            await person.leave()
            return await here.archived()

    files = run(play())

    items = json.loads(files["manifest.json"])["items"]
    gaps = {item["media"]: item for item in items if item["kind"] == "gap"}
    assert set(gaps) == {"video", "audio"}
    for gap in gaps.values():
        assert gap["reason"] == "lost"
        assert 800 <= gap["t0"] <= 3000
        assert 800 <= gap["duration"] <= 6500
    samples = recorded(files, "a.camera")
    ends = {media: (some[-1].at + some[-1].duration) / fmp4.RATE[media] for media, some in samples.items()}
    assert all(6 < end < 9 for end in ends.values()), ends


def test_who_joins_twice_replaces_himself_and_the_seam_is_told(room):
    async def play():
        async with room() as here:
            first = here.participant("a")
            await first.publish(tint=1)
            await asyncio.sleep(2)
            second = here.participant("a")
            await second.publish(tint=2)
            await asyncio.sleep(2)
            standing = here.session.standing()
            await second.leave()
            return standing, await here.archived()

    standing, files = run(play())

    assert [track["name"] for track in standing["tracks"]] == ["a.camera"]
    items = json.loads(files["manifest.json"])["items"]
    gaps = [item for item in items if item["kind"] == "gap"]
    assert [(gap["reason"], gap["media"]) for gap in gaps] == [("replaced", "all")]
    assert [item["name"] for item in items if item["kind"] == "init"] == [
        "a.camera/init-000001.mp4", "a.camera/init-000002.mp4",
    ]  # fmt: skip
    whole = b"".join(files[name] for name in ("a.camera/init-000002.mp4", "a.camera/000002.m4s"))
    with av.open(io.BytesIO(whole)) as container:
        assert len([frame for packet in container.demux(video=0) for frame in packet.decode()]) > 20
    playlist = files["a.camera/index.m3u8"].decode()
    assert playlist.count("#EXT-X-MAP") == 2
    assert playlist.rstrip().endswith("#EXT-X-ENDLIST")


def test_others_see_and_hear_encoded_frames_as_they_were_sent(room):
    async def play():
        async with room() as here:
            speaker, listener = here.participant("a"), here.participant("b", "w")
            with pytest.raises(Refused, match="nobody_there"):
                await listener.watch("a")
            await speaker.publish()
            await asyncio.sleep(1)
            watched = await listener.watch("a")
            await asyncio.sleep(3)
            return watched.frames

    frames = run(play())

    assert frames["video"] >= 38
    assert frames["audio"] >= 130


def test_sound_alone_is_recorded_too(room):
    async def play():
        async with room() as here:
            person = here.participant("a")
            await person.publish(video=False)
            await asyncio.sleep(5)
            await person.leave()
            return person, await here.archived()

    person, files = run(play())

    samples = recorded(files, "a.camera")
    assert samples[Media.VIDEO] == []
    assert_all_there(person.audio.sent, synthetic.loop(0).sounds, [one.data for one in samples[Media.AUDIO]])
    assert len([name for name in files if name.endswith(".m4s")]) == 2


def test_business_events_stand_in_the_same_chain(room):
    async def play():
        async with room() as here:
            facts = {"by": "expert/3", "sheet": 4}
            event = {"at_ms": 1200, "kind": "score.given", "facts": facts}
            places = await here.session.events([event, event | {"at_ms": 1300}])
            again = await here.session.events([event])
            files = await here.archived()
            later = await (await here.recorder.find("7")).events([event])
            with pytest.raises(Closed):
                await (await here.recorder.find("7")).events([event | {"at_ms": 1301}])
            return places, again, later, files

    places, again, later, files = run(play())

    items = json.loads(files["manifest.json"])["items"]
    assert (places, again, later) == ([1, 2], [1], [1])  # told again it stands where it stood
    assert [item["kind"] for item in items] == ["opened", "event", "event", "closed"]
    assert items[1]["what"] == "score.given"
    assert items[1]["at"] == 1200
