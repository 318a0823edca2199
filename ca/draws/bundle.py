"""The bundle of a draw 摇号证据包: one file from which anybody recomputes everything.

`make` takes the parts that were fixed and published, computes seed and order, signs the result and checks
its own work before it returns a single byte.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ca import canonical, merkle
from ca.draws import chance, pool, verify
from ca.draws.registration import Cell
from ca.draws.shapes import HIGH_STAKE, LOTTERY, Wrong
from ca.ecdsa import Key
from ca.sealing.params import Params
from ca.tagged import H

Dict = dict[str, Any]


def make(
    *,
    notice: Dict,
    notice_signatures: Mapping[str, bytes],
    fixed: Dict,
    pool_signature: bytes,
    key: Key,
    params: Params | None = None,
    joins: Sequence[tuple[bytes, bytes]] = (),
    releases: Mapping[str, tuple[bytes, bytes]] | None = None,
    contributions: Mapping[str, bytes] | None = None,
    entries: Sequence[Dict] = (),
    pad_key: bytes | None = None,
    facts: Sequence[Sequence[str]] | None = None,
    log_size: int | None = None,
    weights: Sequence[Sequence[Any]] | None = None,
    groups: Sequence[Sequence[str]] | None = None,
    figures: Sequence[Sequence[int]] | None = None,
    live: Mapping[str, bytes] | None = None,
    live_signatures: Sequence[tuple[str, bytes, bytes]] = (),
) -> bytes:
    """The bundle as the bytes of its file.

    fixed: the pool as signed. key: the platform's, signs the result. joins: (join, ready) by holder in the
    order of params. releases: holder → (signature, released scalar). live_signatures: (name, public key,
    signature). Raises `Wrong` with the first item that would not stand a check.
    """
    bundle: Dict = {
        "notice": notice,
        "notice_signatures": {name: signature.hex() for name, signature in notice_signatures.items()},
        "pool": fixed,
        "pool_signature": pool_signature.hex(),
    }
    if params is not None:
        bundle["params"] = params.written()
        bundle["joins"] = [{"join": join.hex(), "ready": ready.hex()} for join, ready in joins]
        bundle["releases"] = {
            name: {"signature": signature.hex(), "key": scalar.hex()}
            for name, (signature, scalar) in (releases or {}).items()
        }
        boxes = sorted((contributions or {}).items())
        bundle["contributions"] = [{"label": label, "box": box.hex()} for label, box in boxes]
    if pad_key is not None:
        bundle["pad_key"] = pad_key.hex()
        bundle["entries"] = sorted(entries, key=lambda entry: entry["entry"])
    listed = {"facts": facts, "weights": weights, "groups": groups, "figures": figures}
    bundle |= {name: [list(part) for part in parts] for name, parts in listed.items() if parts is not None}
    if log_size is not None:
        bundle["log_size"] = log_size
    if notice["mode"] == HIGH_STAKE:
        _add_live(bundle, live or {}, live_signatures)
    return _finish(bundle, key)


def _add_live(bundle: Dict, live: Mapping[str, bytes], signatures: Sequence[tuple[str, bytes, bytes]]) -> None:
    """The live list and the delay over it; long by design."""
    bundle["live"] = {
        "list": [[name, value.hex()] for name, value in sorted(live.items())],
        "signatures": [[name, public.hex(), signature.hex()] for name, public, signature in sorted(signatures)],
    }
    check = verify.Check(bundle, None, {}, None)
    check.before_the_seed()
    start = H("live", check.pc, chance.seed_of(check.pc, check.good), pool.live_list(live))
    bundle["delay"] = [value.hex() for value in chance.delay(start, bundle["notice"]["delay"])]


def _finish(bundle: Dict, key: Key) -> bytes:
    check = verify.Check(bundle, None, {}, None)
    check.before_the_seed()
    if bundle["notice"]["mode"] != LOTTERY:
        bundle["seed"] = check.seed.hex()
    bundle["order"] = {
        name: answer if isinstance(answer, str) else [entry.hex() for entry in answer]
        for name, answer in check.order().items()
    }
    bundle["result_signature"] = key.sign(pool.result_signed(verify.unsigned_digest(bundle))).hex()
    raw = canonical.encode(bundle)
    outcome = verify.verify(raw)
    if outcome.first_wrong is not None:
        raise Wrong(outcome.first_wrong)
    return raw


def registration_entry(cell: Cell, index: int, log: merkle.Tree, status: str, withdrawal: Dict | None = None) -> Dict:
    """One registration as the bundle shows it. index: its place in the log; withdrawal: see `logged`."""
    entry = logged(cell, index, log) | {"status": status}
    return entry | ({"withdrawal": withdrawal} if withdrawal is not None else {})


def logged(cell: Cell, index: int, log: merkle.Tree) -> Dict:
    """A cell opened, with its place in the log: a registration without status, or a withdrawal."""
    return {
        "entry": cell.entry.hex(),
        "body": cell.body,
        "salt": cell.salt.hex(),
        "rest": cell.rest.hex(),
        "cell": index,
        "path": [step.hex() for step in log.path(index)],
    }


def expert_entry(project: str, person: str, salt: bytes, status: str) -> Dict:
    """One expert of the pool; salt is 32 fresh bytes."""
    number = pool.expert_entry(project, person, salt)
    return {"entry": number.hex(), "person": person, "salt": salt.hex(), "status": status}


def bid_entry(digest: bytes) -> Dict:
    """One of the bids that are tied."""
    return {"entry": pool.bid_entry(digest).hex(), "bid": digest.hex(), "status": "eligible"}


def root_of(notice: Dict, entries: Sequence[Dict], pad_key: bytes) -> bytes:
    """The pool root over the live entries of a bundle, for the pool."""
    live = {bytes.fromhex(entry["entry"]): entry["status"] for entry in entries if "withdrawal" not in entry}
    return chance.pool_root(notice["project"], live, pad_key, notice["capacity"])
