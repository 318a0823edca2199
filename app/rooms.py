"""The list of rooms, in plain sight: their doors, their due acts, and what they lay on a desk."""

from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint
from sqlalchemy.orm import Session

from ca.desk import Lying
from ca.rights import Actor


def doors() -> list[Blueprint]:
    """Every blueprint of the house."""
    from app.portal import views as portal
    from ca.views import login

    return [portal.pages, login.pages, login.api]


def models() -> None:
    """Import every module with rows, so that the metadata is whole."""
    import app.followers
    import ca.login
    import ca.parties
    import ca.tokens
    import storage.journal  # noqa: F401


def ddl() -> list[Callable[[Any], None]]:
    """What a room says to the database beyond tables: triggers, functions; each is handed a connection."""
    return []


def append_only() -> list[str]:
    """Tables beside the journal that nobody may change."""
    return []


def due() -> list[tuple[str, Callable[[Session], Sequence[Any]], Callable[..., Any]]]:
    """Every act whose moment comes by itself: its name, what is due now, and the act."""
    return []


def desks() -> list[Callable[[Session, Actor], Sequence[Lying]]]:
    """What each room lays on a desk."""
    return []
