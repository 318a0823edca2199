"""专家 Experts: the library, recusal, and the draw of a panel by the same engine as every other draw.

Who is in the pool and who is drawn stays secret until the result: entries are salted, the bundle comes out
only when the session has finished. Facts are judged at the close of the draw and never later.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Db

from bidding.tenders.bids import Bid
from ca import canonical, openings
from ca.draws import bundle, pool
from ca.ecdsa import Key, PlatformKey
from ca.openings import Mode
from ca.parties import Organisation, Person, RoleHeld
from ca.rights import SYSTEM, Actor, Role
from ca.sealing import box
from ca.sealing.faults import Fault
from ca.sealing.params import Params, is_hex
from evaluation.models import Expert, ExpertDraw, ExpertKind, Interest, Seat, SeatState, Session, State
from evaluation.sessions import check_centre
from storage import clock, journal
from storage.db import take
from storage.lifecycle import move
from storage.refusals import NotNow, NotValid, NotYours

RULES = (Path(__file__).parent / "rules" / "panel.toml").read_bytes()
GROUP = "panel"
PURPOSE = f"expert/{GROUP}"
PLATFORM, ENTITY, SUPERVISOR = "platform", "procuring-entity", "supervisor"
CONTRIBUTORS = {PLATFORM: "platform", ENTITY: "outside", SUPERVISOR: "outside"}
LONGEST_BOX = 8192
HOLDERS, NEEDED = 3, 2
RELEASE_WITHIN = timedelta(minutes=10)


class TooFewExperts(NotNow):
    says = "符合条件的专家只有 {count} 名，不足 {needed} 名。请扩大专业或地区范围后重新抽取。"


class TooFewHolders(NotNow):
    says = "可用的密钥持有人不足 {needed} 名。请先联系交易中心配齐持有人。"


class NotAnExpert(NotValid):
    says = "“{name}”没有评标专家的角色。请先为其开通评标专家账号。"


class DrawClosed(NotNow):
    says = "专家抽取的随机数提交时间已过，或者尚未开始。请查看评标会页面。"


class NotAContributor(NotYours):
    says = "您不是本次抽取列明的随机数提供方。请用招标人或监督人员的账号登录。"


class BadBox(NotValid):
    says = "密封的随机数不成立（{why}）。请用本次抽取的参数重新密封。"


def enrol(
    db: Db, person: Person, kind: ExpertKind, specialities: Sequence[str], *, employer: Organisation | None, by: Actor
) -> Expert:
    """Take a person into the expert library; made once per person."""
    check_centre(by)
    if not person.actor.is_a(Role.EXPERT):
        raise NotAnExpert(name=person.name)
    known = db.scalar(select(Expert).filter_by(person_id=person.id))
    if known:
        return known
    expert = Expert(
        person_id=person.id, kind=kind, specialities=list(specialities), region_id=person.region_id,
        employer_id=employer.id if employer else None,
    )  # fmt: skip
    db.add(expert)
    db.flush()
    journal.record(db, f"expert/{expert.id}", "expert.enrolled", by=by, kind=kind.value)
    return expert


def declare_interest(
    db: Db, expert: Expert, organisation: Organisation, *, reason: str, until: datetime | None, by: Actor
) -> Interest:
    """Write down why an expert must stay away from an organisation's matters."""
    known = db.scalar(select(Interest).filter_by(expert_id=expert.id, organisation_id=organisation.id))
    if known:
        known.reason, known.until = reason, until
        return known
    interest = Interest(expert_id=expert.id, organisation_id=organisation.id, reason=reason, until=until)
    db.add(interest)
    db.flush()
    journal.record(db, f"expert/{expert.id}", "interest.declared", by=by, organisation=organisation.id)
    return interest


