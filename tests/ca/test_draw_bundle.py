import fnmatch
import random

import pytest

from ca import canonical
from ca.draws import bundle, pool, registration, verify
from ca.draws.shapes import Wrong
from ca.sealing import box
from tests.ca import draw_attacks
from tests.ca import draw_bundles as draws
from tests.ca.seal_vectors import key


def matches(found, expected):
    pattern = expected.replace("[*]", "[[]*[]]") if "[*]" in expected else expected.replace("[", "[[]")
    return found is not None and fnmatch.fnmatchcase(found, pattern)


@pytest.mark.parametrize("kind", draws.DRAWS)
def test_a_good_bundle_of_every_kind_holds(kind):
    outcome = verify.verify(draws.raw_bundle(kind), platform=draws.PLATFORM.public)

    assert outcome.ok, outcome.first_wrong
    assert outcome.project == draws.PROJECT
    assert outcome.winner


@pytest.mark.parametrize(
    ("kind", "attack", "expected"), draw_attacks.ATTACKS, ids=lambda part: getattr(part, "__name__", "")
)
def test_every_attack_is_named(kind, attack, expected):
    outcome = verify.verify(draws.bent(kind, attack))

    assert not outcome.ok
    assert expected is None or matches(outcome.first_wrong, expected), outcome.first_wrong


def test_every_team_of_holders_gives_the_same_file_but_for_their_names():
    made, results = draws.registration_draw(), set()
    for team in ((0, 1), (0, 2), (1, 2), (0, 1, 2)):
        made.releasing = team
        parts = canonical.decode(made.bundle())
        results.add((parts["seed"], tuple(parts["order"]["select"])))
    assert len(results) == 1


def test_withdrawn_and_ineligible_firms_are_told_and_never_drawn():
    made = draws.registration_draw(withdrawn=(3, 5), by_account=(5,), ineligible=(7,))
    outcome = verify.verify(made.bundle())

    assert outcome.ok
    drawn = set(outcome.order["select"])
    assert drawn == {draws.firm(number) for number in range(12) if number not in (3, 5, 7)}
    assert [remark.split(": ")[1] for remark in outcome.remarks] == ["on the record journal/77"]


def test_a_firm_may_come_back_after_withdrawing():
    made = draws.registration_draw(count=6, withdrawn=())
    gone = draws.firm(2)
    first, secret = registration.register(draws.PROJECT, gone)
    cell = registration.seal_cell(draws.DAY_KEY, first)
    body = registration.withdraw(draws.PROJECT, gone, cell.entry, secret=secret)
    left = registration.seal_cell(draws.DAY_KEY, body)
    log = registration.log_tree([cell.raw, left.raw])
    entry = bundle.registration_entry(cell, 0, log, "eligible", bundle.logged(left, 1, log))

    def bend(parts):
        draw_attacks.rebuild_log(parts, [entry, *parts["entries"]])

    parts = canonical.decode(made.bundle())
    bend(parts)
    assert verify.verify(canonical.encode(parts)).ok


def test_a_void_contribution_is_named_and_left_out():
    made = draws.registration_draw()
    made.notice = draws.notice_of(made.params, contributors=draws.CONTRIBUTORS | {"witness": "outside"})
    made.boxes = draws.boxes_for(made.params, ("owner", "platform", "supervisor"))
    good = canonical.decode(made.bundle())
    made.boxes["witness"] = made.boxes["owner"]  # another label inside
    outcome = verify.verify(made.bundle())

    assert outcome.ok
    assert set(outcome.void) == {"witness"}
    assert verify.verify(canonical.encode(good)).absent == ("witness",)


def test_keys_known_from_elsewhere_are_held_against_the_file():
    raw, stranger = draws.raw_bundle("registration"), key("stranger").public
    assert verify.verify(raw, platform=stranger).first_wrong == "notice.signers.platform: another platform's key"
    assert verify.verify(raw, holders={"H2": stranger}).first_wrong == "params.holders.H2: another holder's key"


