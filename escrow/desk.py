"""What the strongroom lays on a desk: a deposit to pay, money on its way; for the centre what waits for a person."""

from datetime import timedelta

from sqlalchemy.orm import Session

from ca.desk import Lying, Pile
from ca.rights import Actor, Role
from escrow import looking, payees, reconciliation
from escrow.models import Deposit, DepositState
from storage import clock

TO_PAY = "“{title}”的保证金 {amount} 元尚未到账"
CAME_BACK = "“{title}”的退款没有成功，请另报账户"
ARRIVED = "“{title}”的保证金已到账"
HOME = "“{title}”的保证金已退还"
RETURNED = "有 {count} 笔退款被银行拒绝或退回"
ACCOUNTS = "有 {count} 个退款账户等待审核"
DIFFERS = "账户 {account} 对账有 {count} 处差异，自动退款已停止"
PAY, LOOK, MEND = "查看缴款账号", "查看", "处理"
SENTENCES = (TO_PAY, CAME_BACK, ARRIVED, HOME, RETURNED, ACCOUNTS, DIFFERS, PAY, LOOK, MEND)
RECENTLY = timedelta(days=7)

_PARTY = {
    DepositState.EXPECTED: (Pile.NOW, TO_PAY, PAY),
    DepositState.RETURNED: (Pile.NOW, CAME_BACK, MEND),
    DepositState.RECEIVED: (Pile.CHANGED, ARRIVED, LOOK),
    DepositState.REFUNDED: (Pile.CHANGED, HOME, LOOK),
}


def desk(db: Session, actor: Actor) -> list[Lying]:
    """What lies before this person."""
    found = [_of_party(one) for one in looking.own(db, actor) if one.state in _PARTY and _is_fresh(one)]
    if actor.is_a(Role.CENTRE_STAFF):
        found += _of_centre(db)
    return found


def _is_fresh(deposit: Deposit) -> bool:
    return _PARTY[deposit.state][0] is Pile.NOW or deposit.expected_at > clock.now() - 20 * RECENTLY


def _of_party(deposit: Deposit) -> Lying:
    pile, says, act = _PARTY[deposit.state]
    facts = {"title": deposit.title, "amount": str(deposit.missing)}
    return Lying(
        pile, says, "deposits.show", {"deposit_id": deposit.id}, facts, act=act,
        at=deposit.received_at if pile is Pile.CHANGED else None,
    )  # fmt: skip


def _of_centre(db: Session) -> list[Lying]:
    found = []
    if troubles := looking.troubles(db):
        found.append(Lying(Pile.NOW, RETURNED, "deposits.refunds", facts={"count": len(troubles)}, act=MEND))
    if accounts := payees.waiting(db):
        found.append(Lying(Pile.NOW, ACCOUNTS, "deposits.accounts", facts={"count": len(accounts)}, act=MEND))
    for row in reconciliation.latest(db):
        if not row.agrees:
            facts = {"account": row.account, "count": len(row.differences)}
            found.append(Lying(Pile.NOW, DIFFERS, "deposits.differences", {"row_id": row.id}, facts, act=MEND))
    return found
