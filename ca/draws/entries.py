"""Who could be drawn: each entry against log, facts and pool, in the order in which they stand."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from ca import merkle
from ca.draws import chance, pool, registration, shapes
from ca.draws.chance import CannotDraw
from ca.draws.shapes import BID, ELIGIBLE, EXPERT, NONE, REGISTRATION, Wrong

Dict = dict[str, Any]
Statements = Callable[[Dict], bool]  # a registration's body → does the certificate's signature hold?


class Entries:
    """The entries of one bundle; each check raises `Wrong` with the first wrong item."""

    def __init__(self, bundle: Dict, statements: Statements | None) -> None:
        self.bundle, self.notice, self.pool = bundle, bundle["notice"], bundle["pool"]
        self.statements = statements
        self.labels: dict[bytes, str] = {}  # live eligible entry → firm, person or bid
        self.live: dict[bytes, str] = {}  # live entry → status
        self.remarks: list[str] = []
        self._statuses: dict[str, str] = dict(bundle.get("facts", []))
        self._seen: set[str] = set()

    def check(self) -> None:
        """Facts, entries, pool root, inputs."""
        self.check_facts()
        self.check_entries()
        self.check_root()
        self.check_inputs()

    def check_facts(self) -> None:
        if "facts" not in self.bundle:
            return
        listed = self.bundle["facts"]
        if pool.facts_hash(listed).hex() != self.pool["facts"] or not ascending([name for name, _ in listed]):
            raise Wrong("facts")
        if self.notice["capacity"] < 2 * len(listed):
            raise Wrong("notice.capacity")

    def check_entries(self) -> None:
        kind = self.notice["kind"]
        if kind == NONE:
            return
        last = b""
        for place, entry in enumerate(self.bundle["entries"]):
            where = f"entries[{place}]"
            if not shapes.like(entry, shapes.ENTRY[kind]):
                raise Wrong(f"{where}: fields")
            if kind == REGISTRATION:
                self._logged(where, entry)
            number = bytes.fromhex(entry["entry"])
            if self._commitment(entry) != number:
                raise Wrong(f"{where}: entry")
            if number <= last:
                raise Wrong(f"{where}: order or duplicate")
            last = number
            self._entry(where, entry, number)

    def _logged(self, where: str, entry: Dict) -> None:
        """Does it stand in the log as it was at the close?"""
        size, path = self.bundle["log_size"], [bytes.fromhex(step) for step in entry["path"]]
        leaf = merkle.leaf_hash(registration.log_leaf(bytes.fromhex(entry["entry"]), bytes.fromhex(entry["rest"])))
        root = merkle.root_by(leaf, entry["cell"], size, path)
        if root is None or size >= 2**32 or registration.log_head(size, root).hex() != self.pool["log_root"]:
            raise Wrong(f"{where}: not in the log before the close")

    def _commitment(self, entry: Dict) -> bytes:
        if "body" in entry:
            return registration.entry_of(entry["body"], bytes.fromhex(entry["salt"]))
        if "person" in entry:
            return pool.expert_entry(self.notice["project"], entry["person"], bytes.fromhex(entry["salt"]))
        return pool.bid_entry(bytes.fromhex(entry["bid"]))

    def _entry(self, where: str, entry: Dict, number: bytes) -> None:
        kind = self.notice["kind"]
        if kind == BID:
            label = entry["bid"]
        elif kind == EXPERT:
            label = entry["person"]
        else:
            self._registration(where, entry["body"])
            label = entry["body"]["firm"]
        if kind != BID and label not in self._statuses:
            raise Wrong(f"{where}.{'firm' if kind == REGISTRATION else 'person'}: not in the library")
        withdrawn = "withdrawal" in entry
        if withdrawn:
            self._withdrawal(f"{where}.withdrawal", entry)
        elif label in self._seen:
            raise Wrong(f"{where}.{'firm' if kind == REGISTRATION else 'person'}: twice")
        if kind != BID and entry["status"] != self._statuses[label]:
            raise Wrong(f"{where}.status")
        if not withdrawn:
            self._seen.add(label)
            self.live[number] = entry["status"]
            if entry["status"] == ELIGIBLE:
                self.labels[number] = label

    def _registration(self, where: str, body: Dict) -> None:
        if body["project"] != self.notice["project"]:
            raise Wrong(f"{where}.project")
        if ("cert" in body) == ("account" in body):
            raise Wrong(f"{where}.body: fields")
        holds = registration.statement_holds(body)
        if holds is None and self.statements is not None:
            holds = self.statements(body)
        if holds is False:
            raise Wrong(f"{where}.statement_sig")
        if holds is None:
            self.remarks.append(f"{where}.statement_sig: by a certificate, not judged here")

    def _withdrawal(self, where: str, entry: Dict) -> None:
        withdrawal, body = entry["withdrawal"], entry["withdrawal"]["body"]
        self._logged(where, withdrawal)
        said = (body["project"], body["firm"], body["entry"])
        meant = (entry["body"]["project"], entry["body"]["firm"], entry["entry"])
        late = withdrawal["cell"] > entry["cell"]
        if self._commitment(withdrawal).hex() != withdrawal["entry"] or said != meant or not late:
            raise Wrong(f"{where}: not for this entry")
        if not registration.one_reason(body) or registration.withdrawal_holds(body, entry["body"]) is False:
            raise Wrong(f"{where}: secret does not match")
        if "account" in body:
            self.remarks.append(f"{where}: on the record {body['account']}")
        elif "sig" in body:
            self.remarks.append(f"{where}: by a certificate, not judged here")

    def check_root(self) -> None:
        if self.notice["kind"] == NONE:
            return
        try:
            root = chance.pool_root(
                self.notice["project"],
                self.live,
                bytes.fromhex(self.bundle["pad_key"]),
                self.notice["capacity"],
            )
        except CannotDraw as error:
            raise Wrong("notice.capacity") from error
        if root.hex() != self.pool["root"] or len(self.live) == self.notice["capacity"]:
            raise Wrong("pool.root")
        if len(self.labels) < max(1, self.notice["minimum"]):
            raise Wrong("entries: fewer than the minimum")

    def check_inputs(self) -> None:
        inputs = self.pool.get("inputs", [])
        if "weights" in self.bundle:
            listed = self.bundle["weights"]
            names = [name for name, _ in listed]
            whole = sorted(self._statuses) if self._statuses else sorted(self.labels.values())
            heavy = sum(weight for _, weight in listed) > chance.HEAVIEST
            if pool.weights_hash(listed).hex() not in inputs or names != whole or heavy:
                raise Wrong("weights")
        if "groups" in self.bundle:
            groups = self.bundle["groups"]
            if pool.groups_hash(groups).hex() not in inputs or not ascending(groups):
                raise Wrong("groups")


def ascending(items: list[Any]) -> bool:
    """Each smaller than the next: sorted and nothing twice."""
    return all(a < b for a, b in pairwise(items))
