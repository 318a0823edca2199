"""Real WebRTC over loopback: what is sent is what stands in the store, frame by frame, whatever the line loses."""

import asyncio
import io
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import av
import pytest
from aiortc.rtp import is_rtcp

from ca import ecdsa
from evaluation import evidence
from evaluation.recorder import fmp4, rtc, synthetic
from evaluation.recorder.archived import Closed
from evaluation.recorder.client import Participant, Refused
from evaluation.recorder.fmp4 import Media
from tests.evaluation.recorder.conftest import Room, opened, run


def drop(peer: rtc.Peer, wanted: Callable[[], bool]) -> None:
    """Lose media packets on the wire, before SRTP sees them (it refuses what it has seen once)."""
    ice = peer.pc.getTransceivers()[0].receiver.transport.transport._connection
    taken = ice.data_received

    def take_some(packet: bytes, component: int) -> None:
        if not (127 < packet[0] < 192 and not is_rtcp(packet) and wanted()):
            taken(packet, component)

    ice.data_received = take_some


def recorded(files: dict[str, bytes], track: str) -> dict[Media, list[fmp4.Sample]]:
    samples: dict[Media, list[fmp4.Sample]] = {media: [] for media in Media}
    for name in sorted(files):
        if name.startswith(f"{track}/") and name.endswith(".m4s"):
            for media, some in fmp4.read_segment(files[name]).samples.items():
                samples[media] += some
    return samples


def assert_without_seam(samples: dict[Media, list[fmp4.Sample]]) -> None:
    """No two samples overlap or leave a hole."""
    for media, some in samples.items():
        for before, after in zip(some, some[1:]):
            assert before.at + before.duration == after.at, (media, before.at, before.duration, after.at)


def apart_ms(person: Participant, samples: dict[Media, list[fmp4.Sample]]) -> float:
    """How far sound and picture of one moment stand apart at the end of the record."""
    stands = []
    for media, playing, step in ((Media.VIDEO, person.video, 6000), (Media.AUDIO, person.audio, 960)):
        last = len(samples[media]) - 1
        meant_ms = playing.begun * 1000 + last * step * 1000 / fmp4.RATE[media]
        stands.append(samples[media][last].at * 1000 / fmp4.RATE[media] - meant_ms)
    return abs(stands[0] - stands[1])


def assert_all_there(sent: list[int], frames: tuple, stored: list[bytes], *, least: int) -> None:
    """All that was sent is stored, in order, once. `least`: how many had been sent when leaving began."""
    wanted = [frames[index] for index in sent]
    assert len(stored) >= least - 3
    assert stored == wanted[: len(stored)]


@dataclass
class Scene:
    """What happened in one session in which everything happens at once, and what was kept of it."""

    people: dict[str, Participant]
    seen: dict[str, int]
    nobody_there: int
    files: dict[str, bytes]
    key: bytes
    sent: dict[str, tuple[int, int]]  # pictures and sounds sent by each when leaving began
    silent_ms: float  # when the silence began, and when all had left, on the session's clock
    left_ms: float

    @property
    def items(self) -> list[dict[str, Any]]:
        return json.loads(self.files["manifest.json"])["items"]

    def of(self, kind: str, track: str) -> list[dict[str, Any]]:
        return [item for item in self.items if item["kind"] == kind and item["track"] == track]


