"""A small centre that conducts draws of every kind, from fixed keys, for tests of bundle and verifier."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cache

from ca import canonical
from ca.draws import bundle, pool, registration
from ca.sealing import box, messages
from ca.sealing.params import Params
from tests.ca.seal_vectors import key, opening

PROJECT = "DZ-2026-0007"
CLOSE = "2026-11-30T01:00:00Z"
CONTRIBUTORS = {"owner": "outside", "platform": "platform", "supervisor": "outside"}
DAY_KEY = b"\x55" * 32
PLATFORM, OWNER = key("platform"), key("owner")
RULE = hashlib.sha256(b"rule").digest()


def firm(number):
    return f"91510000MA0{number:06d}X"


def salt(text):
    return hashlib.sha256(f"salt/{text}".encode()).digest()


@dataclass
class Draw:
    """All parts of one draw before the bundle is made; a test may bend any of them first."""

    notice: dict
    params: Params | None = None
    boxes: dict = field(default_factory=dict)
    entries: list = field(default_factory=list)
    facts: list | None = None
    pad_key: bytes | None = b"\x44" * 32
    log: object = None
    weights: list | None = None
    groups: list | None = None
    inputs: list = field(default_factory=list)
    figures: list | None = None
    live: dict | None = None
    previous: bytes | None = None
    releasing: tuple = (0, 1)

    def pool(self):
        kind = self.notice["kind"]
        inputs = list(self.inputs)
        if self.weights is not None:
            inputs.append(pool.weights_hash(self.weights))
        if self.groups is not None:
            inputs.append(pool.groups_hash(self.groups))
        return pool.pool(
            self.notice,
            contributions=self.boxes,
            log_root=registration.log_head(self.log.size, self.log.root) if self.log else None,
            facts=self.facts,
            root=bundle.root_of(self.notice, self.entries, self.pad_key) if kind != "none" else None,
            inputs=inputs,
            previous=self.previous,
        )

    def bundle(self):
        fixed = self.pool()
        pc, kind = pool.commitment(fixed), self.notice["kind"]
        joins, releases = [], {}
        if self.params is not None:
            for place, seat in enumerate(self.params.holders, 1):
                signing, opening_key = self.keys(place)
                join = signing.sign(messages.join(self.params.base, seat.pk, seat.sig))
                joins.append((join, opening_key.sign(messages.ready(self.params.base))))
            for place in self.releasing:
                signing, opening_key = self.keys(place + 1)
                signature = signing.sign(pool.release_signed(pc))
                releases[f"H{place + 1}"] = (signature, opening_key.scalar)
        live_signatures = []
        if self.live is not None:
            signed = pool.live_signed(pc, pool.live_list(self.live))
            live_signatures = [(name, key(name).public, key(name).sign(signed)) for name in self.live]
        notice_signed = pool.notice_signed(self.notice)
        return bundle.make(
            notice=self.notice,
            notice_signatures={"owner": OWNER.sign(notice_signed), "platform": PLATFORM.sign(notice_signed)},
            fixed=fixed,
            pool_signature=PLATFORM.sign(pool.pool_signed(pc)),
            key=PLATFORM,
            params=self.params,
            joins=joins,
            releases=releases,
            contributions=self.boxes,
            entries=self.entries,
            pad_key=self.pad_key if kind != "none" else None,
            facts=self.facts,
            log_size=self.log.size if self.log else None,
            weights=self.weights,
            groups=self.groups,
            figures=self.figures,
            live=self.live,
            live_signatures=live_signatures,
        )

    def keys(self, place):
        name = self.params.opening.removeprefix("O-")
        return key(f"{name}/sig{place}"), key(f"{name}/holder{place}")


def draw_params(name, *, m=2, n=3):
    """Params of a draw opening by this name."""
    made, _ = opening(name, m=m, n=n, mode="draw")
    return replace(made, opening=name)


def notice_of(params, **changes):
    told = {
        "project": PROJECT, "opening": params.opening if params else f"{PROJECT}:select:1", "rule": RULE,
        "method": "random", "kind": "registration", "purposes": [{"purpose": "select", "pick": 1}],
        "close": CLOSE, "owner": OWNER.public, "platform": PLATFORM.public, "minimum": 3, "capacity": 64,
        "params": params, "contributors": CONTRIBUTORS,
    }  # fmt: skip
    return pool.notice(**told | changes)


def boxes_for(params, labels=tuple(CONTRIBUTORS)):
    return {label: box.contribute(params, label, random=_fixed(label)).box for label in labels}


def _fixed(label):
    calls = iter(range(100))
    return lambda size: hashlib.sha256(f"{label}/{next(calls)}".encode()).digest()[:size]


def registered(count, *, project=PROJECT, withdrawn=(), by_account=()):
    """count firms register; some withdraw; other projects' cells stand between. → (cells, their withdrawals, log)"""
    cells, made, gone = [], {}, {}
    for number in range(count):
        body, secret = registration.register(project, firm(number), secret=salt(f"secret{number}"))
        other, _ = registration.register("DZ-2026-0008", firm(number))
        made[number] = (registration.seal_cell(DAY_KEY, body), len(cells), secret)
        cells += [made[number][0].raw, registration.seal_cell(DAY_KEY, other).raw]
    for number in withdrawn:
        cell, _, secret = made[number]
        how = {"account": "journal/77"} if number in by_account else {"secret": secret}
        body = registration.withdraw(project, firm(number), cell.entry, **how)
        gone[number] = (registration.seal_cell(DAY_KEY, body), len(cells))
        cells.append(gone[number][0].raw)
    return made, gone, registration.log_tree(cells)


