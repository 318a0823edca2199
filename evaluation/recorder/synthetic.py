"""A picture and a sound that nobody filmed: encoded once, sent many times.

Used where there is no camera: by the aiortc client of `gongheng day`, by tests and by the benchmark. The
picture shows a moving bar in a colour of the participant's own; the sound is a quiet tone of its own pitch.
"""

import math
from array import array
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import av

WIDTH, HEIGHT, FRAMES_A_SECOND = 640, 360, 15
SAMPLES_A_PACKET = 960  # 20 ms at 48 kHz
VIDEO_TICKS = 90_000 // FRAMES_A_SECOND


@dataclass(frozen=True)
class Loop:
    """Encoded pictures, the first a key picture that brings its parameter sets, and Opus packets."""

    pictures: tuple[bytes, ...]
    sounds: tuple[bytes, ...]


@lru_cache(maxsize=16)
def loop(tint: int = 0, *, seconds: int = 4, width: int = WIDTH, height: int = HEIGHT) -> Loop:
    """One endless-looking loop; `tint` 0…15 chooses colour and pitch."""
    return Loop(_pictures(tint, seconds, width, height), _sounds(tint, seconds))


def _pictures(tint: int, seconds: int, width: int, height: int) -> tuple[bytes, ...]:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate = Fraction(FRAMES_A_SECOND)
    encoder.time_base = Fraction(1, FRAMES_A_SECOND)
    encoder.bit_rate = 450_000
    encoder.options = {"tune": "zerolatency", "preset": "ultrafast", "level": "31", "g": "100000",
                       "x264-params": "scenecut=0:repeat-headers=1"}  # fmt: skip
    encoder.profile = "Baseline"
    pictures = []
    for number in range(seconds * FRAMES_A_SECOND):
        packets = encoder.encode(_drawn(number, tint, width, height))
        pictures.append(b"".join(bytes(packet) for packet in packets))
    return tuple(pictures)


def _drawn(number: int, tint: int, width: int, height: int) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    brightness, blue, red = frame.planes
    bar = (number * 8) % width
    row = bytearray(60 + (x + 2 * number) % 120 for x in range(brightness.line_size))
    row[bar : bar + 24] = b"\xe0" * len(row[bar : bar + 24])
    rows = [bytes(row[(y // 4) % 32 :] + row[: (y // 4) % 32]) for y in range(height)]
    brightness.update(b"".join(rows))
    blue.update(bytes([(64 + tint * 37) % 200 + 28]) * blue.buffer_size)
    red.update(bytes([(160 + tint * 61) % 200 + 28]) * red.buffer_size)
    frame.pts = number
    return frame


def _sounds(tint: int, seconds: int) -> tuple[bytes, ...]:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48_000, "stereo", "s16"
    encoder.bit_rate = 32_000
    encoder.options = {"application": "voip", "vbr": "off", "frame_duration": "20"}
    pitch = 220 * 2 ** (tint / 12)
    sounds = []
    for number in range(seconds * 50):
        start = number * SAMPLES_A_PACKET
        wave = array("h")
        for at in range(start, start + SAMPLES_A_PACKET):
            height = int(2500 * math.sin(2 * math.pi * pitch * at / 48_000))
            wave.extend((height, height))
        frame = av.AudioFrame("s16", "stereo", SAMPLES_A_PACKET)
        frame.sample_rate, frame.pts = 48_000, start
        frame.planes[0].update(wave.tobytes())
        sounds += [bytes(packet) for packet in encoder.encode(frame)]
    return tuple(sounds)
