"""Writing and reading fragmented MP4 (ISO/IEC 14496-12, -15 and Opus in ISOBMFF): one init, many fragments.

H.264 is stored under the sample entry `avc3`, whose parameter sets stand in the stream itself, so that a
change of resolution in the middle of a session spoils nothing. Times are ticks of the track's own clock,
counted from the opening of the session.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from struct import error, pack, unpack_from

from evaluation.recorder import h264


class Media(StrEnum):
    VIDEO = "video"
    AUDIO = "audio"


RATE = {Media.VIDEO: 90_000, Media.AUDIO: 48_000}  # ticks a second
TRACK = {Media.VIDEO: 1, Media.AUDIO: 2}  # track_ID inside a file
MEDIA = {number: media for media, number in TRACK.items()}
SYNC, NOT_SYNC = 0x0200_0000, 0x0101_0000  # sample flags: stands alone / leans on others
MATRIX = pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000)
SEGMENT_TYPE = pack(">I4s4sI4s4s", 24, b"styp", b"msdh", 0, b"msdh", b"msix")


class Malformed(ValueError):
    """The bytes are not a file of ours."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One coded frame at its place: `at` and `duration` in ticks of its track."""

    at: int
    duration: int
    data: bytes
    key: bool = True


@dataclass(frozen=True)
class Format:
    """What an init segment tells of a recording; an empty `sps` leaves size and profile to the stream."""

    media: frozenset[Media]
    sps: bytes = b""
    pps: bytes = b""

    @property
    def codecs(self) -> str:
        """The RFC 6381 name for a playlist and for MediaSource.isTypeSupported."""
        profile = self.sps[1:4].hex() if self.sps else "42e01f"
        names = {Media.VIDEO: f"avc3.{profile}", Media.AUDIO: "opus"}
        return ",".join(names[media] for media in Media if media in self.media)


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return pack(">I4s", len(body) + 8, kind) + body


def full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, pack(">I", version << 24 | flags), *parts)


def init_segment(form: Format) -> bytes:
    """The head of a recording: which tracks there are and how their samples are coded."""
    present = [media for media in Media if media in form.media]
    header = full(b"mvhd", 0, 0, pack(">IIIIIH10x", 0, 0, 1000, 0, 0x10000, 0x100), MATRIX, bytes(24), pack(">I", 3))
    extends = [full(b"trex", 0, 0, pack(">5I", TRACK[media], 1, 0, 0, 0)) for media in present]
    return box(b"ftyp", b"iso6", pack(">I", 1), b"iso6cmfcmp41") + box(
        b"moov", header, *[_track(media, form) for media in present], box(b"mvex", *extends)
    )


def _track(media: Media, form: Format) -> bytes:
    width, height = _size(form) if media is Media.VIDEO else (0, 0)
    sound = media is Media.AUDIO
    header = full(
        b"tkhd", 0, 3, pack(">IIIII8xHHHH", 0, 0, TRACK[media], 0, 0, 0, 0, 0x100 if sound else 0, 0),
        MATRIX, pack(">II", width << 16, height << 16),
    )  # fmt: skip
    entry = _opus() if sound else _avc3(form, width, height)
    table = box(
        b"stbl", full(b"stsd", 0, 0, pack(">I", 1), entry),
        full(b"stts", 0, 0, bytes(4)), full(b"stsc", 0, 0, bytes(4)),
        full(b"stsz", 0, 0, bytes(8)), full(b"stco", 0, 0, bytes(4)),
    )  # fmt: skip
    described = box(
        b"mdia",
        full(b"mdhd", 0, 0, pack(">IIIIHH", 0, 0, RATE[media], 0, 0x55C4, 0)),
        full(b"hdlr", 0, 0, bytes(4), b"soun" if sound else b"vide", bytes(12), b"Gongheng\x00"),
        box(
            b"minf", full(b"smhd", 0, 0, bytes(4)) if sound else full(b"vmhd", 0, 1, bytes(8)),
            box(b"dinf", full(b"dref", 0, 0, pack(">I", 1), full(b"url ", 0, 1))), table,
        ),
    )  # fmt: skip
    return box(b"trak", header, described)


def _size(form: Format) -> tuple[int, int]:
    try:
        return h264.size(form.sps)
    except ValueError:
        return 640, 360  # the stream's own parameter sets rule; this is only a first guess


def _avc3(form: Format, width: int, height: int) -> bytes:
    profile = form.sps[1:4] if len(form.sps) >= 4 else b"\x42\xe0\x1f"
    sets = b"".join(
        pack(">BH", mark | 1, len(unit)) + unit if unit else bytes([mark])
        for mark, unit in ((0xE0, form.sps), (0, form.pps))
    )
    return box(
        b"avc3",
        pack(">6xH16xHHIIIH32xHh", 1, width, height, 0x480000, 0x480000, 0, 1, 24, -1),
        box(b"avcC", b"\x01", profile, b"\xff", sets),
    )


