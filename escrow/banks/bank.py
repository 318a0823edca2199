"""What we ask of a bank 银行, and the banks this process speaks with.

A bank may answer late, twice, or never; it may have taken what we told it although the line broke. So we
tell it only things that carry their own number, and an answer we did not hear is asked for, never guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from escrow.models import Refund
from storage.refusals import NotFound


class NoSuchBank(NotFound):
    says = "没有接通“{name}”银行。请检查银行接口的设置。"


class Unreachable(Exception):
    """The bank did not answer in time, or not in a way we understand: whether it heard us is not known."""


class Heard(StrEnum):
    """What a bank says about one payment when asked."""

    UNKNOWN = "unknown"  # it never had it
    TAKEN = "taken"
    REJECTED = "rejected"
    BOOKED = "booked"


@dataclass(frozen=True)
class Told:
    """What a bank says about one payment."""

    heard: Heard
    reason: str = ""


@dataclass(frozen=True)
class Letter:
    """A message that waits at the bank for us."""

    id: str
    body: bytes


class Bank(Protocol):
    """A bank that keeps one of our accounts."""

    name: str
    account: str
    holder: str

    def tell(self, msg_id: str, payments: Sequence[Refund]) -> bool:
        """Hand in a file of payments; False when the bank has had a file of this number before.

        Raises Unreachable when it is not known whether the bank heard.
        """

    def ask(self, end_to_end_id: str) -> Told:
        """Ask about one payment. Raises Unreachable."""

    def letters(self) -> list[Letter]:
        """The messages that wait for us, oldest first, left where they are. Raises Unreachable."""

    def file_away(self, ids: Sequence[str]) -> None:
        """Tell the bank that these messages are safe with us. Raises Unreachable."""

    def report(self) -> None:
        """Ask for a statement of the day so far; it comes as a letter. Raises Unreachable."""
