"""What people and programs are told when something of the frame goes wrong."""

import pytest
from sqlalchemy.exc import OperationalError

from app import errors
from ca.parties import add_region
from ca.rights import Role, allow, public
from storage.objects import OutOfReach


@pytest.fixture
def doors(app):
    @app.get("/api/twice")
    @public
    def twice():
        """Break a constraint of the database."""
        from flask import g
        from sqlalchemy import text

        add_region(g.db, "990009", "示例")
        g.db.execute(text("INSERT INTO region (code, name) VALUES ('990009', '示例')"))
        return "never"

    @app.get("/api/away")
    @public
    def away():
        """The database is away."""
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    @app.get("/api/store")
    @public
    def store():
        """The store of files is away."""
        raise OutOfReach("gone")

    @app.post("/form")
    @allow(Role.SUPERVISOR)
    def form():
        """A form of a page."""
        return "posted"

    return app


def test_the_second_of_two_is_told_that_somebody_was_first(doors, client):
    answer = client.get("/api/twice")

    assert answer.status_code == 409
    assert answer.json["code"] == "somebody_else_was_first"
    assert answer.json["detail"] == errors.SomebodyElseWasFirst.says


def test_a_database_that_is_away_says_try_again(doors, client):
    answer = client.get("/api/away")

    assert (answer.status_code, answer.json["code"]) == (409, "try_again")
    assert answer.json["detail"] == errors.TryAgain.says


def test_a_store_that_is_away_is_503(doors, client):
    answer = client.get("/api/store")

    assert (answer.status_code, answer.json["code"]) == (503, "store_away")


def test_a_form_without_its_security_token_is_told_that_the_page_expired(doors, client, person):
    doors.config["WTF_CSRF_ENABLED"] = True
    answer = client.login(person(Role.SUPERVISOR)).post("/form")

    assert answer.status_code == 422
    assert errors.PageExpired.says in answer.get_data(as_text=True)


def test_a_page_that_is_not_there_is_a_page(client):
    answer = client.get("/no-such-page")

    assert answer.status_code == 404
    assert "<html" in answer.get_data(as_text=True)


def test_a_call_that_is_not_there_is_problem_json(client):
    answer = client.get("/api/no-such-call")

    assert answer.mimetype == "application/problem+json"
    assert answer.json["code"] == "not_found"
