"""A bidder's pages: register, upload, hand in, withdraw, and the receipt."""

import io
import json
import uuid

from flask import Response, g, redirect, render_template, request, url_for
from pydantic import BaseModel, Field

from bidding.tenders import registration, submission, uploads
from bidding.tenders.bids import BidState
from bidding.tenders.models import State
from bidding.tenders.views import files
from bidding.tenders.views.doors import bid_shown, held, now, pages, seen, sent_file, shown
from ca.rights import Role, allow
from ca.signatures import REASON_NAMES
from escrow import deposits
from storage import forms
from storage.refusals import NotFound, NotValid


class NoUpload(NotValid):
    says = "还没有上传加密文件。请先选择加密的投标文件，等上传完成。"


class HandInForm(BaseModel):
    upload: str = Field("", max_length=200)


@pages.get("/<int:tender_id>/registration")
@allow(Role.BIDDER)
def registering(tender_id: int):
    """Register, or see one's own registration."""
    tender = seen(tender_id)
    mine = registration.of(g.db, tender, g.actor)
    covered = mine is not None and deposits.is_covered(g.db, mine.lot.reference, mine.bidder_id)
    return render_template("tenders/registration.html", tender=tender, held=mine, is_covered=covered)


@pages.post("/<int:tender_id>/registration")
@allow(Role.BIDDER)
def register(tender_id: int):
    tender = seen(tender_id)
    registration.register(g.db, tender, by=g.actor)
    return redirect(url_for(".registering", tender_id=tender.id), code=303)


@pages.get("/<int:tender_id>/bids/new")
@allow(Role.BIDDER)
def handing_in(tender_id: int):
    """Upload a sealed file and hand it in with its signature."""
    tender = seen(tender_id)
    mine = held(tender)
    return render_template(
        "tenders/hand_in.html", tender=tender, held=mine, bids=submission.versions(g.db, mine), State=State, now_=now(),
        limit=uploads.LARGEST,
    )  # fmt: skip


@pages.post("/<int:tender_id>/bids/new")
@allow(Role.BIDDER)
def hand_in(tender_id: int):
    tender = seen(tender_id)
    mine = held(tender)
    form = forms.read(HandInForm, request.form)
    upload = _upload(form.upload) if form.upload else _uploaded_with_the_form(mine)
    signature = sent_file("signature")
    return bid_shown(submission.hand_in(g.db, upload, signature, by=g.actor, address=request.remote_addr))


@pages.get("/bids/<uuid:bid_id>")
@allow(Role.BIDDER)
def bid(bid_id: object):
    """One's own bid: being verified, refused with its reason, or sealed with its receipt."""
    mine = submission.mine(g.db, bid_id, g.actor)
    return render_template("tenders/bid.html", bid=mine, tender=mine.tender, **_facts(mine))


@pages.get("/bids/<uuid:bid_id>/live")
@allow(Role.BIDDER)
def bid_live(bid_id: object):
    """What changes on that page while it is being verified."""
    mine = submission.mine(g.db, bid_id, g.actor)
    answer = Response(render_template("tenders/bid_live.html", bid=mine, tender=mine.tender, **_facts(mine)))
    answer.headers["Cache-Control"] = "no-store"
    if mine.state is not BidState.VERIFYING:
        answer.headers["X-Live"] = "reload"
    return answer


@pages.get("/bids/<uuid:bid_id>/receipt")
@allow(Role.BIDDER)
def receipt(bid_id: object):
    """The signed receipt as a file, to be checked off line."""
    mine = submission.mine(g.db, bid_id, g.actor)
    if mine.receipt is None:
        raise NotFound(what="回执")
    text = json.dumps(mine.receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return files.attachment(_bytes(text), f"receipt-{mine.digest[:16]}.json", "application/json")


@pages.get("/bids/<uuid:bid_id>/withdrawal")
@allow(Role.BIDDER)
def withdrawing(bid_id: object):
    """Withdraw?"""
    mine = submission.mine(g.db, bid_id, g.actor)
    return render_template("tenders/withdrawal.html", bid=mine, tender=mine.tender)


@pages.post("/bids/<uuid:bid_id>/withdrawal")
@allow(Role.BIDDER)
def withdraw(bid_id: object):
    mine = submission.withdraw(g.db, submission.mine(g.db, bid_id, g.actor), by=g.actor)
    return shown(mine.tender)


def _facts(bid):
    """What the page says about a bid beside the row."""
    reasons = [REASON_NAMES.get(code, code) for code in (bid.verdict or {}).get("reasons", [])]
    return {"BidState": BidState, "State": State, "why": submission.why(bid.refused_code), "reasons": reasons}


def _upload(address: str) -> uploads.Upload:
    try:
        number = uuid.UUID(address.rstrip("/").rpartition("/")[2])
    except ValueError:
        raise NoUpload from None
    return uploads.mine(g.db, number, g.actor)


def _uploaded_with_the_form(mine: registration.Registration) -> uploads.Upload:
    """Without scripts the file comes with the form, in one piece."""
    sent = request.files.get("sealed")
    if sent is None or not sent.filename:
        raise NoUpload
    size = sent.stream.seek(0, 2)
    sent.stream.seek(0)
    upload = uploads.begin(g.db, g.objects, mine, size=size, by=g.actor)
    while upload.received < size:
        piece = _Part(sent.stream, uploads.LARGEST_PIECE)
        upload = uploads.receive(g.db, g.objects, upload, upload.received, piece, by=g.actor)
    return upload


class _Part:
    """The next `left` bytes of a stream."""

    def __init__(self, stream, left: int) -> None:
        self._stream, self._left = stream, left

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(min(size, self._left))
        self._left -= len(chunk)
        return chunk


def _bytes(text: str):
    return io.BytesIO(text.encode() + b"\n")


