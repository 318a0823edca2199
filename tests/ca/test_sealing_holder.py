import copy
import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ca import ecdsa
from ca.draws import pool
from ca.sealing import messages
from ca.sealing.faults import MayNotRelease, ParamsWrong
from ca.sealing.holder import Holder, join_holds
from ca.sealing.params import Params, moment
from ca.tagged import H
from tests.ca import draw_bundles as draws
from tests.ca.seal_vectors import TIMES, key

SUPERVISOR = key("supervisor")
FREEZE, UNLOCKS = H("test", "freeze"), H("test", "unlocks")


class Clock:
    def __init__(self, text):
        self.at = moment(text)

    def __call__(self):
        return self.at


@pytest.fixture
def clock():
    return Clock(TIMES[1])


def terms(mode="two-lock", n=5, m=3, **changes):
    times = dict(zip(("deadline", "unlock_until", "release_until"), TIMES, strict=True))
    if mode == "draw":
        times["unlock_until"] = times["deadline"]
    return {
        "v": 2, "suite": "P256-SHA256-A256GCM", "opening": f"{draws.PROJECT}:select:1", "mode": mode, "m": m,
        "holders": [f"H{j}" for j in range(1, n + 1)], **times, **changes,
    }  # fmt: skip


@pytest.fixture
def holders(tmp_path, clock):
    return [Holder(tmp_path / f"H{j}", f"H{j}", now=clock) for j in range(1, 6)]


def closed(holders, wanted):
    """All take their seats; the params that follow."""
    joins = [holder.join(wanted) for holder in holders[: len(wanted["holders"])]]
    seats = [
        {"id": name, "pk": join.pk.hex()} | ({"sig": join.sig.hex()} if wanted["mode"] == "draw" else {})
        for name, join in zip(wanted["holders"], joins, strict=True)
    ]
    params = Params.of(wanted | {"holders": seats})
    assert all(join_holds(params, place, join) for place, join in enumerate(joins))
    return params


def bids_evidence(params, freeze=FREEZE, unlocks=UNLOCKS, by=SUPERVISOR):
    signature = by.sign(messages.close(params.digest, freeze, unlocks))
    return {
        "freeze": {"root": freeze.hex()}, "unlocks": {"root": unlocks.hex()}, "close": {"signature": signature.hex()},
    }  # fmt: skip


def holds(message, signature):
    return ecdsa.verify(SUPERVISOR.public, message, signature)


def test_a_holder_releases_bids_when_everything_is_fixed(holders):
    params = closed(holders, terms())
    release = holders[1].release_bids(params, bids_evidence(params), holds)

    assert ecdsa.public_of(release.key) == params.holders[1].pk
    message = messages.release(params.digest, freeze_root=FREEZE, unlock_root=UNLOCKS, holder="H2", key=release.key)
    assert ecdsa.verify(holders[1].public, message, release.signature)
    assert holders[1].release_bids(params, bids_evidence(params), holds).key == release.key


def test_not_before_the_window_has_closed_by_the_holders_own_clock(holders, clock):
    params = closed(holders, terms())
    clock.at -= timedelta(seconds=1)
    with pytest.raises(MayNotRelease, match="clock"):
        holders[0].release_bids(params, bids_evidence(params), holds)


def test_an_extension_moves_the_gate_and_only_later(holders, clock):
    params = closed(holders, terms())
    later = ("2026-11-30T01:10:00Z", "2026-11-30T01:40:00Z", "2026-11-30T02:10:00Z")
    message = messages.extend(params, deadline=later[0], unlock_until=later[1], release_until=later[2])
    with pytest.raises(MayNotRelease, match="not signed"):
        holders[0].extend(params, later, key("someone").sign(message), holds)
    holders[0].extend(params, later, SUPERVISOR.sign(message), holds)
    with pytest.raises(MayNotRelease, match="clock"):
        holders[0].release_bids(params, bids_evidence(params), holds)
    earlier = TIMES
    with pytest.raises(MayNotRelease, match="later"):
        holders[0].extend(params, earlier, SUPERVISOR.sign(b""), holds)
    clock.at = moment(later[1])
    assert holders[0].release_bids(params, bids_evidence(params), holds)


@pytest.mark.parametrize(
    "bend",
    [
        lambda params: bids_evidence(params, by=key("someone")),
        lambda params: bids_evidence(params) | {"freeze": {"root": "00" * 32}},
        lambda params: bids_evidence(params) | {"unlocks": {"root": "00" * 32}},
        lambda params: bids_evidence(params) | {"unlocks": {"root": "00"}},
        lambda params: bids_evidence(params) | {"close": {"signature": "XX"}},
        lambda params: bids_evidence(replace(params, opening="other")),
        lambda params: {},
    ],
)
def test_only_the_supervisors_close_over_the_very_roots_opens_the_gate(holders, bend):
    params = closed(holders, terms())
    with pytest.raises(MayNotRelease):
        holders[0].release_bids(params, bend(params), holds)


