"""Security headers on every answer, in one place."""

from flask import Response, g, request

from app.config import Mode, Settings
from app.requests import House

FOREVER = "public, max-age=31536000, immutable"


def install(app: House, settings: Settings) -> None:
    """A strict content policy: nothing from outside, no inline script or style, no framing."""
    policy = "; ".join([
        "default-src 'self'", "img-src 'self' data:", "media-src 'self' blob:",
        f"connect-src 'self' {settings.recorder_address}", "object-src 'none'", "base-uri 'none'",
        "frame-ancestors 'none'", "form-action 'self'",
    ])  # fmt: skip

    @app.after_request
    def protect(response: Response) -> Response:
        headers = response.headers
        headers["Content-Security-Policy"] = policy
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "camera=(self), microphone=(self), display-capture=(self), geolocation=()"
        if settings.mode is Mode.PRODUCTION:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if (request.endpoint or "").endswith("static") and response.status_code in (200, 206, 304):
            # Flask has said how long a file lives already; we know better: an address with a fingerprint never
            # changes what it means, any other is asked for again (and answered 304 while it stays the same).
            headers["Cache-Control"] = FOREVER if request.args.get("v") else "no-cache"
        else:
            private = g.get("actor") is not None or request.method != "GET"
            headers.setdefault("Cache-Control", "no-store" if private else "no-cache")
        return response
