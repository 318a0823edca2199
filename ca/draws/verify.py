"""Check a draw from its bundle alone 复核摇号: every step again, the first wrong item named.

`app/static/verify_draw.py` does the same with nothing but the standard library; the two are kept apart on
purpose, so that each is a check of the other. The order of the steps is the order of the functions here.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ca import canonical, ecdsa
from ca.draws import chance, pool, rfc3797, shapes
from ca.draws.chance import CannotDraw
from ca.draws.entries import Entries, Statements, ascending
from ca.draws.shapes import EXPERT, HIGH_STAKE, LISTED, LOTTERY, Wrong
from ca.sealing import box, lock, messages
from ca.sealing.faults import ParamsWrong
from ca.sealing.params import DRAW, Params
from ca.tagged import H

Dict = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a check of one bundle found."""

    first_wrong: str | None  # None: everything is as it must be
    sha256: str = ""
    project: str = ""
    seed: str = ""
    winner: str = ""  # the first drawn: firm, person, digest of a bid, or the value
    winners: Mapping[str, Any] = field(default_factory=dict)  # purpose → drawn labels, or the value
    order: Mapping[str, Any] = field(default_factory=dict)  # purpose → all labels in order, or the value
    void: Mapping[str, str] = field(default_factory=dict)  # contributor → why its box does not count
    absent: tuple[str, ...] = ()  # contributors without a box at the close
    remarks: tuple[str, ...] = ()  # what this check could not judge, and what a reader should know

    @property
    def ok(self) -> bool:
        return self.first_wrong is None


def verify(
    raw: bytes,
    *,
    platform: bytes | None = None,
    holders: Mapping[str, bytes] | None = None,
    statements: Statements | None = None,
) -> Outcome:
    """Recompute everything in a bundle.

    platform, holders: keys known from elsewhere (33 bytes; holder → signing key); without them the keys in
    the bundle itself are used and the reader compares them. statements: judges signatures by certificates.
    """
    sha256 = hashlib.sha256(raw).hexdigest()
    try:
        bundle = read(raw)
        check = Check(bundle, platform, holders or {}, statements)
        return check.outcome(sha256)
    except Wrong as wrong:
        return Outcome(wrong.item, sha256)


def read(raw: bytes) -> Dict:
    """The bundle, its canonical form and all its fields checked. Raises `Wrong`."""
    try:
        bundle = canonical.decode(raw)
    except canonical.NotCanonical as error:
        raise Wrong("canonical form") from error
    check_fields(bundle)
    return bundle


def check_fields(bundle: Any) -> None:
    """Exactly the fields that the notice's kind and mode call for. Raises `Wrong`."""
    if not isinstance(bundle, dict) or "notice" not in bundle:
        raise Wrong("fields")
    pool.check_notice(bundle["notice"])
    wanted = shapes.bundle_fields(bundle["notice"])
    for name in sorted(wanted ^ set(bundle)):
        raise Wrong(f"{name}: fields")
    forms = {name.removesuffix("?"): shape for name, shape in shapes.BUNDLE.items()}
    for name in sorted(bundle):
        if not shapes.like(bundle[name], forms[name]):
            raise Wrong(f"{name}: fields")
    pool.check_pool(bundle["pool"], bundle["notice"])


