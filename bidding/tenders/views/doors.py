"""The tenders' two blueprints, and what every door of them needs."""

import base64
import binascii
from datetime import datetime

from apiflask import APIBlueprint
from flask import Blueprint, g, redirect, request, url_for
from werkzeug.wrappers import Response

from bidding.tenders import due, notices, registration
from bidding.tenders.bids import Bid, Registration
from bidding.tenders.models import Tender
from bidding.tenders.recognised import Recognised
from ca.rights import Role
from storage import clock
from storage.refusals import NotFound, NotValid

pages = Blueprint("tenders", __name__, url_prefix="/tenders", template_folder="../templates")
api = APIBlueprint("tenders_api", __name__, url_prefix="/api/tenders", tag="招标投标 tenders")


class NotBase64(NotValid):
    says = "签名内容无法识别。请提交 Base64 编码的 .p7s 签名。"


class NoSignatureFile(NotValid):
    says = "请选择签名文件（.p7s）。"


def seen(tender_id: int) -> Tender:
    """A tender that this visitor may see."""
    return notices.seen_by(g.db, tender_id, g.actor)


def mine(tender_id: int) -> Tender:
    """A tender of the visitor's own organisation; of others only the public page is there."""
    tender = seen(tender_id)
    if not is_mine(tender):
        raise NotFound(what=Tender.called)
    return tender


def is_mine(tender: Tender) -> bool:
    """Whether the visitor stands for the procuring entity."""
    actor = g.actor
    return (
        actor is not None
        and actor.is_a(Role.PROCURING_ENTITY)
        and actor.organisation_id == tender.procuring_entity_id
    )


def held(tender: Tender) -> Registration:
    """The visitor's own registration."""
    found = registration.of(g.db, tender, g.actor)
    if found is None:
        raise NotFound(what=Registration.called)
    return found


def recognised() -> Recognised:
    """The CAs this centre recognises."""
    return due.recognised_by(g.house)


def now() -> datetime:
    """The database's time: pages count down to what it decides."""
    return clock.database(g.db)


def from_base64(text: str) -> bytes:
    """Bytes that a program sent inside JSON."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotBase64 from None


def sent_file(name: str) -> bytes:
    """A small file of a form, whole."""
    file = request.files.get(name)
    content = file.read(1024 * 1024) if file is not None else b""
    if not content:
        raise NoSignatureFile
    return content


def shown(tender: Tender) -> Response:
    """Back to the tender's page."""
    return redirect(url_for("tenders.show", tender_id=tender.id), code=303)


def bid_shown(bid: Bid) -> Response:
    """Back to the bid's page."""
    return redirect(url_for("tenders.bid", bid_id=bid.id), code=303)
