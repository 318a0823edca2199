"""One request, one transaction, one actor: what went well is kept, what was refused leaves nothing behind."""

import pytest
from flask import g
from pydantic import BaseModel

from ca.parties import Region, add_region
from ca.rights import Role, allow, public
from storage import forms
from storage.refusals import NotNow


class Closed(NotNow):
    says = "已经截止。请看下一期。"


class Naming(BaseModel):
    name: str


@pytest.fixture
def doors(app):
    @app.get("/try")
    @public
    def try_page():
        """A form that keeps what was typed."""
        from flask import render_template_string

        return render_template_string(
            '{% extends "layout.html" %}{% from "macros/form.html" import field, error_summary %}'
            '{% block content %}{{ error_summary() }}{{ field("name", "名称") }}{% endblock %}'
        )

    @app.post("/try")
    @public
    def try_it():
        """Write, then be refused or not."""
        from flask import request

        body = forms.read(Naming, request.form)
        add_region(g.db, "990000", body.name)
        if body.name == "refused":
            raise Closed
        if body.name == "broken":
            raise ZeroDivisionError
        return "kept"

    @app.post("/api/try")
    @allow(Role.SUPERVISOR)
    def try_by_program():
        """The same for a program."""
        raise Closed

    return app


def regions(db) -> int:
    return db.query(Region).filter_by(code="990000").count()


def test_what_went_well_is_kept(doors, client, db):
    assert client.post("/try", {"name": "fine"}).data == b"kept"
    assert regions(db) == 1


def test_a_refusal_undoes_everything_and_shows_the_form_again_with_what_was_typed(doors, client, db):
    answer = client.post("/try", {"name": "refused"})

    assert answer.status_code == 409
    assert regions(db) == 0
    page = answer.get_data(as_text=True)
    assert "已经截止。请看下一期。" in page
    assert 'value="refused"' in page


def test_a_missing_field_is_named_beside_the_field(doors, client):
    answer = client.post("/try", {"name": " "})

    assert answer.status_code == 422
    assert 'href="#field-name"' in answer.get_data(as_text=True)


def test_a_failure_of_ours_undoes_everything_and_gives_a_number(doors, client, db):
    doors.testing = False
    doors.config["PROPAGATE_EXCEPTIONS"] = False
    answer = client.post("/try", {"name": "broken"})

    assert answer.status_code == 500
    assert regions(db) == 0


def test_a_program_gets_problem_json(doors, client, person):
    answer = client.api("POST", "/try", person(Role.SUPERVISOR))

    assert answer.status_code == 409
    assert answer.mimetype == "application/problem+json"
    assert answer.json["code"] == "closed"
    assert answer.json["detail"] == "已经截止。请看下一期。"


def test_a_program_without_a_token_is_told_to_get_one(doors, client):
    answer = client.api("POST", "/try")

    assert answer.status_code == 401
    assert answer.json["code"] == "no_good_token"


def test_the_wrong_role_is_refused(doors, client, person):
    assert client.api("POST", "/try", person(Role.BIDDER)).json["code"] == "wrong_role"


def test_a_browser_cookie_does_not_open_the_api(doors, client, person):
    assert client.login(person(Role.SUPERVISOR)).post("/api/try").status_code == 401


def test_pages_speak_english_when_asked(client):
    answer = client.get("/login?lang=en")

    assert answer.headers["Content-Language"] == "en"
    assert "lang=en" in answer.headers["Set-Cookie"]
