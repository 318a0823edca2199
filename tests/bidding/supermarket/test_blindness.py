"""Two worlds that differ only in a secret must look the same to everybody (H2).

Both worlds are real: databases that commit, the registrar's one-second batches, browsers of all roles. In the
first pair other firms register, the same number: then even a dump of the database says nothing. In the second
pair other numbers register: then every door still says nothing.
"""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import sessionmaker
from structlog.testing import capture_logs

from app import create_app
from app.config import Mode, Settings
from app.equipment import Equipment
from bidding.supermarket import registration, views, waiting
from bidding.supermarket.keys import Keys
from bidding.supermarket.models import Cell, Project, State
from ca import login, openings, parties
from ca.draws import registration as client_side
from ca.ecdsa import PlatformKey
from ca.parties import Organisation, Person
from ca.rights import SYSTEM, Role
from ca.tokens import Tokens
from ca.views import holder as holder_views
from storage import db as rows
from storage.objects import from_settings
from storage.postgres import Server, find_binaries
from storage.values import check_character
from tests.bidding.supermarket.conftest import build

FIRMS = 7  # the last one never registers and watches


class World:
    """One city in a database of its own, on its way through one project."""

    def __init__(self, server: Server, name: str, home: Path, registering: list[int], leaving: list[int]) -> None:
        self.server, self.name = server, name
        self.urls = server.create_database(name, template="template_house")
        self.engine = rows.connect(self.urls.app)
        self.sessions: sessionmaker = rows.sessions(self.engine)
        settings = Settings(mode=Mode.TEST, home=home)
        self.platform = PlatformKey.at(settings.keys_folder)
        self.keys = Keys.at(settings.keys_folder, self.platform)
        self.equipment = Equipment(
            settings=settings,
            sessions=self.sessions,
            objects=from_settings(f"folder:{home / 'objects'}", home),
            tokens=Tokens(settings.keys_folder / "tokens.key"),
            platform_key=self.platform,
        )
        self.app = create_app(self.equipment)
        self.app.config.update(WTF_CSRF_ENABLED=False)
        for door in (views.pages, views.api, holder_views.pages, holder_views.api):
            if door.name not in self.app.blueprints:
                self.app.register_blueprint(door)
        self.registering, self.leaving = registering, leaving
        self.numbers = 0

    def person(self, role: Role) -> Person:
        self.numbers += 1
        body = f"91511700MA{self.numbers:07d}"
        unit = parties.add_organisation(self.db, f"单位{self.numbers}", body + check_character(body))
        return parties.add_person(self.db, f"人员{self.numbers}", f"user{self.numbers}", role, organisation=unit)

    def begin(self) -> None:
        with self.sessions() as self.db:
            self.city = build(self.db, self.keys, self.person, firms=FIRMS)
            self.city.person(Role.CENTRE_STAFF)
            project = self.city.submitted()
            for holder in self.city.holders:
                holder.join(self.db, project.draw.opening)
            openings.close_params(self.db, project.draw.opening, by=SYSTEM)
            self.city.settle(project)
            self.city.contribute(project)
            self.project_id, self.number, self.item_id = project.id, project.number, self.city.item.id
            everybody = self.db.scalars(select(Person).order_by(Person.id)).all()
            self.cookies = {person.id: login.begin(self.db, person) for person in everybody}
            self.tokens = {person.id: self.equipment.tokens.issue(self.db, person) for person in everybody}
            self.codes = {firm.person_id: self.code(firm) for firm in self.city.firms}
            self.db.commit()

    def code(self, firm) -> str:
        return rows.find(self.db, Organisation, firm.organisation_id).credit_code

    def browser(self, person_id: int | None):
        browser = self.app.test_client()
        if person_id is not None:
            browser.set_cookie("gh_session", self.cookies[person_id])
        return browser

    def register(self) -> None:
        """All firms look at the project; some register, and some of these withdraw again."""
        firms = [firm.person_id for firm in self.city.firms]
        for firm in firms:
            assert self.browser(firm).get(f"/supermarket/projects/{self.project_id}").status_code == 200
        with ThreadPoolExecutor(len(firms)) as pool:
            secrets = dict(pool.map(lambda place: (place, self.hand_in(firms[place])), self.registering))
        for place in self.leaving:
            answer = self.browser(firms[place]).post(
                f"/supermarket/projects/{self.project_id}/registration/withdrawal",
                data={"secret": secrets[place]},
            )
            assert answer.status_code == 303, answer.text

    def hand_in(self, person_id: int) -> str:
        body, secret = client_side.register(self.number, self.codes[person_id])
        answer = self.app.test_client().post(
            f"/api/supermarket/projects/{self.project_id}/registration", json={"body": body},
            headers={"Authorization": f"Bearer {self.tokens[person_id]}"},
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        return secret.hex()

    def close(self) -> None:
        """Let the hour come: the clock of this database jumps, and the worker's act runs."""
        admin = rows.connect(self.urls.admin)
        with admin.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text(f"ALTER DATABASE {self.name} SET gongheng.shift = '3601 seconds'"))
        admin.dispose()
        self.engine.dispose()
        with self.sessions() as db:
            assert self.project_id in waiting.due(db)
            waiting.settle_with(db, self.project_id, self.equipment)
            db.commit()
            assert db.get(Project, self.project_id).state is State.POOL_COMMITTED

    def seen(self) -> dict[tuple[str, str], tuple[int, str, str]]:
        """What everybody who did not register gets from every door: status, headers, body."""
        registered = {self.city.firms[place].person_id for place in self.registering}
        visitors = {"nobody": None} | {
            f"person {number}": number for number in self.cookies if number not in registered
        }
        values = {
            "project_id": self.project_id,
            "item_id": self.item_id,
            "admission_id": 1,
            "opening_id": 1,
        }
        found = {}
        for who, number in visitors.items():
            for path in self.paths(values):
                browser = self.browser(number)
                headers = {"Authorization": f"Bearer {self.tokens[number]}"} if number else {}
                answer = browser.get(path, headers=headers if path.startswith("/api") else {})
                found[who, path] = (answer.status_code, normal(str(answer.headers)), normal(answer.text))
        return found

    def paths(self, values: dict[str, int]) -> list[str]:
        adapter = self.app.url_map.bind("localhost")
        rules = [rule for rule in self.app.url_map.iter_rules() if "GET" in rule.methods]
        known = [rule for rule in rules if rule.arguments <= set(values) and not rule.endpoint.endswith("static")]
        paths = [adapter.build(rule.endpoint, {name: values[name] for name in rule.arguments}) for rule in known]
        return sorted(path for path in set(paths) if path not in ("/metrics", "/time", "/api/openapi.json"))

    def dump(self, *options: str) -> str:
        url = self.urls.owner.replace("postgresql+psycopg", "postgresql")
        command = [find_binaries().folder / "pg_dump", "--no-owner", *options, "--dbname", url]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        told = normal(told.replace(self.name, "DATABASE"))
        journal = re.compile(r"(?<=COPY public\.journal ).*?\n\\\.", re.DOTALL)
        # The last column is PostgreSQL's own transaction number, shared by all databases of a server.
        return journal.sub(lambda lines: re.sub(r"(?m)\t\d+$", "\tXID", lines[0]), told)


