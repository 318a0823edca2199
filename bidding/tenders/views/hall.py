"""开标大厅 The opening hall: every step before everyone's eyes; and what parties do in it."""

import hashlib
import io

from flask import g, make_response, redirect, render_template, request, url_for
from pydantic import BaseModel, Field

from bidding.tenders import evidence, opening, registration, submission
from bidding.tenders import hall as acts
from bidding.tenders.bids import COUNTS, Bid, Objection
from bidding.tenders.models import State, Tender
from bidding.tenders.views import files, story
from bidding.tenders.views.api_opening import in_hall
from bidding.tenders.views.doors import held, is_mine, now, pages, recognised, seen, sent_file
from ca.rights import Role, allow, public
from ca.sealing.transcript import OPENED
from storage import forms
from storage.db import find
from storage.refusals import NotFound

RESULTS = {
    "OPENED": "已开启",
    "NOT_UNLOCKED": "未按时解密",
    "WRONG_KB": "解密密钥不符",
    "MALFORMED_LOCK_C": "投标文件的锁与规范不符",
    "CONTENT": "投标文件内容损坏",
    "PADDING": "投标文件填充不符合规范",
    "DIGEST": "平台保存的文件与回执不符",
}
FAULTS = {
    "CONTAINER": "文件包无法识别",
    "INNER_SIGNATURE": "文件包内的签名未通过核验",
    "PRICE_MISSING": "没有开标一览表",
    "PRICE_NOT_CANONICAL": "开标一览表不符合规范写法",
    "PRICE_UNREADABLE": "开标一览表无法识别",
    "PRICE_OTHER_CONTEXT": "开标一览表属于另一份投标文件",
}
LIVE = acts.HALL_OPEN - {State.OPENED}


class KeyForm(BaseModel):
    kb: str = Field(min_length=1, max_length=64)


class WordsForm(BaseModel):
    words: str = Field(min_length=1, max_length=2000)


@pages.get("/<int:tender_id>/hall")
@public
def hall(tender_id: int):
    """The hall in big type, and afterwards the same as a record."""
    tender = in_hall(tender_id)
    return render_template("tenders/hall.html", **told(tender))


@pages.get("/<int:tender_id>/hall/live")
@public
def hall_live(tender_id: int):
    """What changes in the hall."""
    tender = in_hall(tender_id)
    answer = make_response(render_template("tenders/hall_live.html", **told(tender)))
    answer.set_etag(hashlib.sha256(answer.get_data()).hexdigest()[:32])
    answer.headers["Cache-Control"] = "no-store"
    return answer.make_conditional(request)


@pages.get("/<int:tender_id>/unlock")
@allow(Role.BIDDER)
def unlocking(tender_id: int):
    """Unlock one's own bid: the rescue file is read in the browser, only kb is sent."""
    tender = in_hall(tender_id)
    bid = own_bid(tender)
    return render_template("tenders/unlock.html", tender=tender, bid=bid, State=State, now_=now())


@pages.post("/<int:tender_id>/unlock")
@allow(Role.BIDDER)
def unlock(tender_id: int):
    tender = in_hall(tender_id)
    form = forms.read(KeyForm, request.form)
    opening.unlock(g.db, own_bid(tender), form.kb, by=g.actor, key=g.platform_key)
    return redirect(url_for(".hall", tender_id=tender.id), code=303)


@pages.get("/<int:tender_id>/close")
@allow(Role.SUPERVISOR)
def closing(tender_id: int):
    """What the supervisor sees and signs."""
    tender = in_hall(tender_id)
    message = opening.close_message(tender) if tender.unlock_root else None
    from_ = opening.close_from(g.db, tender)
    return render_template("tenders/close.html", message=message, from_=from_, **told(tender))


@pages.get("/<int:tender_id>/close/message")
@allow(Role.SUPERVISOR)
def close_message(tender_id: int):
    """The very bytes to sign, as a file."""
    tender = in_hall(tender_id)
    if tender.unlock_root is None:
        raise NotFound
    message = io.BytesIO(opening.close_message(tender))
    return files.attachment(message, f"close-{tender.number}.bin", "application/octet-stream")