def registration_draw(*, count=12, withdrawn=(3, 5), ineligible=(7,), by_account=(), **changes):
    """A draw of one firm among registrants; some withdrew, one is not eligible."""
    params = draw_params(f"{PROJECT}:select:1")
    made, gone, log = registered(count, withdrawn=withdrawn, by_account=by_account)
    statuses = {firm(number): "eligible" for number in range(count + 4)}
    statuses |= {firm(number): "qualification expired 资质过期" for number in ineligible}
    entries = [
        bundle.registration_entry(
            cell, index, log, statuses[firm(number)],
            bundle.logged(*gone[number], log) if number in gone else None,
        )
        for number, (cell, index, _) in made.items()
    ]  # fmt: skip
    return Draw(notice_of(params, **changes), params, boxes_for(params), entries, pool.facts(statuses), log=log)


def expert_draw(**changes):
    """Five experts in two groups, one recused, one in both groups."""
    params = draw_params(f"{PROJECT}:expert:1")
    people = {f"person-{number}": "eligible" for number in range(8)} | {"person-8": "recused"}
    groups = sorted([[name, "roads"] for name in list(people)[:6]] + [[name, "costs"] for name in list(people)[4:]])
    entries = [bundle.expert_entry(PROJECT, name, salt(name), status) for name, status in people.items()]
    purposes = [{"purpose": "expert/costs", "pick": 2}, {"purpose": "expert/roads", "pick": 3}]
    notice = notice_of(params, kind="expert", purposes=purposes, capacity=32, **changes)
    return Draw(notice, params, boxes_for(params), entries, pool.facts(people), groups=groups)


def tie_draw(**changes):
    """Three bids of equal score."""
    params = draw_params(f"{PROJECT}:tie-1:1")
    entries = [bundle.bid_entry(salt(f"bid{number}")) for number in range(3)]
    purposes = [{"purpose": "tie/1", "pick": 1}]
    notice = notice_of(params, kind="bid", purposes=purposes, capacity=8, minimum=2, **changes)
    return Draw(notice, params, boxes_for(params), entries, inputs=[salt("scores")])


def float_draw(**changes):
    """A float point; no entries, bound to the freeze root of the bids."""
    params = draw_params(f"{PROJECT}:float:1")
    purposes = [{"purpose": "float-point", "values": ["0.95", "0.96", "0.97", "0.98"]}]
    notice = notice_of(params, kind="none", purposes=purposes, capacity=0, minimum=0, **changes)
    return Draw(notice, params, boxes_for(params), inputs=[salt("freeze root")])


def lottery_draw(**changes):
    """RFC 3797: by published figures, no holders and no contributions."""
    lottery = [("Stock index close", "2026-12-01", 24), ("Lottery 7 of 50", "2026-140", 26)]
    made = registration_draw(mode="rfc3797", lottery=lottery, **changes)
    return replace(made, params=None, boxes={}, figures=[[90193202], [17, 20, 22, 35, 36, 38, 48]])


def weighted_draw():
    """Firms weighted by credit; the list covers everybody in the library."""
    made = registration_draw(weights="listed")
    made.weights = [[name, 1 + place % 4] for place, (name, _) in enumerate(made.facts)]
    return made


def high_stake_draw():
    """With a live list and a delay."""
    made = registration_draw(mode="high-stake", delay=6400)
    made.live = {"supervisor 监督": salt("live1"), "citizen 7": salt("live2")}
    return made


DRAWS = {
    "registration": registration_draw,
    "expert": expert_draw,
    "tie": tie_draw,
    "float point": float_draw,
    "lottery": lottery_draw,
    "weighted": weighted_draw,
    "high stake": high_stake_draw,
}


@cache
def raw_bundle(kind):
    return DRAWS[kind]().bundle()


def bent(kind, bend):
    """A bundle with its parsed form changed by hand, nothing signed again."""
    parts = canonical.decode(raw_bundle(kind))
    bend(parts)
    return canonical.encode(parts)