def test_statements_by_certificate_are_judged_by_who_knows_certificates():
    made = draws.registration_draw(count=4, withdrawn=(), ineligible=())
    body, _ = registration.register(draws.PROJECT, draws.firm(6), cert=b"\5" * 32, sign=key("cert").sign)
    cell = registration.seal_cell(draws.DAY_KEY, body)
    made.entries.append(bundle.registration_entry(cell, 0, registration.log_tree([cell.raw]), "eligible"))
    leaves = [registration.log_leaf(bytes.fromhex(one["entry"]), bytes.fromhex(one["rest"])) for one in made.entries]
    made.log = draw_attacks.merkle.Tree(leaves)
    for place, one in enumerate(made.entries):
        one["cell"], one["path"] = place, [step.hex() for step in made.log.path(place)]
    raw = made.bundle()

    assert "not judged here" in verify.verify(raw).remarks[0]
    assert verify.verify(raw, statements=lambda body: True).remarks == ()
    wrong = verify.verify(raw, statements=lambda body: False).first_wrong
    assert matches(wrong, "entries[*].statement_sig")


def test_experts_are_drawn_by_group_and_nobody_twice():
    outcome = verify.verify(draws.raw_bundle("expert"))
    costs, roads = outcome.winners["expert/costs"], outcome.winners["expert/roads"]
    assert (len(costs), len(roads)) == (2, 3)
    assert not set(costs) & set(roads)
    assert "person-8" not in outcome.order["expert/costs"]


def test_a_redraw_names_the_pool_before_it():
    made = draws.registration_draw()
    before = pool.commitment(made.pool())
    made.previous = before
    parts = canonical.decode(made.bundle())
    assert parts["pool"]["previous"] == before.hex()
    assert parts["seed"] != canonical.decode(draws.raw_bundle("registration"))["seed"]


def test_random_single_bits_are_all_refused():
    chance = random.Random(14)
    for kind in draws.DRAWS:
        raw = draws.raw_bundle(kind)
        for _ in range(300):
            bit = chance.randrange(8 * len(raw))
            bent = bytearray(raw)
            bent[bit // 8] ^= 1 << bit % 8
            assert not verify.verify(bytes(bent)).ok, (kind, bit)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'""', b"1", b"\xff", b'{"notice":{}}', b"[" * 50000])
def test_garbage_is_refused_without_error(raw):
    assert not verify.verify(raw).ok


@pytest.mark.parametrize(
    "changes",
    [
        {"contributors": {"owner": "outside", "platform": "platform"}},
        {"capacity": 48},
        {"capacity": 0},
        {"purposes": []},
        {"purposes": [{"purpose": "a", "values": []}]},
        {"purposes": [{"purpose": "a", "pick": 1}, {"purpose": "a", "pick": 1}]},
        {"kind": "none", "capacity": 0},
        {"opening": "other:select:1"},
        {"mode": "high-stake", "delay": 65},
        {"mode": "rfc3797"},
        {"mode": "quick"},
        {"project": "达州"},
        {"close": "2026-02-30T00:00:00Z"},
        {"minimum": -1},
    ],
)
def test_a_notice_keeps_the_rules(changes):
    params = draws.draw_params(f"{draws.PROJECT}:select:1")
    with pytest.raises(Wrong, match="^notice"):
        draws.notice_of(params, **changes)


def test_the_bundle_is_never_made_wrong():
    made = draws.registration_draw()
    made.releasing = (0,)
    with pytest.raises(Wrong, match="fewer than m"):
        made.bundle()


def test_capacity_tells_only_the_size_of_the_library():
    assert [pool.capacity_for(count) for count in (1, 2, 4, 5, 64, 65, 1728)] == [2, 4, 8, 16, 128, 256, 4096]


def test_box_digest_binds_the_box():
    params = draws.draw_params("X:select:1")
    one = box.contribute(params, "owner")
    assert one.digest == box.box_digest(one.box) != box.box_digest(one.box + b" ")
