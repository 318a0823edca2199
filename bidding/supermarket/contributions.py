"""随机数 Contributions: 32 bytes each from platform, owner and supervisor, sealed before the close.

Nobody knows another's bytes before all are fixed, and none can be taken back: the holders open every box.
One honest contributor outside the platform makes the seed unforeseeable (`draws.md`, 3).
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from bidding.supermarket.models import Contribution, Draw, Project, State
from ca.rights import SYSTEM, Actor, Role
from ca.sealing import box
from ca.sealing.faults import Fault
from ca.sealing.params import Params, is_hex
from storage import clock, journal
from storage.db import take
from storage.refusals import NotNow, NotValid, NotYours

PLATFORM, OWNER, SUPERVISOR = "platform", "owner", "supervisor"
CONTRIBUTORS = {PLATFORM: "platform", OWNER: "outside", SUPERVISOR: "outside"}
LABEL_NAMES = {PLATFORM: "平台", OWNER: "项目业主", SUPERVISOR: "行政监督"}


class NotAContributor(NotYours):
    says = "您不是本项目列明的随机数提供方。请用业主或监督人员的账号登录。"


class ContributionsClosed(NotNow):
    says = "提交随机数的时间已过，或者尚未开始。请查看项目页上的时间。"


class BadBox(NotValid):
    says = "密封的随机数不成立（{why}）。请用本项目的参数重新密封。"


class OldSeq(NotValid):
    says = "序号必须大于已提交的 {latest}。请以下一个序号重新密封。"


def label_for(project: Project, actor: Actor) -> str | None:
    """As which contributor somebody may act in this project."""
    if actor.is_a(Role.PROJECT_OWNER) and actor.organisation_id == project.owner_id:
        return OWNER
    if actor.is_a(Role.SUPERVISOR) and oversees(actor, project):
        return SUPERVISOR
    return None


def oversees(supervisor: Actor, project: Project) -> bool:
    """Whether a project lies in the supervisor's region, or in a county of it."""
    if supervisor.region_id is None or project.region is None:
        return True
    return supervisor.region_id in (project.region_id, project.region.parent_id)


def contribute(db: Session, project: Project, sealed: bytes, *, by: Actor) -> Contribution:
    """Hand in a sealed contribution; the highest seq at the close counts. Safe to repeat."""
    label = label_for(project, by)
    if label is None:
        raise NotAContributor
    project = take(db, Project, project.id)
    if project.state is not State.REGISTRATION or project.closes_at is None:
        raise ContributionsClosed
    if clock.database(db) >= project.closes_at:
        raise ContributionsClosed
    return _keep(db, project.draw, label, sealed, by)


def contribute_platform(db: Session, draw: Draw) -> Contribution:
    """The platform's own contribution, sealed when the notice appears; its bytes are kept nowhere."""
    return _keep(db, draw, PLATFORM, box.contribute(params_of(draw), PLATFORM).box, SYSTEM)


def _keep(db: Session, draw: Draw, label: str, sealed: bytes, by: Actor) -> Contribution:
    try:
        seq = box.read_box(sealed, params_of(draw), label).seq
    except Fault as fault:
        raise BadBox(why=fault.why) from fault
    latest = db.scalar(
        select(Contribution).filter_by(draw_id=draw.id, label=label).order_by(Contribution.seq.desc()).limit(1)
    )
    if latest and latest.box == sealed.hex():
        return latest
    if latest and seq <= latest.seq:
        raise OldSeq(latest=latest.seq)
    made = Contribution(
        draw_id=draw.id, label=label, seq=seq, box=sealed.hex(), person_id=by.person_id, at=clock.database(db)
    )
    draw.contributions.append(made)
    db.flush()
    journal.record(
        db, draw.project.file, "contribution.sealed", by=by, label=label, seq=seq,
        box=box.box_digest(sealed).hex(),
    )  # fmt: skip
    return made


def params_of(draw: Draw) -> Params:
    """The closed parameters of a draw's opening."""
    assert draw.opening.params is not None, "the notice comes after the parameters"
    return Params.read(draw.opening.params.encode())


def latest(db: Session, draw: Draw) -> dict[str, bytes]:
    """The box of each contributor that counts: the one with the highest seq."""
    rows = db.scalars(select(Contribution).filter_by(draw_id=draw.id).order_by(Contribution.seq)).all()
    return {row.label: bytes.fromhex(row.box) for row in rows}


def latest_seqs(draw: Draw) -> dict[str, int]:
    """Who has sealed a contribution, and the highest seq of each."""
    return {each.label: each.seq for each in sorted(draw.contributions, key=lambda each: each.seq)}


def outsiders(labels: Sequence[str]) -> int:
    """How many of these stand outside the platform; a draw needs two."""
    return sum(CONTRIBUTORS[label] == "outside" for label in labels)


def unhex(text: str) -> bytes:
    """A box as a form or program sends it. Raises BadBox."""
    if not is_hex(text) or not 0 < len(text) <= 8192:
        raise BadBox(why="hex")
    return bytes.fromhex(text)
