"""Every door says who may enter, and answers nobody else."""

import pytest
from flask import g

from ca.rights import Role


def views(app):
    for rule in app.url_map.iter_rules():
        if rule.endpoint not in ("static", "openapi.spec") and not rule.endpoint.endswith(".static"):
            yield rule, app.view_functions[rule.endpoint]


def test_every_view_says_who_may_enter(app):
    unlabelled = {rule.endpoint for rule, view in views(app) if not hasattr(view, "allowed")}
    assert unlabelled == set()


def test_a_view_without_a_label_is_refused(app, client):
    app.add_url_rule("/unlabelled", "unlabelled", lambda: "open")

    with pytest.raises(AssertionError, match="unlabelled"):
        client.get("/unlabelled")


def test_every_call_for_programs_says_what_it_does(app):
    silent = {
        rule.endpoint for rule, view in views(app) if rule.rule.startswith("/api/") and not (view.__doc__ or "").strip()
    }
    assert silent == set()


def address_of(rule) -> str:
    """The rule's address with some value in each place."""
    values = {name: _some(rule._converters[name]) for name in rule.arguments}
    return rule.build(values, append_unknown=False)[1]


def _some(converter):
    kind = type(converter).__name__
    return {"IntegerConverter": 999999, "UUIDConverter": "00000000-0000-4000-8000-000000000000"}.get(kind, "none")


def test_strangers_enter_only_public_doors(app, client):
    opened = []
    for rule, view in views(app):
        if view.is_public:
            continue
        for method in rule.methods - {"OPTIONS", "HEAD"}:
            answer = client.http.open(address_of(rule), method=method)
            if answer.status_code not in (303, 401, 403) or (
                answer.status_code == 303 and "/login" not in answer.headers["Location"]
            ):
                opened.append((rule.rule, method, answer.status_code))
    assert opened == []


def test_a_person_with_another_role_is_refused_at_every_door(app, client, person):
    everyone = {role: person(role) for role in Role}
    opened = []
    for rule, view in views(app):
        if view.is_public or not view.allowed:
            continue
        for role in set(Role) - view.allowed:
            for method in rule.methods - {"OPTIONS", "HEAD"}:
                if rule.rule.startswith("/api/"):
                    answer = client.api(method, address_of(rule)[4:], everyone[role])
                else:
                    client.login(everyone[role])
                    answer = client.http.open(address_of(rule), method=method)
                if answer.status_code != 403:
                    opened.append((rule.rule, method, role, answer.status_code))
    assert opened == []


def test_what_is_not_there_and_what_may_not_be_seen_look_the_same(app, client, person):
    """A page of a thing that does not exist answers 404 to those whose role may look for such things."""
    client.login(person(*Role))
    wrong = []
    for rule, _view in views(app):
        if "GET" in rule.methods and rule.arguments and not rule.rule.startswith("/api/"):
            answer = client.get(address_of(rule))
            if answer.status_code != 404:
                wrong.append((rule.rule, answer.status_code))
    assert wrong == []


def test_every_posting_page_asks_for_the_security_token(app, client, person):
    app.config["WTF_CSRF_ENABLED"] = True
    client.login(person(*Role))
    passed = []
    for rule, _view in views(app):
        if "POST" in rule.methods and not rule.rule.startswith("/api/"):
            answer = client.post(address_of(rule))
            if answer.status_code not in (404, 422):
                passed.append((rule.rule, answer.status_code))
    assert passed == []


def test_the_frame_gives_every_answer_its_headers(client):
    for path in ("/login", "/no-such-page", "/time"):
        answer = client.get(path)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"


def test_nobody_acts_for_the_next_request(app, client, person):
    client.login(person(Role.SUPERVISOR))
    with app.test_request_context("/"):
        assert "actor" not in g
