"""Frames in, segments out: cuts, gaps, what is done when the camera is silent."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evaluation.recorder import fmp4, h264, synthetic
from evaluation.recorder.fmp4 import RATE, Media
from evaluation.recorder.reorder import Frame
from evaluation.recorder.spool import Kept, Part
from evaluation.recorder.track import Track, opus_ticks
from tests.evaluation.recorder.conftest import annex_b

VIDEO, AUDIO = Media.VIDEO, Media.AUDIO
BOTH = frozenset(Media)


class Shelf:
    """A keeper that keeps in a folder and remembers what it was told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.inits: list[dict[str, Any]] = []
        self.segments: list[dict[str, Any]] = []
        self.gaps: list[dict[str, Any]] = []
        self.kept: list[Kept] = []

    def part(self, track: str, name: str) -> Part:
        return Part(self._folder, track, name)

    def keep_init(self, part: Part, **facts: Any) -> None:
        part.finish()
        self.inits.append(facts)

    def keep_segment(self, part: Part, **facts: Any) -> None:
        self.kept.append(part.finish())
        self.segments.append(facts)

    def gap(self, **facts: Any) -> None:
        self.gaps.append(facts)

    def read(self, number: int) -> dict[Media, list[fmp4.Sample]]:
        return fmp4.read_segment(self.kept[number].path.read_bytes()).samples


class Camera:
    """Sends one frame after the other into a track; answers a wish for a key picture with the next one."""

    def __init__(self, track: Track, media: frozenset[Media] = BOTH, *, start_ms: float = 1000.0) -> None:
        loop = synthetic.loop(0)
        pictures = [annex_b(body) for body in loop.pictures]
        self.pictures = [(body, h264.picture(body)) for body in pictures]
        self.sounds = loop.sounds
        self.track = track
        self.media = media
        self.now_ms = start_ms
        self.wishes = 0
        self.answers = True
        self._index = 0
        self._count = {VIDEO: 0, AUDIO: 0}
        track.joined(media, self._wish)

    def _wish(self) -> None:
        self.wishes += 1
        if self.answers:
            self._index = 0

    def run(self, seconds: float, *, skip: frozenset[Media] = frozenset()) -> None:
        for _ in range(int(seconds * 50)):
            if AUDIO in self.media and AUDIO not in skip:
                self.sound()
            if VIDEO in self.media and VIDEO not in skip and self._count[VIDEO] * 10 <= self._count[AUDIO] * 3:
                self.picture()
            if AUDIO in skip or AUDIO not in self.media:
                self._count[AUDIO] += 1
            self.now_ms += 20
            self.track.tick(self.now_ms)

    def sound(self) -> None:
        number = self._count[AUDIO]
        self._count[AUDIO] += 1
        body = self.sounds[number % len(self.sounds)]
        self.track.take(Frame(AUDIO, number * 960, body, self.now_ms), self.now_ms)

    def picture(self) -> None:
        body, picture = self.pictures[self._index % len(self.pictures)]
        number = self._count[VIDEO]
        self._count[VIDEO] += 1
        self._index += 1
        self.track.take(Frame(VIDEO, number * 6000, body, self.now_ms, picture), self.now_ms)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def track(shelf: Shelf) -> Iterator[Track]:
    made = Track("a.camera", shelf)
    yield made
    made.left()


def test_a_segment_is_cut_every_four_seconds_at_a_key_picture(track, shelf):
    camera = Camera(track)
    camera.run(13)
    track.left()

    assert [segment["seq"] for segment in shelf.segments] == [1, 2, 3, 4]
    assert shelf.segments[0]["t0"] == pytest.approx(1000, abs=25)
    for number, segment in enumerate(shelf.segments[:3]):
        assert 3500 <= segment["duration"] <= 4300
        assert shelf.read(number)[VIDEO][0].key
    assert shelf.gaps == []
    assert sum(segment["frames"]["audio"] for segment in shelf.segments) == 650
    assert sum(segment["frames"]["video"] for segment in shelf.segments) == camera._count[VIDEO]


def test_times_run_through_without_seam(track, shelf):
    Camera(track).run(9)
    track.left()

    for media in Media:
        samples = [sample for number in range(len(shelf.kept)) for sample in shelf.read(number)[media]]
        for before, after in zip(samples, samples[1:]):
            assert before.at + before.duration == after.at


def test_a_camera_that_never_answers_is_cut_all_the_same(track, shelf):
    camera = Camera(track)
    camera.answers = False
    camera.pictures = [camera.pictures[0], *[camera.pictures[1]] * 3000]
    camera.run(16)
    track.left()

    assert camera.wishes > 5
    assert all(6500 < segment["duration"] < 7500 for segment in shelf.segments[:2])


def test_a_dark_camera_leaves_the_sound(track, shelf):
    camera = Camera(track)
    camera.run(10, skip=frozenset({VIDEO}))
    track.left()

    assert shelf.inits[0]["codecs"] == "avc3.42e01f,opus"
    assert sum(segment["frames"]["audio"] for segment in shelf.segments) == 500
    assert shelf.segments[0]["t0"] == 1000


def test_pictures_before_the_first_key_picture_are_not_kept_and_one_is_asked_for(track, shelf):
    camera = Camera(track, frozenset({VIDEO}))
    camera.answers = False
    camera._index = 1
    camera.run(0.3)
    assert camera.wishes == 1
    camera._index = 0
    camera.run(2)
    track.left()

    assert shelf.read(0)[VIDEO][0].key


