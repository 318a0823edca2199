"""公告: a tender is drafted, waits for its key holders, is published, and may be called off.

Publishing takes two steps: the procuring entity asks for it, which begins an opening (`ca.openings`) with
its key holders; when every holder has joined, the parameters are closed and the notice, which prints their
hash, is published by itself. So no notice ever promises a lock that is not there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bidding.tenders import rules
from bidding.tenders.days import calendar
from bidding.tenders.models import Document, DocumentKind, Lot, State, Tender, TenderRules
from ca import openings
from ca.parties import Organisation, Person, Region
from ca.rights import SYSTEM, Actor, Role
from storage import clock, journal
from storage.db import find, take
from storage.lifecycle import move
from storage.refusals import NotFound, NotNow, NotValid, NotYours
from storage.values import Money

DEFAULT_PROFILE = "tendering"
LONGEST_REASON = 500


class NotYourTender(NotYours):
    says = "这个招标项目不属于您的单位。请用招标人的账号登录。"


class AlreadyPublished(NotNow):
    says = "招标公告已提交发布，内容不能再改。需要修改时请发布澄清或终止招标。"


class TooSoon(NotValid):
    says = "时间不符合{source}：“{text}”最早应为 {earliest:%Y-%m-%d %H:%M:%S}（北京时间）。请改晚投标截止时间。"


class UnlockTooShort(NotValid):
    says = "解密时间太短，不符合{source}：“{text}”请改晚解密截止时间。"


class ReleaseTooShort(NotValid):
    says = "密钥释放截止必须晚于解密截止加异议时间（{seconds} 秒）。请改晚密钥释放截止时间。"


class DepositTooHigh(NotValid):
    says = "保证金超过上限 {most} 元，不符合{source}：“{text}”请改低保证金。"


class CeilingAboveBudget(NotValid):
    says = "最高限价不能高于预算金额。请改正金额。"


class NoDocuments(NotValid):
    says = "还没有上传招标文件。请先上传招标文件再发布公告。"


class WrongHolders(NotValid):
    says = "密钥持有人不符合要求：第一名须属于招标人，其余须来自其他单位，且都有持有人角色。请重新选择。"


class NoReason(NotValid):
    says = "请写明理由，最多 {most} 个字。"


@dataclass(frozen=True)
class Terms:
    """What the procuring entity decides before the notice."""

    name: str
    description: str
    budget: Money
    deposit_amount: Money
    submission_deadline: datetime
    unlock_until: datetime
    release_until: datetime
    holders: Sequence[int]  # person ids; the procuring entity's holder first
    threshold: int = 3
    ceiling_price: Money | None = None
    method: str = "comprehensive"
    evaluation: dict[str, Any] = field(default_factory=dict)


def draft(db: Session, terms: Terms, *, by: Actor) -> Tender:
    """A new tender of the actor's organisation, seen by nobody else yet."""
    entity = db.get(Organisation, by.organisation_id) if by.organisation_id else None
    if entity is None or not by.is_a(Role.PROCURING_ENTITY):
        raise NotYourTender
    tender = Tender(
        number=f"draft-{clock.database(db).timestamp():.6f}",
        procuring_entity=entity,
        region_id=entity.region_id,
        profile=profile_of(db, entity.region),
        lots=[Lot(number=1, name=terms.name)],
        **_columns(terms),
    )
    _fill(db, tender, terms)
    db.add(tender)
    db.flush()
    tender.number = f"ZB{clock.database(db).astimezone(rules.SHANGHAI):%Y}-{tender.id:06d}"
    journal.record(db, tender.file, "tender.draft", by=by, number=tender.number)
    return tender


def edit(db: Session, tender: Tender, terms: Terms, *, by: Actor) -> Tender:
    """Change a draft."""
    tender = mine(take(db, Tender, tender.id), by)
    if tender.state is not State.DRAFT:
        raise AlreadyPublished
    for name, value in _columns(terms).items():
        setattr(tender, name, value)
    _fill(db, tender, terms)
    journal.record(db, tender.file, "tender.edited", by=by)
    return tender


