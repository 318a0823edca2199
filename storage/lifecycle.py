"""States are a table on the model; `move` is the only hand that changes one."""

from enum import StrEnum
from typing import Any, ClassVar, Protocol

from sqlalchemy.orm import Session

from storage import journal
from storage.refusals import NotNow


class WrongState(NotNow):
    says = "{thing}现在是“{state}”，不能变为“{to}”。请刷新页面查看当前状态。"


class Lives(Protocol):
    """A thing with a life: its state, the moves it may make, and the journal file that tells them."""

    MOVES: ClassVar[Any]  # {state: {states it may become}}
    STATE_NAMES: ClassVar[Any]  # {state: its Chinese name}
    called: ClassVar[str]
    __tablename__: Any
    state: Any

    @property
    def file(self) -> str: ...


def move(db: Session, thing: Lives, to: StrEnum, *, by: journal.Author | None, **facts: Any) -> None:
    """Let `thing` become `to`, if its table of moves says so, and write it in its journal file."""
    if to not in thing.MOVES[thing.state]:
        raise WrongState(thing=thing.called, state=thing.STATE_NAMES[thing.state], to=thing.STATE_NAMES[to])
    was, thing.state = thing.state, to
    db.flush()
    journal.record(db, thing.file, f"{thing.__tablename__}.{to.value}", by=by, was=was.value, **facts)


def diagram(kind: type[Lives]) -> str:
    """The table of moves as a Mermaid state diagram, with the Chinese names."""
    names = kind.STATE_NAMES
    lines = ["stateDiagram-v2"]
    lines += [f"    {state.value} : {names[state]}" for state in kind.MOVES]
    first = next(iter(kind.MOVES))
    lines.append(f"    [*] --> {first.value}")
    for state, ways in kind.MOVES.items():
        lines += [f"    {state.value} --> {to.value}" for to in sorted(ways)]
        if not ways:
            lines.append(f"    {state.value} --> [*]")
    return "\n".join(lines) + "\n"


def lives() -> list[type[Lives]]:
    """Every model with a table of moves, by table name."""
    from storage.db import Base

    kinds = [mapper.class_ for mapper in Base.registry.mappers if hasattr(mapper.class_, "MOVES")]
    return sorted(kinds, key=lambda kind: kind.__tablename__)
