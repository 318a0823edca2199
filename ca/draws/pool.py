"""What is fixed before the seed can exist 摇号前固定的一切: notice, facts, pool, contributions.

Each function makes one plain dict or digest of the published form (`docs/draw-format.md`), or the bytes that
somebody signs over it. Nobody can choose the seed: it follows from the pool's commitment `pc` and from
contributions that were sealed to the key holders before the close.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ca import canonical
from ca.draws import chance
from ca.draws.shapes import (
    DEFAULT,
    EQUAL,
    HIGH_STAKE,
    LOTTERY,
    NONE,
    NOTICE,
    POOL,
    Wrong,
    like,
    notice_fields,
    pool_fields,
)
from ca.sealing import box
from ca.sealing.faults import Fault
from ca.sealing.params import Params
from ca.tagged import H

Dict = dict[str, Any]

LONGEST_DELAY = 2**36  # iterations, some hours


def notice(
    *,
    project: str,
    opening: str,
    rule: bytes,
    method: str,
    kind: str,
    purposes: Sequence[Dict],
    close: str,
    owner: bytes,
    platform: bytes,
    minimum: int = 1,
    capacity: int = 0,
    params: Params | None = None,
    contributors: Mapping[str, str] | None = None,
    mode: str = DEFAULT,
    weights: str = EQUAL,
    delay: int = 0,
    lottery: Sequence[tuple[str, str, int]] = (),
) -> Dict:
    """The notice of a draw, signed by owner and platform (33-byte keys) before anybody registers.

    rule: SHA-256 of the published rule. purposes: {"purpose", "pick"} or {"purpose", "values"} each.
    contributors: label → "platform" or "outside", at least two outside. Raises `Wrong` with the item.
    """
    made: Dict = {
        "v": 1, "project": project, "opening": opening, "rule": rule.hex(), "method": method, "kind": kind,
        "purposes": list(purposes), "weights": weights, "minimum": minimum, "capacity": capacity,
        "close": close, "mode": mode, "signers": {"owner": owner.hex(), "platform": platform.hex()},
    }  # fmt: skip
    if mode == LOTTERY:
        made["lottery"] = [list(source) for source in lottery]
    elif params is not None:
        made["params"] = params.digest.hex()
        made["contributors"] = [list(pair) for pair in sorted((contributors or {}).items())]
    if mode == HIGH_STAKE:
        made["delay"] = delay
    check_notice(made)
    return made


def check_notice(made: Any) -> None:
    """The form and the rules of a notice. Raises `Wrong` with the first wrong item."""
    if not like(made, NOTICE) or {"params", "contributors", "delay", "lottery"} & set(made) != notice_fields(
        made["mode"]
    ):
        raise Wrong("notice: fields")
    if not made["opening"].startswith(made["project"].replace("/", "-") + ":"):
        raise Wrong("notice.opening")
    names = [question["purpose"] for question in made["purposes"]]
    ranked = [question for question in made["purposes"] if "pick" in question]
    empty = any(question.get("values") == [] for question in made["purposes"])
    if not names or empty or len(set(names)) != len(names) or (made["kind"] == NONE and ranked):
        raise Wrong("notice.purposes")
    if made["mode"] == LOTTERY and (len(names) != 1 or not ranked or not made["lottery"]):
        raise Wrong("notice.lottery")
    if not _capacity_right(made["kind"], made["capacity"]):
        raise Wrong("notice.capacity")
    if made["mode"] == HIGH_STAKE and (made["delay"] % chance.SEGMENTS or made["delay"] > LONGEST_DELAY):
        raise Wrong("notice.delay")
    if made["mode"] != LOTTERY and not _contributors_right(made["contributors"]):
        raise Wrong("notice.contributors")


def _capacity_right(kind: str, capacity: int) -> bool:
    if kind == NONE:
        return capacity == 0
    return 2 <= capacity <= 2**20 and capacity & (capacity - 1) == 0


def _contributors_right(contributors: list[list[str]]) -> bool:
    labels = [label for label, _ in contributors]
    return labels == sorted(set(labels)) and sum(side == "outside" for _, side in contributors) >= 2


def capacity_for(count: int) -> int:
    """The public capacity for so many firms holding the item: the power of two, at least twice the count."""
    return max(2, 1 << (2 * count - 1).bit_length())


def notice_hash(made: Dict) -> bytes:
    return H("notice", canonical.encode(made))


def notice_signed(made: Dict) -> bytes:
    """What owner and platform sign: H("notice-sig", H("notice", JCS(notice)))."""
    return H("notice-sig", notice_hash(made))


def facts(statuses: Mapping[str, str]) -> list[list[str]]:
    """The snapshot at the close: every firm (or expert) in the library, "eligible" or the reason why not."""
    return [list(pair) for pair in sorted(statuses.items())]


def facts_hash(listed: Sequence[Sequence[str]]) -> bytes:
    return H("facts", canonical.encode([list(pair) for pair in listed]))


def weights_hash(listed: Sequence[Sequence[Any]]) -> bytes:
    """[[label, weight] …] of everybody in the facts, so that it tells nothing of who registered."""
    return H("weights", canonical.encode([list(pair) for pair in listed]))


def groups_hash(listed: Sequence[Sequence[str]]) -> bytes:
    """[[person, group] …]: who may be drawn for the purpose "expert/<group>"."""
    return H("groups", canonical.encode([list(pair) for pair in listed]))


def expert_entry(project: str, person: str, salt: bytes) -> bytes:
    return H("expert", project, person, salt)


def bid_entry(digest: bytes) -> bytes:
    """The entry of a bid in a tie: H("tie", digest of the bid)."""
    return H("tie", digest)


def pool(
    made: Dict,
    *,
    contributions: Mapping[str, bytes] | None = None,
    log_root: bytes | None = None,
    facts: Sequence[Sequence[str]] | None = None,
    root: bytes | None = None,
    inputs: Iterable[bytes] = (),
    previous: bytes | None = None,
) -> Dict:
    """The pool at the close. contributions: label → box; inputs: digests of what humans decided before.

    Raises `Wrong` when a part is missing or out of place for the notice's kind.
    """
    fixed: Dict = {
        "project": made["project"],
        "notice": notice_hash(made).hex(),
        "contributions": [[label, box.box_digest(raw).hex()] for label, raw in sorted((contributions or {}).items())],
    }
    listed = [one.hex() for one in inputs]
    if facts is not None:
        fixed["facts"] = facts_hash(facts).hex()
    if listed:
        fixed["inputs"] = listed
    for name, value in (("log_root", log_root), ("root", root), ("previous", previous)):
        if value is not None:
            fixed[name] = value.hex()
    check_pool(fixed, made)
    return fixed


def check_pool(fixed: Any, made: Dict) -> None:
    """The form of a pool under its notice. Raises `Wrong`."""
    if not like(fixed, POOL) or {"log_root", "facts", "root"} & set(fixed) != pool_fields(made["kind"]):
        raise Wrong("pool: fields")
    if made["kind"] == NONE and not fixed.get("inputs"):
        raise Wrong("pool.inputs")


def commitment(fixed: Dict) -> bytes:
    """pc = H("pool", JCS(pool)): what the platform signs, the holders release for, and the seed follows."""
    return H("pool", canonical.encode(fixed))


def pool_signed(pc: bytes) -> bytes:
    """What the platform signs before any key is released."""
    return H("pool-sig", pc)


def release_signed(pc: bytes) -> bytes:
    """What a holder signs with its signing key when it gives its key for this pool."""
    return H("release", pc)


def live_signed(pc: bytes, listing: bytes) -> bytes:
    """What everyone present signs in high-stake mode; listing = `live_list`."""
    return H("live", pc, listing)


def live_list(said: Mapping[str, bytes]) -> bytes:
    """JCS([[name, hex32] …]) sorted by name."""
    return canonical.encode([[name, value.hex()] for name, value in sorted(said.items())])


def result_signed(digest: bytes) -> bytes:
    """What the platform signs at the end; digest = SHA-256 of the file without that signature."""
    return H("result", digest)


def pad_key() -> bytes:
    """A fresh pad key for the pool root."""
    return secrets.token_bytes(32)


@dataclass(frozen=True)
class Contributions:
    """The contributions as opened with the released keys."""

    good: dict[str, bytes]  # label → r
    void: dict[str, str]  # label → why, in words


def open_contributions(params: Params, boxes: Mapping[str, bytes], scalars: Mapping[int, bytes]) -> Contributions:
    """Open every box; a wrong one is void, named, with the same verdict for every team.

    Raises `Fault` FALSE_KEY naming the holder.
    """
    good: dict[str, bytes] = {}
    void: dict[str, str] = {}
    for label, raw in sorted(boxes.items()):
        try:
            good[label] = box.open_box(raw, params, label, scalars)
        except Fault as fault:
            if fault.code == "FALSE_KEY":
                raise
            void[label] = fault.why
    return Contributions(good, void)