class Check:
    """One check of one bundle, step by step; also computes what a new bundle must say."""

    def __init__(
        self,
        bundle: Dict,
        platform: bytes | None,
        holders: Mapping[str, bytes],
        statements: Statements | None,
    ) -> None:
        self.bundle, self.notice, self.pool = bundle, bundle["notice"], bundle["pool"]
        self.platform, self.holders = platform, holders
        self.entries = Entries(bundle, statements)
        self.void: dict[str, str] = {}

    def outcome(self, sha256: str) -> Outcome:
        self.before_the_seed()
        if self.notice["mode"] != LOTTERY and self.seed.hex() != self.bundle["seed"]:
            raise Wrong("seed")
        order = self.order()
        self._same_order(order)
        self._result()
        winners = self.winners(order)
        first = next(iter(winners.values()))
        present = {part["label"] for part in self.bundle.get("contributions", [])}
        return Outcome(
            None,
            sha256,
            project=self.notice["project"],
            seed=self.bundle.get("seed", ""),
            winner=first if isinstance(first, str) else first[0],
            winners=winners,
            order={name: part if isinstance(part, str) else self._named(part) for name, part in order.items()},
            void=self.void,
            absent=tuple(label for label, _ in self.notice.get("contributors", []) if label not in present),
            remarks=tuple(self.entries.remarks),
        )

    def before_the_seed(self) -> None:
        """All steps up to the seed. Raises `Wrong`."""
        self._notice()
        self._params()
        self.entries.check()
        self._releases()
        self._contributions()

    # 1. the notice and what binds the pool to it

    def _notice(self) -> None:
        if self.pool["project"] != self.notice["project"]:
            raise Wrong("pool.project")
        if self.pool["notice"] != pool.notice_hash(self.notice).hex():
            raise Wrong("pool.notice")
        signers = self.notice["signers"]
        if self.platform is not None and signers["platform"] != self.platform.hex():
            raise Wrong("notice.signers.platform: another platform's key")
        if not _signed(signers["platform"], pool.pool_signed(self.pc), self.bundle["pool_signature"]):
            raise Wrong("pool_signature")
        for name in ("owner", "platform"):
            signature = self.bundle["notice_signatures"][name]
            if not _signed(signers[name], pool.notice_signed(self.notice), signature):
                raise Wrong(f"notice_signatures.{name}")

    # 2. the holders' keys of this opening

    def _params(self) -> None:
        if self.notice["mode"] == LOTTERY:
            return
        try:
            params = self.params
        except ParamsWrong as error:
            raise Wrong("params: fields") from error
        if params.mode != DRAW:
            raise Wrong("params: fields")
        if params.digest.hex() != self.notice["params"]:
            raise Wrong("params")
        if (params.opening, params.deadline) != (self.notice["opening"], self.notice["close"]):
            raise Wrong("params.opening")
        if len(self.bundle["joins"]) != params.n:
            raise Wrong("joins: fields")
        for seat, joined in zip(params.holders, self.bundle["joins"], strict=True):
            if self.holders.get(seat.id, seat.sig) != seat.sig:
                raise Wrong(f"params.holders.{seat.id}: another holder's key")
            join = messages.join(params.base, seat.pk, seat.sig)
            ready = messages.ready(params.base)
            if not _signed(seat.sig.hex(), join, joined["join"]) or not _signed(seat.pk.hex(), ready, joined["ready"]):
                raise Wrong(f"joins.{seat.id}")

    # 3. the holders gave their keys for this pool and no other

    def _releases(self) -> None:
        if self.notice["mode"] == LOTTERY:
            return
        releases = self.bundle["releases"]
        for name in sorted(releases):
            if name not in self._seats:
                raise Wrong(f"releases.{name}: no holder")
            seat, release = self.params.holders[self._seats[name]], releases[name]
            if not _signed(seat.sig.hex(), pool.release_signed(self.pc), release["signature"]):
                raise Wrong(f"releases.{name}: holder did not release for this pool")
            if not lock.is_key_of(seat.pk, bytes.fromhex(release["key"])):
                raise Wrong(f"releases.{name}: holder lies")
        if len(releases) < self.params.m:
            raise Wrong("releases: fewer than m")

    # 4. the contributions, opened again by anybody

    def _contributions(self) -> None:
        if self.notice["mode"] == LOTTERY:
            if self.pool["contributions"]:
                raise Wrong("contributions: labels")
            return
        boxes = {part["label"]: bytes.fromhex(part["box"]) for part in self.bundle["contributions"]}
        labels, sides = (
            [part["label"] for part in self.bundle["contributions"]],
            dict(self.notice["contributors"]),
        )
        listed = dict(self.pool["contributions"])
        if not ascending(labels) or labels != [label for label, _ in self.pool["contributions"]]:
            raise Wrong("contributions: labels")
        for label in labels:
            if label not in sides:
                raise Wrong(f"contributions.{label}: no contributor")
            if box.box_digest(boxes[label]).hex() != listed[label]:
                raise Wrong(f"contributions.{label}: box")
        opened = pool.open_contributions(self.params, boxes, self._scalars)
        self.void, self.good = opened.void, opened.good
        if sum(sides[label] == shapes.OUTSIDE for label in self.good) < 2:
            raise Wrong("contributions: fewer than two from outside")

    # 5. seed and order

    @cached_property
    def seed(self) -> bytes:
        seed = chance.seed_of(self.pc, self.good)
        if self.notice["mode"] != HIGH_STAKE:
            return seed
        live = self.bundle["live"]
        if not all(live.values()) or not all(ascending(part) for part in live.values()):
            raise Wrong("live")
        if len({name for name, _ in live["list"]}) != len(live["list"]):
            raise Wrong("live")
        listing = canonical.encode(live["list"])
        names = dict(live["list"])
        signed = pool.live_signed(self.pc, listing)
        for name, key, signature in live["signatures"]:
            if name not in names or not _signed(key, signed, signature):
                raise Wrong(f"live.signatures.{name}")
        checkpoints = [bytes.fromhex(value) for value in self.bundle["delay"]]
        if not chance.delay_is(H("live", self.pc, seed, listing), self.notice["delay"], checkpoints):
            raise Wrong("delay")
        return checkpoints[-1]

    def order(self) -> dict[str, Any]:
        """Purpose → entries in order, or the value drawn; in the order of the notice."""
        if self.notice["mode"] == LOTTERY:
            return self._by_lottery()
        answers: dict[str, Any] = {}
        for question in self.notice["purposes"]:
            name = question["purpose"]
            if "values" in question:
                answers[name] = chance.float_point(self.seed, question["values"], name)
            else:
                answers[name] = self._ranked(name)
        return answers

    def _ranked(self, name: str) -> list[bytes]:
        entries = [entry for entry, label in self.entries.labels.items() if self._in_group(label, name)]
        try:
            if self.notice["weights"] != LISTED:
                return chance.order(self.seed, entries, name)
            weights = dict(self.bundle["weights"])
            return chance.weighted(self.seed, {entry: weights[self.entries.labels[entry]] for entry in entries}, name)
        except CannotDraw as error:
            raise Wrong(f"order.{name}: nothing to draw from") from error

    def _in_group(self, label: str, name: str) -> bool:
        if self.notice["kind"] != EXPERT or not name.startswith("expert/"):
            return True
        return [label, name.removeprefix("expert/")] in self.bundle["groups"]

    def _by_lottery(self) -> dict[str, Any]:
        [question], figures = self.notice["purposes"], self.bundle["figures"]
        if len(figures) != len(self.notice["lottery"]) or not all(figures):
            raise Wrong("figures")
        entries = sorted(self.entries.labels)
        bits = sum(bits for _, _, bits in self.notice["lottery"])
        ways = math.comb(len(entries), question["pick"])
        if (ways - 1).bit_length() + rfc3797.MARGIN > bits or len(entries) > rfc3797.LARGEST_POOL:
            raise Wrong("notice.lottery")
        drawn = rfc3797.choose(len(entries), len(entries), figures)
        return {question["purpose"]: [entries[position - 1] for position in drawn]}

    def winners(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Purpose → the first `pick` labels that no earlier purpose took, or the value."""
        taken: set[str] = set()
        found: dict[str, Any] = {}
        for question in self.notice["purposes"]:
            answer = order[question["purpose"]]
            if isinstance(answer, list):
                answer = [label for label in self._named(answer) if label not in taken][: question["pick"]]
                taken |= set(answer)
            found[question["purpose"]] = answer
        return found

    def _named(self, entries: list[bytes]) -> list[str]:
        return [self.entries.labels[entry] for entry in entries]

    def _same_order(self, order: Mapping[str, Any]) -> None:
        claimed = self.bundle["order"]
        if set(claimed) != set(order):
            raise Wrong("order")
        for name, answer in order.items():
            where = "order" if len(order) == 1 else f"order.{name}"
            if isinstance(answer, str) or isinstance(claimed[name], str):
                if answer != claimed[name]:
                    raise Wrong(where)
                continue
            for place, entry in enumerate(answer):
                if place >= len(claimed[name]) or claimed[name][place] != entry.hex():
                    raise Wrong(f"{where}[{place}]")
            if len(claimed[name]) > len(answer):
                raise Wrong(f"{where}[{len(answer)}]")

    def _result(self) -> None:
        signed = pool.result_signed(unsigned_digest(self.bundle))
        if not _signed(self.notice["signers"]["platform"], signed, self.bundle["result_signature"]):
            raise Wrong("result_signature")

    # what several steps look at

    @cached_property
    def pc(self) -> bytes:
        return pool.commitment(self.pool)

    @cached_property
    def params(self) -> Params:
        return Params.of(self.bundle["params"])

    @cached_property
    def _seats(self) -> dict[str, int]:
        return {seat.id: place for place, seat in enumerate(self.params.holders)}

    @cached_property
    def _scalars(self) -> dict[int, bytes]:
        return {self._seats[name]: bytes.fromhex(part["key"]) for name, part in self.bundle["releases"].items()}


def unsigned_digest(bundle: Dict) -> bytes:
    """SHA-256 of the file without its result signature."""
    unsigned = {name: part for name, part in bundle.items() if name != "result_signature"}
    return hashlib.sha256(canonical.encode(unsigned)).digest()


def _signed(public: str, message: bytes, signature: str) -> bool:
    return ecdsa.verify(bytes.fromhex(public), message, bytes.fromhex(signature))
