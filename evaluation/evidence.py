"""录像证据链: one chain over every segment of every track and every business event of a session.

Each item names its place `n` and the digest `prev` of the item before it, written in the one canonical form.
A signed checkpoint each minute and a signed closing record (with the Merkle root over all items before it)
make a cut tail visible; the root proves one segment without the rest. Nothing here touches a disk or a
network: `Chain` grows a chain, `verify_recording` judges one, anywhere, without us.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from ca import canonical, ecdsa, merkle

FORMAT = "gongheng/recording/1"
START = "0" * 64  # `prev` of the first item
Item = dict[str, Any]


class Signer(Protocol):
    """The centre's key, as `ca.ecdsa.PlatformKey` offers it."""

    @property
    def public(self) -> bytes: ...
    def sign(self, message: bytes) -> bytes: ...


class Kind(StrEnum):
    """What an item of the chain tells."""

    OPENED = "opened"  # the session's zero and who was to take part
    INIT = "init"  # the head of a track's file
    SEGMENT = "segment"
    GAP = "gap"  # something is missing, from where to where, and why
    EVENT = "event"  # a business event: check-in, score, vote, signature …
    RESUMED = "resumed"  # the recorder was started anew
    CHECKPOINT = "checkpoint"
    CLOSED = "closed"


def digest(item: Item) -> str:
    """SHA-256 of an item in canonical form: what the next item's `prev` must say."""
    return hashlib.sha256(canonical.encode(item)).hexdigest()


def signed_part(item: Item) -> bytes:
    """The bytes a checkpoint's or closing record's signature stands for."""
    body = {key: value for key, value in item.items() if key != "signature"}
    return FORMAT.encode() + b"\0" + canonical.encode(body)


class Chain:
    """A growing chain. Every method that adds returns the canonical line to be kept before anything else."""

    def __init__(self, session: str, signer: Signer) -> None:
        self.session = session
        self.closed = False
        self._signer = signer
        self._prev = START
        self._leaves: list[bytes] = []
        self._segments: dict[str, int] = {}

    @property
    def size(self) -> int:
        return len(self._leaves)

    @property
    def leaves(self) -> list[bytes]:
        """Leaf hashes of all items so far (RFC 6962)."""
        return self._leaves

    def segments(self, track: str) -> int:
        """How many segments of this track stand in the chain; they are numbered from 1."""
        return self._segments.get(track, 0)

    def add(self, kind: Kind, **facts: Any) -> bytes:
        """The next item. Facts are strings, whole numbers ≥ 0, lists and mappings of such."""
        assert not self.closed, "nothing follows a closing record"
        item: Item = {"kind": kind.value, "session": self.session, "n": self.size, "prev": self._prev, **facts}
        if kind in (Kind.CHECKPOINT, Kind.CLOSED):
            item["key"] = self._signer.public.hex()
            item["signature"] = self._signer.sign(signed_part(item)).hex()
        line = canonical.encode(item)
        self._note(item, line)
        return line

    def close(self, at: int) -> bytes:
        """The signed closing record: how many segments each track has, and the root over all before it."""
        root = root_of(self._leaves).hex()
        return self.add(Kind.CLOSED, at=at, root=root, tracks=dict(sorted(self._segments.items())))

    def restore(self, lines: Iterable[bytes]) -> int:
        """Take up a chain that was kept; returns how many lines stood the test. The first bad one ends it."""
        taken = 0
        for line in lines:
            try:
                item = canonical.decode(line)
            except canonical.NotCanonical:
                break
            if item.get("n") != self.size or item.get("prev") != self._prev:
                break
            self._note(item, line)
            taken += 1
        return taken

    def _note(self, item: Item, line: bytes) -> None:
        self._leaves.append(merkle.leaf_hash(line))
        self._prev = hashlib.sha256(line).hexdigest()
        if item["kind"] == Kind.SEGMENT:
            self._segments[item["track"]] = item["seq"]
        self.closed = item["kind"] == Kind.CLOSED


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The Merkle root over leaf hashes (RFC 6962, 2.1)."""
    if not leaves:
        return merkle.EMPTY
    level = list(leaves)
    while len(level) > 1:
        pairs = [merkle.node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def manifest(session: str, lines: Iterable[bytes]) -> dict[str, Any]:
    """All that is needed to judge a recording, besides its segments and the centre's public key."""
    lines = list(lines)
    return {
        "format": FORMAT,
        "session": session,
        "items": [canonical.decode(line) for line in lines],
        "leaves": [merkle.leaf_hash(line).hex() for line in lines],
    }


