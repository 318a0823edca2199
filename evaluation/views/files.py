"""Files on their way out: always as an attachment, under their own name, that no browser will run."""

from typing import IO
from urllib.parse import quote

from flask import Response

_PIECE = 256 * 1024


def attachment(source: IO[bytes], name: str, media_type: str = "application/octet-stream") -> Response:
    """A stream as a download."""

    def pieces():
        with source:
            while piece := source.read(_PIECE):
                yield piece

    answer = Response(pieces(), mimetype=media_type)
    answer.headers["Content-Disposition"] = f"attachment; filename=\"file\"; filename*=UTF-8''{quote(name, safe='')}"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
