"""Logging in 登录: password and one-time code, sessions kept on the server, a lock after too many tries.

The browser holds a random token; the row holds only its SHA-256, so a copy of the database logs nobody in.
Passwords are argon2id (RFC 9106), one-time codes RFC 6238 and good for one use.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import ClassVar

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from ca.parties import Person
from storage import clock, journal
from storage.db import Moment, Row, SecretRow
from storage.refusals import NotNow, NotValid, NotYours

TRIES = 5
LOCKED_FOR = timedelta(minutes=15)
SESSION_LASTS = timedelta(hours=10)
SHORTEST = 10
STEP_SECONDS = 30  # of a one-time code, RFC 6238

_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_hex(16))  # checked for unknown names, so that they take as long as known ones


class WrongPassword(NotYours):
    """The same sentence for a wrong name, password or code: none of them is confirmed to a stranger."""

    says = "用户名、密码或动态口令不正确。连续输错 5 次后账号将锁定 15 分钟。"
    keeps = True


class Locked(NotNow):
    says = "输错次数过多，账号已锁定。请 15 分钟后再试，或联系交易中心。"
    keeps = True


class TooShort(NotValid):
    says = "密码太短。请至少使用 {least} 个字符。"


class LoginTries(Row):
    """Wrong tries of one person since the last right one."""

    __tablename__ = "login_tries"
    called: ClassVar[str] = "登录尝试"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), unique=True)
    wrong: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None] = mapped_column(Moment)
    last_code_step: Mapped[int] = mapped_column(default=0)  # a one-time code is good once


class LoginSession(SecretRow):
    """A log-in that lasts until it is ended or has grown old."""

    __tablename__ = "login_session"
    called: ClassVar[str] = "登录会话"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)

    person: Mapped[Person] = relationship(lazy="joined", innerjoin=True)


def set_password(db: Session, person: Person, password: str) -> None:
    """Give a person a new password; all their sessions end."""
    if len(password) < SHORTEST:
        raise TooShort(least=SHORTEST)
    person.password_hash = _hasher.hash(password)
    now = clock.database(db)
    for session in db.scalars(select(LoginSession).filter_by(person_id=person.id, ended_at=None)):
        session.ended_at = now
    journal.record(db, f"person/{person.id}", "person.password_set", by=person.actor)


def set_totp(db: Session, person: Person) -> str:
    """Give a person a second factor; the answer is the `otpauth:` address for their phone."""
    person.totp_secret = pyotp.random_base32()
    journal.record(db, f"person/{person.id}", "person.totp_set", by=person.actor)
    return pyotp.TOTP(person.totp_secret).provisioning_uri(name=person.login, issuer_name="公衡")


def check(db: Session, login: str, password: str, code: str | None = None) -> Person:
    """The person who knows this password (and code, where one is set), or a refusal that counts the try."""
    person = db.scalar(select(Person).filter_by(login=login.strip(), is_active=True))
    if person is None or person.password_hash is None:
        _matches(_NOBODY, password)
        raise WrongPassword
    tries = _tries(db, person)
    now = clock.database(db)
    if tries.locked_until and now < tries.locked_until:
        raise Locked
    if not (_matches(person.password_hash, password) and _code_fits(person, tries, code, now)):
        tries.wrong += 1
        if tries.wrong >= TRIES:
            tries.wrong, tries.locked_until = 0, now + LOCKED_FOR
            journal.record(db, f"person/{person.id}", "person.locked", by=None)
        raise WrongPassword
    tries.wrong, tries.locked_until = 0, None
    if _hasher.check_needs_rehash(person.password_hash):
        person.password_hash = _hasher.hash(password)
    return person


def begin(db: Session, person: Person) -> str:
    """Start a session; the answer is the token for the browser, kept nowhere else."""
    token = secrets.token_urlsafe(32)
    db.add(
        LoginSession(person_id=person.id, token_hash=_digest(token), expires_at=clock.database(db) + SESSION_LASTS)
    )
    journal.record(db, f"person/{person.id}", "person.logged_in", by=person.actor)
    return token


def who(db: Session, token: str) -> Person | None:
    """The person whose browser holds this token, while the session lasts."""
    session = db.scalar(select(LoginSession).filter_by(token_hash=_digest(token), ended_at=None))
    if session is None or not session.person.is_active or clock.database(db) >= session.expires_at:
        return None
    return session.person


def end(db: Session, token: str) -> None:
    """Log out; safe to repeat."""
    session = db.scalar(select(LoginSession).filter_by(token_hash=_digest(token), ended_at=None))
    if session:
        session.ended_at = clock.database(db)
        journal.record(db, f"person/{session.person_id}", "person.logged_out", by=session.person.actor)


def _tries(db: Session, person: Person) -> LoginTries:
    db.execute(select(Person.id).filter_by(id=person.id).with_for_update())  # one try of one person at a time
    tries = db.scalar(select(LoginTries).filter_by(person_id=person.id).execution_options(populate_existing=True))
    if tries is None:
        tries = LoginTries(person_id=person.id, wrong=0, last_code_step=0)
        db.add(tries)
    return tries


def _code_fits(person: Person, tries: LoginTries, code: str | None, now: datetime) -> bool:
    if person.totp_secret is None:
        return True
    totp, step = pyotp.TOTP(person.totp_secret), int(now.timestamp()) // STEP_SECONDS
    for near in (step - 1, step, step + 1):
        if near > tries.last_code_step and code and secrets.compare_digest(totp.generate_otp(near), code.strip()):
            tries.last_code_step = near
            return True
    return False


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except VerificationError:
        return False


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
