"""The transcript of an opening 开标记录包: from it and the sealed files anybody repeats every verdict.

It holds what was fixed before the first key left its holder (params, joins, frozen list, unlocks, close),
every release, true or false, and the platform's verdict on each bid. Verdicts need no secret: who is to
blame follows from public bytes. Files are found by their SHA-256 and are not part of the transcript.
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ca import canonical, ecdsa
from ca.sealing import lock, messages
from ca.sealing.faults import BIDDER, Fault, ParamsWrong
from ca.sealing.file import open_sealed
from ca.sealing.holder import Join, join_holds
from ca.sealing.params import DRAW, Params, is_hex, said

Dict = dict[str, Any]
Holds = Callable[[bytes, bytes], bool]
OPENED, NOT_UNLOCKED = "OPENED", "NOT_UNLOCKED"

_FIELDS = {
    "v", "params", "joins", "freeze", "unlocks", "close", "releases", "bids", "extensions", "platform",
    "signature",
}  # fmt: skip
_ITEM: dict[str, Dict] = {
    "joins": {"holder": str, "sig": 33, "join": 64, "ready": 64},
    "freeze": {"lot": str, "bidder": str, "seq": int, "digest": 32},
    "unlocks": {"digest": 32, "kb": None},
    "releases": {"holder": str, "key": 32, "signature": 64},
    "extensions": {"deadline": str, "unlock_until": str, "release_until": str, "signature": None},
    "bids": {"digest": 32, "verdict": str, "culprit": str, "sha256": None},
}


@dataclass(frozen=True)
class BidVerdict:
    """What became of one bid of the frozen list."""

    digest: str
    verdict: str  # OPENED, NOT_UNLOCKED or the code of a Fault
    culprit: str  # "" when it opened
    sha256: str  # of the plaintext, "" when it did not open


@dataclass(frozen=True)
class Findings:
    """What a check of a transcript found."""

    first_wrong: str | None
    bids: tuple[BidVerdict, ...] = ()
    blamed: tuple[str, ...] = ()  # holders whose released key is false, by name
    remarks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.first_wrong is None


class Wrong(Exception):
    """The first wrong item of a transcript."""


def build(
    params: Params,
    *,
    joins: Mapping[str, Join],
    freeze: Sequence[Dict],
    unlocks: Mapping[str, bytes],
    close: bytes,
    releases: Sequence[tuple[str, bytes, bytes]],
    bids: Sequence[BidVerdict],
    key: ecdsa.Key,
    extensions: Sequence[Dict] = (),
) -> bytes:
    """The bytes of a transcript, signed by the platform.

    joins: holder → Join; freeze: {lot, bidder, seq, digest(hex)} each; unlocks: digest(hex) → kb, of
    unlocked bids only; close: the supervisor's signature; releases: (holder, key, signature) in order of
    arrival, false ones too.
    """
    content: Dict = {
        "v": 2,
        "params": params.written(),
        "joins": [
            {"holder": seat.id, "sig": joins[seat.id].sig.hex(), "join": joins[seat.id].join.hex(),
             "ready": joins[seat.id].ready.hex()}
            for seat in params.holders
        ],
        "freeze": sorted(freeze, key=lambda one: (one["lot"], one["bidder"], one["seq"])),
        "unlocks": [{"digest": digest, "kb": kb.hex()} for digest, kb in sorted(unlocks.items())],
        "close": close.hex(),
        "releases": [
            {"holder": holder, "key": scalar.hex(), "signature": signature.hex()}
            for holder, scalar, signature in releases
        ],
        "bids": [
            {"digest": one.digest, "verdict": one.verdict, "culprit": one.culprit, "sha256": one.sha256}
            for one in bids
        ],
        "extensions": list(extensions),
        "platform": key.public.hex(),
    }  # fmt: skip
    content["signature"] = key.sign(_signed(content)).hex()
    return canonical.ascii_encode(content)


def verify(
    raw: bytes,
    files: Mapping[str, Path],
    *,
    platform: bytes | None = None,
    close_holds: Holds | None = None,
    into: Path | None = None,
    told: Callable[[int, int], None] = lambda done, all_: None,
) -> Findings:
    """Repeat the opening off line: the same steps and, for every bid, the same verdict.

    files: SHA-256 in hex → sealed file; a missing one is a remark. close_holds judges the supervisor's
    signature (and extensions'); without it they are remarks. into: a folder for what opens, by digest of
    the sealed file. told: (bids done, bids in all).
    """
    try:
        checked, verdicts = _Checked(raw, platform, close_holds), []
        if into is not None:
            into.mkdir(parents=True, exist_ok=True)
        for count, entry in enumerate(checked.content["freeze"]):
            verdicts.append(checked.bid(entry, files, into))
            told(count + 1, len(checked.content["freeze"]))
        return Findings(None, tuple(verdicts), tuple(checked.blamed), tuple(checked.remarks))
    except Wrong as wrong:
        return Findings(str(wrong))


def judge(
    source: Path,
    params: Params,
    entry: Dict,
    kb: bytes | None,
    scalars: Mapping[int, bytes],
    target: Path | None = None,
) -> BidVerdict:
    """The verdict on one bid of the frozen list; opened into `target`, or only looked at when None."""
    digest = entry["digest"]
    if kb is None:
        return BidVerdict(digest, NOT_UNLOCKED, BIDDER, "")
    with tempfile.TemporaryDirectory() as folder, source.open("rb") as raw:
        try:
            opened = open_sealed(
                raw, target or Path(folder) / "opened", params, lot=entry["lot"], bidder=entry["bidder"],
                seq=entry["seq"], digest=bytes.fromhex(digest), kb=kb, scalars=scalars,
            )  # fmt: skip
        except Fault as fault:
            return BidVerdict(digest, fault.code, fault.culprit, "")
    return BidVerdict(digest, OPENED, "", opened.sha256.hex())


class _Checked:
    """A transcript whose own statements hold; raises `Wrong` with the first that does not."""

    def __init__(self, raw: bytes, platform: bytes | None, close_holds: Holds | None) -> None:
        self.content = _read(raw)
        self.remarks: list[str] = []
        self.blamed: list[str] = []
        self._platform(platform)
        self.params = self._params()
        self._joins()
        self.freeze_root, self.unlock_root = self._roots()
        self._signed_by_supervisor(close_holds)
        self.scalars = self._releases()

    def _platform(self, known: bytes | None) -> None:
        key = bytes.fromhex(self.content["platform"])
        if known is not None and key != known:
            raise Wrong("platform: another platform's key")
        if not ecdsa.verify(key, _signed(self.content), bytes.fromhex(self.content["signature"])):
            raise Wrong("signature")

    def _params(self) -> Params:
        try:
            params = Params.of(self.content["params"])
        except ParamsWrong as error:
            raise Wrong("params") from error
        if params.mode == DRAW:
            raise Wrong("params.mode")
        return params

    def _joins(self) -> None:
        joins = self.content["joins"]
        if [one["holder"] for one in joins] != [seat.id for seat in self.params.holders]:
            raise Wrong("joins")
        for place, one in enumerate(joins):
            sig, join, ready = (bytes.fromhex(one[name]) for name in ("sig", "join", "ready"))
            if not join_holds(self.params, place, Join(self.params.holders[place].pk, sig, join, ready)):
                raise Wrong(f"joins.{one['holder']}")

    def _roots(self) -> tuple[bytes, bytes]:
        frozen = [messages.bid_leaf(**one | {"digest": bytes.fromhex(one["digest"])}) for one in self.content["freeze"]]
        places = [(one["lot"], one["bidder"]) for one in self.content["freeze"]]
        digests = {one["digest"] for one in self.content["freeze"]}
        if places != sorted(set(places)) or len(digests) != len(places):
            raise Wrong("freeze: order or duplicate")
        self.kbs = {one["digest"]: bytes.fromhex(one["kb"]) for one in self.content["unlocks"]}
        listed = [one["digest"] for one in self.content["unlocks"]]
        if listed != sorted(set(listed)) or not set(listed) <= digests:
            raise Wrong("unlocks: order, duplicate or not frozen")
        unlocked = [messages.unlock_leaf(digest=bytes.fromhex(one), kb=kb) for one, kb in self.kbs.items()]
        return messages.root(frozen), messages.root(unlocked)

    def _signed_by_supervisor(self, holds: Holds | None) -> None:
        said_to_close = messages.close(self.params.digest, self.freeze_root, self.unlock_root)
        if holds is None:
            self.remarks.append("close: the supervisor's signature is not judged here")
        elif not holds(said_to_close, bytes.fromhex(self.content["close"])):
            raise Wrong("close")
        for place, one in enumerate(self.content["extensions"]):
            times = {name: one[name] for name in ("deadline", "unlock_until", "release_until")}
            try:
                message = messages.extend(self.params, **times)
            except ParamsWrong as error:
                raise Wrong(f"extensions[{place}]") from error
            if holds is None:
                self.remarks.append(f"extensions[{place}]: its signature is not judged here")
            elif not holds(message, bytes.fromhex(one["signature"])):
                raise Wrong(f"extensions[{place}]")

    def _releases(self) -> dict[int, bytes]:
        sigs = {one["holder"]: bytes.fromhex(one["sig"]) for one in self.content["joins"]}
        scalars: dict[int, bytes] = {}
        for number, one in enumerate(self.content["releases"]):
            if one["holder"] not in sigs:
                raise Wrong(f"releases[{number}].holder")
            scalar, place = bytes.fromhex(one["key"]), self.params.place(one["holder"])
            message = messages.release(
                self.params.digest, freeze_root=self.freeze_root, unlock_root=self.unlock_root,
                holder=one["holder"], key=scalar,
            )  # fmt: skip
            if not ecdsa.verify(sigs[one["holder"]], message, bytes.fromhex(one["signature"])):
                raise Wrong(f"releases[{number}].signature")
            if lock.is_key_of(self.params.holders[place].pk, scalar):
                scalars[place] = scalar
            else:
                self.blamed.append(one["holder"])
        if len(scalars) < self.params.m:
            raise Wrong("releases: fewer than m")
        return scalars

    def bid(self, entry: Dict, files: Mapping[str, Path], into: Path | None) -> BidVerdict:
        """The verdict repeated, and held against the platform's."""
        digest = entry["digest"]
        claimed = next((one for one in self.content["bids"] if one["digest"] == digest), None)
        if claimed is None or len(self.content["bids"]) != len(self.content["freeze"]):
            raise Wrong(f"bids.{digest}")
        told = BidVerdict(digest, claimed["verdict"], claimed["culprit"], claimed["sha256"])
        kb, source = self.kbs.get(digest), files.get(digest)
        if kb is not None and source is None:
            self.remarks.append(f"{digest}: the file is not here, its verdict is not repeated")
            return told
        target = into / digest if into is not None else None
        found = judge(source or Path(), self.params, entry, kb, self.scalars, target)
        if found != told:
            raise Wrong(f"bids.{digest}: {found.verdict}, not {told.verdict}")
        return found


def _read(raw: bytes) -> Dict:
    try:
        content = canonical.ascii_decode(raw)
    except canonical.NotCanonical as error:
        raise Wrong("canonical form") from error
    if not isinstance(content, dict) or set(content) != _FIELDS or content["v"] != 2:
        raise Wrong("fields")
    for name, shape in _ITEM.items():
        if not isinstance(content[name], list) or not all(_is_item(one, shape) for one in content[name]):
            raise Wrong(f"{name}: fields")
    lengths = {"platform": 33, "signature": 64, "close": None}
    if not all(is_hex(content[name], size) for name, size in lengths.items()):
        raise Wrong("fields")
    return content


def _is_item(one: Any, shape: Dict) -> bool:
    if not isinstance(one, dict) or set(one) != set(shape):
        return False
    return all(isinstance(one[k], v) if isinstance(v, type) else is_hex(one[k], v) for k, v in shape.items())


def _signed(content: Dict) -> bytes:
    unsigned = {name: part for name, part in content.items() if name != "signature"}
    return said("transcript", hashlib.sha256(canonical.ascii_encode(unsigned)).digest())


def digests_in(folder: Path) -> dict[str, Path]:
    """The files of a folder by their SHA-256."""
    return {digest_of(path): path for path in sorted(folder.rglob("*")) if path.is_file()}


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()