def request(
    db: Db, session: Session, *, specialities: Sequence[str], closes_at: datetime, by: Actor
) -> ExpertDraw:  # fmt: skip
    """抽取申请: begin a draw for a planned session; holders' programs make their keys for it."""
    check_centre(by)
    session = take(db, Session, session.id)
    number = 1 + (db.scalar(select(func.count()).select_from(ExpertDraw).filter_by(session_id=session.id)) or 0)
    closes_at = closes_at.replace(microsecond=0)
    opening = openings.begin(
        db, f"{session.tender.number}:expert:{session.id}-{number}", Mode.DRAW, NEEDED, roster(db),
        closes_at, closes_at, closes_at + RELEASE_WITHIN, by=by,
    )  # fmt: skip
    draw = ExpertDraw(
        session_id=session.id, number=number, opening_id=opening.id, specialities=list(specialities), salts={},
        contributions={}, pad_key=pool.pad_key().hex(),
    )  # fmt: skip
    db.add(draw)
    db.flush()
    move(db, session, State.DRAWING, by=by, opening=opening.name, places=session.places)
    return draw


def due(db: Db) -> Sequence[int]:
    """Expert draws that have something to do now."""
    live = select(ExpertDraw.id).join(Session).join(openings.Opening).where(Session.state == State.DRAWING)
    announceable = openings.Opening.params.is_not(None) & ExpertDraw.notice.is_(None)
    past = openings.Opening.deadline <= func.gh_clock()
    closable = ExpertDraw.pool.is_(None) & ExpertDraw.notice.is_not(None) & past
    opened = ExpertDraw.seed.is_(None) & (openings.Opening.state == openings.State.COMBINED)
    return db.scalars(live.where(announceable | closable | opened).order_by(ExpertDraw.id)).all()


def settle(db: Db, id_: int, equipment: Any) -> None:
    """Do what is due for one expert draw. Safe to repeat."""
    draw = take(db, ExpertDraw, id_)
    accounts = equipment.settings.keys_folder / "accounts"
    if draw.notice is None:
        announce(db, draw, key=equipment.platform_key, accounts=accounts)
    elif draw.pool is None:
        close(db, draw, key=equipment.platform_key)
    elif draw.seed is None:
        conclude(db, draw, key=equipment.platform_key)


def announce(db: Db, draw: ExpertDraw, *, key: PlatformKey, accounts: Path) -> None:
    """All holders have joined: sign the notice that fixes everything, and seal the platform's contribution."""
    params = params_of(draw)
    entity = PlatformKey.at(accounts, draw.session.tender.procuring_entity.credit_code)
    experts = db.scalar(select(func.count()).select_from(Expert)) or 0
    notice = pool.notice(
        project=draw.session.tender.number, opening=draw.opening.name, rule=hashlib.sha256(RULES).digest(),
        method="random", kind="expert", purposes=[{"purpose": PURPOSE, "pick": draw.session.places}],
        close=params.deadline, owner=entity.public, platform=key.public, minimum=draw.session.places,
        capacity=pool.capacity_for(max(1, experts)), params=params, contributors=CONTRIBUTORS,
    )  # fmt: skip
    signed = pool.notice_signed(notice)
    draw.notice = canonical.encode(notice).decode()
    draw.notice_signatures = {"owner": entity.sign(signed).hex(), "platform": key.sign(signed).hex()}
    _keep(draw, PLATFORM, box.contribute(params, PLATFORM).box)
    journal.record(db, draw.session.file, "expert_draw.announced", by=None, notice=pool.notice_hash(notice).hex())


def contribute(db: Db, draw: ExpertDraw, sealed: str, *, by: Actor) -> None:
    """Hand in a sealed contribution as procuring entity or supervisor; the highest seq counts. Safe to repeat."""
    label = label_for(draw, by)
    if label is None:
        raise NotAContributor
    draw = take(db, ExpertDraw, draw.id)
    if draw.notice is None or draw.pool is not None or clock.database(db) >= draw.opening.deadline:
        raise DrawClosed
    if not is_hex(sealed) or not 0 < len(sealed) <= LONGEST_BOX:
        raise BadBox(why="hex")
    _keep(draw, label, bytes.fromhex(sealed))
    journal.record(
        db, draw.session.file, "contribution.sealed", by=by, label=label,
        box=box.box_digest(bytes.fromhex(sealed)).hex(),
    )  # fmt: skip


def label_for(draw: ExpertDraw, by: Actor) -> str | None:
    """As which contributor somebody may act in this draw."""
    if by.is_a(Role.PROCURING_ENTITY) and by.organisation_id == draw.session.tender.procuring_entity_id:
        return ENTITY
    return SUPERVISOR if by.is_a(Role.SUPERVISOR) else None


