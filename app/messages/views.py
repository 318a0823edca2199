"""Doors of somebody's own message box."""

from flask import Blueprint, g, redirect, render_template, url_for
from flask_babel import gettext
from sqlalchemy import select

from app.messages.models import Message
from ca.rights import allow
from storage import clock
from storage.db import take
from storage.refusals import NotFound

pages = Blueprint("messages", __name__, url_prefix="/messages")
NEWEST = 100


@pages.get("/")
@allow()
def index():
    """The newest messages of whoever is logged in."""
    box = g.db.scalars(
        select(Message).filter_by(person_id=g.actor.person_id).order_by(Message.id.desc()).limit(NEWEST)
    ).all()
    return render_template("messages/box.html", box=[(message, words(message)) for message in box])


@pages.get("/<int:message_id>")
@allow()
def read(message_id: int):
    """Mark a message as read and go on to its page."""
    message = take(g.db, Message, message_id)
    if message.person_id != g.actor.person_id:
        raise NotFound
    if message.read_at is None:
        message.read_at = clock.database(g.db)
    return redirect(url_for(message.endpoint, **message.values), code=303)


def words(message: Message) -> str:
    """The sentence in the page's language."""
    return gettext(message.says).format_map(message.facts)
