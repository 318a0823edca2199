"""Files on their way out: always as an attachment, under their own name, with the digest beside it."""

from urllib.parse import quote

from flask import Response, g

from bidding.tenders.models import Document

_PIECE = 256 * 1024


def attachment(source, name: str, media_type: str, size: int | None = None) -> Response:
    """A stream as a download that no browser will run."""

    def pieces():
        with source:
            while piece := source.read(_PIECE):
                yield piece

    response = Response(pieces(), mimetype=media_type)
    response.headers["Content-Disposition"] = f"attachment; filename=\"file\"; filename*=UTF-8''{quote(name, safe='')}"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if size is not None:
        response.headers["Content-Length"] = str(size)
    return response


def document(one: Document) -> Response:
    """A published document."""
    response = attachment(g.objects.open(one.object_key), one.name, "application/octet-stream", one.size)
    response.headers["X-SHA256"] = one.sha256
    return response
