"""Openings 开启: key holders make keys for one opening, wait, and release them together.

One opening serves one thing that must stay shut until its hour: the contributions of a draw, the quotes of
a project, the bids of a tender. Each holder's program makes a fresh key pair for it and *joins*; once all
have joined the parameters are closed and their hash is printed in the notice. After the hour the room that
began the opening lays the evidence before the holders (`ask_release`), and each releases its private key of
this opening, checked at once against the public key everybody knows (`sealing.md`, 2, 6, 7).

This package knows no tender and no project: only a name, its times, and its holders.
"""

from ca.openings.joining import (
    BadJoin,
    BadName,
    JoinedWithAnotherKey,
    KeyUsedBefore,
    NotAllJoined,
    SameHolderTwice,
    TooLateToJoin,
    WrongNumbers,
    WrongTimes,
    begin,
    close_params,
    join,
    label_of,
)
from ca.openings.releasing import (
    BadRelease,
    BeforeDeadline,
    NotAskedYet,
    OtherEvidence,
    advance,
    ask_release,
    due,
    enough,
    release,
    release_message,
    scalars,
    settle,
    waiting_for,
)
from ca.openings.rows import HolderSeat, Mode, NotAHolder, Opening, State, Verdict

__all__ = [
    "BadJoin",
    "BadName",
    "BadRelease",
    "BeforeDeadline",
    "HolderSeat",
    "JoinedWithAnotherKey",
    "KeyUsedBefore",
    "Mode",
    "NotAHolder",
    "NotAllJoined",
    "NotAskedYet",
    "Opening",
    "OtherEvidence",
    "SameHolderTwice",
    "State",
    "TooLateToJoin",
    "Verdict",
    "WrongNumbers",
    "WrongTimes",
    "advance",
    "ask_release",
    "begin",
    "close_params",
    "due",
    "enough",
    "join",
    "label_of",
    "release",
    "release_message",
    "scalars",
    "settle",
    "waiting_for",
]
