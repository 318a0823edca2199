"""What every test may ask for: a real database, the clock, an object store, people and a browserless client."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from app import Equipment, create_app, rooms, schema
from app.config import Mode, Settings
from ca import login, parties
from ca.ecdsa import PlatformKey
from ca.rights import Actor, Role
from ca.tokens import Tokens
from storage import clock
from storage import db as rows
from storage.postgres import Server, temporary_server
from storage.values import check_character

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One real PostgreSQL for this test process, in a folder of its own, without fsync."""
    with temporary_server() as server:
        urls = server.create_database("template_house")
        engine = rows.connect(urls.owner)
        schema.upgrade(engine)
        engine.dispose()
        yield server


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def engine(postgres: Server) -> Iterator[Engine]:
    """The application's own connection to a fresh database (its role may not change the past)."""
    urls = postgres.create_database("house", template="template_house")
    engine = rows.connect(urls.app)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def real_time() -> Iterator[None]:
    yield
    clock.real()


@pytest.fixture
def db(engine: Engine) -> Iterator[Session]:
    """A session whose work is undone after the test; a commit inside it keeps nothing."""
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, expire_on_commit=False, join_transaction_mode="create_savepoint") as session:
            yield session
        if outer.is_active:
            outer.rollback()
        if not connection.closed:
            connection.execute(text("RESET ALL"))


@pytest.fixture
def database(postgres: Server) -> Iterator[sessionmaker[Session]]:
    """Sessions that really commit, on a database of the test's own: for crashes, races and dumps."""
    name = f"house_{next(_numbers)}"
    urls = postgres.create_database(name, template="template_house")
    engine = rows.connect(urls.app)
    makes = rows.sessions(engine)
    makes.urls = urls  # type: ignore[attr-defined]
    yield makes
    engine.dispose()
    postgres.drop_database(name)


@pytest.fixture
def store(tmp_path: Path):
    """The folder object store."""
    from storage.objects import from_settings

    return from_settings(f"folder:{tmp_path / 'objects'}", tmp_path)


def credit_code(number: int) -> str:
    """A valid credit code for the number-th organisation of a test."""
    body = f"91510000MA{number:07d}"
    return body + check_character(body)


@pytest.fixture
def organisation(db: Session) -> Callable[..., parties.Organisation]:
    def make(name: str = "", session: Session | None = None) -> parties.Organisation:
        number = next(_numbers)
        return parties.add_organisation(session or db, name or f"示例单位{number}", credit_code(number))

    return make


@pytest.fixture
def person(db: Session, organisation) -> Callable[..., parties.Person]:
    """`person(Role.BIDDER)` is somebody with that role, of an organisation of their own unless one is given."""

    def make(*roles: Role, organisation: parties.Organisation | None = None, session: Session | None = None):
        number, unit = next(_numbers), organisation
        if unit is None:
            unit = make_organisation(session=session)
        return parties.add_person(session or db, f"人员{number}", f"user{number}", *roles, organisation=unit)

    make_organisation = organisation
    return make


@pytest.fixture
def actor(person) -> Callable[..., Actor]:
    def make(*roles: Role, **given) -> Actor:
        return person(*roles, **given).actor

    return make


class Visitor:
    """A test client that knows how to log in and to post a form with its security token."""

    def __init__(self, app) -> None:
        self.app = app
        self.http = app.test_client()

    def login(self, person: parties.Person) -> "Visitor":
        with self.app.extensions["house"].sessions() as session:
            token = login.begin(session, session.merge(person))
            session.commit()
        self.http.set_cookie("gh_session", token)
        return self

    def logout(self) -> "Visitor":
        self.http.delete_cookie("gh_session")
        return self

    def get(self, path: str, **given):
        return self.http.get(path, **given)

    def post(self, path: str, data=None, **given):
        return self.http.post(path, data=data or {}, **given)

    def api(self, method: str, path: str, person: parties.Person | None = None, **given):
        headers = given.pop("headers", {})
        if person is not None:
            house = self.app.extensions["house"]
            with house.sessions() as session:
                token = house.tokens.issue(session, session.merge(person))
                session.commit()
            headers["Authorization"] = f"Bearer {token}"
        return self.http.open("/api" + path, method=method, headers=headers, **given)


@pytest.fixture
def equipment(db: Session, store, tmp_path: Path) -> Equipment:
    settings = Settings(mode=Mode.TEST, home=tmp_path)
    connection = db.connection()
    makes = sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")
    equipment = Equipment(
        settings=settings, sessions=makes, objects=store,
        tokens=Tokens(settings.keys_folder / "tokens.key"), platform_key=PlatformKey.at(settings.keys_folder),
    )  # fmt: skip
    makes.configure(info={"equipment": equipment})
    db.info["equipment"] = equipment
    return equipment


@pytest.fixture
def app(equipment: Equipment):
    """The web application on the test's own transaction: what it commits, the test sees and then undoes."""
    app = create_app(equipment)
    app.config.update(WTF_CSRF_ENABLED=False)  # its own tests turn it on
    return app


@pytest.fixture
def client(app) -> Visitor:
    return Visitor(app)


rooms.models()
