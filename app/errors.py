"""A refusal becomes a page or problem+json (RFC 9457): who 403, where 404, when 409, what 422.

On a page, a refused POST shows the form's own page again (the GET view of the same address) with the
sentence on top, the fields marked and everything the person typed still there.
"""

import secrets
from typing import Any

import structlog
from apiflask.exceptions import HTTPError
from flask import Response, current_app, g, jsonify, render_template, request
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import IntegrityError, OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from app.requests import House, is_api
from storage.forms import NotFilledIn
from storage.objects import Corrupt, OutOfReach
from storage.refusals import NotFound, NotNow, NotValid, NotYours, Refusal

log = structlog.get_logger()


class SomebodyElseWasFirst(NotNow):
    says = "别人刚刚办理了同一事项。请刷新页面，看看现在的状态。"


class TryAgain(NotNow):
    says = "系统正忙，您的操作没有生效，也没有丢失任何内容。请稍后再提交一次。"


class PageExpired(NotValid):
    says = "页面放置太久，安全标记已过期。请检查内容后再提交一次。"


class StoreAway(NotNow):
    says = "文件库暂时连接不上，操作没有生效，也没有丢失任何内容。请稍后再试。"


STATUS = {StoreAway: 503, NotYours: 403, NotFound: 404, NotNow: 409, NotValid: 422}  # the first that fits


def status_of(refusal: Refusal) -> int:
    """The HTTP status of a refusal, decided here and nowhere else."""
    return next(status for kind, status in STATUS.items() if isinstance(refusal, kind))


def install(app: House) -> None:
    """Answer every refusal, HTTP error and failure."""
    app.register_error_handler(Refusal, refused)
    app.register_error_handler(HTTPError, wrong_input)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(CSRFError, lambda _: refused(PageExpired()))
    app.register_error_handler(IntegrityError, integrity)
    app.register_error_handler(OperationalError, busy)
    app.register_error_handler(OutOfReach, out_of_reach)
    app.register_error_handler(Corrupt, corrupt)
    app.register_error_handler(Exception, failed)


def refused(refusal: Refusal) -> Any:
    """Undo what the act began (or keep it, for refusals that count tries), and tell the person."""
    if "db" in g:
        g.db.commit() if getattr(refusal, "keeps", False) else g.db.rollback()
    status = status_of(refusal)
    if is_api():
        return problem(status, refusal.code, refusal.sentence(gettext), _field_sentences(refusal))
    g.refusal = Told(refusal)
    g.given = request.form
    page = _form_again() if request.method == "POST" and not isinstance(refusal, NotFound) else None
    if page is None:
        return render_template("errors/refusal.html", status=status), status
    page.status_code = status
    return page


def _form_again() -> Response | None:
    """The page of the form that was posted, as a GET would show it now; None where there is none to show."""
    again = _form_view()
    if again is None:
        return None
    view, arguments = again
    request.method = "GET"
    try:
        return current_app.make_response(current_app.ensure_sync(view)(**arguments))
    except (Refusal, HTTPException):
        return None


class Told:
    """A refusal in the language of the page."""

    def __init__(self, refusal: Refusal) -> None:
        self.code, self.facts = refusal.code, refusal.facts
        self.sentence = refusal.sentence(gettext)
        self.errors = _field_sentences(refusal) or {}


def _field_sentences(refusal: Refusal) -> dict[str, str] | None:
    if isinstance(refusal, NotFilledIn):
        return {name: gettext(sentence) for name, sentence in refusal.errors.items()}
    return None


def _form_view() -> tuple[Any, dict[str, Any]] | None:
    """The view that shows, by GET, the form which was posted here; only where this actor may see it."""
    try:
        endpoint, arguments = current_app.create_url_adapter(request).match(method="GET")  # type: ignore[union-attr]
    except (HTTPException, RequestRedirect):
        return None
    view = current_app.view_functions[endpoint]
    may = getattr(view, "is_public", False) or (
        g.actor is not None and (not view.allowed or g.actor.is_a(*view.allowed))  # type: ignore[attr-defined]
    )
    return (view, arguments) if may else None


def problem(status: int, code: str, sentence: str, errors: dict[str, str] | None = None) -> Response:
    """problem+json: `code` is stable for machines, `detail` speaks to people."""
    body: dict[str, Any] = {"type": "about:blank", "status": status, "code": code, "title": code, "detail": sentence}
    if errors:
        body["errors"] = errors
    response = jsonify(body)
    response.status_code, response.mimetype = status, "application/problem+json"
    if status in (401, 403) and code == "no_good_token":
        response.status_code = 401
        response.headers["WWW-Authenticate"] = 'Bearer realm="gongheng"'
    return response


def wrong_input(error: HTTPError) -> Any:
    """What APIFlask found wrong with a program's input."""
    if "db" in g:
        g.db.rollback()
    given = error.detail if isinstance(error.detail, dict) else {}
    errors = {field: "; ".join(said) for fields in given.values() for field, said in fields.items()}
    return problem(error.status_code, "not_filled_in", NotFilledIn(errors).sentence(gettext), errors)


def http_error(error: HTTPException) -> Any:
    """An HTTP error of the frame itself (no such page, wrong method, too large)."""
    if "db" in g:
        g.db.rollback()
    status = error.code or 500
    if status == 404:
        return refused(NotFound())
    if is_api():
        return problem(status, error.name.lower().replace(" ", "_"), error.description or error.name)
    return render_template("errors/http.html", status=status, error=error), status


def integrity(error: IntegrityError) -> Any:
    """Two people did the same at once, and the database let one of them through."""
    log.warning("integrity", constraint=getattr(error.orig.diag, "constraint_name", None))  # type: ignore[union-attr]
    return refused(SomebodyElseWasFirst())


def busy(error: OperationalError) -> Any:
    """The database is away or chose this transaction to end a deadlock."""
    log.error("database", kind=type(error.orig).__name__)
    try:
        return refused(TryAgain())
    except OperationalError:
        return problem(503, "try_again", TryAgain().sentence(gettext))


def out_of_reach(error: OutOfReach) -> Any:
    """The store of files does not answer: nothing was changed, and trying again is safe."""
    log.error("store_out_of_reach", endpoint=request.endpoint, detail=str(error))
    try:
        return refused(StoreAway())
    except OutOfReach:  # the page itself reads the store
        return render_template("errors/refusal.html", status=503), 503


def corrupt(error: Corrupt) -> Any:
    """The store gave back other bytes than were written: somebody must look at once; nobody gets those bytes."""
    reference = secrets.token_hex(4)
    log.critical("store_corrupt", reference=reference, endpoint=request.endpoint, detail=str(error))
    return _broken(reference)


def failed(error: Exception) -> Any:
    """A mistake of ours: nothing was changed; the person gets a number to tell us."""
    reference = secrets.token_hex(4)
    log.exception("failed", reference=reference, endpoint=request.endpoint, exc_info=error)
    if current_app.testing:
        raise error
    return _broken(reference)


def _broken(reference: str) -> Any:
    if "db" in g:
        g.db.rollback()
    if is_api():
        return problem(500, "failed", gettext("系统出错，操作没有生效。请把编号 %(n)s 告诉交易中心。", n=reference))
    return render_template("errors/failed.html", status=500, reference=reference), 500