# --- judging ---


class Fault(StrEnum):
    """What is wrong with the first bad item."""

    MALFORMED = "malformed"
    ALTERED = "altered"
    MISSING = "missing"
    OUT_OF_ORDER = "out_of_order"
    FORGED = "forged"  # a signature does not hold, or is not the centre's
    CUT = "cut"  # the end is not there


FAULT_NAMES = {
    Fault.MALFORMED: "格式错误",
    Fault.ALTERED: "内容被改动",
    Fault.MISSING: "缺失",
    Fault.OUT_OF_ORDER: "顺序错误",
    Fault.FORGED: "签名无效",
    Fault.CUT: "结尾被截断",
}


@dataclass(frozen=True)
class Bad:
    """The first bad item: its place, what it is (a segment's name, or a kind), what is wrong with it."""

    n: int
    what: str
    fault: Fault
    detail: str = ""

    def __str__(self) -> str:
        return f"#{self.n} {self.what}: {self.fault.value}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True)
class Verdict:
    """What the check of one recording found."""

    FAULTS: ClassVar[dict[Fault, str]] = FAULT_NAMES

    items: int
    segments: int
    size: int  # bytes of all segments read
    key: str  # the public key that signed the closing record, hex; compare it with the published one
    root: str
    gaps: int
    bad: Bad | None

    @property
    def whole(self) -> bool:
        return self.bad is None


@dataclass
class _Walk:
    session: str
    leaves: Sequence[str]
    leaves_hold: bool
    key: bytes | None
    open_segment: Callable[[str], bytes | None] | None
    prev: str = START
    seen: list[bytes] = field(default_factory=list)
    segments: dict[str, int] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    size: int = 0
    gaps: int = 0


class _Found(Exception):
    """The walk met a bad item and stops."""

    def __init__(self, n: int, what: str, fault: Fault, detail: str = "") -> None:
        self.bad = Bad(n, what, fault, detail)


def verify_recording(
    recording: Mapping[str, Any], open_segment: Callable[[str], bytes | None] | None, *, key: bytes | None = None
) -> Verdict:
    """Judge a recording and name its first bad item.

    1. Each item is canonical, stands at its place and binds the one before it.
    2. Each init and segment is there, of the told length and digest; numbers have no hole, times go forward.
    3. Each checkpoint and the closing record are signed (by `key`, when one is given).
    4. The closing record is there, is the last, counts all segments and has the root over all items.

    `open_segment(name)` gives the bytes kept under a segment's name, or None. Without it the chain alone is
    judged, and no segment's bytes. Never raises for bad input.
    """
    items = recording.get("items")
    if not isinstance(items, list) or recording.get("format") != FORMAT:
        return Verdict(0, 0, 0, "", "", 0, Bad(0, "manifest", Fault.MALFORMED))
    leaves = recording.get("leaves")
    leaves = leaves if isinstance(leaves, list) and len(leaves) == len(items) else [None] * len(items)
    walk = _Walk(str(recording.get("session")), leaves, _leaves_hold(leaves, items), key, open_segment)
    bad = None
    try:
        for n, item in enumerate(items):
            _step(walk, n, item)
        if not items or items[-1].get("kind") != Kind.CLOSED:
            raise _Found(len(items), Kind.CLOSED.value, Fault.CUT, "no closing record")
    except _Found as found:
        bad = found.bad
    last = items[-1] if items and isinstance(items[-1], dict) else {}
    return Verdict(
        len(items), sum(walk.segments.values()), walk.size,
        str(last.get("key", "")), str(last.get("root", "")), walk.gaps, bad,
    )  # fmt: skip


def _leaves_hold(leaves: Sequence[Any], items: Sequence[Any]) -> bool:
    """Do the manifest's own leaf hashes make the root that was signed? Then they tell which item is bad."""
    last = items[-1] if items else None
    if not isinstance(last, dict) or last.get("kind") != Kind.CLOSED or not _signed(last, None):
        return False
    try:
        return root_of([bytes.fromhex(leaf) for leaf in leaves[:-1]]).hex() == last.get("root")
    except (TypeError, ValueError):
        return False


def _signed(item: Item, key: bytes | None) -> bool:
    try:
        public, signature = bytes.fromhex(item["key"]), bytes.fromhex(item["signature"])
        return (key is None or public == key) and ecdsa.verify(public, signed_part(item), signature)
    except (KeyError, TypeError, ValueError):
        return False


