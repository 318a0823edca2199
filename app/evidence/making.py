"""Making bundles: by a job, when the result is public and whenever the project's chains have moved on.

A bundle is checked as any stranger would before it is kept; one that would not stand never leaves.
"""

import tempfile
from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.evidence import checks, collect, container
from app.evidence.models import EvidenceBundle, Scope
from bidding.supermarket.models import Project
from bidding.tenders.models import Tender
from evaluation.models import Session as Panel
from storage import clock, jobs, journal
from storage.db import find
from storage.refusals import NotFound, NotNow

SETTLES_IN = timedelta(seconds=2)  # several entries come together: one bundle for all of them
KINDS: dict[str, type[Tender] | type[Project]] = {"tender": Tender, "supermarket": Project}


class NotPublicYet(NotFound):
    says = "结果公布之后才有证据包。请在结果公布后再下载。"


class BeingMade(NotNow):
    says = "证据包正在生成，请几秒后再下载。"
    keeps = True  # the order stands


def subject(db: Session, kind: str, id_: int) -> Tender | Project:
    """The tender or project whose result is public; any other has no bundle."""
    one = find(db, KINDS[kind], id_)
    if not is_public(one):
        raise NotPublicYet
    return one


def is_public(one: Tender | Project) -> bool:
    """Whether everybody may have its evidence."""
    if isinstance(one, Tender):
        return one.published_at is not None and one.state in collect.PUBLIC_TENDERS
    return one.state in collect.PUBLIC_PROJECTS


def current(db: Session, store: Any, one: Tender | Project, scope: Scope) -> EvidenceBundle:
    """The bundle of how things stand now. Raises BeingMade, and orders it, when there is none yet."""
    stamp = collect.stamp(db, store, one, scope)
    bundle = db.scalar(select(EvidenceBundle).filter_by(file=one.file, scope=scope, stamp=stamp))
    if bundle is None:
        order(db, one.file, scope)
        raise BeingMade
    return bundle


def order(db: Session, file: str, scope: Scope, *, after: timedelta = timedelta(0)) -> None:
    """Let a bundle be made; one order at a time."""
    name = f"evidence/{scope.value}/{file}"
    at = clock.database(db) + after if after else None
    jobs.later(db, "evidence.make", at=at, lock=name, once=name, file=file, scope=scope.value)


def follow(db: Session, entry: journal.Entry, equipment: Any) -> None:
    """When a public project's chain grows, its public bundle is made anew."""
    kind, _, number = entry.file.partition("/")
    if kind == "session":
        panel = db.get(Panel, int(number))
        one: Tender | Project | None = panel.tender if panel else None
    else:
        one = db.get(KINDS[kind], int(number)) if kind in KINDS else None
    if one is not None and is_public(one):
        order(db, one.file, Scope.PUBLIC, after=SETTLES_IN)


@jobs.task("evidence.make")
def make(db: Session, *, file: str, scope: str) -> None:
    """Make one bundle, check it, keep it. Safe to repeat."""
    kind, _, number = file.partition("/")
    equipment, wanted = db.info["equipment"], Scope(scope)
    one = db.get(KINDS[kind], int(number))
    if one is None or not is_public(one):
        return
    stamp = collect.stamp(db, equipment.objects, one, wanted)
    if db.scalar(select(EvidenceBundle).filter_by(file=file, scope=wanted, stamp=stamp)):
        return
    made_at = clock.database(db)
    with tempfile.TemporaryDirectory(prefix="evidence-") as folder:
        path = Path(folder) / "bundle.zip"
        with path.open("wb") as out:
            manifest = container.write(
                out, contents(db, equipment, one, wanted).whole(), project=one.number,
                made_at=made_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), key=equipment.platform_key,
            )  # fmt: skip
        outcome = checks.verify(container.check(path), platform=equipment.platform_key.public)
        assert outcome.ok, f"our own bundle would not stand: {outcome.first_wrong}: {outcome.reason}"
        key = f"evidence/{file.replace('/', '-')}/{wanted.value}-{stamp[:16]}-{manifest[:16]}.zip"
        with path.open("rb") as source:
            kept = equipment.objects.put(key, source, media_type="application/zip")
    db.add(EvidenceBundle(
        file=file, scope=wanted, stamp=stamp, object_key=key, manifest=manifest, sha256=kept.sha256, size=kept.bytes,
        made_at=made_at,
    ))  # fmt: skip
    db.flush()


def contents(db: Session, equipment: Any, one: Tender | Project, scope: Scope) -> collect.Contents:
    """What goes in."""
    if isinstance(one, Tender):
        return collect.tender(db, equipment.objects, one, scope, equipment.settings.home / "ca")
    return collect.supermarket(db, equipment.objects, one, scope)


def earlier(db: Session, file: str, scope: Scope) -> Sequence[EvidenceBundle]:
    """Every bundle that was made of a project, newest first; the older ones stay true."""
    made = select(EvidenceBundle).filter_by(file=file, scope=scope).order_by(EvidenceBundle.id.desc())
    return db.scalars(made).all()


