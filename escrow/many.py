"""Many at once 批量: the same moves and the same journal as one by one, in a handful of statements.

A project's thousand refunds go home in seconds, so they are not moved with several questions each. The caller
holds the rows (FOR UPDATE) whose files these are, so nobody else writes at the end of them meanwhile; the
journal's UNIQUE (file, number) makes that certain.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from storage import clock, journal
from storage.lifecycle import Lives, WrongState

Line = tuple[str, str, dict[str, Any]]  # file, act, facts


def _no_facts(_: Any) -> dict[str, Any]:
    return {}


def move_all(
    db: Session,
    things: Sequence[Lives],
    to: Any,
    *,
    by: journal.Author,
    facts: Callable[[Any], dict[str, Any]] = _no_facts,
) -> None:
    """Let each of these become `to`, as `storage.lifecycle.move` would; all or none."""
    lines: list[Line] = []
    for thing in things:
        if to not in thing.MOVES[thing.state]:
            names = thing.STATE_NAMES
            raise WrongState(thing=thing.called, state=names[thing.state], to=names[to])
        lines.append((thing.file, f"{thing.__tablename__}.{to.value}", {"was": thing.state.value} | facts(thing)))
        thing.state = to
    db.flush()
    record_all(db, lines, by=by)


def record_all(db: Session, lines: Sequence[Line], *, by: journal.Author | None) -> None:
    """Write these entries at the ends of their files, in order."""
    if not lines:
        return
    ends = _ends(db, {file for file, _, _ in lines})
    at, made = clock.database(db), []
    for file, act, facts in lines:
        number, prev = ends.get(file, (0, journal.FIRST))
        entry = journal.Entry(
            file=file, number=number + 1, at=at, act=act, by=by.person_id if by else None, facts=journal._plain(facts),
            prev=prev,
        )  # fmt: skip
        entry.hash = entry.digest()
        ends[file] = (entry.number, entry.hash)
        made.append(entry)
    db.add_all(made)
    db.flush()


def _ends(db: Session, files: set[str]) -> dict[str, tuple[int, str]]:
    """The number and hash of the last entry of each file that has one."""
    entry = journal.Entry
    last = select(entry.file, func.max(entry.number)).where(entry.file.in_(files)).group_by(entry.file)
    rows = db.execute(select(entry.file, entry.number, entry.hash).where(tuple_(entry.file, entry.number).in_(last)))
    return {file: (number, hash_) for file, number, hash_ in rows}
