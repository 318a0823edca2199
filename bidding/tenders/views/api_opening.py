"""Calls for programs, second half: from the freeze to the contract."""

from typing import Any

from flask import Response, g
from pydantic import BaseModel, Field

from bidding.tenders import awards, contracts, evidence, hall, opening, submission
from bidding.tenders.bids import Bid, BidState, Objection
from bidding.tenders.models import Contract, Tender
from bidding.tenders.views.api import Reason, Strict, TenderOut, told
from bidding.tenders.views.doors import api, from_base64, mine, now, recognised, seen
from ca.rights import Role, allow, public
from storage.db import find
from storage.forms import When, Yuan
from storage.refusals import NotFound


class Key(Strict):
    kb: str = Field(max_length=64, description="the bidder's half key, 32 bytes in lower-case hex")


class UnlockOut(BaseModel):
    state: str
    receipt: dict[str, Any] | None = Field(description="signed by the platform")


class HallOut(BaseModel):
    state: str
    now: When
    deadline: When
    unlock_until: When
    release_until: When
    freeze: dict[str, Any] | None
    freeze_root: str | None
    unlock_root: str | None
    holders: list[dict[str, Any]]
    needed: int
    released: int
    lines: list[dict[str, Any]]
    objections: list[dict[str, Any]]


class CloseOut(BaseModel):
    message: str = Field(description="the bytes to sign, in hex")
    sign_from: When
    params: str
    freeze_root: str
    unlock_root: str
    bids: int
    unlocked: int


class SignatureIn(Strict):
    signature: str = Field(max_length=100_000, description="detached CMS over the message, Base64")


class Words(Strict):
    words: str = Field(min_length=1, max_length=2000)


class ObjectionOut(BaseModel):
    id: int
    words: str
    raised_at: When
    answer: str | None
    answered_at: When | None


class AwardIn(Strict):
    bid: str = Field(max_length=36)
    reason: str = Field("", max_length=500)


class CandidatesOut(BaseModel):
    state: str
    standstill_until: When | None
    candidates: list[dict[str, Any]]


class ContractOut(BaseModel):
    id: int
    state: str
    price: Yuan
    terms: dict[str, Any]
    terms_sha256: str
    sign_until: When
    buyer_signed_at: When | None
    supplier_signed_at: When | None


class KeepIn(Strict):
    bid: str = Field(max_length=36)
    reason: str = Field(min_length=1, max_length=500)


@api.get("/<int:tender_id>/hall")
@public
@api.output(HallOut)
def show_hall(tender_id: int):
    """The opening hall: what everybody sees there now."""
    tender = in_hall(tender_id)
    return {
        "state": tender.state.value, "now": now(), "deadline": tender.submission_deadline,
        "unlock_until": tender.unlock_until, "release_until": tender.release_until, "freeze": tender.freeze,
        "freeze_root": tender.freeze_root, "unlock_root": tender.unlock_root,
        "holders": [vars(seat) for seat in hall.seats(tender)], "needed": hall.needed(tender),
        "released": hall.released(tender), "lines": [_line(line) for line in hall.lines(g.db, tender)],
        "objections": [_objection(one) for one in hall.objections(g.db, tender)],
    }  # fmt: skip


@api.post("/bids/<uuid:bid_id>/unlock")
@allow(Role.BIDDER)
@api.input(Key, arg_name="body")
@api.output(UnlockOut)
def unlock(bid_id: object, body: Key):
    """Send one's half key after the deadline; checked at once."""
    bid = opening.unlock(
        g.db, submission.mine(g.db, bid_id, g.actor), body.kb, by=g.actor, key=g.platform_key
    )
    return {"state": bid.state.value, "receipt": bid.unlock_receipt}


@api.get("/<int:tender_id>/close")
@allow(Role.SUPERVISOR)
@api.output(CloseOut)
def to_close(tender_id: int):
    """What the supervisor is asked to sign, once the unlocks are fixed."""
    tender = seen(tender_id)
    if tender.unlock_root is None or tender.freeze_root is None or tender.params_hash is None:
        raise opening.NothingToClose(state=tender.STATE_NAMES[tender.state])
    lines = hall.lines(g.db, tender)
    return {
        "message": opening.close_message(tender).hex(), "sign_from": opening.close_from(g.db, tender),
        "params": tender.params_hash, "freeze_root": tender.freeze_root, "unlock_root": tender.unlock_root,
        "bids": len(lines), "unlocked": sum(line.is_unlocked for line in lines),
    }  # fmt: skip


@api.post("/<int:tender_id>/close")
@allow(Role.SUPERVISOR)
@api.input(SignatureIn, arg_name="body")
@api.output(TenderOut)
def close(tender_id: int, body: SignatureIn):
    """The supervisor's signature; the key holders are asked to release."""
    signature = from_base64(body.signature)
    return told(opening.close(g.db, seen(tender_id), signature, by=g.actor, recognised=recognised()))


@api.post("/bids/<uuid:bid_id>/confirmation")
@allow(Role.BIDDER)
@api.output(UnlockOut)
def confirm(bid_id: object):
    """Confirm what was read out for one's bid."""
    bid = hall.confirm(g.db, submission.mine(g.db, bid_id, g.actor), by=g.actor)
    return {"state": bid.state.value, "receipt": bid.unlock_receipt}


