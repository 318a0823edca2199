"""报名 Blind registration: a firm registers, sees its receipt, withdraws – and nobody else learns of it.

A registration writes no journal entry, no message and no job, and touches no row of the project. Its only
trace is a cell (`ca.draws.registration`) among the cells of all projects.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bidding.supermarket import registrar
from bidding.supermarket.keys import Keys
from bidding.supermarket.models import Admission, Cell, Project, Recusal, Standing, State
from ca import canonical
from ca.draws import registration as cells
from ca.draws.registration import NotRegistration
from ca.ecdsa import Key
from ca.parties import Organisation
from ca.rights import Actor, Role
from ca.tagged import H, mac
from storage import clock
from storage.db import find
from storage.refusals import NotNow, NotValid, NotYours

ELIGIBLE = "eligible"
REASONS = {
    ELIGIBLE: "符合条件",
    "not_admitted": "没有入驻该服务事项",
    "expired": "入驻资格不在有效期内",
    "suspended": "被暂停参选",
    "blacklisted": "列入黑名单",
    "recused": "与本项目有利害关系，应当回避",
    "owner": "是本项目的业主",
}


class NotAnIntermediary(NotYours):
    says = "只有中介机构可以报名。请用中介机构的账号登录。"


class NotOpen(NotNow):
    says = "本项目不在报名时间内。请查看项目页上的报名时间。"


class NotEligible(NotValid):
    says = "贵单位不能报名：{reason}。"


class BadRegistration(NotValid):
    says = "报名内容不成立（{what}）。请更新客户端后重新报名。"


class NotRegistered(NotNow):
    says = "贵单位没有报名，或者报名已撤回。"


class WrongSecret(NotValid):
    says = "撤回口令不对。请核对报名时保存的口令。"


@dataclass(frozen=True)
class Receipt:
    """A receipt 报名回执: what the firm keeps to prove that it stands in the pool.

    It is signed by the platform over H("receipt", JCS of the rest). `leaf` is what stands in the log; its
    path comes with the bundle, after the result.
    """

    project: str
    cell: cells.Cell = field(repr=False)
    signer: Key = field(repr=False)

    @property
    def entry(self) -> str:
        return self.cell.entry.hex()

    def written(self) -> dict[str, Any]:
        """The receipt as the firm keeps it."""
        told = {
            "project": self.project,
            "entry": self.entry,
            "salt": self.cell.salt.hex(),
            "body": self.cell.body,
            "leaf": cells.log_leaf(self.cell.entry, self.cell.rest).hex(),
        }
        return told | {"signature": self.signer.sign(H("receipt", canonical.encode(told))).hex()}


@dataclass(frozen=True)
class Standings:
    """Where a firm stands in a project: its live registration, and how often it withdrew."""

    generation: int
    live: cells.Cell | None = field(repr=False)


def status_of(db: Session, project: Project, firm: Organisation, at: datetime) -> str:
    """Whether a firm may be chosen at this moment: "eligible", or the reason why not."""
    admission = db.scalar(select(Admission).filter_by(organisation_id=firm.id, item_id=project.item_id))
    recused = db.scalar(select(Recusal.id).filter_by(project_id=project.id, organisation_id=firm.id))
    return judge(admission, at, is_recused=recused is not None, is_owner=firm.id == project.owner_id)


def judge(admission: Admission | None, at: datetime, *, is_recused: bool, is_owner: bool) -> str:
    """The rules of eligibility 资格, in the order in which the reasons are told."""
    if admission is None:
        return "not_admitted"
    if is_owner:
        return "owner"
    if is_recused:
        return "recused"
    if admission.standing is not Standing.GOOD:
        return admission.standing.value
    if not admission.valid_from <= at < admission.valid_until:
        return "expired"
    return ELIGIBLE


def register(db: Session, project: Project, body: Mapping[str, Any], *, keys: Keys, by: Actor) -> Receipt:
    """Register a firm with what its client made (`ca.draws.registration.register`).

    Safe to repeat: a firm that is registered gets the receipt of what it has.
    """
    firm = firm_of(db, by)
    day_key = _open_for(db, project, keys)
    reason = status_of(db, project, firm, clock.database(db))
    if reason != ELIGIBLE:
        raise NotEligible(reason=REASONS[reason])
    _check_body(dict(body), project, firm)
    for _ in range(8):  # a double click or a withdrawal at the same moment: look again
        standing = _stand(db, day_key, project, firm)
        if standing.live is not None:
            return Receipt(project.number, standing.live, keys.platform)
        made = _sealed(day_key, dict(body))
        once = cells.once(day_key, project.number, firm.credit_code, standing.generation)
        if _written(db, made, once, project):
            return Receipt(project.number, made, keys.platform)
    raise AssertionError("a registration neither written nor found")


def withdraw(db: Session, project: Project, secret: bytes, *, keys: Keys, by: Actor) -> None:
    """Withdraw by the secret behind `w`, which the platform does not know and so cannot use."""
    firm = firm_of(db, by)
    day_key = _open_for(db, project, keys)
    standing = _stand(db, day_key, project, firm)
    if standing.live is None:
        raise NotRegistered
    body = cells.withdraw(project.number, firm.credit_code, standing.live.entry, secret=secret)
    if not cells.withdrawal_holds(body, standing.live.body):
        raise WrongSecret
    _written(
        db, _sealed(day_key, body), _once_withdrawn(day_key, project, firm.credit_code, standing.generation), project
    )


def receipt(db: Session, project: Project, *, keys: Keys, by: Actor) -> Receipt | None:
    """One's own receipt; None when one is not registered. Nobody can ask for another's."""
    firm = firm_of(db, by)
    if project.published_at is None:
        return None
    live = _stand(db, keys.days.of(project.published_at), project, firm).live
    return Receipt(project.number, live, keys.platform) if live else None


def firm_of(db: Session, actor: Actor) -> Organisation:
    """The firm for which somebody acts. Raises NotAnIntermediary."""
    if not actor.is_a(Role.INTERMEDIARY) or actor.organisation_id is None:
        raise NotAnIntermediary
    return find(db, Organisation, actor.organisation_id)


def of_project(db: Session, project: Project, keys: Keys) -> list[cells.Cell]:
    """Every registration and withdrawal of a project, ascending by entry. Only the close may ask.

    Looked up firm by firm among those that hold the item: with the day key each has one value to look for, so
    the time does not depend on how many cells all projects have together.
    """
    assert project.published_at is not None
    day_key = keys.days.of(project.published_at)
    holding = select(Admission.organisation_id).filter_by(item_id=project.item_id)
    firms = db.scalars(select(Organisation.credit_code).where(Organisation.id.in_(holding))).all()
    found: list[cells.Cell] = []
    generation = 0
    while firms:
        registered = _read(db, day_key, {cells.once(day_key, project.number, code, generation) for code in firms})
        codes = [cell.body["firm"] for cell in registered]
        gone = _read(db, day_key, {_once_withdrawn(day_key, project, code, generation) for code in codes})
        found += registered + gone
        firms, generation = [cell.body["firm"] for cell in gone], generation + 1
    return sorted(found, key=lambda cell: cell.entry)


def _read(db: Session, day_key: bytes, wanted: set[bytes]) -> list[cells.Cell]:
    rows = db.scalars(select(Cell.cell).where(Cell.once.in_(wanted)))
    return [cells.open_cell(day_key, bytes(raw)) for raw in rows]


def _open_for(db: Session, project: Project, keys: Keys) -> bytes:
    if project.state is not State.REGISTRATION or project.closes_at is None or project.published_at is None:
        raise NotOpen
    if clock.database(db) >= project.closes_at:
        raise NotOpen
    return keys.days.of(project.published_at)


def _check_body(body: dict[str, Any], project: Project, firm: Organisation) -> None:
    try:
        cells.check(body)
        holds = body["kind"] == "register" and cells.statement_holds(body) is True
    except (NotRegistration, canonical.NotCanonical, KeyError) as error:
        raise BadRegistration(what="fields") from error
    if not holds:
        raise BadRegistration(what="statement_sig")
    if (body["project"], body["firm"]) != (project.number, firm.credit_code):
        raise BadRegistration(what="project, firm")
    if "quote" in body:
        raise BadRegistration(what="quote")


def _sealed(day_key: bytes, body: dict[str, Any]) -> cells.Cell:
    try:
        return cells.seal_cell(day_key, body)
    except (NotRegistration, canonical.NotCanonical) as error:
        raise BadRegistration(what="size") from error


def _written(db: Session, cell: cells.Cell, once: bytes, project: Project) -> bool:
    assert project.closes_at is not None
    kept = registrar.write(db, registrar.Row(cell.entry, cell.raw, once, before=project.closes_at))
    if kept is None:
        raise NotOpen
    return kept


def _stand(db: Session, day_key: bytes, project: Project, firm: Organisation) -> Standings:
    """Look a firm up by the values that only the day key links to it."""
    generation = 0
    while True:
        once = cells.once(day_key, project.number, firm.credit_code, generation)
        raw = db.scalar(select(Cell.cell).filter_by(once=once))
        if raw is None:
            return Standings(generation, None)
        withdrawn = _once_withdrawn(day_key, project, firm.credit_code, generation)
        if db.scalar(select(Cell.entry).filter_by(once=withdrawn)) is None:
            return Standings(generation, cells.open_cell(day_key, bytes(raw)))
        generation += 1


def _once_withdrawn(day_key: bytes, project: Project, code: str, generation: int) -> bytes:
    """Unique like `once`, for the withdrawal of that generation."""
    return mac(day_key, "once-withdrawn", project.number, code, generation)