def publish(db: Session, tender: Tender, *, by: Actor) -> Tender:
    """Ask the key holders to join; the notice goes out by itself when all have. Safe to repeat."""
    tender = mine(take(db, Tender, tender.id), by)
    if tender.state in (State.JOINING, State.PUBLISHED):
        return tender
    if tender.state is not State.DRAFT:
        raise AlreadyPublished
    _check(db, tender)
    tender.rounds += 1
    opening = openings.begin(
        db, f"{tender.number}:bids:{tender.rounds}", openings.Mode.TWO_LOCK, tender.threshold,
        _holders(db, tender), tender.submission_deadline, tender.unlock_until, tender.release_until, by=by,
    )  # fmt: skip
    tender.opening_id = opening.id
    move(db, tender, State.JOINING, by=by, opening=opening.name)
    return tender


def due_to_publish(db: Session) -> Sequence[int]:
    """Tenders whose holders have all joined, or whose time to join has run out."""
    waiting = select(Tender.id).filter_by(state=State.JOINING)
    joined = select(openings.Opening.id).filter_by(state=openings.State.PUBLISHED)
    late = clock.database(db) + timedelta(seconds=1)
    return db.scalars(
        waiting.where(Tender.opening_id.in_(joined) | (Tender.submission_deadline <= late)).order_by(Tender.id)
    ).all()


def publish_joined(db: Session, tender_id: int) -> Tender:
    """All holders have joined: the notice goes out, with the hash of the parameters. Safe to repeat.

    When they joined so late that the law's minimum time to bid is gone, the tender is a draft again.
    """
    tender = take(db, Tender, tender_id)
    if tender.state is not State.JOINING or tender.opening is None:
        return tender
    opening = take(db, openings.Opening, tender.opening_id)
    try:
        _check(db, tender)
    except TooSoon:
        openings.advance(db, opening, openings.State.CANCELLED, by=SYSTEM)
        tender.opening_id = None
        move(db, tender, State.DRAFT, by=SYSTEM, reason="joined too late")
        return tender
    if opening.state is openings.State.PUBLISHED:
        tender.params_hash = opening.params_hash
        tender.published_at = clock.database(db)
        move(db, tender, State.PUBLISHED, by=SYSTEM, **_notice(tender))
    return tender


def back_to_draft(db: Session, tender: Tender, *, by: Actor) -> Tender:
    """Take a tender that still waits for its holders back, to change it or its holders."""
    tender = mine(take(db, Tender, tender.id), by)
    if tender.state is not State.JOINING or tender.opening is None:
        raise AlreadyPublished
    openings.advance(db, tender.opening, openings.State.CANCELLED, by=by)
    tender.opening_id = None
    move(db, tender, State.DRAFT, by=by)
    return tender


def mine(tender: Tender, by: Actor) -> Tender:
    """The tender, if the actor stands for its procuring entity; a draft of others is not even there."""
    if by.is_a(Role.PROCURING_ENTITY) and by.organisation_id == tender.procuring_entity_id:
        return tender
    if tender.state in (State.DRAFT, State.JOINING):
        raise NotFound
    raise NotYourTender


def seen_by(db: Session, tender_id: int, actor: Actor | None) -> Tender:
    """The tender, if this actor (None: anybody) may see it: from its publication on, everybody may."""
    tender = find(db, Tender, tender_id)
    if tender.published_at is None:
        if actor is None:
            raise NotFound
        mine(tender, actor)
    return tender


def profile_of(db: Session, region: Region | None) -> str:
    """The rules' profile of a region: its own, or its parent's, or the law's."""
    while region is not None:
        told = db.scalar(select(TenderRules.profile).filter_by(region_id=region.id))
        if told:
            return told
        region = region.parent
    return DEFAULT_PROFILE


