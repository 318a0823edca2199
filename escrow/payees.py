"""Another account for a refund 退款账户变更: the party names it with evidence, two people at the centre approve it.

Refunds go to the account the money came from. Only when that one is closed or changed may the party name
another of its own; the same way a party registers its basic account 基本账户 (招标投标法实施条例 art. 26).
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca.parties import Organisation
from ca.rights import Actor, Role
from escrow import sending
from escrow.models import PayeeAccount, PayeeState
from storage import clock, journal
from storage.db import take
from storage.lifecycle import move
from storage.refusals import NotNow, NotValid, NotYours


class NotYourAccount(NotYours):
    says = "退款账户由本单位自行提出。请用本单位账号登录。"


class StaffApproves(NotYours):
    says = "退款账户由交易中心工作人员审核。"


class AnotherPersonNeeded(NotYours):
    says = "初审人不能复审。请由另一位工作人员复审。"


class NotInYourName(NotValid):
    says = "退款账户的户名必须是本单位名称“{name}”。"


class DecidedAlready(NotNow):
    says = "这个账户已经审核完毕，结果是“{state}”。"


def propose(
    db: Session, organisation_id: int, *, name: str, number: str, bank: str, evidence: str, by: Actor,
    replaces: str = "", is_basic: bool = False,
) -> PayeeAccount:  # fmt: skip
    """Name another account of one's own; the same proposal again is the same."""
    if by.organisation_id != organisation_id:
        raise NotYourAccount
    party = db.get_one(Organisation, organisation_id)
    if name.strip() != party.name:
        raise NotInYourName(name=party.name)
    facts = {"organisation_id": organisation_id, "number": number, "replaces": replaces, "is_basic": is_basic}
    open_ = select(PayeeAccount).filter_by(**facts).where(PayeeAccount.state != PayeeState.REFUSED)
    if known := db.scalar(open_):
        return known
    row = PayeeAccount(
        **facts, name=party.name, bank=bank, evidence=evidence, proposed_at=clock.database(db),
        state=PayeeState.PROPOSED,
    )  # fmt: skip
    db.add(row)
    db.flush()
    journal.record(db, row.file, "payee.proposed", by=by, is_basic=is_basic)
    return row


def approve(db: Session, row: PayeeAccount, *, by: Actor) -> PayeeAccount:
    """The first person sees it, the second, another one, approves it; then what waits for it is sent."""
    row = _open(db, row, by)
    if row.state is PayeeState.PROPOSED:
        row.first_by = by.person_id
        move(db, row, PayeeState.SEEN, by=by)
        return row
    if row.first_by == by.person_id:
        raise AnotherPersonNeeded
    row.second_by = by.person_id
    move(db, row, PayeeState.APPROVED, by=by)
    for refund in sending.dead_of(db, row.organisation_id, row.replaces) if row.replaces else ():
        sending.reorder(db, refund, by=by)
    return row


def refuse(db: Session, row: PayeeAccount, *, reason: str, by: Actor) -> PayeeAccount:
    """Either of the two may refuse it, with the reason."""
    row = _open(db, row, by)
    move(db, row, PayeeState.REFUSED, by=by, reason=reason)
    return row


def _open(db: Session, row: PayeeAccount, by: Actor) -> PayeeAccount:
    if not by.is_a(Role.CENTRE_STAFF):
        raise StaffApproves
    row = take(db, PayeeAccount, row.id)
    if row.state in (PayeeState.APPROVED, PayeeState.REFUSED):
        raise DecidedAlready(state=row.STATE_NAMES[row.state])
    return row


def waiting(db: Session) -> list[PayeeAccount]:
    """What waits for the centre's two people, oldest first."""
    open_ = PayeeAccount.state.in_([PayeeState.PROPOSED, PayeeState.SEEN])
    return list(db.scalars(select(PayeeAccount).where(open_).order_by(PayeeAccount.proposed_at)))


def of(db: Session, organisation_id: int) -> list[PayeeAccount]:
    """A party's own accounts, newest first."""
    mine = select(PayeeAccount).filter_by(organisation_id=organisation_id)
    return list(db.scalars(mine.order_by(PayeeAccount.proposed_at.desc())))
