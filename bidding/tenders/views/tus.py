"""Resumable uploads at the doors (tus 1.0.0: core, creation, expiration, termination), for pages and programs.

The browser's form and `gongheng bid upload` speak the same protocol; only the proof of who asks differs.
"""

from flask import Response, g, request, url_for

from bidding.tenders import uploads
from bidding.tenders.bids import Upload
from bidding.tenders.views.doors import api, held, pages, seen
from ca.rights import Role, allow, public
from storage.refusals import NotValid

VERSION = "1.0.0"
PIECE = "application/offset+octet-stream"


class NotTus(NotValid):
    says = "上传请求不符合 tus 1.0.0：{reason}。请使用本站的上传页面或命令。"


def _whole_number(name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise NotTus(reason=name)
    return int(text)


def _answer(status: int, **headers: object) -> Response:
    response = Response(status=status)
    for name, value in {"Tus-Resumable": VERSION, "Cache-Control": "no-store", **headers}.items():
        response.headers[name.replace("_", "-")] = str(value)
    return response


def _told(upload: Upload) -> dict[str, object]:
    expires = upload.expires_at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    return {"Upload_Offset": upload.received, "Upload_Length": upload.size, "Upload_Expires": expires}


def begin(tender_id: int, endpoint: str) -> Response:
    """Creation: an address for a file of the length that is announced."""
    tender = seen(tender_id)
    upload = uploads.begin(g.db, g.objects, held(tender), size=_whole_number("Upload-Length"), by=g.actor)
    return _answer(201, Location=url_for(endpoint, upload_id=upload.id), **_told(upload))


def state(upload_id: object) -> Response:
    """Where to go on."""
    return _answer(200, **_told(uploads.mine(g.db, upload_id, g.actor)))


def receive(upload_id: object) -> Response:
    """The next piece."""
    if request.mimetype != PIECE:
        raise NotTus(reason="Content-Type")
    request.max_content_length = uploads.LARGEST_PIECE
    upload = uploads.mine(g.db, upload_id, g.actor)
    upload = uploads.receive(g.db, g.objects, upload, _whole_number("Upload-Offset"), request.stream, by=g.actor)
    return _answer(204, **_told(upload))


def drop(upload_id: object) -> Response:
    """Give it up."""
    uploads.drop(g.db, g.objects, uploads.mine(g.db, upload_id, g.actor), by=g.actor)
    return _answer(204)


def abilities() -> Response:
    """What this server can do."""
    return _answer(
        204, Tus_Version=VERSION, Tus_Extension="creation,expiration,termination", Tus_Max_Size=uploads.LARGEST
    )


@pages.route("/<int:tender_id>/uploads", methods=["OPTIONS"], provide_automatic_options=False)
@public
def upload_abilities(tender_id: int):
    return abilities()


@pages.post("/<int:tender_id>/uploads")
@allow(Role.BIDDER)
def begin_upload(tender_id: int):
    return begin(tender_id, "tenders.upload_state")


@pages.route("/uploads/<uuid:upload_id>", methods=["HEAD"])
@allow(Role.BIDDER)
def upload_state(upload_id: object):
    return state(upload_id)


@pages.patch("/uploads/<uuid:upload_id>")
@allow(Role.BIDDER)
def receive_piece(upload_id: object):
    return receive(upload_id)


@pages.delete("/uploads/<uuid:upload_id>")
@allow(Role.BIDDER)
def drop_upload(upload_id: object):
    return drop(upload_id)


@api.route("/<int:tender_id>/uploads", methods=["OPTIONS"], provide_automatic_options=False)
@public
def api_upload_abilities(tender_id: int):
    """What the upload server can do (tus)."""
    return abilities()


@api.post("/<int:tender_id>/uploads")
@allow(Role.BIDDER)
def api_begin_upload(tender_id: int):
    """Begin a resumable upload (tus): Upload-Length in, Location out."""
    return begin(tender_id, "tenders_api.api_upload_state")


@api.route("/uploads/<uuid:upload_id>", methods=["HEAD"])
@allow(Role.BIDDER)
def api_upload_state(upload_id: object):
    """Where to go on (tus)."""
    return state(upload_id)


@api.patch("/uploads/<uuid:upload_id>")
@allow(Role.BIDDER)
def api_receive_piece(upload_id: object):
    """The next piece (tus)."""
    return receive(upload_id)


@api.delete("/uploads/<uuid:upload_id>")
@allow(Role.BIDDER)
def api_drop_upload(upload_id: object):
    """Give an upload up (tus)."""
    return drop(upload_id)
