"""发布 From an owner's draft to the published notice.

Publishing waits for the key holders: their programs make fresh keys for this draw, and only when the hash of
the parameters is known can the notice be signed that fixes everything the result will be judged by.
"""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bidding.supermarket import contributions, rules
from bidding.supermarket.keys import Keys
from bidding.supermarket.models import (
    NUMBERS,
    Admission,
    Draw,
    Method,
    Project,
    Recusal,
    RegionRules,
    ServiceItem,
    State,
)
from ca import canonical, openings
from ca.draws import pool
from ca.openings import Mode
from ca.parties import Organisation, Person, RoleHeld
from ca.rights import SYSTEM, Actor, Role
from ca.sealing.params import Params
from storage import clock, journal
from storage.db import find, take
from storage.forms import BEIJING, Yuan
from storage.lifecycle import move
from storage.refusals import NotNow, NotValid, NotYours
from storage.values import Money

SELECT = "select"


class NotTheOwner(NotYours):
    says = "只有本项目的业主可以办理。请用业主单位的账号登录。"


class NotADraft(NotNow):
    says = "项目已经提交发布，不能再改草稿。"


class NoSuchFirm(NotValid):
    says = "没有信用代码为“{code}”的单位。请核对代码，或请该单位先注册。"


class TenderingIsCompulsory(NotValid):
    says = "预算达到依法必须招标的标准（{limit} 元，16号令第五条），不得用中介超市随机选取。请改用招标。"


class ClosesTooSoon(NotValid):
    says = "报名时间太短：按规则最早可在北京时间 {earliest:%Y-%m-%d %H:%M:%S} 截止。请改晚报名截止时间。"


class NoBudget(NotValid):
    says = "预算必须大于零。请填写预算金额。"


class AfterTheClose(NotNow):
    says = "报名已经截止，不能再撤回。"


class TooFewHolders(NotNow):
    says = "可用的密钥持有人不足 {needed} 名。请先联系交易中心配齐持有人。"


class NobodyAdmitted(NotValid):
    says = "该事项还没有中介机构入驻，暂不能选取。请联系行业主管部门。"


class Terms(BaseModel):
    """What an owner says of a job."""

    item_id: int = Field(description="service item")
    title: str = Field(min_length=2, max_length=120)
    scope: str = Field(min_length=2, max_length=5000)
    budget: Yuan
    method: Method = Method.RANDOM


def draft(db: Session, terms: Terms, *, by: Actor) -> Project:
    """Begin a project."""
    owner = owner_of(db, by)
    item = find(db, ServiceItem, terms.item_id)
    project = Project(
        number=f"ZJ-{clock.database(db).year}-{db.scalar(NUMBERS.next_value()):06d}", owner_id=owner.id,
        region_id=owner.region_id, item_id=item.id, title=terms.title, scope=terms.scope,
        budget=_budget(terms), method=terms.method,
    )  # fmt: skip
    db.add(project)
    db.flush()
    journal.record(db, project.file, "supermarket_project.draft", by=by, number=project.number)
    return project


def amend(db: Session, project: Project, terms: Terms, *, by: Actor) -> Project:
    """Change a draft."""
    project = take(db, Project, project.id)
    check_owner(project, by)
    if project.state is not State.DRAFT:
        raise NotADraft
    project.item_id = find(db, ServiceItem, terms.item_id).id
    project.title, project.scope, project.method = terms.title, terms.scope, terms.method
    project.budget = _budget(terms)
    db.flush()
    journal.record(db, project.file, "supermarket_project.amended", by=by)
    return project


def recuse(db: Session, project: Project, firm: Organisation, *, reason: str, by: Actor) -> Recusal:
    """Keep out of a draft's project a firm with an interest in it 回避; the reason is public."""
    project = take(db, Project, project.id)
    check_owner(project, by)
    if project.state is not State.DRAFT:
        raise NotADraft
    known = db.scalar(select(Recusal).filter_by(project_id=project.id, organisation_id=firm.id))
    if known:
        return known
    recusal = Recusal(organisation_id=firm.id, reason=reason)
    project.recusals.append(recusal)
    db.flush()
    journal.record(db, project.file, "recusal.named", by=by, organisation=firm.id, reason=reason)
    return recusal


def publish(db: Session, project: Project, closes_at: datetime, *, by: Actor) -> Project:
    """Submit a draft for publication: call the holders to make their keys for its draw."""
    project = take(db, Project, project.id)
    check_owner(project, by)
    if project.state is not State.DRAFT:
        raise NotADraft
    project.profile = profile_of(db, project)
    the = project.rules
    if project.budget >= Money(the.number("tendering_from_fen")):
        raise TenderingIsCompulsory(limit=str(Money(the.number("tendering_from_fen"))))
    announce_by, earliest = latest_notice(db, the)
    if closes_at < earliest:
        raise ClosesTooSoon(earliest=earliest.astimezone(BEIJING))
    firms = db.scalar(select(func.count()).select_from(Admission).filter_by(item_id=project.item_id)) or 0
    if not firms:
        raise NobodyAdmitted
    holders = roster(db, the.number("holders"))
    closes_at = closes_at.replace(microsecond=0)
    number = len(project.draws) + 1
    opening = openings.begin(
        db, f"{project.number}:{SELECT}:{number}", Mode.DRAW, the.number("holders_needed"), holders,
        closes_at, closes_at, the.period("release").after(db, closes_at), by=by,
    )  # fmt: skip
    capacity = max(the.number("smallest_capacity"), pool.capacity_for(firms))
    project.draws.append(Draw(purpose=SELECT, number=number, opening_id=opening.id, capacity=capacity))
    project.announce_by, project.closes_at = announce_by, closes_at
    move(db, project, State.PREPARING, by=by, closes_at=closes_at, opening=opening.name)
    return project


