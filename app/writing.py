"""Logs: one JSON line an event, without anything that names a bid, a bidder, a quote or a secret."""

import logging
import sys

import structlog

from app.config import Settings

HIDDEN = ("password", "token", "secret", "key", "kb", "kc", "quote", "price", "cookie", "authorization", "body")


def redact(_: object, __: str, event: dict) -> dict:
    """Whatever carries a name that smells of a secret is left out, by name."""
    return {
        name: "…" if any(hidden in name.lower() for hidden in HIDDEN) else value for name, value in event.items()
    }


def begin(settings: Settings) -> None:
    """Send this process's log to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            redact,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
