"""Who may look at what 查阅: a party at its own at any time, the centre and supervisors after the opening.

Everything a page or an API call of this room shows is read here, so that the rule of blindness stands once.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.orm import Session, joinedload

from ca.parties import Organisation, Person
from ca.rights import Actor, Role
from escrow.models import Deposit, DepositState, Receipt, Refund, RefundState, Standing
from storage import journal
from storage.refusals import NotFound
from storage.values import Money

WATCHERS = (Role.CENTRE_STAFF, Role.SUPERVISOR)


def see(db: Session, deposit_id: uuid.UUID, by: Actor) -> Deposit:
    """A deposit this person may see; any other is not there."""
    deposit = db.get(Deposit, deposit_id)
    if deposit is None:
        raise NotFound
    own = by.organisation_id == deposit.organisation_id and by.is_a(Role.BIDDER, Role.INTERMEDIARY)
    if own or (deposit.opened_at is not None and by.is_a(*WATCHERS)):
        return deposit
    raise NotFound


def own(db: Session, by: Actor) -> list[Deposit]:
    """A party's own deposits, newest first."""
    if by.organisation_id is None:
        return []
    mine = select(Deposit).filter_by(organisation_id=by.organisation_id).order_by(Deposit.expected_at.desc())
    return list(db.scalars(mine))


@dataclass(frozen=True)
class Opened:
    """A reference whose opening has made its deposits known."""

    reference: str
    title: str
    opened_at: datetime
    count: int
    amount: Money
    waiting: int  # deposits held or on their way


def opened(db: Session) -> list[Opened]:
    """Every opened reference, newest first."""
    done = (DepositState.REFUNDED, DepositState.FORFEITED, DepositState.LAPSED)
    rows: Any = db.execute(
        select(
            Deposit.reference, func.min(Deposit.title), func.max(Deposit.opened_at), func.count(),
            cast(func.sum(Deposit.received), BigInteger), func.count().filter(Deposit.state.not_in(done)),
        )
        .where(Deposit.opened_at.is_not(None)).group_by(Deposit.reference).order_by(func.max(Deposit.opened_at).desc())
        .limit(500)
    )  # fmt: skip
    return [
        Opened(reference, title, at, count, Money(amount), waiting)
        for reference, title, at, count, amount, waiting in rows
    ]


def name_of(db: Session, deposit: Deposit) -> str:
    """Who pays this deposit."""
    return db.get_one(Organisation, deposit.organisation_id).name


def refunds_of(db: Session, deposit: Deposit) -> list[Refund]:
    """All refunds of a deposit, first to last."""
    mine = (
        select(Refund).join(Receipt, Receipt.id == Refund.receipt_id)
        .where(Receipt.deposit_id == deposit.id, Receipt.standing == Standing.MATCHED)
        .order_by(Refund.ordered_at, Refund.number).options(joinedload(Refund.receipt))
    )  # fmt: skip
    return list(db.scalars(mine))


@dataclass(frozen=True)
class Trouble:
    """A refund that the bank rejected or sent back and that nobody has ordered again.

    What belongs to a reference that is not opened is not there: its party sends it again itself.
    """

    refund: Refund
    deposit: Deposit | None
    party: str | None
    amount: Money | None


def troubles(db: Session) -> list[Trouble]:
    """What waits for somebody of the centre: the newest refund of a receipt is dead."""
    newest = select(Refund.receipt_id, func.max(Refund.number).label("number")).group_by(Refund.receipt_id).subquery()
    dead = (
        select(Refund)
        .join(newest, (newest.c.receipt_id == Refund.receipt_id) & (newest.c.number == Refund.number))
        .where(Refund.state.in_([RefundState.REJECTED, RefundState.RETURNED])).order_by(Refund.ordered_at)
        .options(joinedload(Refund.receipt).joinedload(Receipt.deposit))
    )  # fmt: skip
    return [told for refund in db.scalars(dead) if (told := _trouble(db, refund)) is not None]