def set_profile(db: Session, region: Region, profile: str, *, by: Actor) -> None:
    """Let the tenders drafted from now on in this region run under another profile."""
    if by.person_id is not None and not by.is_a(Role.CENTRE_STAFF):
        raise NotYours
    rules.profile(profile)
    row = db.scalar(select(TenderRules).filter_by(region_id=region.id))
    if row is None:
        row = TenderRules(region_id=region.id, profile=profile)
        db.add(row)
    row.profile = profile
    journal.record(db, f"region/{region.id}", "tender_rules.set", by=by, profile=profile)


def reason_given(reason: str) -> str:
    """A reason, not empty and not too long."""
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise NoReason(most=LONGEST_REASON)
    return reason


def _columns(terms: Terms) -> dict[str, Any]:
    return {
        "name": terms.name, "description": terms.description, "budget": terms.budget,
        "deposit_amount": terms.deposit_amount, "submission_deadline": terms.submission_deadline,
        "unlock_until": terms.unlock_until, "release_until": terms.release_until,
        "holders": list(terms.holders), "threshold": terms.threshold, "method": terms.method,
        "evaluation": terms.evaluation,
    }  # fmt: skip


def _fill(db: Session, tender: Tender, terms: Terms) -> None:
    tender.lot.name, tender.lot.ceiling_price = terms.name, terms.ceiling_price
    if terms.ceiling_price and terms.ceiling_price > terms.budget:
        raise CeilingAboveBudget
    if terms.release_until <= terms.unlock_until or terms.unlock_until <= terms.submission_deadline:
        raise openings.WrongTimes


def _check(db: Session, tender: Tender) -> None:
    """Everything that must be right before a notice goes out."""
    if not db.scalar(
        select(Document.id).filter_by(tender_id=tender.id, kind=DocumentKind.BIDDING_DOCUMENTS).limit(1)
    ):
        raise NoDocuments
    _check_times(db, tender)
    cap = tender.rules["deposit_cap"]
    most = Money(tender.budget.fen * cap.value // 100)
    if tender.deposit_amount > most:
        raise DepositTooHigh(most=str(most), source=cap.source, text=cap.text)
    _holders(db, tender)


def _check_times(db: Session, tender: Tender) -> None:
    told = tender.rules
    rule = told["document_to_deadline"]
    soonest = rules.earliest(rule, clock.database(db), calendar(db))
    if tender.submission_deadline < soonest:
        raise TooSoon(source=rule.source, text=rule.text, earliest=rules.beijing(soonest))
    rule = told["unlock_shortest"]
    if tender.unlock_until < rules.earliest(rule, tender.submission_deadline, calendar(db)):
        raise UnlockTooShort(source=rule.source, text=rule.text)
    rule = told["unlock_objections"]
    if tender.release_until <= rules.earliest(rule, tender.unlock_until, calendar(db)):
        raise ReleaseTooShort(seconds=rule.value)


def _holders(db: Session, tender: Tender) -> list[Person]:
    """The key holders in their order: the first is the procuring entity's, the others are of other bodies."""
    people = [db.get(Person, number) for number in tender.holders]
    holders = [person for person in people if person is not None and person.is_active]
    if len(holders) != len(tender.holders) or not holders:
        raise WrongHolders
    of_entity = [person.organisation_id == tender.procuring_entity_id for person in holders]
    if not of_entity[0] or any(of_entity[1:]):
        raise WrongHolders
    if not all(person.organisation_id and person.actor.is_a(Role.KEY_HOLDER) for person in holders):
        raise WrongHolders
    return holders


def _notice(tender: Tender) -> dict[str, Any]:
    """The facts of the notice, for the journal."""
    return {
        "number": tender.number, "params": tender.params_hash, "deadline": tender.submission_deadline,
        "documents": [[document.name, document.sha256] for document in tender.documents],
    }  # fmt: skip
