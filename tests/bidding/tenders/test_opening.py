"""开标: freeze, unlock, close, release, open – and whose fault it is when a bid does not open."""

import io
from datetime import timedelta

import pytest
from click.testing import CliRunner

from app.cli import main
from bidding.tenders import evidence, notices, opening, submission, unsealing
from bidding.tenders.bids import BidState
from bidding.tenders.models import State
from ca import ecdsa, openings
from ca.keys import KeyKind
from ca.rights import Role
from ca.sealing import messages
from storage import journal
from storage.lifecycle import WrongState
from storage.refusals import NotFound
from storage.values import Money


@pytest.fixture
def three(stage):
    """A published tender with three sealed bids: RSA, ECDSA, SM2."""
    tender = stage.published()
    prices = ["800000.00", "790000.50", "810000.00"]
    bids = [
        stage.submit(tender, stage.bidder(kind=kind), price=price)
        for kind, price in zip(KeyKind, prices, strict=True)
    ]
    assert all(bid.state is BidState.SEALED for bid in bids)
    return tender, bids


def test_a_tender_from_the_deadline_to_its_prices(stage, three):
    tender, bids = three
    stage.frozen(tender)
    assert tender.state is State.UNLOCKING
    for bid in bids:
        stage.unlock(bid)
    stage.closed(tender)
    assert tender.opening.state is openings.State.RELEASING
    stage.release(tender)
    assert tender.id in unsealing.due_to_begin(stage.db)
    stage.opened(tender)
    assert tender.state is State.OPENED
    assert [str(bid.price) for bid in bids] == ["800000.00", "790000.50", "810000.00"]
    assert {bid.result for bid in bids} == {"OPENED"}
    assert {bid.fault for bid in bids} == {None}
    assert sorted(one["name"] for one in bids[0].contents) == ["price.json", "技术标.pdf"]
    assert journal.is_whole(stage.db, tender.file).ok


def test_the_frozen_list_is_published_and_signed(stage, three):
    tender, bids = three
    stage.frozen(tender)
    (frozen,) = [entry for entry in journal.entries(stage.db, tender.file) if entry.act == "tender.frozen"]
    leaves = [
        messages.bid_leaf(**one | {"digest": bytes.fromhex(one["digest"])}) for one in frozen.facts["bids"]
    ]
    assert messages.root(leaves).hex() == tender.freeze_root == frozen.facts["root"]
    assert {one["digest"] for one in frozen.facts["bids"]} == {bid.digest for bid in bids}
    message = messages.freeze(
        bytes.fromhex(tender.params_hash), root=bytes.fromhex(tender.freeze_root), count=3,
        at=tender.freeze["content"]["at"],
    )  # fmt: skip
    assert ecdsa.verify(stage.key.public, message, bytes.fromhex(tender.freeze["signature"]))


def test_nothing_freezes_before_the_deadline(stage, three):
    tender, _ = three
    stage.at(tender.submission_deadline, timedelta(seconds=-1))
    assert opening.freeze(stage.db, tender.id, key=stage.key).state is State.PUBLISHED
    assert tender.id not in opening.due_to_freeze(stage.db)


def test_freezing_twice_changes_nothing(stage, three):
    tender, _ = three
    stage.frozen(tender)
    before = (tender.freeze, len(journal.entries(stage.db, tender.file)))
    opening.freeze(stage.db, tender.id, key=stage.key)
    opening.begin_unlocking(stage.db, tender.id)
    assert (tender.freeze, len(journal.entries(stage.db, tender.file))) == before


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_open_nothing_and_tell_no_number(stage, count):
    tender = stage.published()
    bids = [stage.submit(tender, stage.bidder()) for _ in range(count)]
    stage.at(tender.submission_deadline)
    opening.freeze(stage.db, tender.id, key=stage.key)
    assert tender.state is State.FAILED
    assert tender.opening.state is openings.State.CANCELLED
    assert {bid.state for bid in bids} <= {BidState.RETURNED}
    told = journal.entries(stage.db, tender.file)[-1]
    assert set(told.facts) == {"was", "root", "reason"}
    for bid_id in submission.due_to_delete(stage.db):
        submission.delete_ciphertext(stage.db, stage.store, bid_id)
    assert not stage.store.list("sealed/")


