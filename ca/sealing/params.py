"""The parameters of one opening 开标参数: who holds the keys, how many are needed, and when.

Everybody who seals, joins, unlocks, closes or releases speaks of these parameters by their SHA-256, which
is printed in the notice. Holders make a fresh key for each opening and bind it to `base` by a *join*, so a
key never serves a second opening or other times.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import combinations
from math import comb
from typing import Any

from ca import canonical, ecdsa
from ca.canonical import NotCanonical
from ca.sealing.faults import ParamsWrong

DOMAIN = b"gh-seal/2 "
SUITE = "P256-SHA256-A256GCM"
TWO_LOCK, COMMITTEE, DRAW = "two-lock", "committee", "draw"
MODES = (TWO_LOCK, COMMITTEE, DRAW)
ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
MOST_HOLDERS = 9

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_FIELDS = {
    "v", "opening", "mode", "suite", "m", "holders", "deadline", "unlock_until", "release_until",
}  # fmt: skip


def said(name: str, *parts: bytes) -> bytes:
    """The bytes that are signed or hashed under a name: D ‖ name ‖ 0x00 ‖ parts."""
    return DOMAIN + name.encode() + b"\0" + b"".join(parts)


def digest(name: str, *parts: bytes) -> bytes:
    """SHA-256 of what is `said` under a name."""
    return hashlib.sha256(said(name, *parts)).digest()


def is_hex(text: Any, length: int | None = None) -> bool:
    """Lower-case hex of this many bytes (any whole number when not given)."""
    if not isinstance(text, str) or not re.fullmatch(r"(?:[0-9a-f]{2})*", text):
        return False
    return length is None or len(text) == 2 * length


def moment(text: str) -> datetime:
    """A moment as written in params, YYYY-MM-DDThh:mm:ssZ. Raises `ParamsWrong`."""
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        raise ParamsWrong("a moment is written YYYY-MM-DDThh:mm:ssZ")
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise ParamsWrong(f"no such moment: {text}") from error


def written(at: datetime) -> str:
    """An aware moment as params write it, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Seat:
    """One key holder's place: its name, its opening key for these params, and in draws its signing key."""

    id: str
    pk: bytes
    sig: bytes = b""  # mode draw only: ECDSA key, covered by the join, never released

    def written(self) -> dict[str, str]:
        seat = {"id": self.id, "pk": self.pk.hex()}
        return seat | {"sig": self.sig.hex()} if self.sig else seat


@dataclass(frozen=True)
class Params:
    """Checked parameters. `canon` are their bytes, `digest` their name everywhere, `base` what joins bind."""

    opening: str
    mode: str
    m: int
    holders: tuple[Seat, ...]
    deadline: str
    unlock_until: str
    release_until: str

    def __post_init__(self) -> None:
        _check_ids(self)
        _check_times(self)
        _check_keys(self)

    @property
    def n(self) -> int:
        return len(self.holders)

    @cached_property
    def canon(self) -> bytes:
        return canonical.ascii_encode(self.written())

    @cached_property
    def digest(self) -> bytes:
        """SHA-256(canon(params)): `header.params`, printed in the notice."""
        return hashlib.sha256(self.canon).digest()

    @cached_property
    def base(self) -> bytes:
        """What a holder joins, before anybody's key is known."""
        seats = [seat.id for seat in self.holders]
        return digest("base", canonical.ascii_encode(self.written() | {"holders": seats}))

    @cached_property
    def teams(self) -> list[tuple[int, ...]]:
        """All teams of m holders by their places from 0, in lexicographic order."""
        return list(combinations(range(self.n), self.m))

    @property
    def team_count(self) -> int:
        return comb(self.n, self.m)

    def place(self, holder: str) -> int:
        """The place of a holder by name. Raises `ParamsWrong`."""
        for place, seat in enumerate(self.holders):
            if seat.id == holder:
                return place
        raise ParamsWrong(f"{holder} is no holder of this opening")

    def written(self) -> dict[str, Any]:
        """The plain dict with the exact fields of the published form."""
        return {
            "v": 2,
            "opening": self.opening,
            "mode": self.mode,
            "suite": SUITE,
            "m": self.m,
            "holders": [seat.written() for seat in self.holders],
            "deadline": self.deadline,
            "unlock_until": self.unlock_until,
            "release_until": self.release_until,
        }

    @classmethod
    def read(cls, raw: bytes) -> "Params":
        """Params from their canonical bytes. Raises `ParamsWrong`."""
        try:
            return cls.of(canonical.ascii_decode(raw))
        except NotCanonical as error:
            raise ParamsWrong(f"params are not canonical: {error}") from error

    @classmethod
    def of(cls, fields: Any) -> "Params":
        """Params from the plain dict of the published form. Raises `ParamsWrong`."""
        if not isinstance(fields, dict) or set(fields) != _FIELDS:
            raise ParamsWrong("params have other fields")
        if type(fields["v"]) is not int or fields["v"] != 2 or fields["suite"] != SUITE:
            raise ParamsWrong("another version or suite")
        holders = fields["holders"]
        if not isinstance(holders, list):
            raise ParamsWrong("holders are a list")
        named = {name: fields[name] for name in _FIELDS - {"v", "suite", "holders"}}
        return cls(holders=tuple(_seat(seat, fields["mode"]) for seat in holders), **named)


