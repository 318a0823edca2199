"""A small city for the supermarket's tests: an authority, an owner, a supervisor, holders and firms."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from bidding.supermarket import catalogue, contributions, publishing, registration, waiting
from bidding.supermarket.keys import Keys
from bidding.supermarket.models import Project, RegionRules, ServiceItem
from ca import canonical, openings, parties
from ca.draws import pool
from ca.draws import registration as cells
from ca.ecdsa import Key
from ca.openings import Opening
from ca.parties import Person
from ca.rights import SYSTEM, Actor, Role
from ca.sealing import box, messages
from storage import clock
from storage.db import find


@dataclass
class Holder:
    """A holder's program in miniature."""

    person: Person
    key: Key = field(default_factory=Key.make)
    sig: Key = field(default_factory=Key.make)

    def join(self, db: Session, opening: Opening) -> None:
        self.key = Key.make()
        join = self.sig.sign(messages.join(opening.base, self.key.public, self.sig.public)).hex()
        ready = self.key.sign(messages.ready(opening.base)).hex()
        keys = {"pk": self.key.public.hex(), "sig": self.sig.public.hex()}
        openings.join(db, opening, **keys, join=join, ready=ready, by=self.person.actor)

    def release(self, db: Session, opening: Opening, key: Key | None = None) -> openings.Verdict:
        signature = self.sig.sign(pool.release_signed(pool.commitment(opening.evidence["pool"])))
        scalar = (key or self.key).scalar.hex()
        return openings.release(db, opening, key=scalar, signature=signature.hex(), by=self.person.actor)


@dataclass
class City:
    """The people of a test, and the way of a project through their hands."""

    db: Session
    keys: Keys
    person: Callable[..., Person]
    item: ServiceItem
    authority: Actor
    owner: Actor
    supervisor: Actor
    holders: list[Holder]
    firms: list[Actor]

    def now(self) -> datetime:
        return clock.database(self.db).replace(microsecond=0)

    def draft(self, **given) -> Project:
        terms = {
            "item_id": self.item.id,
            "title": "道路工程造价咨询",
            "scope": "编制预算",
            "budget": "200000",
        }
        return publishing.draft(self.db, publishing.Terms(**terms | given), by=self.owner)

    def submitted(self, **given) -> Project:
        """A project that waits for its holders."""
        closes_at = given.pop("closes_at", None) or self.now() + timedelta(hours=1)
        return publishing.publish(self.db, self.draft(**given), closes_at, by=self.owner)

    def published(self, **given) -> Project:
        project = self.submitted(**given)
        for holder in self.holders:
            holder.join(self.db, project.draw.opening)
        openings.close_params(self.db, project.draw.opening, by=SYSTEM)
        self.settle(project)
        return project

    def settle(self, project: Project) -> Project:
        self.db.expire_all()  # doors work in sessions of their own
        waiting.settle(self.db, project.id, self.keys)
        return project

    def contribute(self, project: Project, *who: Actor, seq: int = 1) -> None:
        for actor in who or (self.owner, self.supervisor):
            label = contributions.label_for(project, actor)
            sealed = box.contribute(contributions.params_of(project.draw), label, seq).box
            contributions.contribute(self.db, project, sealed, by=actor)

    def body(self, project: Project, firm: Actor, **given) -> tuple[dict, bytes]:
        code = find(self.db, parties.Organisation, firm.organisation_id).credit_code
        return cells.register(project.number, code, **given)

    def register(self, project: Project, *firms: Actor) -> list[tuple[registration.Receipt, bytes]]:
        made = []
        for firm in firms or self.firms:
            body, secret = self.body(project, firm)
            receipt = registration.register(self.db, project, body, keys=self.keys, by=firm)
            made.append((receipt, secret))
        return made

    def pass_time(self, hours: float = 0, **given) -> None:
        """Move the database's clock on."""
        self._passed = getattr(self, "_passed", timedelta()) + timedelta(hours=hours, **given)
        clock.shift_database(self.db, self._passed)

    def closed(self, *firms: Actor) -> Project:
        """A project whose pool is committed."""
        project = self.published()
        self.contribute(project)
        self.register(project, *firms)
        self.pass_time(1)
        return self.settle(project)

    def drawn(self, *firms: Actor) -> Project:
        project = self.closed(*firms)
        for holder in self.holders[:2]:
            holder.release(self.db, project.draw.opening)
        return self.settle(project)

    def issued(self) -> Project:
        project = self.drawn()
        self.pass_time(1)
        return self.settle(project)

    def code(self, firm: Actor) -> str:
        return find(self.db, parties.Organisation, firm.organisation_id).credit_code

    def selected(self, project: Project) -> Actor:
        return next(firm for firm in self.firms if firm.organisation_id == project.selected_id)

    def bundle(self, project: Project) -> dict:
        return canonical.decode(project.draw.bundle.encode())


@pytest.fixture
def keys(equipment) -> Keys:
    return Keys.at(equipment.settings.keys_folder, equipment.platform_key)


@pytest.fixture
def city(db, person, keys) -> City:
    """Five firms, three holders, and the demo's short periods."""
    return build(db, keys, person)


def build(db: Session, keys: Keys, person: Callable[[Role], Person], firms: int = 5) -> City:
    """A city in any session; person makes somebody with a role, of an organisation of their own."""
    region = parties.add_region(db, "511700", "示例市")
    db.add(RegionRules(region_id=region.id, profile="demo"))

    def somebody(role: Role) -> Person:
        made = person(role)
        made.region_id = made.organisation.region_id = region.id
        db.flush()
        return made

    authority = somebody(Role.AUTHORITY).actor
    item = catalogue.add_item(db, "ZJ-001", "工程造价咨询", requirement="无", by=authority)
    admitted = [somebody(Role.INTERMEDIARY).actor for _ in range(firms)]
    now = clock.database(db)
    for firm in admitted:
        organisation = find(db, parties.Organisation, firm.organisation_id)
        catalogue.admit(db, organisation, item, now - timedelta(days=1), now + timedelta(days=365), by=authority)
    return City(
        db, keys, somebody, item, authority, somebody(Role.PROJECT_OWNER).actor,
        somebody(Role.SUPERVISOR).actor, [Holder(somebody(Role.KEY_HOLDER)) for _ in range(3)], admitted,
    )  # fmt: skip


@pytest.fixture
def app(app, city):
    """The application with the supermarket's doors open and the city's keys in its folder."""
    from bidding.supermarket import views
    from ca.views import holder

    for door in (views.pages, views.api, holder.pages, holder.api):
        if door.name not in app.blueprints:
            app.register_blueprint(door)
    return app
