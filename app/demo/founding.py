"""Founding the demo's city: regions and rules, people with passwords made now, three CAs, experts, admissions.

Everything goes through the acts of the rooms; founding again changes nothing.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.config import Mode, Settings
from app.demo import cast
from app.equipment import Equipment
from bidding.supermarket import catalogue
from bidding.supermarket.models import RegionRules, ServiceItem
from bidding.tenders import notices
from ca import login, parties
from ca.demo_ca import DemoCas
from ca.parties import Organisation, Person, Region
from ca.rights import SYSTEM
from evaluation import experts
from evaluation.models import ExpertKind
from storage import calendar, clock
from storage.refusals import NotNow

PROFILE = "demo"
ADMITTED_FOR = timedelta(days=365)


class NotInProduction(NotNow):
    says = "演示城市不能建在正式运行的中心里。请把 GONGHENG_MODE 设为 demo，并另选一个文件夹。"


@dataclass(frozen=True)
class Passes:
    """How the people of the city log in, kept in a file that only its owner reads."""

    file: Path

    def of(self, player: cast.Player) -> str:
        """A person's password."""
        password: str = json.loads(self.file.read_text())[player.login]
        return password

    def password_file(self, player: cast.Player) -> Path:
        """The password alone in a file, as programs want it."""
        file = self.file.parent / player.login / "password"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(mode=0o600)
            file.write_text(self.of(player))
        return file

    def folder(self, player: cast.Player) -> Path:
        """Where a person keeps key, certificate and files."""
        folder = self.file.parent / player.login
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder


def passes(settings: Settings) -> Passes:
    """The demo people's folder in this home."""
    return Passes(settings.home / "demo" / "passwords.json")


def found(equipment: Equipment) -> Passes:
    """Found the city, once."""
    settings = equipment.settings
    if settings.mode is Mode.PRODUCTION:
        raise NotInProduction
    given = passes(settings)
    with equipment.sessions.begin() as db:
        calendar.seed(db)
        city = parties.add_region(db, "990000", "示例市")
        county = parties.add_region(db, "990001", "示例县", city)
        _rules(db, city, county)
        people = _people(db, given, city, county)
        _catalogue(db, people)
        _experts(db, people)
    _certificates(settings, given)
    return given


def _rules(db: Session, *regions: Region) -> None:
    for region in regions:
        if db.scalar(select(RegionRules).filter_by(region_id=region.id)) is None:
            db.add(RegionRules(region_id=region.id, profile=PROFILE))
            notices.set_profile(db, region, PROFILE, by=SYSTEM)


def _people(db: Session, given: Passes, city: Region, county: Region) -> dict[str, Person]:
    fresh: dict[str, str] = json.loads(given.file.read_text()) if given.file.exists() else {}
    people = {}
    for player in cast.CAST:
        unit = parties.add_organisation(
            db, player.unit.name, player.unit.credit_code, county if player.unit.county else city
        )
        person = db.scalar(select(Person).filter_by(login=player.login))
        if person is None:
            person = parties.add_person(db, player.name, player.login, *player.roles, organisation=unit)
            fresh[player.login] = secrets.token_urlsafe(9)
            login.set_password(db, person, fresh[player.login])
        people[player.login] = person
    given.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    given.file.touch(mode=0o600)
    given.file.write_text(json.dumps(fresh, indent=1))
    return people


def _catalogue(db: Session, people: dict[str, Person]) -> None:
    authority = people[cast.AUTHORITY_1.login].actor
    now = clock.database(db)
    for code, name, requirement, law in cast.ITEMS:
        if db.scalar(select(ServiceItem).filter_by(code=code)):
            continue
        item = catalogue.add_item(db, code, name, requirement=requirement, law=law, by=authority)
        for player in cast.INTERMEDIARIES:
            firm = db.scalar(select(Organisation).filter_by(credit_code=player.unit.credit_code))
            assert firm is not None
            catalogue.admit(db, firm, item, now, now + ADMITTED_FOR, by=authority)


def _experts(db: Session, people: dict[str, Person]) -> None:
    staff = people[cast.STAFF_1.login].actor
    for number, player in enumerate(cast.EXPERTS):
        kind = ExpertKind.ECONOMIC if number % 4 == 3 else ExpertKind.TECHNICAL
        person = people[player.login]
        experts.enrol(db, person, kind, ["道路工程"], employer=person.organisation, by=staff)


def _certificates(settings: Settings, given: Passes) -> None:
    """Three CAs made now, each of another algorithm, and a certificate for everybody who signs."""
    folder = settings.home / "ca"
    if (folder / "trust").exists():
        cas = DemoCas.load(folder)
        cas.save_lists(folder)
    else:
        cas = DemoCas.make()
        cas.save(folder)
    for player in cast.CAST:
        kept = given.folder(player)
        if player.certificate is None or (kept / "certificate.pem").exists():
            continue
        issued = cas.issue(player.unit.name, player.unit.credit_code, player.certificate)
        key = kept / "key.pem"
        key.touch(mode=0o600)
        key.write_bytes(issued.key_pem())
        (kept / "chain.pem").write_bytes(issued.chain_pem)
        (kept / "certificate.pem").write_bytes(issued.certificate_pem)