@api.post("/<int:tender_id>/objections")
@allow(Role.BIDDER)
@api.input(Words, arg_name="body")
@api.output(ObjectionOut, status_code=201)
def object_to(tender_id: int, body: Words):
    """Object on the spot."""
    return _objection(hall.object_to(g.db, seen(tender_id), body.words, by=g.actor))


@api.post("/objections/<int:objection_id>/answer")
@allow(Role.PROCURING_ENTITY)
@api.input(Words, arg_name="body")
@api.output(ObjectionOut)
def answer(objection_id: int, body: Words):
    """Answer an objection on the spot."""
    return _objection(hall.answer(g.db, find(g.db, Objection, objection_id), body.words, by=g.actor))


@api.get("/<int:tender_id>/transcript")
@public
def transcript(tender_id: int) -> Response:
    """Everything needed to open and judge the bids again, off line."""
    return Response(evidence.transcript(g.objects, in_hall(tender_id)), mimetype="application/json")


@api.get("/<int:tender_id>/candidates")
@public
@api.output(CandidatesOut)
def candidates(tender_id: int):
    """The published candidates."""
    return _candidates(seen(tender_id))


@api.post("/<int:tender_id>/candidates")
@allow(Role.PROCURING_ENTITY)
@api.output(CandidatesOut)
def publish_candidates(tender_id: int):
    """Publish the candidates; the standstill begins."""
    return _candidates(awards.publish_candidates(g.db, mine(tender_id), by=g.actor))


@api.post("/<int:tender_id>/award")
@allow(Role.PROCURING_ENTITY)
@api.input(AwardIn, arg_name="body")
@api.output(TenderOut)
def award(tender_id: int, body: AwardIn):
    """Award, after the standstill."""
    tender = mine(tender_id)
    return told(awards.award(g.db, tender, bid_of(tender, body.bid), by=g.actor, reason=body.reason))


@api.post("/<int:tender_id>/failure")
@allow(Role.PROCURING_ENTITY)
@api.input(Reason, arg_name="body")
@api.output(TenderOut)
def fail(tender_id: int, body: Reason):
    """End the tender without a winner, after the opening."""
    return told(awards.fail(g.db, mine(tender_id), body.reason, by=g.actor))


@api.post("/<int:tender_id>/contract")
@allow(Role.PROCURING_ENTITY)
@api.output(ContractOut, status_code=201)
def draw_up(tender_id: int):
    """Draw the contract up from the winning bid."""
    return _contract(contracts.draw_up(g.db, mine(tender_id), by=g.actor))


@api.get("/<int:tender_id>/contract")
@allow(Role.PROCURING_ENTITY, Role.BIDDER, Role.SUPERVISOR)
@api.output(ContractOut)
def contract(tender_id: int):
    """The contract, for its parties and the supervisor."""
    return _contract(contract_of(seen(tender_id)))


@api.post("/<int:tender_id>/contract/signature")
@allow(Role.PROCURING_ENTITY, Role.BIDDER)
@api.output(ContractOut)
def sign(tender_id: int):
    """Confirm the contract for one's own side."""
    return _contract(contracts.sign(g.db, contract_of(seen(tender_id)), by=g.actor))


@api.post("/<int:tender_id>/kept-deposits")
@allow(Role.PROCURING_ENTITY)
@api.input(KeepIn, arg_name="body")
@api.output(TenderOut)
def keep_deposit(tender_id: int, body: KeepIn):
    """Ask that a deposit be kept, with its reason of law; a second person confirms in the strongroom."""
    tender = mine(tender_id)
    contracts.keep_deposit(g.db, tender, bid_of(tender, body.bid), body.reason, by=g.actor)
    return told(tender)


def in_hall(tender_id: int) -> Tender:
    """A tender whose list is fixed; before that there is no hall."""
    tender = seen(tender_id)
    if tender.is_blind or tender.freeze is None:
        raise NotFound
    return tender


def contract_of(tender: Tender) -> Contract:
    """The tender's contract, if this visitor may see it."""
    found = contracts.of(g.db, tender)
    if found is None:
        raise NotFound(what=Contract.called)
    return contracts.seen_by(g.db, found.id, g.actor)


def bid_of(tender: Tender, bid_id: str) -> Bid:
    """A bid of this tender's frozen list."""
    for bid in opening.listed(g.db, tender, *opening.SHOWN):
        if str(bid.id) == bid_id:
            return bid
    raise awards.NotACandidate


def _line(line: hall.Line) -> dict[str, Any]:
    plain = vars(line) | {"state": line.state.value, "price": str(line.price) if line.price else None}
    plain["is_opened"] = line.state is BidState.OPENED
    return {name: value for name, value in plain.items() if value is not None}


def _objection(one: Objection) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("id", "words", "raised_at", "answer", "answered_at")}


def _candidates(tender: Tender) -> dict[str, Any]:
    public_now = tender.standstill_until is not None
    return {
        "state": tender.state.value, "standstill_until": tender.standstill_until,
        "candidates": [
            {
                "bid": str(bid.id), "place": line["place"], "bidder": bid.bidder.name,
                "credit_code": bid.bidder.credit_code, "price": str(bid.price), "score": str(line.get("score", "")),
            }
            for line, bid in (awards.candidates(g.db, tender) if public_now else [])
        ],
    }  # fmt: skip


def _contract(one: Contract) -> dict[str, Any]:
    names = (
        "id", "price", "terms", "terms_sha256", "sign_until", "buyer_signed_at", "supplier_signed_at",
    )  # fmt: skip
    return {name: getattr(one, name) for name in names} | {"state": one.state.value}


