"""Recordings on their way out: playlists, segments and manifests, whole or in part, to who may watch."""

from typing import IO

from flask import Response, current_app, g, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from evaluation import recordings
from evaluation.models import Session
from storage.db import find
from storage.refusals import NotFound

PIECE = 256 * 1024
MEDIA = {
    "m3u8": "application/vnd.apple.mpegurl", "m4s": "video/iso.segment", "mp4": "video/mp4",
    "json": "application/json", "jsonl": "application/jsonl",
}  # fmt: skip
PLAYLIST = "/index.m3u8"


def watched(session_id: int) -> Session:
    """A session that this visitor may watch; others are not there."""
    session = find(g.db, Session, session_id)
    if session.zero_at is None or not recordings.may_watch(session, g.actor):
        raise NotFound(what=Session.called)
    return session


def chains() -> recordings.Chains:
    """What this process has read of running sessions."""
    known: recordings.Chains = current_app.extensions.setdefault("chains", recordings.Chains())
    return known


def answer(session: Session, name: str) -> Response:
    """One file of a recording. A playlist grows while the session runs; everything else stands for good."""
    if name.endswith(PLAYLIST) and not recordings.is_archived(g.objects, session):
        text = recordings.playlist(g.objects, chains(), session, name.removesuffix(PLAYLIST))
        return Response(text, mimetype=MEDIA["m3u8"], headers={"Cache-Control": "no-store"})
    known = recordings.stat(g.objects, session, name)
    start, length, status = _asked(known.bytes)
    file = recordings.open_file(g.objects, session, name, start=start, length=length)
    kind = MEDIA.get(name.rpartition(".")[2], "application/octet-stream")
    told = Response(_pieces(file), status=status, mimetype=kind)
    told.headers["Content-Length"] = str(length)
    told.headers["Accept-Ranges"] = "bytes"
    told.headers["Cache-Control"] = "private, max-age=3600"
    told.headers["X-SHA256"] = known.sha256
    if status == 206:
        told.headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{known.bytes}"
    return told


def _asked(size: int) -> tuple[int, int, int]:
    """First byte, length and status for the range that was asked for (RFC 9110, 14.2)."""
    wish = request.range
    if wish is None or wish.units != "bytes" or len(wish.ranges) != 1:
        return 0, size, 200
    found = wish.range_for_length(size)
    if found is None:
        raise RequestedRangeNotSatisfiable(size)
    return found[0], found[1] - found[0], 206


def _pieces(file: IO[bytes]):
    with file:
        while piece := file.read(PIECE):
            yield piece