def normal(told: str) -> str:
    """The same without what is random or a moment in both worlds alike."""
    told = re.sub(r"[0-9a-f]{32,}", "#", told)
    told = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", told)
    told = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?([+-]\d\d(:?\d\d)?|Z)?", "MOMENT", told)
    told = re.sub(r"\d{4}年\d{1,2}月\d{1,2}日 周. \d\d:\d\d(:\d\d)?", "MOMENT", told)
    told = re.sub(r"\d+ (天|小时|分钟|秒)( \d+ (小时|分钟|秒))?(后|前)", "AWAY", told)
    told = re.sub(r"(?m)^\\(un)?restrict .*$", "RESTRICT", told)
    told = re.sub(r'(csrf_token" value=")[^"]+', r"\1CSRF", told)
    told = re.sub(r"(?m)^(ETag|Last-Modified|Date|Set-Cookie): .*$", r"\1: …", told)
    # A security token is compressed when that makes it shorter: its length is random; bodies are compared.
    told = re.sub(r"(?m)^Content-Length: .*$", "Content-Length: …", told)
    return re.sub(r"[0-9a-f]{16,}…", "#…", told)


@pytest.fixture(scope="module")
def worlds(postgres: Server, tmp_path_factory):
    """Two that differ in who registers, and a third that differs in how many."""
    plans = {
        "those": ([0, 1, 2, 3], [3]),
        "others": ([5, 4, 3, 2], [4]),
        "more": ([0, 1, 2, 3, 4, 5], [0, 5]),
    }
    made = {}
    with capture_logs() as logs:
        for name, (registering, leaving) in plans.items():
            world = World(postgres, f"blind_{name}", tmp_path_factory.mktemp(name), registering, leaving)
            world.begin()
            before = len(logs)
            world.register()
            world.logged = logs[before:]
            made[name] = world
    yield made
    for world in made.values():
        world.engine.dispose()
        postgres.drop_database(world.name)


