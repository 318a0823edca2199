"""Tokens: short-lived JSON Web Tokens (RFC 7519) for programs and for the evaluation room.

Each is bound to one audience, signed with HS256 by a key that stands in a file outside the database, and
can be taken back: its number stands in a row that is looked at on each use.
"""

import contextlib
import secrets
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import jwt
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from ca.parties import Person
from storage import clock, journal
from storage.db import Moment, SecretRow
from storage.refusals import NotYours

ISSUER = "gongheng"
API_LASTS = timedelta(minutes=30)
LONGEST = timedelta(hours=12)


class NoGoodToken(NotYours):
    says = "访问令牌无效或已过期。请重新申请令牌后再试。"


class ApiToken(SecretRow):
    """A token given to a person's program; `id` is the `jti` of the token."""

    __tablename__ = "api_token"
    called: ClassVar[str] = "访问令牌"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    audience: Mapped[str] = mapped_column(String(20))
    expires_at: Mapped[datetime] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)

    person: Mapped[Person] = relationship(lazy="joined", innerjoin=True)


class Tokens:
    """Signs and checks tokens with one key, read from (or made in) a file that only the owner may read."""

    def __init__(self, key_file: Path) -> None:
        if not key_file.exists():
            key_file.parent.mkdir(parents=True, exist_ok=True)
            made = key_file.with_name(f".{key_file.name}.{secrets.token_hex(4)}")
            made.touch(mode=0o600)
            made.write_text(secrets.token_hex(32))
            with contextlib.suppress(FileExistsError):  # the first of several processes wins
                key_file.hardlink_to(made)
            made.unlink()
        self._key = bytes.fromhex(key_file.read_text().strip())
        assert len(self._key) >= 32

    def sign(self, audience: str, subject: str, lasts: timedelta, **claims: Any) -> str:
        """A token for one audience; it is not kept and cannot be taken back before it ends, so keep it short."""
        assert timedelta(0) < lasts <= LONGEST
        now = clock.now()
        return jwt.encode(
            claims | {"iss": ISSUER, "aud": audience, "sub": subject, "iat": now, "exp": now + lasts},
            self._key,
            algorithm="HS256",
        )

    def read(self, token: str, audience: str) -> dict[str, Any]:
        """The claims of a good token; anything else is one refusal."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key, algorithms=["HS256"], audience=audience, issuer=ISSUER,
                options={"require": ["exp", "iat", "aud", "sub", "iss"], "verify_exp": False, "verify_iat": False},
            )  # fmt: skip
        except jwt.PyJWTError:
            raise NoGoodToken from None
        if clock.now().timestamp() >= claims["exp"]:
            raise NoGoodToken
        return claims

    def issue(self, db: Session, person: Person, *, audience: str = "api", lasts: timedelta = API_LASTS) -> str:
        """A token that lets a program act as this person until it ends or is taken back."""
        row = ApiToken(
            id=uuid.uuid4(), person_id=person.id, audience=audience, expires_at=clock.database(db) + lasts
        )
        db.add(row)
        journal.record(db, f"person/{person.id}", "token.issued", by=person.actor, audience=audience)
        return self.sign(audience, str(person.id), lasts, jti=row.id.hex)

    def who(self, db: Session, token: str, *, audience: str = "api") -> Person:
        """The person whose program shows this token."""
        row = self._row(db, token, audience)
        if row.revoked_at is not None or clock.database(db) >= row.expires_at or not row.person.is_active:
            raise NoGoodToken
        return row.person

    def revoke(self, db: Session, token: str, *, audience: str = "api") -> None:
        """Take a token back; safe to repeat."""
        row = self._row(db, token, audience)
        if row.revoked_at is None:
            row.revoked_at = clock.database(db)
            journal.record(db, f"person/{row.person_id}", "token.revoked", by=row.person.actor)

    def _row(self, db: Session, token: str, audience: str) -> ApiToken:
        claims = self.read(token, audience)
        try:
            row = db.get(ApiToken, uuid.UUID(hex=str(claims.get("jti"))))
        except ValueError:
            row = None
        if row is None or row.audience != audience or str(row.person_id) != claims["sub"]:
            raise NoGoodToken
        return row
