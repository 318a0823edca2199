"""Tokens: short-lived, bound to one audience, taken back at once; every known trick is refused."""

import base64
import json
from datetime import timedelta

import jwt
import pytest

from ca.rights import Role
from ca.tokens import API_LASTS, NoGoodToken, Tokens
from storage import clock


@pytest.fixture
def tokens(tmp_path):
    return Tokens(tmp_path / "keys" / "tokens.key")


def test_a_token_tells_whose_it_is(db, person, tokens):
    somebody = person(Role.BIDDER)

    assert tokens.who(db, tokens.issue(db, somebody)) is somebody


def test_all_processes_share_one_key_which_only_its_owner_reads(tmp_path, tokens):
    again = Tokens(tmp_path / "keys" / "tokens.key")

    assert again.read(tokens.sign("room", "7", timedelta(minutes=1)), "room")["sub"] == "7"
    assert (tmp_path / "keys" / "tokens.key").stat().st_mode & 0o077 == 0


def encode(part: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def tricks(good: str, claims: dict, key: bytes) -> dict[str, str]:
    head, body, signature = good.split(".")
    return {
        "no algorithm": f"{encode({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "no algorithm, other case": f"{encode({'alg': 'nOnE', 'typ': 'JWT'})}.{body}.",
        "another key": jwt.encode(claims, b"x" * 32, algorithm="HS256"),
        "another algorithm": jwt.encode(claims, key * 2, algorithm="HS512"),
        "key named in the header": jwt.encode(claims, b"x" * 32, algorithm="HS256", headers={"kid": "../../dev/null"}),
        "changed body": f"{head}.{encode(claims | {'sub': '1'})}.{signature}",
        "another audience": jwt.encode(claims | {"aud": "room"}, key, algorithm="HS256"),
        "another issuer": jwt.encode(claims | {"iss": "else"}, key, algorithm="HS256"),
        "no end": jwt.encode({name: value for name, value in claims.items() if name != "exp"}, key, algorithm="HS256"),
        "no number": jwt.encode({name: value for name, value in claims.items() if name != "jti"}, key, algorithm="HS256"),
        "unknown number": jwt.encode(claims | {"jti": "0" * 32}, key, algorithm="HS256"),
        "somebody else's number": jwt.encode(claims | {"sub": "999"}, key, algorithm="HS256"),
        "cut": good[:-2],
        "nothing": "",
        "rubbish": "a.b.c",
    }  # fmt: skip


def test_every_trick_is_refused(db, person, tokens):
    good = tokens.issue(db, person(Role.BIDDER))
    db.flush()
    claims = tokens.read(good, "api")
    for name, token in tricks(good, claims, tokens._key).items():
        with pytest.raises(NoGoodToken):
            tokens.who(db, token)
            pytest.fail(name)


def test_a_token_ends(db, person, tokens):
    token = tokens.issue(db, person(Role.BIDDER))
    clock.set_to(clock.now() + API_LASTS)

    with pytest.raises(NoGoodToken):
        tokens.who(db, token)


def test_the_databases_clock_ends_it_too(db, person, tokens):
    token = tokens.issue(db, person(Role.BIDDER))
    clock.shift_database(db, API_LASTS)

    with pytest.raises(NoGoodToken):
        tokens.who(db, token)


def test_a_token_taken_back_is_refused_at_once(client, db, person):
    somebody = person(Role.BIDDER)
    db.flush()
    token = client.app.extensions["house"].tokens.issue(db, somebody)
    headers = {"Authorization": f"Bearer {token}"}

    assert client.http.delete("/api/tokens", headers=headers).status_code == 204
    assert client.http.delete("/api/tokens", headers=headers).status_code == 401


def test_a_person_who_left_acts_no_more(db, person, tokens):
    somebody = person(Role.BIDDER)
    token = tokens.issue(db, somebody)
    somebody.is_active = False

    with pytest.raises(NoGoodToken):
        tokens.who(db, token)
