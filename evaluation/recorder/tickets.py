"""入场凭证: who may send and who may watch in a session. The app makes and reads the tokens; we only ask."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ticket:
    """What a short-lived token stands for."""

    session: str
    participant: str
    role: str
    may_publish: bool
    may_watch: bool


Authorise = Callable[[str], Ticket | None]  # a token's text -> its ticket; None (or any refusal): not admitted