def announce(db: Session, project: Project, *, keys: Keys) -> None:
    """All holders have joined: sign and publish the notice and open the registration. Safe to repeat.

    When they joined too late for the shortest period of registration, the project goes back to its draft.
    """
    project = take(db, Project, project.id)
    if project.state is not State.PREPARING:
        return
    now = clock.database(db)
    draw = project.draw
    if project.announce_by is None or now > project.announce_by:
        openings.advance(db, draw.opening, openings.State.CANCELLED, by=SYSTEM)
        move(db, project, State.DRAFT, by=SYSTEM, reason="holders_joined_too_late")
        return
    if draw.opening.params is None:
        return
    params = Params.read(draw.opening.params.encode())
    owner = keys.of_account(project.owner.credit_code)
    notice = pool.notice(
        project=project.number, opening=draw.opening.name, rule=bytes.fromhex(project.rules.hash),
        method=project.method.value, kind="registration", purposes=[{"purpose": SELECT, "pick": 1}],
        close=params.deadline, owner=owner.public, platform=keys.platform.public,
        minimum=project.rules.number("fewest_registrations"), capacity=draw.capacity, params=params,
        contributors=contributions.CONTRIBUTORS,
    )  # fmt: skip
    signed = pool.notice_signed(notice)
    draw.notice = canonical.encode(notice).decode()
    draw.notice_signatures = {
        "owner": owner.sign(signed).hex(),
        "platform": keys.platform.sign(signed).hex(),
    }
    keys.days.prepare(now)
    project.published_at = now
    move(
        db,
        project,
        State.REGISTRATION,
        by=SYSTEM,
        notice=pool.notice_hash(notice).hex(),
        params=notice["params"],
    )
    contributions.contribute_platform(db, draw)


def withdraw(db: Session, project: Project, *, reason: str, by: Actor) -> None:
    """The owner takes the project back before the registration closes."""
    project = take(db, Project, project.id)
    check_owner(project, by)
    if project.closes_at and project.state is State.REGISTRATION and clock.database(db) >= project.closes_at:
        raise AfterTheClose
    move(db, project, State.WITHDRAWN, by=by, reason=reason)
    if project.draws and openings.State.CANCELLED in project.draw.opening.MOVES[project.draw.opening.state]:
        openings.advance(db, project.draw.opening, openings.State.CANCELLED, by=by)


def roster(db: Session, count: int) -> Sequence[Person]:
    """The key holders called for a draw, each of another body. Raises TooFewHolders."""
    holding = select(RoleHeld.person_id).where(RoleHeld.role == Role.KEY_HOLDER)
    people = db.scalars(select(Person).where(Person.id.in_(holding), Person.is_active).order_by(Person.id)).all()
    bodies = {openings.label_of(person): person for person in reversed(people)}
    chosen = sorted(bodies.values(), key=lambda person: person.id)[:count]
    if len(chosen) < count:
        raise TooFewHolders(needed=count)
    return chosen


def profile_of(db: Session, project: Project) -> str:
    """The profile of rules that the project's region follows now."""
    named = db.scalar(select(RegionRules.profile).filter_by(region_id=project.region_id))
    return named or rules.STANDARD


def rules_for(db: Session, project: Project) -> rules.Rules:
    """The rules under which a draft would be published now."""
    return rules.of(profile_of(db, project))


def latest_notice(db: Session, the: rules.Rules) -> tuple[datetime, datetime]:
    """Until when holders may join if published now, and the earliest close that leaves time to register."""
    announce_by = the.period("joining").after(db, clock.database(db))
    return announce_by, the.period("registration").after(db, announce_by)


def owner_of(db: Session, by: Actor) -> Organisation:
    """The organisation for which an owner acts. Raises NotTheOwner."""
    if not by.is_a(Role.PROJECT_OWNER) or by.organisation_id is None:
        raise NotTheOwner
    return find(db, Organisation, by.organisation_id)


def check_owner(project: Project, by: Actor) -> None:
    """Whether somebody acts for the owner of this very project. Raises NotTheOwner."""
    if not by.is_a(Role.PROJECT_OWNER) or by.organisation_id != project.owner_id:
        raise NotTheOwner


def _budget(terms: Terms) -> Money:
    if terms.budget <= Money(0):
        raise NoBudget
    return terms.budget