def _trouble(db: Session, refund: Refund) -> Trouble | None:
    deposit = refund.receipt.deposit
    if refund.receipt.standing is Standing.UNKNOWN or deposit is None:
        return Trouble(refund, None, None, refund.amount)
    if deposit.opened_at is None:
        return None
    return Trouble(refund, deposit, name_of(db, deposit), refund.amount)


def suspense(db: Session) -> list[Receipt]:
    """Money that belongs to no deposit and names no account to go back to: somebody must ask the bank."""
    stuck = (
        select(Receipt).outerjoin(Refund, Refund.receipt_id == Receipt.id)
        .where(Receipt.standing != Standing.MATCHED, Refund.id.is_(None)).order_by(Receipt.booked_at)
    )  # fmt: skip
    return list(db.scalars(stuck))


@dataclass(frozen=True)
class Happened:
    """One line of a deposit's story."""

    at: datetime
    title: str
    who: str
    note: str
    hash: str
    facts: dict[str, object]


TITLES = {
    "deposit.expected": "生成缴款子账号",
    "deposit.credited": "收到款项 {amount} 元",
    "deposit.received": "保证金已足额到账",
    "deposit.held": "开标，保证金冻结",
    "deposit.refund_ordered": "下达退还指令",
    "deposit.refunding": "退款已送银行",
    "deposit.refunded": "保证金已退还",
    "deposit.returned": "退款被银行拒绝或退回",
    "deposit.forfeit_pending": "提出不予退还",
    "deposit.forfeited": "确认不予退还",
    "deposit.lapsed": "未缴纳，已关闭",
    "deposit.frozen": "按处理决定冻结",
    "deposit.freed": "解除冻结",
    "guarantee.confirmed": "保函已核验",
    "guarantee.refused": "保函核验未通过",
    "guarantee.claimed": "向保函开立机构索赔",
    "guarantee.given_back": "保函已解除",
    "refund.ordered": "退款 {amount} 元（含利息 {interest} 元）",
    "refund.sent": "付款文件已送银行",
    "refund.unclear": "银行没有回音，正在查询",
    "refund.accepted": "银行已受理",
    "refund.settled": "银行已付出",
    "refund.rejected": "银行拒绝：{bank_reason}",
    "refund.returned": "款项被退回：{bank_reason}",
    "refund.return_told": "银行通知退回原因：{bank_reason}",
}


# What a deposit's refunds tell in more detail themselves.
TOLD_BY_REFUNDS = frozenset({"deposit.refund_ordered", "deposit.refunding", "deposit.returned"})
_NOTHING: dict[str, object] = {"amount": "", "interest": "0.00", "bank_reason": ""}


def story(db: Session, deposit: Deposit) -> list[Happened]:
    """Everything that happened to a deposit and its refunds, first to last."""
    refunds = refunds_of(db, deposit)
    files = [deposit.file, *(refund.file for refund in refunds)]
    twice = TOLD_BY_REFUNDS if refunds else frozenset()
    found = [entry for file in files for entry in journal.entries(db, file) if entry.act not in twice]
    people = {entry.by for entry in found if entry.by is not None}
    rows = db.execute(select(Person.id, Person.name).where(Person.id.in_(people)))
    names = {person: name for person, name in rows}
    return [
        Happened(
            at=entry.at, title=TITLES.get(entry.act, entry.act), who=names.get(entry.by, "") if entry.by else "",
            note=str(entry.facts.get("reason") or entry.facts.get("decision") or ""), hash=entry.hash,
            facts=_NOTHING | {key: _shown(key, value) for key, value in entry.facts.items()},
        )
        for entry in sorted(found, key=lambda entry: (entry.at, entry.id))
    ]  # fmt: skip


def _shown(key: str, value: object) -> object:
    """Amounts in yuan, as people write them."""
    if key not in ("amount", "interest") or not isinstance(value, int):
        return value
    whole, fen = divmod(value, 100)
    return f"{whole:,}.{fen:02d}"
