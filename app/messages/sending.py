"""Sending letters: e-mail by SMTP, SMS by an HTTP gateway. A letter that was taken is never sent again;
one whose answer was lost may be, and carries its own number so that the other side can tell.
"""

import smtplib
from email.message import EmailMessage
from urllib.parse import urlsplit

import httpx
from sqlalchemy.orm import Session

from app.config import Settings
from app.messages.models import Letter, Message, Way
from storage import clock, jobs
from storage.db import find, take

TIMEOUT_SECONDS = 10


@jobs.task("messages.send")
def send(db: Session, *, letter_id: int) -> None:
    """Send one letter; a failure is tried again later by the job's own rule."""
    letter = take(db, Letter, letter_id)
    settings: Settings = db.info["equipment"].settings
    if letter.sent_at is not None:
        return
    message = find(db, Message, letter.message_id)
    words = message.says.format_map(message.facts)
    letter.tries += 1
    by = _by_email if letter.way is Way.EMAIL else _by_sms
    letter.last_answer = by(settings, letter, words)
    letter.sent_at = clock.database(db)


def _by_email(settings: Settings, letter: Letter, words: str) -> str:
    if settings.smtp is None:
        return "no smtp server is set"
    server = urlsplit(settings.smtp)
    mail = EmailMessage()
    mail["From"], mail["To"] = settings.mail_from, letter.address
    mail["Subject"] = " ".join(words.split())[:60]  # one line, whatever a title holds
    mail["Message-ID"] = f"<letter-{letter.id}@gongheng>"
    mail.set_content(f"{words}\n\n{settings.address}\n")
    with smtplib.SMTP(server.hostname or "127.0.0.1", server.port or 25, timeout=TIMEOUT_SECONDS) as smtp:
        smtp.send_message(mail)
    return "taken"


def _by_sms(settings: Settings, letter: Letter, words: str) -> str:
    if settings.sms_url is None:
        return "no sms gateway is set"
    sms = {"id": f"letter-{letter.id}", "to": letter.address, "text": words}
    answer = httpx.post(settings.sms_url, json=sms, timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    return f"taken, {answer.status_code}"
