# ruff: noqa: F811 (fixtures)
"""`gongheng holder` and `gongheng contribute` against a real application: whole draws, and refusals."""

import json
from pathlib import Path

import click
import httpx
import pytest
from click.testing import CliRunner

from app.commands import contribute
from app.commands.calling import Centre, Refused, password_of
from app.commands.holder import Program, holder, pauses
from bidding.supermarket.models import Project, State
from ca import login, openings
from ca.draws import verify
from ca.parties import Person
from storage import clock
from storage.db import find
from tests.bidding.supermarket.conftest import app, city, keys  # noqa: F401 (fixtures)

PASSWORD = "correct horse battery"


@pytest.fixture
def programs(city, app, tmp_path):
    """A holder's program for each of the three holders, and what they said."""
    said: list[str] = []

    def make(person: Person, folder: Path) -> Program:
        folder.mkdir(exist_ok=True)
        return Program(centre(city, app, person), folder, said.append)

    made = [make(each.person, tmp_path / f"holder-{place}") for place, each in enumerate(city.holders)]
    made[0].said = said
    return made


def centre(city, app, person: Person) -> Centre:
    login.set_password(city.db, person, PASSWORD)
    city.db.flush()
    http = httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://centre.test")
    return Centre(http, person.login, PASSWORD)


def steps(city, programs: list[Program]) -> list[int]:
    city.db.flush()
    done = [program.step() for program in programs]
    city.db.expire_all()
    return done


def published(city, programs) -> Project:
    project = city.submitted()
    assert steps(city, programs) == [1, 1, 1]
    openings.settle(city.db, project.draw.opening_id)
    return city.settle(project)


def closed(city, programs) -> Project:
    project = published(city, programs)
    city.contribute(project)
    city.register(project)
    city.pass_time(1)
    return city.settle(project)


@pytest.fixture
def an_hour_later(monkeypatch, request):
    """The holders' own clocks run on with the database's."""

    def move(city):
        clock.set_to(city.now())

    return move


def test_the_programs_carry_a_draw_from_the_joins_to_the_name(city, programs, an_hour_later):
    project = closed(city, programs)
    an_hour_later(city)

    assert steps(city, programs) == [1, 1, 1]
    city.settle(project)

    assert project.state is State.RESULT
    assert verify.verify(project.draw.bundle.encode()).ok
    assert steps(city, programs) == [0, 0, 0]


def test_a_program_does_not_release_before_its_own_clock_says_so(city, programs):
    project = closed(city, programs)  # the database's clock is an hour ahead of the holders'

    assert steps(city, programs) == [0, 0, 0]
    assert steps(city, programs) == [0, 0, 0]
    assert openings.scalars(project.draw.opening) == {}
    said = [words for words in programs[0].said if "不释放" in words]
    assert len(said) == 3
    assert all("our clock" in words for words in said)


@pytest.mark.parametrize("part", ["pool", "notice", "pool_signature"])
def test_a_program_releases_for_the_signed_pool_only(city, programs, an_hour_later, part):
    project = closed(city, programs)
    an_hour_later(city)
    shown = json.loads(json.dumps(project.draw.opening.evidence))
    if part == "pool_signature":
        shown[part] = city.keys.platform.sign(b"something else").hex()
    else:
        shown[part]["project"] = "ZJ-2026-999999"
    project.draw.opening.evidence = shown

    assert steps(city, programs) == [0, 0, 0]
    assert openings.scalars(project.draw.opening) == {}


def test_a_program_that_met_another_platform_does_not_release(city, programs, an_hour_later, tmp_path):
    project = closed(city, programs)
    an_hour_later(city)
    (tmp_path / "holder-0" / "platform.pub").write_text("02" + "11" * 32)

    assert steps(city, programs) == [0, 1, 1]
    assert city.settle(project).state is State.RESULT