def test_the_last_version_is_the_one_on_the_list(stage, three):
    tender, bids = three
    person = stage.db.get(type(stage.buyer()), bids[0].person_id)
    newer = stage.submit(tender, person, seq=2, price="777777.00")
    stage.frozen(tender)
    assert (bids[0].state, newer.state) == (BidState.REPLACED, BidState.LOCKED)


# --- unlocking


def test_the_key_is_checked_at_once(stage, three):
    tender, (bid, other, _) = three
    stage.frozen(tender)
    person = stage.db.get(type(stage.buyer()), bid.person_id)
    for wrong in ("00" * 32, stage.made[other.id].sealed.kb.hex(), "zz", "", "00" * 31):
        with pytest.raises(opening.WrongKey):
            opening.unlock(stage.db, bid, wrong, by=person.actor, key=stage.key)
    assert (bid.state, bid.kb) == (BidState.LOCKED, None)
    stage.unlock(bid)
    content = bid.unlock_receipt["content"]
    message = messages.unlocked(
        bytes.fromhex(tender.params_hash), digest=bytes.fromhex(bid.digest), at=content["at"]
    )
    assert ecdsa.verify(stage.key.public, message, bytes.fromhex(bid.unlock_receipt["signature"]))


def test_unlocking_twice_is_unlocking_once(stage, three):
    tender, (bid, *_) = three
    stage.frozen(tender)
    receipt = stage.unlock(bid).unlock_receipt
    assert stage.unlock(bid).unlock_receipt == receipt


def test_nobody_unlocks_before_the_deadline(stage, three):
    _, (bid, *_) = three
    with pytest.raises(opening.NotUnlocking):
        stage.unlock(bid)


@pytest.mark.parametrize(("plus", "in_time"), [(timedelta(milliseconds=-300), True), (timedelta(0), False)])
def test_the_window_ends_by_the_databases_clock(stage, three, plus, in_time):
    tender, (bid, *_) = three
    stage.frozen(tender)
    stage.at(tender.unlock_until, plus)
    if in_time:
        assert stage.unlock(bid).state is BidState.UNLOCKED
    else:
        with pytest.raises(opening.NotUnlocking):
            stage.unlock(bid)


def test_no_key_is_taken_once_the_unlocks_are_fixed(stage, three):
    """F4: a key "corrected" after the prices are out."""
    tender, (bid, second, _) = three
    stage.frozen(tender)
    stage.unlock(second)
    stage.closed(tender)
    with pytest.raises(opening.NotUnlocking):
        stage.unlock(bid)


def test_others_do_not_unlock_my_bid(stage, three):
    tender, (bid, other, _) = three
    stage.frozen(tender)
    kb = stage.made[bid.id].sealed.kb.hex()
    stranger = stage.db.get(type(stage.buyer()), other.person_id)
    with pytest.raises(NotFound):
        opening.unlock(stage.db, bid, kb, by=stranger.actor, key=stage.key)


def test_who_unlocked_is_public_and_the_key_is_not(stage, three):
    tender, (bid, *_) = three
    stage.frozen(tender)
    stage.unlock(bid)
    told = journal.entries(stage.db, tender.file)[-1]
    assert (told.act, told.facts) == ("tender.bid_unlocked", {"bidder": bid.bidder.credit_code})
    everything = str([entry.facts for entry in journal.entries(stage.db, bid.file)])
    assert bid.kb.hex() not in everything


# --- the close


def test_the_supervisor_waits_for_objections(stage, three):
    tender, bids = three
    stage.frozen(tender)
    stage.unlock(bids[0])
    supervisor = stage.supervisor()
    stage.at(tender.unlock_until)
    opening.end_unlocking(stage.db, tender.id)
    signature = stage.sign(supervisor, opening.close_message(tender))
    with pytest.raises(opening.ObjectionsFirst):
        opening.close(stage.db, tender, signature, by=supervisor.actor, recognised=stage.recognised)


