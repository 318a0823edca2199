"""The frame of the house 房架: it puts the rooms together, shows and tells, and has no rules of its own."""

from flask_wtf.csrf import CSRFProtect

from app import errors, figures, headers, languages, pages, requests, rooms
from app.equipment import Equipment

__all__ = ["Equipment", "create_app"]


def create_app(equipment: Equipment) -> requests.House:
    """The web application: every door in plain sight in `app.rooms`."""
    settings = equipment.settings
    app = requests.House(
        __name__, title="公衡 Gongheng", version="0.1.0", docs_path=None, spec_path="/api/openapi.json",
        json_errors=False,
    )  # fmt: skip
    app.config.update(
        SECRET_KEY=settings.secret("session.key"),
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        MAX_CONTENT_LENGTH=64 * 1024 * 1024,
        WTF_CSRF_TIME_LIMIT=12 * 3600,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        TESTING=settings.mode == "test",
    )
    app.extensions["house"] = equipment
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    figures.install(app)
    languages.install(app)
    requests.install(app)
    csrf = CSRFProtect(app)
    errors.install(app)
    headers.install(app, settings)
    pages.install(app)
    for door in rooms.doors():
        app.register_blueprint(door)
        if door.url_prefix and door.url_prefix.startswith("/api"):
            csrf.exempt(door)  # programs carry a bearer token, never a cookie
    return app
