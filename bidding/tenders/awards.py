"""定标: the panel's ranking comes in, candidates are published, objected to in their time, and one is awarded.

Awarding is the procuring entity's own act. The first ranked must win unless a stated reason of law stands
against it (实施条例 第五十五条).
"""

import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bidding.tenders import notices, returning, rules
from bidding.tenders.bids import COUNTS, Bid, BidState
from bidding.tenders.days import calendar
from bidding.tenders.models import State, Tender
from bidding.tenders.rules import Trigger
from ca.rights import Actor, Role
from storage import clock, journal
from storage.db import take
from storage.lifecycle import move
from storage.refusals import NotNow, NotValid, NotYours


class NotFromThePanel(NotYours):
    says = "评标结果由评标委员会提交。"


class AlreadyRanked(NotNow):
    says = "评标结果已经提交，不能更改。"


class NotARanking(NotValid):
    says = "评标结果不完整：{reason}。请评标委员会核对后重新提交。"


class NothingToPublish(NotNow):
    says = "项目现在是“{state}”，还不能公示中标候选人。"


class StillStandstill(NotNow):
    says = "公示期到 {until:%Y-%m-%d %H:%M:%S}（北京时间）为止，不符合{source}，现在还不能定标。"


class NotACandidate(NotValid):
    says = "所选投标人不是公示的中标候选人。请从候选人中选择。"


class FirstMustWin(NotValid):
    says = "应当确定排名第一的候选人为中标人（{source}）。确定其他候选人须写明法定理由。"


class NothingToAward(NotNow):
    says = "项目现在是“{state}”，还不能定标。"


class CannotCancel(NotNow):
    says = "项目现在是“{state}”，不能终止招标。"


FIRST_WINS = "《招标投标法实施条例》第五十五条"