@pytest.mark.parametrize("role", [Role.PROCURING_ENTITY, Role.BIDDER, Role.CENTRE_STAFF, Role.KEY_HOLDER])
def test_only_a_supervisor_closes(stage, three, role):
    tender, bids = three
    stage.frozen(tender)
    stage.unlock(bids[0])
    with pytest.raises(opening.NotSupervisor):
        stage.closed(tender, stage.person("别人", role))


def test_a_close_over_other_roots_is_refused(stage, three):
    tender, bids = three
    stage.frozen(tender)
    stage.unlock(bids[0])
    stage.at(tender.unlock_until)
    opening.end_unlocking(stage.db, tender.id)
    stage.at(opening.close_from(stage.db, tender))
    supervisor, stranger = stage.supervisor(), stage.supervisor()
    message = opening.close_message(tender)
    for signature in (
        stage.sign(supervisor, message + b"x"), b"garbage", stage.sign(stranger, message),
        stage.sign(supervisor, messages.close(bytes(32), bytes(32), bytes(32))),
    ):  # fmt: skip
        with pytest.raises(opening.CloseSignatureBad):
            opening.close(stage.db, tender, signature, by=supervisor.actor, recognised=stage.recognised)
    assert tender.state is State.UNLOCKS_FROZEN


def test_no_holder_is_asked_before_the_close(stage, three):
    tender, bids = three
    stage.frozen(tender)
    for bid in bids:
        stage.unlock(bid)
    assert tender.opening.evidence is None
    stage.at(tender.unlock_until)
    opening.end_unlocking(stage.db, tender.id)
    assert tender.opening.evidence is None
    with pytest.raises(openings.NotAskedYet):
        openings.release(
            stage.db, tender.opening, key="00" * 32, signature="00" * 64, by=tender.opening.seats[0].person.actor
        )


def test_two_holders_open_nothing(stage, three):
    tender, bids = three
    stage.frozen(tender)
    for bid in bids:
        stage.unlock(bid)
    stage.closed(tender)
    stage.release(tender, (0, 1))
    assert tender.id not in unsealing.due_to_begin(stage.db)
    assert unsealing.begin(stage.db, tender.id).state is State.CLOSED
    stage.release(tender, (4,))
    assert unsealing.begin(stage.db, tender.id).state is State.OPENING


# --- blame (sealing.md §8)


def test_not_unlocked_is_the_bidders_fault_and_the_others_go_on(stage, three):
    tender, (first, second, third) = three
    stage.frozen(tender)
    stage.unlock(first)
    stage.unlock(second)
    stage.closed(tender)
    stage.release(tender)
    stage.opened(tender)
    assert (third.state, third.result, third.culprit) == (
        BidState.REVOKED_BIDDER_FAULT, "NOT_UNLOCKED", "bidder",
    )  # fmt: skip
    assert (first.state, second.state) == (BidState.OPENED, BidState.OPENED)


def malformed(stage, tender, bidder):
    """A bid whose last envelope was spoilt before it was signed (F2)."""
    from ca.sealing.header import MAGIC

    made = stage.make(tender, bidder)
    length = int.from_bytes(made.file[len(MAGIC) : len(MAGIC) + 4])
    head, rest = made.file[: 12 + length], made.file[12 + length :]
    at = head.index(b'"teams":"') + 9 + 10 * 64 - 1
    file = head[:at] + (b"0" if head[at : at + 1] != b"0" else b"1") + head[at + 1 :] + rest
    return type(made)(file, stage.sign(bidder, file), made.sealed)


def content_spoilt(stage, tender, bidder):
    made = stage.make(tender, bidder)
    file = made.file[:-1] + bytes([made.file[-1] ^ 1])
    return type(made)(file, stage.sign(bidder, file), made.sealed)


