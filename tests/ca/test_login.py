"""Logging in: argon2id, one-time codes good once, a lock after too many tries, sessions that end."""

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select, text

from ca import login
from ca.rights import Role
from storage import clock

PASSWORD = "correct horse battery"


@pytest.fixture
def somebody(db, person):
    somebody = person(Role.BIDDER)
    login.set_password(db, somebody, PASSWORD)
    return somebody


def test_the_right_password_is_let_in(db, somebody):
    assert login.check(db, somebody.login, PASSWORD) is somebody


@pytest.mark.parametrize(("name", "password"), [
    (None, "wrong password"), ("nobody", PASSWORD), (None, ""), (None, PASSWORD + " "),
])  # fmt: skip
def test_anything_else_gets_the_same_refusal(db, somebody, name, password):
    with pytest.raises(login.WrongPassword):
        login.check(db, name or somebody.login, password)


def test_a_person_who_left_is_not_let_in(db, somebody):
    somebody.is_active = False

    with pytest.raises(login.WrongPassword):
        login.check(db, somebody.login, PASSWORD)


def test_too_many_tries_lock_the_account_even_for_the_right_password(db, somebody):
    for _ in range(login.TRIES):
        with pytest.raises(login.WrongPassword):
            login.check(db, somebody.login, "wrong password")

    with pytest.raises(login.Locked):
        login.check(db, somebody.login, PASSWORD)
    clock.shift_database(db, login.LOCKED_FOR + timedelta(seconds=1))
    assert login.check(db, somebody.login, PASSWORD) is somebody


def test_a_right_try_in_between_starts_the_count_anew(db, somebody):
    for _ in range(2):
        for _ in range(login.TRIES - 1):
            with pytest.raises(login.WrongPassword):
                login.check(db, somebody.login, "wrong password")
        login.check(db, somebody.login, PASSWORD)


def test_wrong_tries_are_counted_although_the_request_is_refused(client, db, somebody):
    client.post("/login", {"login": somebody.login, "password": "wrong password"})

    assert db.scalar(select(login.LoginTries.wrong).filter_by(person_id=somebody.id)) == 1


def test_a_one_time_code_is_good_once(db, somebody):
    login.set_totp(db, somebody)
    code = pyotp.TOTP(somebody.totp_secret).at(clock.database(db))

    with pytest.raises(login.WrongPassword):
        login.check(db, somebody.login, PASSWORD)
    assert login.check(db, somebody.login, PASSWORD, code) is somebody
    with pytest.raises(login.WrongPassword):
        login.check(db, somebody.login, PASSWORD, code)


def test_short_passwords_are_refused(db, somebody):
    with pytest.raises(login.TooShort):
        login.set_password(db, somebody, "short")


def test_the_database_holds_neither_password_nor_token(db, somebody):
    token = login.begin(db, somebody)
    db.flush()

    kept = "".join(str(row) for table in ("person", "login_session") for row in db.execute(text(f"SELECT * FROM {table}")))
    assert PASSWORD not in kept
    assert token not in kept


def test_a_session_lasts_until_it_is_ended_or_old(db, somebody):
    first, second = login.begin(db, somebody), login.begin(db, somebody)
    assert login.who(db, first) is somebody

    login.end(db, first)
    login.end(db, first)
    assert login.who(db, first) is None
    assert login.who(db, second) is somebody
    clock.shift_database(db, login.SESSION_LASTS)
    assert login.who(db, second) is None


def test_a_new_password_ends_all_sessions(db, somebody):
    token = login.begin(db, somebody)
    db.flush()
    login.set_password(db, somebody, PASSWORD + "!")

    assert login.who(db, token) is None


def test_logging_in_gives_a_new_session_and_ends_the_planted_one(client, db, somebody):
    planted = login.begin(db, somebody)
    client.http.set_cookie("gh_session", planted)

    answer = client.post("/login", {"login": somebody.login, "password": PASSWORD})

    assert answer.status_code == 303
    cookie = next(value for value in answer.headers.getlist("Set-Cookie") if value.startswith("gh_session="))
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert planted not in cookie
    assert login.who(db, planted) is None


@pytest.mark.parametrize("outside", ["https://example.org/", "//example.org", "/\\example.org", "javascript:alert(1)"])
def test_log_in_never_leads_outside(client, somebody, outside):
    answer = client.post("/login", {"login": somebody.login, "password": PASSWORD, "next": outside})

    assert answer.headers["Location"] == "/"


def test_logging_out_ends_the_session_on_the_server(client, db, somebody):
    client.login(somebody)
    token = client.http.get_cookie("gh_session").value
    client.post("/logout")

    assert login.who(db, token) is None
