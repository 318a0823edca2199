"""One request = one transaction = one actor; a door without a label stays shut."""

from apiflask import APIFlask
from flask import Request, Response, abort, current_app, g, redirect, request, url_for
from sqlalchemy.exc import OperationalError
from werkzeug.wrappers import Response as AnyResponse

from ca import login
from ca.rights import Actor
from ca.tokens import NoGoodToken
from storage.refusals import NotYours

COOKIE = "gh_session"
OPEN_ENDPOINTS = {"static", "openapi.spec"}  # files of the house; they read nothing


class WrongRole(NotYours):
    says = "您的账号没有办理这项业务的角色。请换用有权限的账号，或联系交易中心。"


class Unlabelled(AssertionError):
    """A view that does not say who may enter: a mistake of ours, never shown to be open."""


class House(APIFlask):
    """The frame: it commits when a view went well and rolls back when it did not."""

    request_class = Request

    def dispatch_request(self) -> object:  # type: ignore[override]
        answer = self.make_response(super().dispatch_request())
        if "db" in g:
            g.db.commit()
        return answer


def is_api() -> bool:
    """Whether a program is asking, and wants problem+json instead of a page."""
    return request.path.startswith("/api/")


def install(app: House) -> None:
    """Open a session for each request, find out who acts, and stop whoever may not enter."""

    @app.before_request
    def enter() -> AnyResponse | None:
        g.actor = g.refusal = g.given = None
        g.house = current_app.extensions["house"]
        g.objects, g.platform_key = g.house.objects, g.house.platform_key
        if request.endpoint is None:
            _look_who_is_lost()
            return None
        if request.endpoint in OPEN_ENDPOINTS or request.endpoint.endswith(".static"):
            return None
        view = current_app.view_functions[request.endpoint]
        if not hasattr(view, "allowed"):
            raise Unlabelled(request.endpoint)
        g.db = g.house.sessions()
        g.actor = _actor()
        if view.is_public:
            return None
        if g.actor is None:
            return _ask_to_log_in()
        if view.allowed and not g.actor.is_a(*view.allowed):
            raise WrongRole
        return None

    @app.teardown_request
    def leave(_: BaseException | None) -> None:
        db = g.pop("db", None)
        if db is not None:
            db.close()


def _look_who_is_lost() -> None:
    """Nothing is at this address; its page still greets whoever is logged in, if the database can say who."""
    if is_api():
        return
    g.db = g.house.sessions()
    try:
        g.actor = _actor()
    except OperationalError:
        g.db.close()


def _actor() -> Actor | None:
    if is_api():
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        return g.house.tokens.who(g.db, token).actor
    token = request.cookies.get(COOKIE)
    person = login.who(g.db, token) if token else None
    return person.actor if person else None


def _ask_to_log_in() -> AnyResponse:
    if is_api():
        raise NoGoodToken
    if request.method not in ("GET", "HEAD"):
        abort(401)
    return redirect(url_for("login.log_in", next=request.full_path.rstrip("?")), code=303)


def give_cookie(response: Response, token: str) -> None:
    """Hand the browser its session token: not readable by scripts, not sent from other sites."""
    response.set_cookie(
        COOKIE, token, httponly=True, samesite="Lax", secure=request.is_secure,
        max_age=int(login.SESSION_LASTS.total_seconds()),
    )  # fmt: skip