def seq_of(draw: ExpertDraw, label: str) -> int:
    """Number of a contributor's latest contribution; 0 when there is none."""
    held = draw.contributions.get(label)
    return box.read_box(bytes.fromhex(held), params_of(draw), label).seq if held else 0


def close(db: Db, draw: ExpertDraw, *, key: PlatformKey) -> None:
    """The hour has come: judge every expert, fix and sign the pool, ask the holders."""
    if draw.pool is not None or clock.database(db) < draw.opening.deadline:
        return
    notice = canonical.decode((draw.notice or "").encode())
    statuses = judged(db, draw)
    fit = [expert for expert, status in statuses.items() if status == "eligible"]
    boxes = _boxes(draw)
    if len(fit) < draw.session.places or sum(CONTRIBUTORS[label] == "outside" for label in boxes) < 2:
        why = "too_few_experts" if len(fit) < draw.session.places else "no_contributions"
        move(db, draw.session, State.ABORTED, by=SYSTEM, reason=why)
        return
    draw.salts = {name_of(expert): secrets.token_hex(32) for expert in fit}
    draw.facts = pool.facts({name_of(expert): status for expert, status in statuses.items()})
    root = bundle.root_of(notice, _entries(draw), bytes.fromhex(draw.pad_key))
    groups = pool.groups_hash(_groups(draw))
    fixed = pool.pool(notice, contributions=boxes, facts=draw.facts, root=root, inputs=[groups])
    pc = pool.commitment(fixed)
    draw.pool = canonical.encode(fixed).decode()
    draw.pool_signature = key.sign(pool.pool_signed(pc)).hex()
    journal.record(
        db, draw.session.file, "expert_draw.pool_committed", by=None, pc=pc.hex(), root=fixed["root"],
        signature=draw.pool_signature,
    )  # fmt: skip
    evidence = {
        "notice": notice, "pool": fixed, "pool_signature": draw.pool_signature,
        "notice_signatures": draw.notice_signatures,
    }  # fmt: skip
    openings.ask_release(db, draw.opening, evidence, by=SYSTEM)


def conclude(db: Db, draw: ExpertDraw, *, key: PlatformKey) -> None:
    """Enough holders have released: the order follows, the first are seated, the rest stand by in that order."""
    if draw.seed is not None or draw.opening.state is not openings.State.COMBINED:
        return
    raw = _bundle(draw, key)
    told = canonical.decode(raw)
    people = {entry["entry"]: entry["person"] for entry in told["entries"]}
    draw.bundle, draw.seed = raw.decode(), told["seed"]
    draw.order = [int(people[entry].removeprefix("expert-")) for entry in told["order"][PURPOSE]]
    session = take(db, Session, draw.session_id)
    for expert_id in draw.order[: session.places]:
        _seat(db, session, expert_id)
    move(db, session, State.SEATED, by=SYSTEM, seed=draw.seed, bundle=hashlib.sha256(raw).hexdigest())


def fill(db: Db, session: Session) -> Seat | None:
    """递补: somebody declined; the next in the drawn order is called. Safe to repeat."""
    session = take(db, Session, session.id)
    if session.state is not State.SEATED or len(session.members) >= session.places:
        return None
    draw = db.scalar(select(ExpertDraw).filter_by(session_id=session.id).order_by(ExpertDraw.number.desc()).limit(1))
    assert draw is not None
    called = {seat.expert_id for seat in session.seats}
    following = [expert_id for expert_id in draw.order or [] if expert_id not in called]
    if not following:
        move(db, session, State.ABORTED, by=SYSTEM, reason="too_few_experts")
        return None
    seat = _seat(db, session, following[0])
    journal.record(db, session.file, "seat.filled", by=None, seat=seat.name)
    return seat


def fill_due(db: Db, id_: int, equipment: Any = None) -> None:
    """Do it for one session."""
    fill(db, take(db, Session, id_))


def due_to_fill(db: Db) -> Sequence[int]:
    """Sessions in which a seat became free before the opening."""
    members = (
        select(func.count())
        .where(Seat.session_id == Session.id, Seat.state != SeatState.DECLINED)
        .scalar_subquery()
    )
    return db.scalars(select(Session.id).filter_by(state=State.SEATED).where(members < Session.places)).all()


