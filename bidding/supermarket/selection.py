"""选取 Selection: the pool is fixed and signed at the close, the holders open, the order follows.

Until the seed exists nothing here tells who registered or how many: the pool's root is padded to a public
capacity, and only its hash is published. When the holders have released, everything is recomputed from the
cells, written into one bundle, and a name appears for the first time.
"""

import hashlib
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bidding.supermarket import contributions, registrar, registration, results
from bidding.supermarket.keys import Keys
from bidding.supermarket.methods import random as by_chance
from bidding.supermarket.models import Admission, Method, Project, Recusal, State
from ca import canonical, openings
from ca.draws import bundle, pool
from ca.draws import registration as cells
from ca.draws.shapes import Wrong
from ca.merkle import Tree
from ca.parties import Organisation
from ca.rights import SYSTEM
from ca.tagged import H
from storage import clock
from storage.db import take
from storage.forms import BEIJING
from storage.lifecycle import move
from storage.refusals import NotNow

METHODS = {Method.RANDOM: by_chance}


class StillOpen(NotNow):
    says = "报名截止时间未到（北京时间 {closes_at:%Y-%m-%d %H:%M:%S}）。请等到截止。"


def close(db: Session, project: Project, *, keys: Keys) -> None:
    """The hour has come: fix the pool, sign it and ask the holders – or fail. Safe to repeat.

    Registrations are held off while this runs, and every one in time is already written.
    """
    project = take(db, Project, project.id)
    if project.state is not State.REGISTRATION:
        return
    assert project.closes_at is not None
    if clock.database(db) < project.closes_at:
        raise StillOpen(closes_at=project.closes_at.astimezone(BEIJING))
    registrar.shut(db)
    draw, facts = project.draw, snapshot(db, project)
    entries, log = logged(registration.of_project(db, project, keys), dict(facts))
    boxes = contributions.latest(db, draw)
    move(db, project, State.CLOSED, by=SYSTEM, contributions=sorted(boxes))
    eligible = sum(entry["status"] == "eligible" and "withdrawal" not in entry for entry in entries)
    if eligible < project.rules.number("fewest_registrations"):
        return results.fail(db, project, "too_few")
    if contributions.outsiders(sorted(boxes)) < 2:
        return results.fail(db, project, "no_contributions")
    notice = canonical.decode((draw.notice or "").encode())
    fixed = pool.pool(
        notice, contributions=boxes, log_root=cells.log_head(log.size, log.root), facts=facts,
        root=bundle.root_of(notice, entries, pad_key(project, keys)),
    )  # fmt: skip
    pc = pool.commitment(fixed)
    signature = keys.platform.sign(pool.pool_signed(pc)).hex()
    draw.pool, draw.pool_signature = canonical.encode(fixed).decode(), signature
    draw.facts = facts
    move(db, project, State.POOL_COMMITTED, by=SYSTEM, pc=pc.hex(), root=fixed["root"], signature=signature)
    evidence = {"notice": notice, "pool": fixed, "pool_signature": signature}
    evidence["notice_signatures"] = draw.notice_signatures
    openings.ask_release(db, draw.opening, evidence, by=SYSTEM)
    return None


def conclude(db: Session, project: Project, *, keys: Keys) -> None:
    """Enough holders have released: open, compute the order, name the first. Safe to repeat."""
    project = take(db, Project, project.id)
    if project.state is not State.POOL_COMMITTED:
        return
    draw = project.draw
    if draw.opening.state is not openings.State.COMBINED:
        return
    opened = pool.open_contributions(
        contributions.params_of(draw), contributions.latest(db, draw), openings.scalars(draw.opening)
    )
    if contributions.outsiders(sorted(opened.good)) < 2:
        return results.fail(db, project, "void_contributions", void=sorted(opened.void))
    raw = make_bundle(db, project, keys)
    told = canonical.decode(raw)
    draw.bundle, draw.seed = raw.decode(), told["seed"]
    firms = {entry["entry"]: entry["body"]["firm"] for entry in told["entries"]}
    draw.order = METHODS[project.method].order(told, firms)
    move(
        db, project, State.DRAWN, by=SYSTEM, seed=draw.seed, bundle=hashlib.sha256(raw).hexdigest(),
        void=sorted(opened.void),
    )  # fmt: skip
    results.announce(db, project)
    return None


def make_bundle(db: Session, project: Project, keys: Keys) -> bytes:
    """Everything anybody needs to recompute this draw, checked before it leaves. Raises `Wrong` for a bug."""
    draw = project.draw
    facts = draw.facts or []
    entries, log = logged(registration.of_project(db, project, keys), dict(facts))
    seats = draw.opening.seats
    try:
        return bundle.make(
            notice=canonical.decode((draw.notice or "").encode()),
            notice_signatures={who: bytes.fromhex(by) for who, by in (draw.notice_signatures or {}).items()},
            fixed=canonical.decode((draw.pool or "").encode()),
            pool_signature=bytes.fromhex(draw.pool_signature or ""),
            key=keys.platform,
            params=contributions.params_of(draw),
            joins=[(bytes.fromhex(seat.join or ""), bytes.fromhex(seat.ready or "")) for seat in seats],
            releases={
                seat.holder: (bytes.fromhex(seat.release_signature or ""), bytes.fromhex(seat.key))
                for seat in seats
                if seat.key is not None
            },
            contributions=contributions.latest(db, draw),
            entries=entries,
            pad_key=pad_key(project, keys),
            facts=facts,
            log_size=log.size,
        )
    except Wrong as wrong:
        raise AssertionError(f"our own bundle would be refused: {wrong.item}") from wrong


def snapshot(db: Session, project: Project) -> list[list[str]]:
    """事实快照: every firm that holds the item and whether it may be chosen, at the close and never later."""
    recused = set(db.scalars(select(Recusal.organisation_id).filter_by(project_id=project.id)))
    rows = db.execute(
        select(Admission, Organisation.credit_code)
        .join(Organisation, Organisation.id == Admission.organisation_id)
        .where(Admission.item_id == project.item_id)
    )
    assert project.closes_at is not None
    statuses = {
        code: registration.judge(
            admission, project.closes_at,
            is_recused=admission.organisation_id in recused,
            is_owner=admission.organisation_id == project.owner_id,
        )
        for admission, code in rows
    }  # fmt: skip
    return pool.facts(statuses)


def logged(found: list[cells.Cell], statuses: dict[str, str]) -> tuple[list[dict[str, Any]], Tree]:
    """The entries of a project with their places in its log: registrations ascending, then withdrawals."""
    registered = [cell for cell in found if cell.body["kind"] == "register"]
    withdrawn = {cell.body["entry"]: cell for cell in found if cell.body["kind"] == "withdraw"}
    ordered = registered + [withdrawn[name] for name in sorted(withdrawn)]
    places = {cell.entry: place for place, cell in enumerate(ordered)}
    log = cells.log_tree([cell.raw for cell in ordered])
    entries = []
    for cell in registered:
        gone = withdrawn.get(cell.entry.hex())
        entries.append(
            bundle.registration_entry(
                cell, places[cell.entry], log, statuses[cell.body["firm"]],
                bundle.logged(gone, places[gone.entry], log) if gone else None,
            )
        )  # fmt: skip
    return entries, log


def pad_key(project: Project, keys: Keys) -> bytes:
    """The key of the pads: kept nowhere, so that a copy of the database cannot count the pool."""
    assert project.published_at is not None
    return H("pad-key", keys.days.of(project.published_at), project.number)
