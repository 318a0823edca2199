"""评标报告 The report: compiled from what was handed in, signed by every member, handed to the buyer once.

The sheet inside is the recomputation bundle: anybody repeats the result from it with `evaluation.methods`.
"""

import hashlib
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from bidding.tenders import awards
from ca import canonical
from ca.rights import SYSTEM, Actor
from ca.tagged import H
from evaluation import scores
from evaluation.methods import recompute
from evaluation.models import Report, ReportSignature, Score, Session, State
from evaluation.sessions import NotTheLeader, running_member
from storage import clock, journal
from storage.lifecycle import move
from storage.refusals import NotNow, NotYours


class NotEverybodyHandedIn(NotNow):
    says = "还有评委没有提交评分。全部提交后组长才能汇总。"


class ChangesWaiting(NotNow):
    says = "还有 {count} 项评分修改申请没有处理。处理完才能汇总。"


class NotComputable(NotNow):
    says = "现在还不能汇总：没有可用报价的投标文件须先否决，各项评分须完整。请评标委员会核对后再汇总。"


class NoReport(NotNow):
    says = "评标报告还没有汇总。请等组长汇总后再签字。"


class NotSigner(NotYours):
    says = "只有本次评标会的评委可以签字。"


class Signs(Protocol):
    """The platform's key."""

    def sign(self, message: bytes) -> bytes: ...


def sheet_of(db: Db, session: Session, bids: list[Any]) -> dict[str, Any]:
    """Everything the method needs, as plain data; members are `member-N`, bids their ids."""
    names = {seat.id: seat.name for seat in session.members}
    ids = {bid.bid_id for bid in bids}
    refused = {str(bid): reason for bid, reason in scores.rejected(db, session, ids).items()}
    kept = [str(bid.bid_id) for bid in bids if str(bid.bid_id) not in refused]
    given: dict[str, dict[str, dict[str, str]]] = {bid_id: {} for bid_id in kept}
    rows = db.scalars(select(Score).where(Score.seat_id.in_(names)))
    for row in rows:
        if str(row.bid_id) in given:
            given[str(row.bid_id)].setdefault(names[row.seat_id], {})[row.criterion] = row.value
    evaluation = session.tender.evaluation
    return {
        "method": session.tender.method,
        "version": 1,
        "tender": session.tender.number,
        "parameters": evaluation["parameters"],
        "criteria": evaluation.get("criteria", []),
        "members": [seat.name for seat in session.members],
        "bids": [
            {"id": str(bid.bid_id), "price": str(bid.price), "deduction": str(getattr(bid, "deduction", "0"))}
            for bid in sorted(bids, key=lambda bid: str(bid.bid_id))
        ],
        "rejected": refused,
        "scores": given,
        "drawn": {},
    }


def compile_(db: Db, session: Session, *, bids: list[Any], by: Actor) -> Report:
    """汇总: the leader lets the result be computed; from here on nothing can be changed. Safe to repeat."""
    known = db.scalar(select(Report).filter_by(session_id=session.id))
    if known:
        return known
    session, seat = running_member(db, session, by)
    if not seat.is_leader:
        raise NotTheLeader
    if not scores.all_handed_in(session):
        raise NotEverybodyHandedIn
    waiting = db.query(scores.Change).filter_by(session_id=session.id, state=scores.ChangeState.ASKED).count()
    if waiting:
        raise ChangesWaiting(count=waiting)
    sheet = sheet_of(db, session, bids)
    try:
        result = recompute(sheet)
    except ValueError as wrong:
        raise NotComputable from wrong
    report = Report(
        session_id=session.id, sheet=sheet, result=result, sha256=digest(sheet, result), compiled_at=clock.database(db)
    )
    db.add(report)
    db.flush()
    move(db, session, State.SIGNING, by=None, report=report.sha256, seat=seat.name)
    return report


def digest(sheet: dict[str, Any], result: dict[str, Any]) -> str:
    """What members sign: SHA-256 of the canonical JSON of sheet and result."""
    return hashlib.sha256(canonical.encode(plain({"sheet": sheet, "result": result}))).hexdigest()


def sign(db: Db, session: Session, *, dissent: str | None, key: Signs, by: Actor) -> ReportSignature:
    """签字: a member signs the report, or signs with a dissent and its reason. Safe to repeat.

    The last signature finishes the session and hands the ranking to the buyer.
    """
    report = db.scalar(select(Report).filter_by(session_id=session.id))
    if report is None:
        raise NoReport
    mine = next((seat for seat in session.members if seat.expert.person_id == by.person_id), None)
    if mine is None:
        raise NotSigner
    known = db.scalar(select(ReportSignature).filter_by(report_id=report.id, seat_id=mine.id))
    if known:
        return known
    session, mine = running_member(db, session, by, state=State.SIGNING)
    now = clock.database(db)
    statement = canonical.encode({
        "report": report.sha256, "session": session.recording, "member": mine.name, "at": now.isoformat(),
        "dissent": (dissent or "").strip(),
    })  # fmt: skip
    signature = ReportSignature(
        report_id=report.id, seat_id=mine.id, dissent=(dissent or "").strip() or None, at=now,
        statement=statement.decode(), signature=key.sign(H("report", statement)).hex(),
    )  # fmt: skip
    db.add(signature)
    db.flush()
    journal.record(
        db, session.file, "report.signed", by=None, seat=mine.name, report=report.sha256, dissents=bool(dissent)
    )
    db.refresh(report, ["signatures"])
    if len(report.signatures) == len(session.members):
        _finish(db, session, report)
    return signature


def _finish(db: Db, session: Session, report: Report) -> None:
    session.finished_at = clock.database(db)
    move(db, session, State.FINISHED, by=None, report=report.sha256)
    ranking = [
        {"bid_id": line["bid"], "place": line["place"], "price": line["evaluated_price"]}
        | ({"score": line["total"]} if "total" in line else {})
        for line in report.result["ranking"]
    ]
    facts = {"sha256": report.sha256, "session": session.id, "rejected": report.result["rejected"]}
    awards.receive_ranking(db, session.tender, ranking, facts, by=SYSTEM)


def plain(thing: Any) -> Any:
    """Data in the canonical form's words: no true, false or null."""
    if isinstance(thing, dict):
        return {name: plain(value) for name, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [plain(value) for value in thing]
    if thing is None or isinstance(thing, bool):
        return str(thing).lower()
    return thing