@pytest.fixture(scope="module")
def open_worlds(worlds):
    """What is seen and kept while the registration is open."""
    return {name: (world.seen(), world.dump()) for name, world in worlds.items()}


@pytest.fixture(scope="module")
def closed_worlds(worlds, open_worlds):
    """The same after the close, before any key is released."""
    for world in worlds.values():
        world.close()
    return {name: (world.seen(), world.dump()) for name, world in worlds.items()}


def same(one: dict, other: dict) -> None:
    shared = set(one) & set(other)
    assert len(shared) > 100
    assert any(status == 200 for status, _, _ in one.values())
    differing = [key for key in sorted(shared) if one[key] != other[key]]
    for key in differing:
        assert one[key] == other[key], key


def test_they_did_register(worlds):
    for name, cells in (("those", 5), ("others", 5), ("more", 8)):
        with worlds[name].sessions() as db:
            assert len(db.scalars(select(Cell.entry)).all()) == cells
            project = db.get(Project, worlds[name].project_id)
            assert len(registration.of_project(db, project, worlds[name].keys)) == cells


def test_no_door_tells_who_registers(open_worlds):
    same(open_worlds["those"][0], open_worlds["others"][0])


def test_no_door_tells_how_many_register(open_worlds):
    same(open_worlds["those"][0], open_worlds["more"][0])


def test_a_dump_tells_nothing_of_who(open_worlds):
    assert open_worlds["those"][1] == open_worlds["others"][1]


def test_a_dump_tells_the_number_by_its_cells_alone(open_worlds):
    """The known limit of the simple profile: whoever has SQL can count rows, and nothing more."""
    cells = re.compile(r"COPY public\.supermarket_cell .*?\n\\\.", re.DOTALL)
    one, other = (cells.sub("CELLS", open_worlds[name][1]) for name in ("those", "more"))

    assert one == other
    assert one.count("CELLS") == 1


def test_logs_and_objects_tell_nothing(worlds):
    for world in worlds.values():
        assert world.logged == []
        assert list(world.equipment.objects.list("")) == []


def test_after_the_close_no_door_tells_who_or_how_many(closed_worlds):
    same(closed_worlds["those"][0], closed_worlds["others"][0])
    same(closed_worlds["those"][0], closed_worlds["more"][0])


def test_after_the_close_a_dump_tells_nothing_of_who(closed_worlds):
    assert closed_worlds["those"][1] == closed_worlds["others"][1]


def test_the_test_has_teeth(worlds, open_worlds):
    """One careless line – a counter in the project's journal – and the worlds differ."""
    world = worlds["more"]
    with world.sessions() as db:
        from storage import journal

        journal.record(db, f"supermarket/{world.project_id}", "contribution.sealed", by=None, label="owner")
        db.flush()
        count = len(journal.entries(db, f"supermarket/{world.project_id}"))
        db.rollback()
        assert len(journal.entries(db, f"supermarket/{world.project_id}")) == count - 1