def receive_ranking(
    db: Session, tender: Tender, ranking: list[dict[str, Any]], report: dict[str, Any], *, by: Actor
) -> Tender:  # fmt: skip
    """The evaluation's result, once and for all.

    ranking: [{"bid_id", "place", "score", …}], every opened bid that was not rejected, from place 1 on;
    score is a decimal string. report: facts of the signed report (its digest, who signed, rejected bids).
    Safe to repeat with the same result.
    """
    tender = take(db, Tender, tender.id)
    if by.person_id is not None and not by.is_a(Role.EXPERT, Role.CENTRE_STAFF):
        raise NotFromThePanel
    plain = json.loads(json.dumps(ranking, default=str))
    if tender.ranking is not None:
        if (tender.ranking, tender.report) != (plain, json.loads(json.dumps(report, default=str))):
            raise AlreadyRanked
        return tender
    if tender.state is not State.OPENED:
        raise NothingToPublish(state=tender.STATE_NAMES[tender.state])
    _check_ranking(db, tender, plain)
    tender.ranking, tender.report = plain, json.loads(json.dumps(report, default=str))
    tender.reported_at = clock.database(db)
    digest = hashlib.sha256(json.dumps([plain, tender.report], sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    move(db, tender, State.EVALUATED, by=by, ranking=_places(plain), result=digest)
    return tender


def candidates(db: Session, tender: Tender) -> list[tuple[dict[str, Any], Bid]]:
    """The candidates in their order, at most as many as the law allows, each with its bid."""
    most = tender.rules["most_candidates"].value
    ranked = sorted(tender.ranking or [], key=lambda line: line["place"])[:most]
    bids = {str(bid.id): bid for bid in db.scalars(select(Bid).filter_by(tender_id=tender.id))}
    return [(line, bids[str(line["bid_id"])]) for line in ranked]


def publish_candidates(db: Session, tender: Tender, *, by: Actor) -> Tender:
    """公示中标候选人: the standstill begins. Safe to repeat."""
    tender = notices.mine(take(db, Tender, tender.id), by)
    if tender.state is State.STANDSTILL:
        return tender
    if tender.state is not State.EVALUATED:
        raise NothingToPublish(state=tender.STATE_NAMES[tender.state])
    if not tender.ranking:
        return fail(db, tender, "评标委员会否决了全部投标", by=by)
    now = clock.database(db)
    tender.standstill_until = rules.last(tender.rules["standstill"], now, calendar(db))
    listed = [
        {"place": line["place"], "bidder": bid.bidder.credit_code, "name": bid.bidder.name, "price": str(bid.price)}
        | ({"score": str(line["score"])} if "score" in line else {})
        for line, bid in candidates(db, tender)
    ]
    move(db, tender, State.STANDSTILL, by=by, until=tender.standstill_until, candidates=listed)
    return tender


def due_to_announce(db: Session) -> Sequence[int]:
    """Tenders whose standstill ended and was not told yet."""
    told = select(journal.Entry.id).where(
        journal.Entry.act == "tender.standstill_over", journal.Entry.file == func.concat("tender/", Tender.id)
    )
    return db.scalars(
        select(Tender.id)
        .filter_by(state=State.STANDSTILL)
        .where(Tender.standstill_until <= func.gh_clock(), ~told.exists())
    ).all()


def announce_standstill_over(db: Session, tender_id: int, *, by: Actor) -> Tender:
    """公示期满: the procuring entity may award now; the journal says so once."""
    tender = take(db, Tender, tender_id)
    if tender.id in due_to_announce(db):
        journal.record(db, tender.file, "tender.standstill_over", by=by, until=tender.standstill_until)
    return tender


def award(db: Session, tender: Tender, bid: Bid, *, by: Actor, reason: str = "") -> Tender:
    """定标, after the standstill. Another than the first ranked needs its reason. Safe to repeat."""
    tender = notices.mine(take(db, Tender, tender.id), by)
    if tender.state is State.AWARDED and tender.winner_bid == str(bid.id):
        return tender
    if tender.state is not State.STANDSTILL or tender.standstill_until is None:
        raise NothingToAward(state=tender.STATE_NAMES[tender.state])
    if clock.database(db) < tender.standstill_until:
        until = rules.beijing(tender.standstill_until)
        raise StillStandstill(until=until, source=tender.rules["standstill"].source)
    places = {str(other.id): line["place"] for line, other in candidates(db, tender)}
    if str(bid.id) not in places:
        raise NotACandidate
    if places[str(bid.id)] != 1 and not reason.strip():
        raise FirstMustWin(source=FIRST_WINS)
    tender.winner_bid, tender.awarded_at = str(bid.id), clock.database(db)
    tender.reason = notices.reason_given(reason) if reason.strip() else None
    facts = {"bid": str(bid.id), "bidder": bid.bidder.credit_code, "name": bid.bidder.name, "price": str(bid.price)}
    move(db, tender, State.AWARDED, by=by, **facts, **({"reason": tender.reason} if tender.reason else {}))
    if tender.rules.losers_refunded_on is Trigger.AWARD:
        returning.release_of(db, tender, losers(db, tender), reason="award")
    return tender


def winner(db: Session, tender: Tender) -> Bid | None:
    """The winning bid, once there is one."""
    return db.get(Bid, tender.winner_bid) if tender.winner_bid else None


def losers(db: Session, tender: Tender) -> list[int]:
    """The organisations on the frozen list that did not win and whose deposit is not kept."""
    kept = {entry.facts["organisation"] for entry in journal.entries(db, tender.file) if entry.act == KEPT}
    won = winner(db, tender)
    bids = db.scalars(select(Bid).where(Bid.tender_id == tender.id, Bid.state.in_(COUNTS))).all()
    return sorted({bid.bidder_id for bid in bids} - kept - {won.bidder_id if won else 0})


KEPT = "tender.deposit_kept"


def fail(db: Session, tender: Tender, reason: str, *, by: Actor) -> Tender:
    """流标: the tender ends without a winner, and every deposit goes home."""
    tender = notices.mine(take(db, Tender, tender.id), by)
    if State.FAILED not in tender.MOVES[tender.state] or tender.is_blind:
        raise CannotCancel(state=tender.STATE_NAMES[tender.state])
    return _end(db, tender, State.FAILED, reason, by)


def cancel(db: Session, tender: Tender, reason: str, *, by: Actor) -> Tender:
    """终止招标: called off by the procuring entity; bids go back unopened, deposits home. Safe to repeat."""
    tender = notices.mine(take(db, Tender, tender.id), by)
    if tender.state is State.CANCELLED:
        return tender
    if State.CANCELLED not in tender.MOVES[tender.state]:
        raise CannotCancel(state=tender.STATE_NAMES[tender.state])
    return _end(db, tender, State.CANCELLED, reason, by)


def _end(db: Session, tender: Tender, to: State, reason: str, by: Actor) -> Tender:
    tender.reason = notices.reason_given(reason)
    unopened = {state for state in BidState if BidState.RETURNED in Bid.MOVES[state]}
    bids = db.scalars(select(Bid).where(Bid.tender_id == tender.id, Bid.state.in_(unopened))).all()
    returning.return_bids(db, bids)
    returning.cancel_opening(db, tender)
    if tender.published_at is not None:
        returning.release_all(db, tender, reason=to.value)
    move(db, tender, to, by=by, reason=tender.reason)
    return tender


def _places(ranking: list[dict[str, Any]]) -> list[list[Any]]:
    return [[line["place"], str(line["bid_id"])] for line in ranking]


def _check_ranking(db: Session, tender: Tender, ranking: list[dict[str, Any]]) -> None:
    opened = {str(bid.id) for bid in db.scalars(select(Bid).filter_by(tender_id=tender.id, state=BidState.OPENED))}
    ids = [str(line.get("bid_id")) for line in ranking]
    if len(set(ids)) != len(ids) or not set(ids) <= opened:
        raise NotARanking(reason="只能排列已开启的投标文件，每份一次")
    if sorted(line.get("place", 0) for line in ranking) != list(range(1, len(ranking) + 1)):
        raise NotARanking(reason="名次须从 1 起连续排列")
    for line in ranking:
        try:
            Decimal(str(line.get("score", "0")))
        except InvalidOperation:
            raise NotARanking(reason="得分不是数") from None