def _opus() -> bytes:
    return box(
        b"Opus",
        pack(">6xH8xHHIHH", 1, 2, 16, 0, RATE[Media.AUDIO], 0),
        box(b"dOps", pack(">BBHIhB", 0, 2, 0, RATE[Media.AUDIO], 0, 0)),
    )


def codecs_of(init: bytes) -> str:
    """The codecs of an init segment of ours, as `Format.codecs` names them."""
    config = init.find(b"avcC")
    media = {Media.VIDEO} if config >= 0 else set()
    media |= {Media.AUDIO} if b"dOps" in init else set()
    return Format(frozenset(media), b"\x67" + init[config + 5 : config + 8] if config >= 0 else b"").codecs


def fragment(number: int, runs: Sequence[tuple[Media, Sequence[Sample]]]) -> bytes:
    """One moof + mdat. Each run is a stretch of samples of one medium, in order and without holes."""
    bodies = [b"".join([sample.data for sample in samples]) for _, samples in runs]
    heads = [_run(media, samples, 0) for media, samples in runs]
    offset = 8 + 16 + sum(map(len, heads)) + 8
    trafs = []
    for (media, samples), body in zip(runs, bodies, strict=True):
        trafs.append(_run(media, samples, offset))
        offset += len(body)
    return box(b"moof", full(b"mfhd", 0, 0, pack(">I", number)), *trafs) + box(b"mdat", *bodies)


def _run(media: Media, samples: Sequence[Sample], offset: int) -> bytes:
    numbers: list[int] = []
    for sample in samples:
        numbers += (sample.duration, len(sample.data), SYNC if sample.key else NOT_SYNC)
    return box(
        b"traf",
        full(b"tfhd", 0, 0x020000, pack(">I", TRACK[media])),
        full(b"tfdt", 1, 0, pack(">Q", samples[0].at)),
        full(b"trun", 0, 0x701, pack(">II", len(samples), offset), pack(f">{len(numbers)}I", *numbers)),
    )


# --- reading back: after a crash, for the verifier and for tests ---


def boxes(content: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two offsets: (kind, first byte of the body, first byte behind it)."""
    end = len(content) if end is None else end
    while start < end:
        if end - start < 8:
            raise Malformed(f"half a box at {start}")
        length, kind = unpack_from(">I4s", content, start)
        if length < 8 or start + length > end:
            raise Malformed(f"a box of {length} bytes at {start} does not fit")
        yield kind, start + 8, start + length
        start += length


def whole_part(content: bytes) -> int:
    """How many bytes from the start are complete fragments: what a broken-off segment still proves."""
    good = 0
    try:
        for kind, _, end in boxes(content):
            if kind in (b"mdat", b"styp"):
                good = end
    except Malformed:
        pass
    return good if good > len(SEGMENT_TYPE) else 0


@dataclass
class Contents:
    """What stands in one segment: samples by medium, in order."""

    samples: dict[Media, list[Sample]] = field(default_factory=dict)

    @property
    def starts_ms(self) -> int:
        """Start of the earliest sample on the session clock, milliseconds."""
        return min(first[0].at * 1000 // RATE[media] for media, first in self.samples.items())

    @property
    def ends_ms(self) -> int:
        return max((last[-1].at + last[-1].duration) * 1000 // RATE[m] for m, last in self.samples.items())


def read_segment(content: bytes) -> Contents:
    """Read a media segment of ours; Malformed when it is anything else."""
    found = Contents()
    moof = 0
    try:
        for kind, start, end in boxes(content):
            if kind == b"moof":
                moof = start - 8
                for inner, traf, traf_end in boxes(content, start, end):
                    if inner == b"traf":
                        _read_run(content, moof, traf, traf_end, found)
            elif kind not in (b"mdat", b"styp"):
                raise Malformed(f"unexpected box {kind!r}")
    except (KeyError, IndexError, ValueError, error) as exc:
        raise Malformed(str(exc)) from exc
    if not found.samples:
        raise Malformed("no samples")
    return found


def _read_run(content: bytes, moof: int, start: int, end: int, found: Contents) -> None:
    parts = {kind: body for kind, body, _ in boxes(content, start, end)}
    media = MEDIA[unpack_from(">I", content, parts[b"tfhd"] + 4)[0]]
    (at,) = unpack_from(">Q", content, parts[b"tfdt"] + 4)
    count, offset = unpack_from(">II", content, parts[b"trun"] + 4)
    place = moof + offset
    rows = unpack_from(f">{3 * count}I", content, parts[b"trun"] + 12)
    samples = found.samples.setdefault(media, [])
    for duration, length, flags in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        if place + length > len(content):
            raise Malformed("a sample lies outside")
        samples.append(Sample(at, duration, content[place : place + length], flags == SYNC))
        at += duration
        place += length