@pytest.mark.parametrize(("spoil", "code"), [(malformed, "MALFORMED_LOCK_C"), (content_spoilt, "CONTENT")])
@pytest.mark.parametrize("places", [(0, 1, 2), (2, 3, 4)])
def test_a_cheating_bidder_is_named_whichever_holders_come(stage, three, spoil, code, places):
    tender, bids = three
    bidder = stage.bidder()
    cheat = stage.submit(tender, bidder, spoil(stage, tender, bidder))
    assert cheat.state is BidState.SEALED, cheat.refused_code
    stage.frozen(tender)
    for bid in [*bids, cheat]:
        stage.unlock(bid)
    stage.closed(tender)
    stage.release(tender, places)
    stage.opened(tender)
    assert (cheat.state, cheat.result, cheat.culprit) == (BidState.REVOKED_BIDDER_FAULT, code, "bidder")
    assert cheat.plaintext_key is None
    assert {bid.state for bid in bids} == {BidState.OPENED}


def test_bytes_lost_by_the_platform_are_the_platforms_fault(stage, three):
    tender, bids = three
    stage.frozen(tender)
    for bid in bids:
        stage.unlock(bid)
    stage.closed(tender)
    stage.release(tender)
    bids[0].object_key = "sealed/nothing-is-here"
    stage.opened(tender)
    assert (bids[0].state, bids[0].culprit) == (BidState.WITHDRAWN_OTHER_CAUSE, "platform")
    assert tender.state is State.OPENED


def test_a_lying_holder_is_named_and_another_comes(stage, three):
    tender, bids = three
    stage.frozen(tender)
    for bid in bids:
        stage.unlock(bid)
    stage.closed(tender)
    seat, (_, sig) = tender.opening.seats[1], stage.keys[tender.id][1]
    false = ecdsa.Key.make().scalar
    signature = sig.sign(openings.release_message(tender.opening, seat, false)).hex()
    verdict = openings.release(stage.db, tender.opening, key=false.hex(), signature=signature, by=seat.person.actor)
    assert verdict is openings.Verdict.FALSE_KEY
    stage.release(tender)
    assert stage.opened(tender).state is State.OPENED


@pytest.mark.parametrize(("context", "fault"), [
    ({"opening": "another:bids:1"}, "PRICE_OTHER_CONTEXT"),
])  # fmt: skip
def test_what_is_wrong_inside_is_for_the_panel(stage, three, context, fault):
    tender, bids = three
    bidder = stage.bidder()
    odd = stage.submit(tender, bidder, **context)
    junk = stage.submit(tender, stage.bidder(), container=b"no container at all")
    stage.frozen(tender)
    for bid in [*bids, odd, junk]:
        stage.unlock(bid)
    stage.closed(tender)
    stage.release(tender)
    stage.opened(tender)
    assert (odd.state, odd.fault, odd.price) == (BidState.OPENED, fault, None)
    assert (junk.state, junk.fault, junk.price) == (BidState.OPENED, "CONTAINER", None)


def test_a_container_our_own_reader_stumbles_over_does_not_hold_up_the_others(stage, three, monkeypatch):
    tender, bids = three
    stage.frozen(tender)
    for bid in bids:
        stage.unlock(bid)
    stage.closed(tender)
    stage.release(tender)
    from ca import asic

    monkeypatch.setattr(asic, "Container", lambda *_: {}["a bug"])
    stage.opened(tender)
    assert tender.state is State.OPENED
    assert {bid.fault for bid in bids} == {"CONTAINER"}


def test_too_few_holders_suspend_and_a_late_one_lets_it_go_on(stage, three):
    tender, bids = three
    stage.frozen(tender)
    for bid in bids:
        stage.unlock(bid)
    stage.closed(tender)
    stage.release(tender, (0, 1))
    stage.at(tender.release_until)
    openings.settle(stage.db, tender.opening.id)
    assert (tender.opening.state, tender.state) == (openings.State.SUSPENDED, State.CLOSED)
    assert tender.id not in unsealing.due_to_begin(stage.db)
    stage.release(tender, (3,))
    assert stage.opened(tender).state is State.OPENED


def test_nobody_unlocked_and_the_tender_fails(stage, three):
    tender, bids = three
    stage.frozen(tender)
    stage.at(tender.unlock_until)
    opening.end_unlocking(stage.db, tender.id)
    assert tender.state is State.FAILED
    assert {bid.state for bid in bids} == {BidState.REVOKED_BIDDER_FAULT}


