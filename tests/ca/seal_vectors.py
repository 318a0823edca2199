"""The published vectors of gh-seal/2, and what tests need to seal and open without chance."""

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ca.ecdsa import ORDER, Key
from ca.sealing.params import Params, Seat

LOT, BIDDER, SEQ = "1", "91610000000000000X", 1
TIMES = ("2026-11-30T01:00:00Z", "2026-11-30T01:30:00Z", "2026-11-30T02:00:00Z")
_FILE = Path(__file__).resolve().parents[1] / "vectors" / "seal" / "vectors.json"


class Chance:
    """`rnd` of the vectors: call i of NAME is SHA-256("NAME/i")."""

    def __init__(self, name):
        self.name, self.call = name, 0

    def __call__(self, size):
        assert size == 32
        self.call += 1
        return hashlib.sha256(f"{self.name}/{self.call}".encode()).digest()


@dataclass(frozen=True)
class Vector:
    fields: dict

    @property
    def name(self):
        return self.fields["name"]

    @cached_property
    def params(self):
        return Params.read(self.fields["params"].encode())

    @property
    def scalars(self):
        return dict(enumerate(map(bytes.fromhex, self.fields["sk"])))

    @property
    def plaintext(self):
        return bytes(i % 251 for i in range(int(self.fields["plaintext"].split()[-1])))

    def raw(self, name):
        return bytes.fromhex(self.fields[name])


VECTORS = [Vector(fields) for fields in json.loads(_FILE.read_text())]


def key(name):
    """A key that is always the same for a name."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()) % (ORDER - 1) + 1
    return Key(number.to_bytes(32))


def opening(name="T1", *, m=3, n=5, mode="two-lock", times=TIMES):
    """Params with holders H1 … Hn, and their keys by place."""
    keys = [key(f"{name}/holder{j}") for j in range(1, n + 1)]
    seats = tuple(
        Seat(f"H{j}", made.public, key(f"{name}/sig{j}").public if mode == "draw" else b"")
        for j, made in enumerate(keys, 1)
    )
    if mode == "draw":
        times = (times[0], times[0], times[2])
    params = Params(opening=f"O-{name}", mode=mode, m=m, holders=seats, deadline=times[0],
                    unlock_until=times[1], release_until=times[2])  # fmt: skip
    return params, {place: made.scalar for place, made in enumerate(keys)}


def team(scalars, places):
    return {place: scalars[place] for place in places}


def stream(raw):
    return io.BytesIO(raw)