def test_two_freezes_get_one_release(holders):
    params = closed(holders, terms())
    holders[0].release_bids(params, bids_evidence(params), holds)
    with pytest.raises(MayNotRelease, match="before"):
        holders[0].release_bids(params, bids_evidence(params, freeze=H("test", "other")), holds)


def test_every_opening_has_its_own_key_and_a_decoy_gets_another(holders):
    first = holders[0].join(terms())
    assert holders[0].join(terms()).pk == first.pk
    decoys = [
        terms(opening="other"), terms(m=2), terms(deadline="2026-11-29T01:00:00Z"), terms(mode="committee"), terms(n=6),
    ]  # fmt: skip
    keys = {holders[0].join(decoy).pk for decoy in decoys}
    assert len(keys | {first.pk}) == 6


def test_a_key_is_not_released_for_params_it_did_not_join(holders):
    """F5: the server shows the same keys under an earlier hour."""
    params = closed(holders, terms())
    decoy = replace(params, deadline="2026-11-29T01:00:00Z", unlock_until="2026-11-29T01:30:00Z")
    with pytest.raises(MayNotRelease, match="no key"):
        holders[0].release_bids(decoy, bids_evidence(decoy), holds)


def test_a_seat_with_another_key_is_not_ours(holders):
    params = closed(holders, terms())
    seats = (replace(params.holders[0], pk=key("swapped").public), *params.holders[1:])
    swapped = replace(params, holders=seats)
    with pytest.raises(MayNotRelease, match="not ours"):
        holders[0].release_bids(swapped, bids_evidence(swapped), holds)


@pytest.mark.parametrize(
    "bad",
    [
        {"m": 1}, {"m": 4}, {"mode": "draws"}, {"holders": ["H1", "H1", "H3", "H4", "H5"]}, {"holders": "H1"}, {"v": 1},
        {"holders": [f"H{j}" for j in range(12)]}, {"deadline": "now"}, {"suite": "none"},
    ],
)  # fmt: skip
def test_unsound_terms_are_not_joined(holders, bad):
    with pytest.raises(ParamsWrong):
        holders[0].join(terms() | bad)
    with pytest.raises(MayNotRelease):
        holders[0].join(terms(holders=["A", "B", "C", "D", "E"]))


def test_a_destroyed_key_never_comes_back(holders):
    params = closed(holders, terms())
    signature = holders[0].destroy(params)

    assert ecdsa.verify(holders[0].public, messages.destroy(params.digest, holder="H1"), signature)
    assert holders[0].destroy(params)
    with pytest.raises(MayNotRelease, match="destroyed"):
        holders[0].release_bids(params, bids_evidence(params), holds)
    state = next((holders[0].folder / "openings").iterdir())
    assert "key" not in json.loads(state.read_text())
    holders[1].release_bids(params, bids_evidence(params), holds)
    with pytest.raises(MayNotRelease, match="released"):
        holders[1].destroy(params)


def test_readiness_is_a_signature_and_never_a_decryption(holders):
    """F1: there is nothing that a holder decrypts for anybody; readiness is a signature of the opening key."""
    params = closed(holders, terms())
    assert ecdsa.verify(params.holders[2].pk, messages.ready(params.base), holders[2].ready(params))
    offered = {name for name in dir(Holder) if not name.startswith("_")}
    assert offered == {"destroy", "extend", "join", "public", "ready", "release_bids", "release_draw"}


def test_what_a_holder_keeps_is_for_its_owner_only(holders):
    closed(holders, terms())
    for path in holders[0].folder.rglob("*"):
        if path.is_file() and path.name != "lock":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((holders[0].folder / "openings").stat().st_mode) == 0o700


def test_a_new_program_on_the_same_folder_remembers(holders, clock):
    params = closed(holders, terms())
    again = Holder(holders[0].folder, "H1", now=clock)
    again.release_bids(params, bids_evidence(params), holds)
    once_more = Holder(holders[0].folder, "H1", now=clock)
    with pytest.raises(MayNotRelease):
        once_more.release_bids(params, bids_evidence(params, freeze=UNLOCKS), holds)


# the gate for draws


@pytest.fixture
def drawn(holders):
    """A draw that these holders joined, at its close."""
    params = closed(holders, terms("draw", n=3, m=2))
    made = draws.registration_draw()
    made.params, made.notice = params, draws.notice_of(params)
    made.boxes = draws.boxes_for(params)
    return made


