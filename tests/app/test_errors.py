"""What goes wrong is told in words, with the right status, and nothing is changed."""

import pytest
from flask import g
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from ca import login
from ca.parties import Region, add_region
from ca.rights import Role, public
from storage.objects import Corrupt, OutOfReach


@pytest.fixture
def doors(app):
    def door(path, error):
        @public
        def view():
            """Write, then meet the store."""
            add_region(g.db, "990000", "示例")
            raise error

        app.add_url_rule(path, path, view, methods=["GET", "POST"])

    for prefix in ("", "/api"):
        door(f"{prefix}/away", OutOfReach("connection refused"))
        door(f"{prefix}/corrupt", Corrupt("documents/x.pdf"))
    return app


def test_a_store_that_does_not_answer_is_a_503(doors, client, db):
    page, program = client.get("/away"), client.api("GET", "/away")

    assert page.status_code == 503
    assert "文件库暂时连接不上" in page.get_data(as_text=True)
    assert (program.status_code, program.json["code"]) == (503, "store_away")
    assert db.query(Region).filter_by(code="990000").count() == 0


def test_a_form_whose_page_needs_the_store_too_is_still_a_page(doors, client):
    answer = client.post("/away")

    assert answer.status_code == 503
    assert "connection refused" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/corrupt", "/api/corrupt"])
def test_other_bytes_than_were_written_raise_the_alarm(doors, client, db, path):
    with capture_logs() as lines:
        answer = client.get(path)

    assert answer.status_code == 500
    assert "documents/x.pdf" not in answer.get_data(as_text=True)
    [alarm] = [line for line in lines if line["event"] == "store_corrupt"]
    assert (alarm["log_level"], alarm["detail"]) == ("critical", "documents/x.pdf")
    assert alarm["reference"] in answer.get_data(as_text=True)
    assert db.query(Region).filter_by(code="990000").count() == 0


def test_a_page_that_is_not_there_knows_who_is_lost(client, person):
    somebody = person(Role.SUPERVISOR)
    client.login(somebody)
    answer = client.get("/no/such/page")

    assert answer.status_code == 404
    assert somebody.name in answer.get_data(as_text=True)
    assert answer.headers["Cache-Control"] == "no-store"
    assert somebody.name not in client.logout().get("/no/such/page").get_data(as_text=True)


def test_it_is_a_404_even_without_a_database(client, person, monkeypatch):
    client.login(person(Role.SUPERVISOR))

    def away(db, token):
        raise OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr(login, "who", away)

    assert client.get("/no/such/page").status_code == 404
