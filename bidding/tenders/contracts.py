"""合同: drafted from the winning bid, confirmed by both sides; then the deposits go home by themselves."""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bidding.tenders import awards, notices, returning, rules
from bidding.tenders.bids import Bid
from bidding.tenders.days import calendar
from bidding.tenders.models import Contract, ContractState, State, Tender
from bidding.tenders.rules import Trigger
from ca import canonical
from ca.rights import Actor, Role
from escrow import deposits
from storage import clock, journal
from storage.db import find, take
from storage.lifecycle import move
from storage.refusals import NotFound, NotNow, NotYours


class NotAwarded(NotNow):
    says = "项目现在是“{state}”，还没有可以签订的合同。"


class NotAParty(NotYours):
    says = "合同只能由招标人和中标人确认。请用双方之一的账号登录。"


class DepositNotToKeep(NotNow):
    says = "这笔保证金现在不能不予退还。只有法定情形且尚未退还时可以办理。"


def draw_up(db: Session, tender: Tender, *, by: Actor) -> Contract:
    """A contract with price and terms exactly as in the winning bid (实施条例 第五十七条). Safe to repeat."""
    tender = notices.mine(take(db, Tender, tender.id), by)
    if known := of(db, tender):
        return known
    won = awards.winner(db, tender)
    if tender.state is not State.AWARDED or won is None or won.price is None or tender.awarded_at is None:
        raise NotAwarded(state=tender.STATE_NAMES[tender.state])
    terms = _terms(tender, won)
    contract = Contract(
        tender_id=tender.id, bid_id=str(won.id), supplier_id=won.bidder_id, price=won.price, terms=terms,
        terms_sha256=hashlib.sha256(canonical.encode(terms)).hexdigest(),
        sign_until=rules.last(tender.rules["award_to_contract"], tender.awarded_at, calendar(db)),
    )  # fmt: skip
    contract.state = ContractState.DRAFT
    db.add(contract)
    db.flush()
    journal.record(db, tender.file, "tender_contract.draft", by=by, terms=contract.terms_sha256)
    return contract


def of(db: Session, tender: Tender) -> Contract | None:
    """The tender's contract, once drawn up."""
    return db.scalar(select(Contract).filter_by(tender_id=tender.id, bid_id=tender.winner_bid))


def seen_by(db: Session, contract_id: int, by: Actor) -> Contract:
    """The contract, if the actor is one of its parties or supervises; to others it is not even there."""
    contract = find(db, Contract, contract_id)
    if _side(contract, by) is None and not by.is_a(Role.SUPERVISOR):
        raise NotFound(what=Contract.called)
    return contract


def sign(db: Session, contract: Contract, *, by: Actor) -> Contract:
    """One side confirms; when both have, the tender is contracted and deposits go home. Safe to repeat."""
    tender = take(db, Tender, contract.tender_id)
    contract = take(db, Contract, contract.id)
    side = _side(contract, by)
    if side is None:
        raise NotAParty
    if getattr(contract, f"{side}_signed_at") is not None:
        return contract
    journal.record(db, tender.file, f"tender_contract.{side}_signed", by=by, terms=contract.terms_sha256)
    now = clock.database(db)
    setattr(contract, f"{side}_signed_by", by.person_id)
    setattr(contract, f"{side}_signed_at", now)
    if contract.buyer_signed_at and contract.supplier_signed_at:
        move(db, contract, ContractState.SIGNED, by=by, terms=contract.terms_sha256, price=str(contract.price))
        move(db, tender, State.CONTRACTED, by=by, supplier=contract.supplier.credit_code, price=str(contract.price))
        _send_home(db, tender, contract)
    return contract


def keep_deposit(db: Session, tender: Tender, bid: Bid, reason: str, *, by: Actor) -> None:
    """不予退还: of a bid revoked by its bidder's fault, or of a winner that refuses to sign; needs its reason.

    (办法 第三十一条, 实施条例 第七十四条.) It stands before the deposits go home; escrow asks a second person.
    """
    tender = notices.mine(take(db, Tender, tender.id), by)
    at_fault = bid.state is bid.state.REVOKED_BIDDER_FAULT
    refused = tender.state is State.AWARDED and tender.winner_bid == str(bid.id)
    gone = tender.state in (State.CONTRACTED, State.FAILED, State.CANCELLED)
    if bid.tender_id != tender.id or gone or not (at_fault or refused):
        raise DepositNotToKeep
    reason = notices.reason_given(reason)
    journal.record(db, tender.file, awards.KEPT, by=by, organisation=bid.bidder_id, reason=reason)
    deposits.forfeit(db, bid.lot.reference, bid.bidder_id, reason=reason, by=by)


def _send_home(db: Session, tender: Tender, contract: Contract) -> None:
    """Losers' and winner's deposits, each when the profile says that the contract is its trigger."""
    home: Sequence[int] = []
    if tender.rules.losers_refunded_on is Trigger.CONTRACT:
        home = [*home, *awards.losers(db, tender)]
    if tender.rules.winner_refunded_on is Trigger.CONTRACT:
        home = [*home, contract.supplier_id]
    returning.release_of(db, tender, home, reason="contract")


def _side(contract: Contract, by: Actor) -> str | None:
    """Which party the actor stands for."""
    if by.organisation_id == contract.tender.procuring_entity_id and by.is_a(Role.PROCURING_ENTITY):
        return "buyer"
    if by.organisation_id == contract.supplier_id and by.is_a(Role.BIDDER):
        return "supplier"
    return None


def _terms(tender: Tender, won: Bid) -> dict[str, Any]:
    """What is agreed, taken from the documents and the bid and from nowhere else."""
    return {
        "tender": tender.number, "name": tender.name, "lot": str(won.lot.number),
        "buyer": {"name": tender.procuring_entity.name, "credit_code": tender.procuring_entity.credit_code},
        "supplier": {"name": won.bidder.name, "credit_code": won.bidder.credit_code},
        "price": str(won.price), "bid": won.digest, "form": won.form or {},
        "documents": [[document.name, document.sha256] for document in tender.documents],
    }  # fmt: skip