def evidence(made, platform=draws.PLATFORM, **changes):
    fixed = made.pool()
    signed = pool.notice_signed(made.notice)
    shown = {
        "notice": made.notice,
        "notice_signatures": {"owner": draws.OWNER.sign(signed).hex(), "platform": platform.sign(signed).hex()},
        "pool": fixed,
        "pool_signature": platform.sign(pool.pool_signed(pool.commitment(fixed))).hex(),
    }
    return shown | changes


def test_a_holder_releases_for_a_pool_signed_by_the_platform(holders, drawn):
    release = holders[0].release_draw(drawn.params, evidence(drawn))
    pc = pool.commitment(drawn.pool())
    assert ecdsa.verify(holders[0].public, pool.release_signed(pc), release.signature)
    assert ecdsa.public_of(release.key) == drawn.params.holders[0].pk
    assert holders[0].release_draw(drawn.params, evidence(drawn)).key == release.key


def test_never_a_second_pool_for_the_same_params(holders, drawn):
    holders[0].release_draw(drawn.params, evidence(drawn))
    drawn.entries.pop()
    with pytest.raises(MayNotRelease, match="before"):
        holders[0].release_draw(drawn.params, evidence(drawn))


def test_a_seat_with_another_signing_key_is_not_ours(holders, drawn):
    """Whoever put another sig beside our pk could sign for another pool in our name."""
    seats = (replace(drawn.params.holders[0], sig=key("swapped").public), *drawn.params.holders[1:])
    drawn.params = replace(drawn.params, holders=seats)
    drawn.notice = draws.notice_of(drawn.params)
    with pytest.raises(MayNotRelease, match="not ours"):
        holders[0].release_draw(drawn.params, evidence(drawn))


@pytest.mark.parametrize("bad", [None, [], {}, {"holders": None}, {"holders": [1, 2, 3]}, {"holders": {}}])
def test_terms_that_are_none(holders, bad):
    with pytest.raises(ParamsWrong):
        holders[0].join(terms() | bad if isinstance(bad, dict) and bad else bad)


def test_not_before_the_close(holders, drawn, clock):
    clock.at = moment(TIMES[0]) - timedelta(seconds=1)
    with pytest.raises(MayNotRelease, match="clock"):
        holders[0].release_draw(drawn.params, evidence(drawn))


def test_no_key_goes_through_the_other_gate(holders, drawn):
    with pytest.raises(MayNotRelease, match="gate for bids"):
        holders[0].release_bids(drawn.params, bids_evidence(drawn.params), holds)
    params = closed(holders, terms())
    with pytest.raises(MayNotRelease, match="gate for draws"):
        holders[0].release_draw(params, evidence(drawn))


@pytest.mark.parametrize(
    "bend",
    [
        lambda shown: shown["pool"].update(root="00" * 32),
        lambda shown: shown["pool"].update(notice="00" * 32),
        lambda shown: shown["notice"].update(minimum=1),
        lambda shown: shown["notice"]["signers"].update(platform=key("x").public.hex()),
        lambda shown: shown.update(pool_signature="00" * 64),
        lambda shown: shown["notice_signatures"].update(owner="00" * 64),
        lambda shown: shown.pop("pool"),
        lambda shown: shown.update(notice=None),
        lambda shown: shown.update(pool={"root": 1.5}),
    ],
)
def test_whatever_is_shown_wrong_keeps_the_gate_shut(holders, drawn, bend):
    shown = copy.deepcopy(evidence(drawn))
    bend(shown)
    with pytest.raises(MayNotRelease):
        holders[0].release_draw(drawn.params, shown)
    assert holders[0].release_draw(drawn.params, evidence(drawn)), "and nothing was signed by mistake"


def test_a_notice_of_other_params_keeps_the_gate_shut(holders, drawn):
    other = replace(drawn.params, release_until="2026-12-01T00:00:00Z")
    drawn.notice = draws.notice_of(other)
    with pytest.raises(MayNotRelease, match="these params"):
        holders[0].release_draw(drawn.params, evidence(drawn))


def test_the_first_platform_met_is_the_only_one(holders, drawn):
    holders[0].release_draw(drawn.params, evidence(drawn))
    second = closed(holders, terms("draw", n=3, m=2, opening=f"{draws.PROJECT}:select:2"))
    stranger = key("another platform")
    drawn.params = second
    drawn.notice = draws.notice_of(second, platform=stranger.public)
    drawn.boxes = draws.boxes_for(second)
    with pytest.raises(MayNotRelease, match="platform we know"):
        holders[0].release_draw(second, evidence(drawn, platform=stranger))


def test_clock_is_read_in_utc(tmp_path):
    assert Holder(tmp_path, "H1")._now().astimezone(UTC) - datetime.now(UTC) < timedelta(seconds=5)
