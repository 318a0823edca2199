"""Two clocks that are not ours, tied to one that is: offset, drift, jumps."""

import pytest

from evaluation.recorder.fmp4 import RATE, Media
from evaluation.recorder.timeline import Timeline

VIDEO, AUDIO = Media.VIDEO, Media.AUDIO


class Sender:
    """Sends a frame of each medium every 100 ms; `late_ms` on the way; its clock runs `ppm` too fast."""

    def __init__(self, *, video_late_ms: float = 0, audio_late_ms: float = 0, ppm: float = 0) -> None:
        self.line = Timeline()
        self.late = {VIDEO: video_late_ms, AUDIO: audio_late_ms}
        self.ppm = ppm
        self.wall_ms = 1_795_000_000_000.0

    def clock(self, media: Media, ms: float) -> int:
        return round((ms * (1 + self.ppm / 1e6) + (7000 if media is VIDEO else 300)) * RATE[media] / 1000)

    def play(self, seconds: float, *, start: float = 0, reports: bool = True, jitter: tuple[float, ...] = (0,)) -> None:
        for step in range(int(seconds * 10)):
            ms = start * 1000 + step * 100
            for media in Media:
                late = self.late[media] + jitter[step % len(jitter)]
                self.line.arrived(media, self.clock(media, ms), ms + late)
                if reports and step % 10 == 5:
                    sender_ms = self.wall_ms + ms * (1 + self.ppm / 1e6)
                    self.line.reported(media, sender_ms, self.clock(media, ms) & 0xFFFF_FFFF)
            if step % 10 == 9:
                self.line.mend(free=start == 0 and step == 9)

    def error_ms(self, media: Media, ms: float) -> float:
        """How far a moment's frame is put from where it belongs (plus the least delay of the line)."""
        return self.line.at_ms(media, self.clock(media, ms)) - ms


def test_sound_and_picture_of_one_moment_stand_together_though_one_comes_later():
    sender = Sender(video_late_ms=180, audio_late_ms=20)
    sender.play(20)

    apart_ms = sender.error_ms(VIDEO, 20_000) - sender.error_ms(AUDIO, 20_000)
    assert abs(apart_ms) < 1
    assert sender.error_ms(AUDIO, 20_000) == pytest.approx(20, abs=2)


def test_without_reports_arrival_decides():
    sender = Sender(video_late_ms=30, audio_late_ms=20)
    sender.play(10, reports=False)

    assert sender.error_ms(VIDEO, 10_000) == pytest.approx(30, abs=2)


def test_a_slow_beginning_does_not_shift_the_whole_session():
    sender = Sender()
    sender.line.arrived(VIDEO, sender.clock(VIDEO, 0), 400)
    sender.play(30)

    assert abs(sender.error_ms(VIDEO, 30_000)) < 5


@pytest.mark.parametrize("ppm", [-200, 200])
def test_a_drifting_clock_is_followed(ppm):
    sender = Sender(ppm=ppm)
    sender.play(1200)

    for media in Media:
        assert abs(sender.error_ms(media, 1_200_000)) < 20  # unmended it would be 240 ms


def test_a_jittery_line_does_not_move_the_clock():
    sender = Sender()
    sender.play(60, jitter=(0, 90, 15, 140, 60, 3))

    assert abs(sender.error_ms(AUDIO, 60_000)) < 5


def test_time_never_runs_back_by_more_than_half_a_frame_of_sound():
    sender = Sender(ppm=300)
    before = 0.0
    for second in range(300):
        sender.play(1, start=second + 1)
        at = sender.line.at_ms(AUDIO, sender.clock(AUDIO, (second + 2) * 1000))
        assert at > before + 980
        before = at


def test_a_clock_that_was_set_is_told():
    sender = Sender()
    sender.play(5)

    assert sender.line.arrived(VIDEO, sender.clock(VIDEO, 65_000), 5_100)
    assert sender.line.at_ms(VIDEO, sender.clock(VIDEO, 65_000)) == pytest.approx(5_100, abs=1)
    assert not sender.line.arrived(VIDEO, sender.clock(VIDEO, 65_100), 5_200)