def judged(db: Db, draw: ExpertDraw) -> dict[Expert, str]:
    """Every expert of the library: "eligible", or the reason why not (speciality, availability, recusal)."""
    tender = draw.session.tender
    near = {tender.procuring_entity_id} | set(db.scalars(select(Bid.bidder_id).filter_by(tender_id=tender.id)))
    now = draw.opening.deadline
    bound = set(
        db.scalars(
            select(Interest.expert_id)
            .where(Interest.organisation_id.in_(near))
            .where(Interest.until.is_(None) | (Interest.until > now))
        )
    )
    wanted = set(draw.specialities)
    found = {}
    for expert in db.scalars(select(Expert).order_by(Expert.id)):
        if not expert.is_available or not expert.person.is_active:
            found[expert] = "unavailable"
        elif wanted and not wanted & set(expert.specialities):
            found[expert] = "speciality"
        elif expert.employer_id in near or expert.person.organisation_id in near or expert.id in bound:
            found[expert] = "recusal"
        else:
            found[expert] = "eligible"
    return found


def roster(db: Db) -> Sequence[Person]:
    """The key holders called for a draw, each of another body."""
    holding = select(RoleHeld.person_id).where(RoleHeld.role == Role.KEY_HOLDER)
    people = db.scalars(select(Person).where(Person.id.in_(holding), Person.is_active).order_by(Person.id)).all()
    bodies: dict[str, Person] = {}
    for person in people:
        bodies.setdefault(openings.label_of(person), person)
    if len(bodies) < HOLDERS:
        raise TooFewHolders(needed=HOLDERS)
    return list(bodies.values())[:HOLDERS]


def params_of(draw: ExpertDraw) -> Params:
    """The closed parameters of a draw's opening."""
    assert draw.opening.params is not None
    return Params.read(draw.opening.params.encode())


def name_of(expert: Expert) -> str:
    """How an expert is called in the pool."""
    return f"expert-{expert.id}"


def _keep(draw: ExpertDraw, label: str, sealed: bytes) -> None:
    try:
        seq = box.read_box(sealed, params_of(draw), label).seq
        held = draw.contributions.get(label)
        if held and held != sealed.hex() and seq <= box.read_box(bytes.fromhex(held), params_of(draw), label).seq:
            raise BadBox(why="seq")
    except Fault as fault:
        raise BadBox(why=fault.why) from fault
    draw.contributions = draw.contributions | {label: sealed.hex()}


def _boxes(draw: ExpertDraw) -> dict[str, bytes]:
    return {label: bytes.fromhex(sealed) for label, sealed in draw.contributions.items()}


def _entries(draw: ExpertDraw) -> list[dict[str, Any]]:
    project = draw.session.tender.number
    return [
        bundle.expert_entry(project, name, bytes.fromhex(salt), "eligible") for name, salt in sorted(draw.salts.items())
    ]


def _groups(draw: ExpertDraw) -> list[list[str]]:
    """Everybody in the pool may be drawn for the panel; other groups come with mixed panels."""
    return [[name, GROUP] for name in sorted(draw.salts)]


def _bundle(draw: ExpertDraw, key: Key) -> bytes:
    seats = draw.opening.seats
    return bundle.make(
        notice=canonical.decode((draw.notice or "").encode()),
        notice_signatures={who: bytes.fromhex(by) for who, by in (draw.notice_signatures or {}).items()},
        fixed=canonical.decode((draw.pool or "").encode()),
        pool_signature=bytes.fromhex(draw.pool_signature or ""),
        key=key,
        params=params_of(draw),
        joins=[(bytes.fromhex(seat.join or ""), bytes.fromhex(seat.ready or "")) for seat in seats],
        releases={
            seat.holder: (bytes.fromhex(seat.release_signature or ""), bytes.fromhex(seat.key))
            for seat in seats
            if seat.key is not None
        },
        contributions=_boxes(draw),
        entries=_entries(draw),
        pad_key=bytes.fromhex(draw.pad_key),
        facts=draw.facts,
        groups=_groups(draw),
    )


def _seat(db: Db, session: Session, expert_id: int) -> Seat:
    seat = Seat(session_id=session.id, expert_id=expert_id, number=len(session.seats) + 1)
    session.seats.append(seat)
    db.flush()
    return seat
