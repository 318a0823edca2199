"""Doors of the hall: home page, server time, health and figures."""

from flask import Blueprint, Response, g, jsonify, redirect, render_template, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app import desk
from app.figures import REGISTRY
from ca.rights import public
from storage import clock

pages = Blueprint("portal", __name__)


@pages.get("/")
@public
def home():
    """What waits for me, what is coming, what has changed; for strangers, what this centre does."""
    return render_template("portal/home.html", desk=desk.gather(g.db, g.actor))


@pages.get("/time")
@public
def time():
    """The database's time, for clocks on pages."""
    return jsonify(now=clock.database(g.db).isoformat())


@pages.get("/healthz")
@public
def health():
    """Whether this process reaches its database."""
    clock.database(g.db)
    return jsonify(status="ok")


@pages.get("/metrics")
@public
def metrics():
    """Figures for operators, from this machine only; labels never carry a person, a bid or a path."""
    if request.remote_addr not in ("127.0.0.1", "::1"):
        return Response(status=404)
    return Response(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


@pages.post("/large")
@public
def large():
    """Switch 长辈版 (large type) on or off, and back to the page."""
    back = request.form.get("back", "/")
    answer = redirect(back if back.startswith("/") and not back.startswith(("//", "/\\")) else "/", code=303)
    answer.set_cookie("large", "0" if g.large else "1", max_age=365 * 86400, samesite="Lax", httponly=True)
    return answer