def test_opening_again_after_a_crash_changes_nothing(stage, three):
    tender, bids = three
    stage.frozen(tender)
    for bid in bids:
        stage.unlock(bid)
    stage.closed(tender)
    stage.release(tender)
    unsealing.begin(stage.db, tender.id)
    with stage.db.begin_nested() as crash:
        unsealing.open_bid(stage.db, stage.store, bids[0].id, recognised=stage.recognised)
        crash.rollback()
    stage.db.expire_all()
    stage.opened(tender)
    assert tender.state is State.OPENED
    assert stage.finish(tender).state is State.OPENED


def test_without_the_holders_everything_the_platform_has_opens_nothing(stage, three):
    """Goal 6 of trust.md: database, store and keys before the releases arrive."""
    from ca.sealing.faults import Fault
    from ca.sealing.file import open_sealed
    from ca.sealing.params import Params

    tender, bids = three
    stage.frozen(tender)
    for bid in bids:
        stage.unlock(bid)
    stage.closed(tender)
    stage.release(tender, (1, 3))
    params = Params.read(tender.opening.params.encode())
    for bid in bids:
        target = stage.folder / f"stolen{bid.id}"
        with stage.store.open(bid.object_key) as source, pytest.raises((Fault, ValueError)):
            open_sealed(
                source, target, params, lot="1", bidder=bid.bidder.credit_code, seq=bid.seq,
                digest=bytes.fromhex(bid.digest), kb=bid.kb, scalars=openings.scalars(tender.opening),
            )  # fmt: skip
        assert not target.exists()


MOVES_FROM_ANYWHERE = [
    lambda stage, tender: opening.begin_unlocking(stage.db, tender.id),
    lambda stage, tender: opening.end_unlocking(stage.db, tender.id),
    lambda stage, tender: opening.freeze(stage.db, tender.id, key=stage.key),
    lambda stage, tender: unsealing.begin(stage.db, tender.id),
    lambda stage, tender: stage.finish(tender),
    lambda stage, tender: notices.publish_joined(stage.db, tender.id),
]


DUE_IN = {State.JOINING, State.PUBLISHED, State.FROZEN, State.UNLOCKING, State.CLOSED, State.OPENING}


@pytest.mark.parametrize("state", [state for state in State if state not in DUE_IN])
def test_due_acts_out_of_their_state_do_nothing(stage, state):
    """H3: every (state, due act) pair that is not in the table leaves the tender as it was."""
    tender = stage.published()
    tender.state, tender.freeze_root, tender.winner_bid = state, "0" * 64, "x"
    stage.db.flush()
    before = len(journal.entries(stage.db, tender.file))
    for act in MOVES_FROM_ANYWHERE:
        act(stage, tender)
    assert tender.state is state
    assert len(journal.entries(stage.db, tender.file)) == before


def test_states_are_never_left_by_the_wrong_door(stage):
    from storage.lifecycle import move

    tender = stage.published()
    for to in State:
        if to not in tender.MOVES[State.PUBLISHED]:
            with pytest.raises(WrongState):
                move(stage.db, tender, to, by=stage.buyer().actor)
    assert tender.state is State.PUBLISHED


@pytest.fixture
def transcribed(stage, three, tmp_path):
    """An opening with a cheat, a sleeper and a liar, its transcript and its sealed files in two folders."""
    tender, bids = three
    cheat = stage.bidder()
    bids = [*bids, stage.submit(tender, cheat, malformed(stage, tender, cheat)), stage.submit(tender, stage.bidder())]
    stage.frozen(tender)
    for bid in bids[:-1]:
        stage.unlock(bid)
    stage.closed(tender)
    seat, (_, sig) = tender.opening.seats[1], stage.keys[tender.id][1]
    false = ecdsa.Key.make().scalar
    signature = sig.sign(openings.release_message(tender.opening, seat, false)).hex()
    openings.release(stage.db, tender.opening, key=false.hex(), signature=signature, by=seat.person.actor)
    stage.release(tender)
    stage.opened(tender)
    folder, files = tmp_path / "transcript", tmp_path / "files"
    folder.mkdir()
    files.mkdir()
    (folder / "transcript.json").write_bytes(evidence.transcript(stage.store, tender))
    for bid in bids:
        (files / bid.digest[:8]).write_bytes(stage.made[bid.id].file)
    return tender, bids, folder, files


