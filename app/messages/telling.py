"""Who is told what: a table from acts of the journal to recipients and sentences.

A rule is a function of the session and the entry that gives what to tell to whom; it reads rows, and never
tells what is still a secret (nothing is told at registration, upload or payment before the reveal).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.messages.models import Letter, Message, Way
from ca.parties import Person
from storage import jobs, journal


@dataclass(frozen=True)
class Tell:
    """One sentence to one person, and the page where they go on."""

    person: Person
    says: str
    endpoint: str
    values: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


log = structlog.get_logger()
Rule = Callable[[Session, journal.Entry], Iterable[Tell]]
RULES: dict[str, Rule] = {}  # act -> rule; filled by app.messages.rules


def on(*acts: str) -> Callable[[Rule], Rule]:
    """Name the acts that a rule tells about."""

    def known(rule: Rule) -> Rule:
        for act in acts:
            assert act not in RULES, act
            RULES[act] = rule
        return rule

    return known


def follow(db: Session, entry: journal.Entry, equipment: Any) -> None:
    """Put what an entry tells into the boxes, and letters on their way.

    A rule that fails is a mistake of ours; it is logged, and everybody else's messages go on.
    """
    from app.messages import rules  # noqa: F401  (it fills RULES)

    rule = RULES.get(entry.act)
    if rule is None:
        return
    try:
        with db.begin_nested():
            _tell(db, entry, rule)
    except Exception:
        log.exception("message_rule_failed", act=entry.act, entry=entry.id)


def _tell(db: Session, entry: journal.Entry, rule: Rule) -> None:
    for tell in rule(db, entry):
        message = Message(
            person_id=tell.person.id, entry_id=entry.id, says=tell.says, facts=tell.facts, endpoint=tell.endpoint,
            values=tell.values, at=entry.at,
        )  # fmt: skip
        db.add(message)
        db.flush()
        for way, address in ((Way.EMAIL, tell.person.email), (Way.SMS, tell.person.phone)):
            if address:
                letter = Letter(message_id=message.id, way=way, address=address)
                db.add(letter)
                db.flush()
                jobs.later(db, "messages.send", letter_id=letter.id)


def people_of(db: Session, organisation_id: int | None) -> list[Person]:
    """Everybody active who acts for an organisation."""
    if organisation_id is None:
        return []
    active = select(Person).filter_by(organisation_id=organisation_id, is_active=True)
    return list(db.scalars(active.order_by(Person.id)))