def _step(walk: _Walk, n: int, item: Any) -> None:
    try:
        line = canonical.encode(item)
        what = str(item.get("name") or item["kind"])
        kind = Kind(item["kind"])
    except (canonical.NotCanonical, AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _Found(n, "item", Fault.MALFORMED, str(exc)) from None
    leaf = merkle.leaf_hash(line)
    if walk.leaves_hold and leaf.hex() != walk.leaves[n]:
        moved = leaf.hex() in walk.leaves
        raise _Found(n, what, Fault.OUT_OF_ORDER if moved else Fault.ALTERED)
    place = item.get("n")
    if place != n:
        ahead = isinstance(place, int) and place > n
        raise _Found(n, "item" if ahead else what, Fault.MISSING if ahead else Fault.OUT_OF_ORDER)
    if item.get("session") != walk.session:
        raise _Found(n, what, Fault.ALTERED, "of another session")
    if item.get("prev") != walk.prev:
        raise _unbound(walk, n, what, leaf)
    _judge(walk, n, kind, item, what)
    walk.prev = hashlib.sha256(line).hexdigest()
    walk.seen.append(leaf)


def _unbound(walk: _Walk, n: int, what: str, leaf: bytes) -> _Found:
    """Two items do not fit together. Which of them is bad? The leaf hashes tell; without them, the earlier."""
    before_stands = n > 0 and walk.seen[-1].hex() == walk.leaves[n - 1]
    if n == 0 or walk.leaves_hold or (before_stands and leaf.hex() != walk.leaves[n]):
        return _Found(n, what, Fault.ALTERED)
    return _Found(n - 1, "item", Fault.ALTERED)


def _judge(walk: _Walk, n: int, kind: Kind, item: Item, what: str) -> None:
    if n == 0 and kind is not Kind.OPENED:
        raise _Found(n, what, Fault.MISSING, "does not begin with the opening")
    if walk.seen and kind is Kind.OPENED:
        raise _Found(n, what, Fault.OUT_OF_ORDER, "a second opening")
    match kind:
        case Kind.INIT:
            _read(walk, n, item, what)
        case Kind.SEGMENT:
            _numbered(walk, n, item, what)
            _read(walk, n, item, what)
        case Kind.GAP:
            walk.gaps += 1
        case Kind.CHECKPOINT:
            if not _signed(item, walk.key):
                raise _Found(n, what, Fault.FORGED)
        case Kind.CLOSED:
            _closed(walk, n, item, what)


def _numbered(walk: _Walk, n: int, item: Item, what: str) -> None:
    track, seq, start = item.get("track"), item.get("seq"), item.get("t0")
    if not isinstance(track, str) or not isinstance(seq, int) or not isinstance(start, int):
        raise _Found(n, what, Fault.MALFORMED)
    if seq != walk.segments.get(track, 0) + 1:
        raise _Found(n, what, Fault.MISSING if seq > walk.segments.get(track, 0) else Fault.OUT_OF_ORDER)
    if start < walk.starts.get(track, 0):
        raise _Found(n, what, Fault.OUT_OF_ORDER, "starts before the one before it")
    walk.segments[track], walk.starts[track] = seq, start


def _read(walk: _Walk, n: int, item: Item, what: str) -> None:
    if walk.open_segment is None:
        return
    content = walk.open_segment(str(item.get("name")))
    if content is None:
        raise _Found(n, what, Fault.MISSING)
    if len(content) != item.get("bytes"):
        raise _Found(n, what, Fault.ALTERED, f"{len(content)} bytes instead of {item.get('bytes')}")
    if hashlib.sha256(content).hexdigest() != item.get("sha256"):
        raise _Found(n, what, Fault.ALTERED, "digest differs")
    walk.size += len(content)


def _closed(walk: _Walk, n: int, item: Item, what: str) -> None:
    if not _signed(item, walk.key):
        raise _Found(n, what, Fault.FORGED)
    if item.get("root") != root_of(walk.seen).hex():
        raise _Found(n, what, Fault.ALTERED, "root differs")
    if item.get("tracks") != walk.segments:
        raise _Found(n, what, Fault.MISSING, "segments are not all there")
    if n != len(walk.leaves) - 1:
        raise _Found(n + 1, "item", Fault.OUT_OF_ORDER, "something follows the closing record")


def inclusion(leaves: Sequence[bytes], n: int) -> list[bytes]:
    """The path that proves item n to belong under the root, without showing any other item (RFC 6962 2.1.1)."""
    path, level, place = [], list(leaves), n
    while len(level) > 1:
        sibling = place ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        pairs = [merkle.node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
        place //= 2
    return path
