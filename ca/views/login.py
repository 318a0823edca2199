"""Doors for logging in and out, and for a program's token."""

from apiflask import APIBlueprint
from flask import Blueprint, g, redirect, render_template, request, url_for
from pydantic import BaseModel, Field

from ca import login as logins
from ca.rights import allow, public
from storage import forms

pages = Blueprint("login", __name__, template_folder="../templates")
api = APIBlueprint("login_api", __name__, url_prefix="/api", tag="登录 login")

COOKIE = "gh_session"


class LogIn(BaseModel):
    login: str = Field(max_length=60)
    password: str = Field(max_length=200)
    code: str | None = Field(None, max_length=10, description="one-time code, where the person has set one up")


class Token(BaseModel):
    token: str
    expires_in: int = Field(description="seconds")


@pages.get("/login")
@public
def log_in():
    """The log-in page."""
    return render_template("ca/login.html", next=_local(request.args.get("next")))


@pages.post("/login")
@public
def begin():
    """Check name and password; a new session, whatever was there before, so that none can be planted."""
    body = forms.read(LogIn, request.form)
    person = logins.check(g.db, body.login, body.password, body.code)
    if old := request.cookies.get(COOKIE):
        logins.end(g.db, old)
    answer = redirect(_local(request.form.get("next")) or url_for("portal.home"), code=303)
    g.house.give_cookie(answer, logins.begin(g.db, person))
    return answer


@pages.post("/logout")
@allow()
def log_out():
    """End this session on the server too."""
    logins.end(g.db, request.cookies.get(COOKIE, ""))
    answer = redirect(url_for("portal.home"), code=303)
    answer.delete_cookie(COOKIE)
    return answer


@api.post("/tokens")
@public
@api.input(LogIn, arg_name="body")
@api.output(Token, status_code=201)
def issue_token(body: LogIn):
    """A short-lived token for a person's program."""
    person = logins.check(g.db, body.login, body.password, body.code)
    return {"token": g.house.tokens.issue(g.db, person), "expires_in": 1800}


@api.delete("/tokens")
@allow()
@api.output({}, status_code=204)
def revoke_token():
    """Take back the token that this request carries."""
    g.house.tokens.revoke(g.db, request.headers["Authorization"].partition(" ")[2])
    return ""


def _local(address: str | None) -> str | None:
    """An address of our own to go on to; anything else would let a link send people away after log-in."""
    good = address and address.startswith("/") and not address.startswith(("//", "/\\")) and "\\" not in address
    return address if good else None