@pages.post("/<int:tender_id>/close")
@allow(Role.SUPERVISOR)
def close(tender_id: int):
    tender = in_hall(tender_id)
    opening.close(g.db, tender, sent_file("signature"), by=g.actor, recognised=recognised())
    return redirect(url_for(".hall", tender_id=tender.id), code=303)


@pages.get("/<int:tender_id>/confirmation")
@allow(Role.BIDDER)
def confirming(tender_id: int):
    """Confirm what was read out?"""
    tender = in_hall(tender_id)
    return render_template("tenders/confirmation.html", tender=tender, bid=own_bid(tender), results=RESULTS)


@pages.post("/<int:tender_id>/confirmation")
@allow(Role.BIDDER)
def confirm(tender_id: int):
    tender = in_hall(tender_id)
    acts.confirm(g.db, own_bid(tender), by=g.actor)
    return redirect(url_for(".hall", tender_id=tender.id), code=303)


@pages.get("/<int:tender_id>/objections/new")
@allow(Role.BIDDER)
def objecting(tender_id: int):
    """Object on the spot."""
    tender = in_hall(tender_id)
    own_bid(tender)
    return render_template("tenders/objection.html", tender=tender, limit=acts.LONGEST)


@pages.post("/<int:tender_id>/objections/new")
@allow(Role.BIDDER)
def object_to(tender_id: int):
    tender = in_hall(tender_id)
    acts.object_to(g.db, tender, forms.read(WordsForm, request.form).words, by=g.actor)
    return redirect(url_for(".hall", tender_id=tender.id), code=303)


@pages.get("/objections/<int:objection_id>/answer")
@allow(Role.PROCURING_ENTITY)
def answering(objection_id: int):
    """Answer an objection on the spot."""
    objection = find(g.db, Objection, objection_id)
    tender = seen(objection.tender_id)
    if not is_mine(tender):
        raise NotFound
    return render_template("tenders/answer.html", tender=tender, objection=objection, limit=acts.LONGEST)


@pages.post("/objections/<int:objection_id>/answer")
@allow(Role.PROCURING_ENTITY)
def answer(objection_id: int):
    objection = find(g.db, Objection, objection_id)
    acts.answer(g.db, objection, forms.read(WordsForm, request.form).words, by=g.actor)
    return redirect(url_for(".hall", tender_id=objection.tender_id), code=303)


@pages.get("/<int:tender_id>/transcript.json")
@public
def transcript(tender_id: int):
    """Everything to repeat the opening off line."""
    tender = in_hall(tender_id)
    return files.attachment(
        io.BytesIO(evidence.transcript(g.objects, tender)), f"transcript-{tender.number}.json", "application/json"
    )


def told(tender: Tender) -> dict:
    """What the hall shows now."""
    lines = acts.lines(g.db, tender)
    mine = registration.of(g.db, tender, g.actor)
    bid = own_bid(tender) if mine and any(line.credit_code == mine.bidder.credit_code for line in lines) else None
    return {
        "tender": tender, "State": State, "listed": lines, "seats": acts.seats(tender), "needed": acts.needed(tender),
        "released": acts.released(tender), "objections": acts.objections(g.db, tender), "results": RESULTS,
        "faults": FAULTS, "steps": story.hall_steps(tender), "bid": bid, "is_mine": is_mine(tender), "now_": now(),
        "is_live": tender.state in LIVE, "is_hall_open": tender.state in acts.HALL_OPEN, "OPENED": OPENED,
        "is_supervisor": g.actor is not None and g.actor.is_a(Role.SUPERVISOR),
        "reason": story.reason(tender), "unlocked": sum(line.is_unlocked for line in lines),
        "has_transcript": tender.close is not None and tender.state in evidence.TRANSCRIBED,
    }  # fmt: skip


def own_bid(tender: Tender) -> Bid:
    """The visitor's bid on the frozen list."""
    for bid in submission.versions(g.db, held(tender)):
        if bid.state in COUNTS:
            return bid
    raise NotFound(what=Bid.called)
