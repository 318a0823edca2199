"""播放列表: a track as HLS (RFC 8216bis), growing while the session runs and closed with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOLE_MS = 1_000  # a hole wider than this is told as EXT-X-GAP


@dataclass(frozen=True)
class Entry:
    """One line of a playlist: a segment, and the init it needs."""

    name: str  # file name, beside the playlist
    init: str
    t0: int  # ms of the session
    duration: int


def playlist(entries: Sequence[Entry], zero_ms: int, *, closed: bool) -> str:
    """The playlist of one track. `zero_ms`: the session's zero, UTC milliseconds since 1970."""
    longest = max((entry.duration for entry in entries), default=4000)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:8",
        f"#EXT-X-TARGETDURATION:{max(8, -(-longest // 1000))}",
        "#EXT-X-MEDIA-SEQUENCE:1",
        f"#EXT-X-PLAYLIST-TYPE:{'VOD' if closed else 'EVENT'}",
    ]
    end: int | None = None
    init = ""
    for entry in entries:
        hole = entry.t0 - end if end is not None else 0
        if entry.init != init:
            if init:
                lines.append("#EXT-X-DISCONTINUITY")
            init = entry.init
            lines += [f'#EXT-X-MAP:URI="{init}"', _wall(zero_ms + (end or entry.t0))]
        lines += _hole(hole, entry.name, longest) if hole > HOLE_MS else []
        if hole > HOLE_MS:
            lines.append(_wall(zero_ms + entry.t0))
        lines += [f"#EXTINF:{entry.duration / 1000:.3f},", entry.name]
        end = entry.t0 + entry.duration
    if closed:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def _hole(hole: int, before: str, longest: int) -> list[str]:
    """Placeholders no longer than the target duration, so that players keep the time."""
    lines: list[str] = []
    number = 0
    while hole > 0:
        part = min(hole, max(longest, 4000))
        lines += ["#EXT-X-GAP", f"#EXTINF:{part / 1000:.3f},", f"gap-{number}-{before}"]
        hole -= part
        number += 1
    return lines


def _wall(at_ms: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    return f"#EXT-X-PROGRAM-DATE-TIME:{at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}"
