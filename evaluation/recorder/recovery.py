"""复原: taking up a session again after a crash, or after the machine itself was lost.

The chain is read from the spool, or from its pieces in the store when there is no spool any more. Files that
did not reach the chain before the end are added to it, broken-off segments with their whole fragments.
"""

import logging
from dataclasses import dataclass
from typing import Any

from ca import canonical
from evaluation.evidence import Chain, Item, Kind
from evaluation.recorder import fmp4, pieces
from evaluation.recorder.spool import INIT, SEGMENT, Kept, SessionSpool, digest_of
from storage.objects import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TakenUp:
    """What a session is after it was taken up again; nothing at all for a new one."""

    items: list[Item]
    lines: list[bytes]
    laid: int  # how many of them stand in the store, in pieces
    here: list[Kept]  # files that are still to be sent


def take_up(chain: Chain, spool: SessionSpool, store: Store) -> TakenUp:
    """Restore the chain of a session from what there is. Blocking: disk and store."""
    spool.begin()
    lines, laid = spool.lines(), spool.lines_laid()
    lost = not lines
    if lost:
        lines = _from_store(chain.session, store)
        laid = len(lines)
    taken = chain.restore(lines)
    if taken < len(lines):
        log.error("session %s: the chain is damaged after item %d", chain.session, taken)
    if lost and taken:
        spool.append(lines[:taken])
        spool.laid(taken)
    elif taken < len(lines) or lines:
        spool.cut_chain(taken)
    lines = lines[:taken]
    mended = set(spool.mend())
    here = spool.files()
    if taken and not chain.closed:
        known = {canonical.decode(line).get("name") for line in lines}
        found = [(kept, kept.path.read_bytes(), kept.name in mended) for kept in here]
        if lost:
            found += [(kept, body, False) for kept, body in _orphans(chain.session, store, known)]
        added = [_added(chain, kept, body, cut) for kept, body, cut in found if kept.name not in known]
        spool.append([line for line in added if line])
        lines += [line for line in added if line]
    return TakenUp([canonical.decode(line) for line in lines], lines, min(laid, taken), here)


def _from_store(session: str, store: Store) -> list[bytes]:
    """The chain as its pieces tell it; nothing when the store does not answer: recording goes before."""
    try:
        return [canonical.encode(item) for item in pieces.read_items(store, session)]
    except Exception as exc:  # whatever a store away from home says
        log.error("session %s: the store does not answer whether it began before: %s", session, exc)
        return []


def _orphans(session: str, store: Store, known: set[str]) -> list[tuple[Kept, bytes]]:
    """Files in the store that no piece of the chain tells of: sent in the last seconds of a lost machine."""
    found = []
    head = pieces.key_of(session, "")
    for listed in store.list(head, limit=1_000_000):
        name = listed.key.removeprefix(head)
        file = name.rpartition("/")[2]
        if name not in known and (SEGMENT.fullmatch(file) or INIT.fullmatch(file)):
            with store.open(listed.key) as opened:
                body = opened.read()
            found.append((digest_of(name, body), body))
    return sorted(found, key=lambda one: one[0].order)


def _added(chain: Chain, kept: Kept, body: bytes, mended: bool) -> bytes:
    """The item of a file that did not reach the chain; nothing when it is no file of ours."""
    track, file = kept.name.split("/")
    facts: dict[str, Any] = {"track": track, "name": kept.name, "bytes": kept.size, "sha256": kept.sha256}
    facts["found"] = "broken_off" if mended else "whole"
    if match := INIT.fullmatch(file):
        return chain.add(Kind.INIT, seq=int(match.group(1)), codecs=fmp4.codecs_of(body), **facts)
    match = SEGMENT.fullmatch(file)
    try:
        contents = fmp4.read_segment(body)
    except fmp4.Malformed:
        contents = None
    if match is None or contents is None or int(match.group(1)) != chain.segments(track) + 1:
        log.error("session %s: %s is no segment that could follow", chain.session, kept.name)
        return b""
    frames = {media.value: len(samples) for media, samples in contents.samples.items()}
    return chain.add(
        Kind.SEGMENT, seq=int(match.group(1)), t0=contents.starts_ms,
        duration=contents.ends_ms - contents.starts_ms, frames=frames, **facts,
    )  # fmt: skip
