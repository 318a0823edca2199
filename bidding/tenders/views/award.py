"""Pages after the evaluation: candidates, award, contract, deposits kept."""

from flask import g, redirect, render_template, request, url_for
from pydantic import BaseModel, Field

from bidding.tenders import awards, contracts
from bidding.tenders.bids import BidState
from bidding.tenders.models import State
from bidding.tenders.opening import listed
from bidding.tenders.views import story
from bidding.tenders.views.api_opening import bid_of, contract_of
from bidding.tenders.views.doors import mine, now, pages, seen, shown
from ca.rights import Role, allow
from storage import forms


class AwardForm(BaseModel):
    bid: str = Field(min_length=1, max_length=36)
    reason: str = Field("", max_length=500)


class KeepForm(BaseModel):
    bid: str = Field(min_length=1, max_length=36)
    reason: str = Field(min_length=1, max_length=500)


@pages.get("/<int:tender_id>/candidates")
@allow(Role.PROCURING_ENTITY)
def candidates(tender_id: int):
    """The panel's ranking, to be published."""
    tender = mine(tender_id)
    ranked = awards.candidates(g.db, tender) if tender.ranking is not None else []
    return render_template("tenders/candidates.html", tender=tender, ranked=ranked, State=State)


@pages.post("/<int:tender_id>/candidates")
@allow(Role.PROCURING_ENTITY)
def publish_candidates(tender_id: int):
    return shown(awards.publish_candidates(g.db, mine(tender_id), by=g.actor))


@pages.get("/<int:tender_id>/award")
@allow(Role.PROCURING_ENTITY)
def awarding(tender_id: int):
    """Award after the standstill."""
    tender = mine(tender_id)
    return render_template(
        "tenders/award.html", tender=tender, candidates=story.candidates(g.db, tender), State=State, now_=now(),
        law=awards.FIRST_WINS,
    )  # fmt: skip


@pages.post("/<int:tender_id>/award")
@allow(Role.PROCURING_ENTITY)
def award(tender_id: int):
    form, tender = forms.read(AwardForm, request.form), mine(tender_id)
    awards.award(g.db, tender, bid_of(tender, form.bid), by=g.actor, reason=form.reason)
    contracts.draw_up(g.db, tender, by=g.actor)
    return redirect(url_for(".contract", tender_id=tender.id), code=303)


@pages.get("/<int:tender_id>/contract")
@allow(Role.PROCURING_ENTITY, Role.BIDDER, Role.SUPERVISOR)
def contract(tender_id: int):
    """The contract, for its parties and the supervisor."""
    tender = seen(tender_id)
    found = contract_of(tender)
    is_buyer = g.actor.is_a(Role.PROCURING_ENTITY) and g.actor.organisation_id == tender.procuring_entity_id
    is_supplier = g.actor.is_a(Role.BIDDER) and g.actor.organisation_id == found.supplier_id
    waits = (is_buyer and not found.buyer_signed_at) or (is_supplier and not found.supplier_signed_at)
    return render_template("tenders/contract.html", tender=tender, contract=found, waits=waits)


@pages.post("/<int:tender_id>/contract")
@allow(Role.PROCURING_ENTITY, Role.BIDDER)
def sign(tender_id: int):
    contracts.sign(g.db, contract_of(seen(tender_id)), by=g.actor)
    return redirect(url_for(".contract", tender_id=tender_id), code=303)


@pages.get("/<int:tender_id>/failure")
@allow(Role.PROCURING_ENTITY)
def failing(tender_id: int):
    """End the tender without a winner."""
    return render_template("tenders/failure.html", tender=mine(tender_id))


@pages.post("/<int:tender_id>/failure")
@allow(Role.PROCURING_ENTITY)
def fail(tender_id: int):
    reason = request.form.get("reason", "")
    return shown(awards.fail(g.db, mine(tender_id), reason, by=g.actor))


@pages.get("/<int:tender_id>/kept-deposits")
@allow(Role.PROCURING_ENTITY)
def keeping(tender_id: int):
    """Keep a deposit, for a reason of law."""
    tender = mine(tender_id)
    at_fault = listed(g.db, tender, BidState.REVOKED_BIDDER_FAULT) if not tender.is_blind else []
    won = awards.winner(g.db, tender)
    choices = [*at_fault, *([won] if won is not None and tender.state is State.AWARDED else [])]
    return render_template("tenders/kept_deposits.html", tender=tender, choices=choices)


@pages.post("/<int:tender_id>/kept-deposits")
@allow(Role.PROCURING_ENTITY)
def keep(tender_id: int):
    form, tender = forms.read(KeepForm, request.form), mine(tender_id)
    contracts.keep_deposit(g.db, tender, bid_of(tender, form.bid), form.reason, by=g.actor)
    return shown(tender)