def base_of(fields: dict[str, Any]) -> bytes:
    """The base of params whose keys do not exist yet: `fields` as published, with holders = [id, …]."""
    return digest("base", canonical.ascii_encode(fields | {"v": 2, "suite": SUITE}))


def _seat(seat: Any, mode: Any) -> Seat:
    wanted = {"id", "pk"} | ({"sig"} if mode == DRAW else set())
    if not isinstance(seat, dict) or set(seat) != wanted or not all(isinstance(v, str) for v in seat.values()):
        raise ParamsWrong("a holder has other fields")
    if not all(is_hex(seat[name], ecdsa.POINT) for name in wanted - {"id"}):
        raise ParamsWrong("a key is 33 bytes in hex")
    return Seat(seat["id"], bytes.fromhex(seat["pk"]), bytes.fromhex(seat.get("sig", "")))


def _check_ids(params: Params) -> None:
    ids = [params.opening, *(seat.id for seat in params.holders)]
    if not all(isinstance(one, str) and ID.fullmatch(one) for one in ids):
        raise ParamsWrong("an id matches [A-Za-z0-9._:-]{1,64}")
    if len(set(ids[1:])) != len(ids) - 1:
        raise ParamsWrong("two holders have one name")
    if params.mode not in MODES:
        raise ParamsWrong("mode is two-lock, committee or draw")
    if type(params.m) is not int or not 2 <= params.m < params.n <= MOST_HOLDERS:
        raise ParamsWrong("2 ≤ m < n ≤ 9")


def _check_times(params: Params) -> None:
    deadline, unlock, release = map(moment, (params.deadline, params.unlock_until, params.release_until))
    if not deadline <= unlock < release:
        raise ParamsWrong("deadline, unlock_until, release_until stand in this order")
    if params.mode == TWO_LOCK and deadline == unlock:
        raise ParamsWrong("two-lock needs a window between deadline and unlock_until")
    if params.mode == DRAW and deadline != unlock:
        raise ParamsWrong("a draw has no unlocking")


def _check_keys(params: Params) -> None:
    keys = [seat.pk for seat in params.holders]
    if params.mode == DRAW:
        keys += [seat.sig for seat in params.holders]
    elif any(seat.sig for seat in params.holders):
        raise ParamsWrong("a signing key belongs to draws only")
    if len(set(keys)) != len(keys):
        raise ParamsWrong("a key stands twice")
    if not all(ecdsa.is_point(key) for key in keys):
        raise ParamsWrong("a key is no point of the curve")


def check_for_bids(params: Params, *, procuring_entity: str | None = None) -> None:
    """What a tender asks beyond the form: two spare holders, and the procuring entity in the first seat.

    Raises `ParamsWrong`. A holder of the m that stays away must never be able to stop an opening alone.
    """
    if params.mode == DRAW:
        raise ParamsWrong("a draw's keys never seal bids")
    if params.n - params.m < 2:
        raise ParamsWrong("n − m ≥ 2 for tenders")
    if procuring_entity is not None and params.holders[0].id != procuring_entity:
        raise ParamsWrong("the first seat is the procuring entity's")