LOSSES = {"none": 0.0, "two": 0.02, "five": 0.05}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Three lines that lose none, two and five in a hundred; one that falls silent; one without a camera; one who
    joins twice; one who only watches."""
    signer = ecdsa.Key.make()

    async def play() -> Scene:
        async with opened(tmp_path_factory.mktemp("scene"), signer) as here:
            people = {name: here.participant(name) for name in [*LOSSES, "silent", "alone", "twice"]}
            watcher, again = here.participant("watcher", "w"), here.participant("twice")
            nobody_there = await refusal(watcher.watch("none"))
            for tint, (name, person) in enumerate(people.items()):
                await person.publish(tint=tint, video=name != "alone")
            quiet = {"now": False}
            drop(connection(here, "silent"), lambda: quiet["now"])
            for seed, (name, rate) in enumerate(LOSSES.items()):
                drop(connection(here, name), lambda rate=rate, chance=random.Random(seed): chance.random() < rate)
            watched = await watcher.watch("none")
            await asyncio.sleep(1.2)
            quiet["now"] = True
            silent_ms = here.session.now_ms()
            await asyncio.sleep(1.4)
            await again.publish(tint=9)
            await asyncio.sleep(2.2)  # 3.6 s of silence: longer than the sender's memory of 128 packets
            quiet["now"] = False
            await asyncio.sleep(4.2)
            seen = dict(watched.frames)
            sent = {
                name: (len(one.video.sent) if one.video else 0, len(one.audio.sent)) for name, one in people.items()
            }
            await asyncio.gather(*(person.leave() for person in [*people.values(), again]))
            left_ms = here.session.now_ms()
            return Scene(people, seen, nobody_there, await here.archived(), signer.public, sent, silent_ms, left_ms)

    return run(play(), 60)


def connection(here: Room, name: str) -> rtc.Peer:
    return here.session._stands[f"{name}.camera"].connection


async def refusal(asking: Awaitable[Any]) -> int:
    try:
        await asking
    except Refused as refused:
        return refused.status
    return 0


@pytest.mark.parametrize(("tint", "name"), enumerate(LOSSES))
def test_every_frame_is_there_at_no_two_and_five_percent_loss(scene, units, tint, name):
    person, track = scene.people[name], f"{name}.camera"
    samples = recorded(scene.files, track)

    assert len(samples[Media.VIDEO]) > 120
    pictures, sounds = samples[Media.VIDEO], samples[Media.AUDIO]
    seen, heard = scene.sent[name]
    assert_all_there(person.video.sent, tuple(units(tint)), [sample.data for sample in pictures], least=seen)
    assert_all_there(person.audio.sent, synthetic.loop(tint).sounds, [one.data for one in sounds], least=heard)
    assert_without_seam(samples)
    assert apart_ms(person, samples) <= 40
    segments = scene.of("segment", track)
    assert [segment["seq"] for segment in segments] == list(range(1, len(segments) + 1))
    assert len(segments) >= 3
    for segment in segments:  # cut at four seconds, at a key picture that was asked for
        assert fmp4.read_segment(scene.files[segment["name"]]).samples[Media.VIDEO][0].key
    assert scene.of("gap", track) == []


def test_the_whole_evening_is_proved(scene):
    manifest = json.loads(scene.files["manifest.json"])

    verdict = evidence.verify_recording(manifest, scene.files.get, key=scene.key)

    assert verdict.whole, verdict.bad
    assert verdict.segments == len([name for name in scene.files if name.endswith(".m4s")])


def test_total_loss_for_a_while_is_a_gap_and_recording_goes_on(scene):
    gaps = {gap["media"]: gap for gap in scene.of("gap", "silent.camera")}

    assert set(gaps) == {"video", "audio"}
    for gap in gaps.values():
        assert gap["reason"] == "lost"
        assert abs(gap["t0"] - scene.silent_ms) < 1500
        assert 800 <= gap["duration"] <= 6500
    samples = recorded(scene.files, "silent.camera")
    ends = {media: (some[-1].at + some[-1].duration) / fmp4.RATE[media] for media, some in samples.items()}
    assert all(scene.left_ms - 2500 < end * 1000 <= scene.left_ms + 100 for end in ends.values()), ends


def test_who_joins_twice_replaces_himself_and_the_seam_is_told(scene):
    gaps = scene.of("gap", "twice.camera")
    inits = [item["name"] for item in scene.of("init", "twice.camera")]

    assert [(gap["reason"], gap["media"]) for gap in gaps] == [("replaced", "all")]
    assert len(inits) == 2
    whole = scene.files[inits[1]] + scene.files[inits[1].replace("init-", "").replace(".mp4", ".m4s")]
    with av.open(io.BytesIO(whole)) as container:
        assert len([frame for packet in container.demux(video=0) for frame in packet.decode()]) > 20
    playlist = scene.files["twice.camera/index.m3u8"].decode()
    assert playlist.count("#EXT-X-MAP") == 2
    assert playlist.rstrip().endswith("#EXT-X-ENDLIST")


def test_others_see_and_hear_encoded_frames_as_they_were_sent(scene):
    assert scene.nobody_there == 409
    assert scene.seen["video"] >= 110
    assert scene.seen["audio"] >= 400


def test_sound_alone_is_recorded_too(scene):
    samples = recorded(scene.files, "alone.camera")

    assert samples[Media.VIDEO] == []
    sent, sounds = scene.people["alone"].audio.sent, synthetic.loop(4).sounds
    assert_all_there(sent, sounds, [one.data for one in samples[Media.AUDIO]], least=scene.sent["alone"][1])
    assert len(scene.of("segment", "alone.camera")) == 3


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