def test_lost_sound_is_a_gap_with_its_place_and_length(track, shelf):
    camera = Camera(track)
    camera.run(2)
    track.lost(AUDIO, 10, camera.now_ms)
    camera._count[AUDIO] += 10
    camera.now_ms += 200
    camera.run(2)
    track.left()

    (gap,) = shelf.gaps
    assert gap | {"t0": 0} == {
        "track": "a.camera", "media": "audio", "reason": "lost", "packets": 10, "t0": 0, "duration": 200, "frames": 10,
    }  # fmt: skip
    assert gap["t0"] == 3000
    sounds = [sample for number in range(len(shelf.kept)) for sample in shelf.read(number)[AUDIO]]
    holes = [(a, b) for a, b in zip(sounds, sounds[1:]) if a.at + a.duration != b.at]
    assert len(holes) == 1
    assert holes[0][0].duration == 960


def test_a_lost_picture_asks_for_a_key_picture_at_once(track, shelf):
    camera = Camera(track)
    camera.run(2)
    track.lost(VIDEO, 3, camera.now_ms)

    assert camera.wishes == 1


def test_who_comes_back_goes_on_with_the_next_number_and_a_gap(track, shelf):
    Camera(track).run(5)
    track.left()
    end = track.end_ms
    Camera(track, start_ms=20_000).run(2)
    track.left()

    assert [segment["seq"] for segment in shelf.segments] == [1, 2, 3]
    assert [init["seq"] for init in shelf.inits] == [1, 3]
    (gap,) = shelf.gaps
    assert (gap["reason"], gap["media"], gap["t0"]) == ("rejoined", "all", int(end))
    assert gap["t0"] + gap["duration"] == pytest.approx(20_000, abs=25)


def test_a_clock_that_is_set_back_and_forth_is_told_and_survived(track, shelf):
    camera = Camera(track)
    camera.run(3)
    for jump in (50 * 3600, -50 * 1800):
        camera._count[AUDIO] += jump
        camera.sound()
        camera.run(1)
    track.left()

    assert [gap["reason"] for gap in shelf.gaps].count("clock_jumped") >= 2
    for number in range(len(shelf.kept)):
        shelf.read(number)
    assert shelf.segments[-1]["t0"] + shelf.segments[-1]["duration"] < 8000


def test_what_is_written_each_second_survives_without_finishing(track, shelf, tmp_path):
    Camera(track).run(3.5)

    (draft,) = (tmp_path / "a.camera").glob("*.part")
    content = draft.read_bytes()
    assert fmp4.whole_part(content) == len(content)
    assert fmp4.read_segment(content).ends_ms >= 1000 + 2900


@pytest.mark.parametrize("seconds", [2, 6, 15])
def test_a_full_disk_is_a_gap_and_recording_goes_on_when_there_is_room(track, shelf, monkeypatch, seconds):
    camera = Camera(track)
    camera.run(3)
    write = Part.write

    def full(part: Part, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Part, "write", full)
    camera.run(seconds)
    monkeypatch.setattr(Part, "write", write)
    camera.run(6)
    track.left()

    assert {gap["reason"] for gap in shelf.gaps} == {"disk_full"}
    lost = sum(gap["frames"] for gap in shelf.gaps)
    there = sum(sum(segment["frames"].values()) for segment in shelf.segments)
    assert lost + there == sum(camera._count.values())
    assert lost <= 65 * (seconds + 2)
    assert [segment["seq"] for segment in shelf.segments] == list(range(1, len(shelf.segments) + 1))
    for number in range(len(shelf.kept)):
        shelf.read(number)


def test_a_disk_full_from_the_start_does_not_fill_the_memory(track, shelf, monkeypatch):
    write = Part.write

    def full(part: Part, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Part, "write", full)
    camera = Camera(track)
    camera.run(40)
    assert shelf.inits == []
    assert sum(len(pending.clocks) for pending in track._pending.values()) < 1200
    monkeypatch.setattr(Part, "write", write)
    camera.run(3)
    track.left()

    assert {gap["reason"] for gap in shelf.gaps} == {"disk_full"}
    assert len(shelf.inits) == 1
    assert shelf.segments[0]["seq"] == 1


def test_a_very_long_silence_does_not_pile_up(track, shelf):
    camera = Camera(track)
    camera.run(2)
    for _ in range(60):
        camera.now_ms += 1_000
        track.tick(camera.now_ms)
    camera._count[AUDIO] += 50 * 60
    camera._count[VIDEO] += 15 * 60
    camera.run(2)
    track.left()

    assert shelf.segments[-1]["t0"] > 60_000
    for segment in shelf.segments:
        assert segment["duration"] < 8000
    assert [(gap["media"], gap["reason"], gap["duration"] // 1000) for gap in shelf.gaps] == [
        ("audio", "silent", 60), ("video", "silent", 60),
    ]  # fmt: skip


def test_twenty_minutes_need_no_more_memory_than_five(track, shelf):
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    camera = Camera(track)
    camera.run(300)
    before = resident()
    camera.run(900)

    assert resident() - before < 8 * 2**20
    assert len(shelf.segments) > 290
    assert shelf.gaps == []


@pytest.mark.parametrize(("packet", "ms"), [
    (bytes([0b01111_0_00]), 20), (bytes([0b11111_0_00]), 20), (bytes([0b11100_0_00]), 2.5),
    (bytes([0b00011_0_01]), 120), (bytes([0b01100_0_00]), 10), (bytes([0b11110_0_11, 3]), 30),
    (bytes([0b00000_0_00]), 10),
])  # fmt: skip
def test_length_of_an_opus_packet(packet, ms):
    assert opus_ticks(packet) == ms * RATE[AUDIO] / 1000