def test_a_stranger_repeats_the_opening(stage, transcribed):
    tender, bids, folder, files = transcribed
    told = CliRunner().invoke(
        main, ["bid", "open", "--transcript", str(folder), "--files", str(files), "--platform-key",
               stage.key.public.hex()],
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    for bid in bids:
        assert f"{bid.digest}  {bid.result}" in told.output
    assert f"FALSE_KEY  holder/{tender.opening.seats[1].holder}" in told.output


def test_kb_of_a_sleeper_never_appears(stage, transcribed):
    _, bids, folder, _ = transcribed
    assert stage.made[bids[-1].id].sealed.kb.hex() not in (folder / "transcript.json").read_text()


@pytest.mark.parametrize("spoil", [
    lambda text, bids: text.replace(bids[0].plaintext_sha256, "0" * 64),
    lambda text, bids: text.replace(bids[0].digest, "0" * 64),
    lambda text, bids: text.replace('"OPENED"', '"CONTENT"', 1),
])  # fmt: skip
def test_a_changed_transcript_is_found_out(stage, transcribed, spoil):
    _, bids, folder, files = transcribed
    file = folder / "transcript.json"
    changed = spoil(file.read_text(), bids)
    assert changed != file.read_text()
    file.write_text(changed)
    told = CliRunner().invoke(main, ["bid", "open", "--transcript", str(folder), "--files", str(files)])
    assert told.exit_code == 1


def test_the_supervisors_close_is_judged_from_the_transcript(stage, transcribed):
    from ca.sealing import transcript

    tender, _, folder, files = transcribed
    raw = (folder / "transcript.json").read_bytes()
    holds = lambda message, signature: stage.recognised.verify(  # noqa: E731
        signature, io.BytesIO(message), at=tender.closed_at
    ).good
    found = transcript.verify(raw, transcript.digests_in(files), close_holds=holds)
    assert (found.ok, found.remarks) == (True, ())


def test_the_holders_own_gate_opens_for_our_evidence(stage, three):
    from ca.sealing.faults import MayNotRelease
    from ca.sealing.holder import Holder

    tender, bids = three
    stage.frozen(tender)
    stage.unlock(bids[0])
    stage.closed(tender)
    gate = Holder(stage.folder / "holder", tender.opening.seats[0].holder, now=lambda: tender.unlock_until)
    holds = lambda message, signature: stage.recognised.verify(  # noqa: E731
        signature, io.BytesIO(message), at=tender.closed_at
    ).good
    with pytest.raises(MayNotRelease, match="no key"):
        gate.release_bids(tender.params, tender.opening.evidence, holds)
    with gate._state(tender.params.base) as state:
        state["key"] = stage.keys[tender.id][0][0].scalar.hex()
    released = gate.release_bids(tender.params, tender.opening.evidence, holds)
    assert released.key == stage.keys[tender.id][0][0].scalar


def test_deposits_are_held_at_the_freeze_and_absent_ones_go_home(stage, monkeypatch):
    from escrow import deposits

    calls = []
    monkeypatch.setattr(deposits, "is_covered", lambda db, reference, party: True)
    monkeypatch.setattr(deposits, "hold", lambda db, reference, by: calls.append(("hold", reference)))
    monkeypatch.setattr(
        deposits, "release", lambda db, reference, parties, reason, by: calls.append((reason, list(parties)))
    )
    tender = stage.published(deposit_amount=Money.yuan("10000"))
    for _ in range(3):
        stage.submit(tender, stage.bidder())
    gone = stage.bidder()
    submission.withdraw(stage.db, stage.submit(tender, gone), by=gone.actor)
    stage.frozen(tender)
    assert calls == [("hold", tender.lot.reference), ("no bid", [gone.organisation_id])]