def test_a_program_started_anew_knows_its_keys(city, programs, app, tmp_path, an_hour_later):
    project = closed(city, programs)
    an_hour_later(city)
    again = [
        Program(centre(city, app, each.person), tmp_path / f"holder-{place}", print)
        for place, each in enumerate(city.holders)
    ]

    assert steps(city, again) == [1, 1, 1]
    assert city.settle(project).state is State.RESULT


def test_a_lost_folder_cannot_release(city, programs, app, tmp_path, an_hour_later):
    project = closed(city, programs)
    an_hour_later(city)
    (tmp_path / "empty").mkdir()
    lost = Program(centre(city, app, city.holders[0].person), tmp_path / "empty", print)

    assert steps(city, [lost]) == [0]
    assert openings.scalars(project.draw.opening) == {}


def test_a_copy_of_each_release_stays_for_the_witness(city, programs, tmp_path, an_hour_later):
    project = closed(city, programs)
    an_hour_later(city)
    steps(city, programs)

    [file] = (tmp_path / "holder-1" / "releases").iterdir()
    kept = json.loads(file.read_text())
    assert kept["key"] == project.draw.opening.seats[1].key
    assert file.stat().st_mode & 0o077 == 0


def test_owner_and_supervisor_contribute_from_the_terminal(city, programs, app):
    project = published(city, programs)
    for actor, label in ((city.owner, "owner"), (city.supervisor, "supervisor")):
        caller = centre(city, app, find(city.db, Person, actor.person_id))
        assert contribute.seal(caller, project.id) == (label, 1)
        assert contribute.seal(caller, project.id) == (label, 2)
    city.db.expire_all()
    city.register(project)
    city.pass_time(1)

    assert city.settle(project).state is State.POOL_COMMITTED


def test_nobody_else_contributes_from_the_terminal(city, programs, app):
    project = published(city, programs)
    caller = centre(city, app, find(city.db, Person, city.firms[0].person_id))

    with pytest.raises(click.ClickException, match="提供方"):
        contribute.seal(caller, project.id)


def test_nothing_is_sealed_to_parameters_that_the_notice_does_not_name(city, programs):
    project, other = published(city, programs), published(city, programs)
    notice, signatures = json.loads(project.draw.notice), project.draw.notice_signatures
    params = project.draw.opening.params

    assert contribute.checked(params, notice, signatures).opening == project.draw.opening.name
    wrong = [
        (other.draw.opening.params, notice, signatures),
        (params, notice | {"minimum": 1}, signatures),
        (params, notice, signatures | {"owner": signatures["platform"]}),
        (params.replace(":1", ":2", 1), notice, signatures),
        ("{}", notice, signatures),
        (params, {}, signatures),
    ]
    for given in wrong:
        with pytest.raises(contribute.NotWhatWasPublished):
            contribute.checked(*given)


def test_a_wrong_password_is_said_in_a_sentence(city, app):
    caller = centre(city, app, city.holders[0].person)
    caller._password = "wrong"

    with pytest.raises(Refused) as no:
        caller.get("/holder/openings")
    assert no.value.code == "wrong_password"


def test_a_token_that_ran_out_is_renewed(city, app):
    caller = centre(city, app, city.holders[0].person)
    assert caller.get("/holder/openings") == {"openings": []}
    caller._token = "run.out.token"

    assert caller.get("/holder/openings") == {"openings": []}


def test_the_command_ends_with_a_sentence_when_no_server_answers(tmp_path):
    password = tmp_path / "pw"
    password.write_text("x")
    given = ["--server", "http://127.0.0.1:9", "--folder", str(tmp_path / "h"), "--login", "h1"]
    told = CliRunner().invoke(holder, [*given, "--password-file", str(password), "--once"])

    assert told.exit_code == 1
    assert "Error" in told.output
    assert password_of(password) == "x"


def test_pauses_grow_to_a_bound():
    waits = pauses(1.0)
    assert [next(waits) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
