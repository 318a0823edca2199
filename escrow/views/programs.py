"""The same for programs: deposits as JSON."""

import uuid
from datetime import datetime

from flask import g
from pydantic import BaseModel, ConfigDict, Field

from ca.rights import Role, allow
from escrow import deposits, looking, reconciliation
from escrow.banks import polling, reach
from escrow.models import Deposit
from escrow.views import api
from storage.refusals import NotFound


class RefundOut(BaseModel):
    """One refund."""

    id: uuid.UUID
    number: int
    principal: str = Field(description="yuan")
    interest: str = Field(description="yuan")
    state: str
    bank_reason: str | None
    end_to_end_id: str
    ordered_at: datetime
    settled_at: datetime | None


class DepositOut(BaseModel):
    """One deposit, as its party sees it, or after the opening the centre."""

    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    reference: str
    title: str
    party: str
    amount: str = Field(description="yuan")
    received: str = Field(description="yuan")
    missing: str = Field(description="yuan")
    sub_account: str = Field(description="number to pay to")
    state: str
    state_name: str
    is_frozen: bool
    expected_at: datetime
    received_at: datetime | None
    refunds: list[RefundOut]


class DepositList(BaseModel):
    deposits: list[DepositOut]


class Difference(BaseModel):
    key: str
    kind: str
    fen: int
    about: str


class Compared(BaseModel):
    id: int
    bank: str
    day: str
    at: datetime
    agrees: bool
    differences: list[Difference]


class ComparedList(BaseModel):
    reconciliations: list[Compared]


@api.get("")
@allow(Role.BIDDER, Role.INTERMEDIARY)
@api.output(DepositList)
def own():
    """My organisation's deposits."""
    return {"deposits": [_told(one) for one in looking.own(g.db, g.actor)]}


@api.get("/<uuid:deposit_id>")
@allow(Role.BIDDER, Role.INTERMEDIARY, Role.CENTRE_STAFF, Role.SUPERVISOR)
@api.output(DepositOut)
def one(deposit_id: uuid.UUID):
    """One deposit: one's own at any time, any after its opening for centre and supervisors."""
    return _told(looking.see(g.db, deposit_id, g.actor))


@api.get("/of/<path:reference>")
@allow(Role.CENTRE_STAFF, Role.SUPERVISOR)
@api.output(DepositList)
def of(reference: str):
    """The deposits of an opened reference; not there before its opening."""
    found = deposits.of(g.db, reference)
    if not found:
        raise NotFound
    return {"deposits": [_told(one) for one in found]}


@api.get("/reconciliation")
@allow(Role.CENTRE_STAFF, Role.SUPERVISOR)
@api.output(ComparedList)
def compared():
    """The newest comparison of each bank account."""
    return _compared()


def _compared() -> dict[str, object]:
    return {
        "reconciliations": [
            {
                "id": row.id, "bank": row.bank, "day": row.day.isoformat(), "at": row.at, "agrees": row.agrees,
                "differences": row.differences,
            }
            for row in reconciliation.latest(g.db)
        ]
    }  # fmt: skip


@api.post("/reconciliation")
@allow(Role.CENTRE_STAFF)
@api.output(ComparedList, status_code=202)
def compare_now():
    """Ask the banks for the day so far, to compare; the answer is the newest comparison until then."""
    for bank in reach.banks(g.db):
        polling.ask_now(g.db, bank.name)
    return _compared()


def _told(deposit: Deposit) -> dict[str, object]:
    return {
        "id": deposit.id, "reference": deposit.reference, "title": deposit.title,
        "party": looking.name_of(g.db, deposit), "amount": str(deposit.amount), "received": str(deposit.received),
        "missing": str(deposit.missing), "sub_account": deposit.sub_account, "state": deposit.state.value,
        "state_name": deposit.STATE_NAMES[deposit.state], "is_frozen": deposit.frozen_by is not None,
        "expected_at": deposit.expected_at, "received_at": deposit.received_at,
        "refunds": [
            {
                "id": refund.id, "number": refund.number, "principal": str(refund.principal),
                "interest": str(refund.interest), "state": refund.state.value, "bank_reason": refund.bank_reason,
                "end_to_end_id": refund.end_to_end_id, "ordered_at": refund.ordered_at,
                "settled_at": refund.settled_at,
            }
            for refund in looking.refunds_of(g.db, deposit)
        ],
    }  # fmt: skip
