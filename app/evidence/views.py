"""Public doors: a project's evidence as one file, for everybody once the result is public; supervision's own."""

from collections.abc import Iterator
from typing import Any

from apiflask import APIBlueprint
from flask import Blueprint, Response, g, url_for
from pydantic import BaseModel
from sqlalchemy import select

from app.evidence import making
from app.evidence.models import EvidenceBundle, Scope
from ca.rights import Role, allow, public
from evaluation import recordings
from evaluation.models import Session as Panel
from storage.refusals import NotFound

pages = Blueprint("evidence", __name__, url_prefix="/evidence")
api = APIBlueprint("evidence_api", __name__, url_prefix="/api/evidence", tag="证据包 evidence")
PIECE = 1 << 20


class BundleOut(BaseModel):
    """A bundle, and what to compare a download with."""

    file: str
    scope: Scope
    sha256: str
    bytes: int
    manifest: str
    made_at: str
    url: str
    platform_key: str


@pages.get("/tender/<int:tender_id>.zip")
@public
def tender(tender_id: int):
    """A tender's public bundle."""
    return _sent(_current("tender", tender_id, Scope.PUBLIC))


@pages.get("/supermarket/<int:project_id>.zip")
@public
def supermarket(project_id: int):
    """A supermarket project's public bundle."""
    return _sent(_current("supermarket", project_id, Scope.PUBLIC))


@pages.get("/tender/<int:tender_id>/supervision.zip")
@allow(Role.SUPERVISOR, Role.CENTRE_STAFF)
def supervision(tender_id: int):
    """The bundle with the recording's media and the sealed bids."""
    return _sent(_supervised(tender_id))


@api.get("/tender/<int:tender_id>")
@public
@api.output(BundleOut)
def describe_tender(tender_id: int):
    """A tender's public bundle: digest, moment, address."""
    return _told(_current("tender", tender_id, Scope.PUBLIC), url_for(".download_tender", tender_id=tender_id))


@api.get("/tender/<int:tender_id>.zip")
@public
@api.doc(summary="A tender's public bundle (application/zip)")
def download_tender(tender_id: int):
    """A tender's public bundle as a file."""
    return _sent(_current("tender", tender_id, Scope.PUBLIC))


@api.get("/tender/<int:tender_id>/supervision.zip")
@allow(Role.SUPERVISOR, Role.CENTRE_STAFF)
@api.doc(summary="A tender's bundle with media and sealed bids (application/zip)")
def download_supervision(tender_id: int):
    """The bundle with the recording's media and the sealed bids, for supervision."""
    return _sent(_supervised(tender_id))


@api.get("/supermarket/<int:project_id>")
@public
@api.output(BundleOut)
def describe_supermarket(project_id: int):
    """A supermarket project's public bundle: digest, moment, address."""
    bundle = _current("supermarket", project_id, Scope.PUBLIC)
    return _told(bundle, url_for(".download_supermarket", project_id=project_id))


@api.get("/supermarket/<int:project_id>.zip")
@public
@api.doc(summary="A supermarket project's public bundle (application/zip)")
def download_supermarket(project_id: int):
    """A supermarket project's public bundle as a file."""
    return _sent(_current("supermarket", project_id, Scope.PUBLIC))


def _current(kind: str, id_: int, scope: Scope) -> EvidenceBundle:
    return making.current(g.db, g.objects, making.subject(g.db, kind, id_), scope)


def _supervised(tender_id: int) -> EvidenceBundle:
    """For whoever may watch the recording of every session of this tender; to others it is not there."""
    one = making.subject(g.db, "tender", tender_id)
    panels = g.db.scalars(select(Panel).filter_by(tender_id=tender_id)).all()
    if not panels or not all(recordings.may_watch(panel, g.actor) for panel in panels):
        raise NotFound
    return making.current(g.db, g.objects, one, Scope.SUPERVISION)


def _told(bundle: EvidenceBundle, url: str) -> dict[str, Any]:
    return {
        "file": bundle.file, "scope": bundle.scope, "sha256": bundle.sha256, "bytes": bundle.size,
        "manifest": bundle.manifest, "made_at": bundle.made_at.isoformat(), "url": url,
        "platform_key": g.platform_key.public.hex(),
    }  # fmt: skip


def _sent(bundle: EvidenceBundle) -> Response:
    source = g.objects.open(bundle.object_key)

    def pieces() -> Iterator[bytes]:
        with source:
            while piece := source.read(PIECE):
                yield piece

    name = f"{bundle.file.replace('/', '-')}-{bundle.scope.value}-{bundle.manifest[:8]}.zip"
    return Response(pieces(), mimetype="application/zip", headers={
        "Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(bundle.size),
        "ETag": f'"{bundle.sha256}"',
    })  # fmt: skip
