"""The chain judged: whatever is altered, dropped, moved, trimmed or cut, the first bad item is named."""

import copy
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ca import canonical, ecdsa, merkle
from evaluation import evidence
from evaluation.evidence import Chain, Fault, Kind

KEY, OTHER = ecdsa.Key(b"\x01" * 32), ecdsa.Key(b"\x02" * 32)


def segment(chain: Chain, kept: dict[str, bytes], track: str, seq: int) -> bytes:
    body = f"{track} {seq}".encode() * 20
    name = f"{track}/{seq:06}.m4s"
    kept[name] = body
    return chain.add(
        Kind.SEGMENT, name=name, track=track, seq=seq, t0=seq * 4000, duration=4000, bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )  # fmt: skip


def made(rounds: int = 4) -> tuple[list[bytes], dict[str, bytes], Chain]:
    """A session of two tracks with an event in each round and a checkpoint in the middle."""
    chain, kept = Chain("7", KEY), {}
    lines = [chain.add(Kind.OPENED, at=0, zero=1_795_000_000_000, participants=["a", "b"])]
    for seq in range(1, rounds + 1):
        lines += [segment(chain, kept, track, seq) for track in ("a.camera", "b.camera")]
        lines.append(chain.add(Kind.EVENT, at=seq * 4000, what="score.given", facts={"by": "a", "points": "9.5"}))
        if seq == 2:
            lines.append(chain.add(Kind.CHECKPOINT, at=8000))
    lines.append(chain.close(rounds * 4000))
    return lines, kept, chain


@pytest.fixture
def whole() -> tuple[dict[str, Any], dict[str, bytes]]:
    lines, kept, _ = made()
    return evidence.manifest("7", lines), kept


def judged(recording: dict[str, Any], kept: dict[str, bytes]) -> evidence.Verdict:
    return evidence.verify_recording(recording, kept.get, key=KEY.public)


def test_a_whole_recording_is_whole(whole):
    verdict = judged(*whole)

    assert verdict.whole
    assert (verdict.items, verdict.segments, verdict.gaps) == (15, 8, 0)
    assert verdict.key == KEY.public.hex()
    assert verdict.size == sum(map(len, whole[1].values()))


@pytest.mark.parametrize(("wrong", "fault"), [
    (lambda kept, name: kept.update({name: kept[name].replace(b"2", b"3", 1)}), Fault.ALTERED),
    (lambda kept, name: kept.update({name: kept[name][:-1]}), Fault.ALTERED),
    (lambda kept, name: kept.update({name: kept[name] + b"x"}), Fault.ALTERED),
    (lambda kept, name: kept.pop(name), Fault.MISSING),
    (lambda kept, name: kept.update({name: kept["b.camera/000003.m4s"]}), Fault.ALTERED),
])  # fmt: skip
def test_a_segment_that_is_not_what_it_was_is_named(whole, wrong, fault):
    recording, kept = whole
    wrong(kept, "a.camera/000002.m4s")

    bad = judged(recording, kept).bad

    assert (bad.what, bad.fault, bad.n) == ("a.camera/000002.m4s", fault, 4)


def test_two_segments_exchanged_under_their_names_are_named(whole):
    recording, kept = whole
    kept["a.camera/000001.m4s"], kept["a.camera/000002.m4s"] = kept["a.camera/000002.m4s"], kept["a.camera/000001.m4s"]

    assert judged(recording, kept).bad.what == "a.camera/000001.m4s"


def test_an_event_edited_later_is_named(whole):
    recording, kept = whole
    recording["items"][6]["facts"]["points"] = "9.9"

    bad = judged(recording, kept).bad

    assert (bad.n, bad.what, bad.fault) == (6, "event", Fault.ALTERED)


def test_an_event_edited_with_its_leaf_is_named_too(whole):
    recording, kept = whole
    recording["items"][6]["facts"]["points"] = "9.9"
    recording["leaves"][6] = merkle.leaf_hash(canonical.encode(recording["items"][6])).hex()

    assert judged(recording, kept).bad.n == 6


@pytest.mark.parametrize("n", range(1, 14))
def test_a_dropped_item_is_named_at_its_place(whole, n):
    recording, kept = whole
    del recording["items"][n]

    bad = judged(recording, kept).bad

    assert (bad.n, bad.fault) == (n, Fault.MISSING)


@pytest.mark.parametrize("n", range(1, 13))
def test_two_items_in_wrong_order_are_named_at_the_first(whole, n):
    recording, kept = whole
    items = recording["items"]
    items[n], items[n + 1] = items[n + 1], items[n]

    bad = judged(recording, kept).bad

    assert bad.n == n
    assert bad.fault in (Fault.OUT_OF_ORDER, Fault.MISSING)


@pytest.mark.parametrize("left", range(15))
def test_a_cut_tail_shows(whole, left):
    recording, kept = whole
    recording["items"], recording["leaves"] = recording["items"][:left], recording["leaves"][:left]

    bad = judged(recording, kept).bad

    assert (bad.n, bad.fault) == (left, Fault.CUT)


def test_a_tail_cut_and_closed_again_by_another_key_is_forged(whole):
    lines, kept, _ = made()
    chain = Chain("7", OTHER)
    chain.restore(lines[:8])
    again = [*lines[:8], chain.close(9000)]

    bad = judged(evidence.manifest("7", again), kept).bad

    assert (bad.n, bad.fault) == (8, Fault.FORGED)


def test_nothing_may_follow_the_closing_record(whole):
    recording, kept = whole
    late = {"kind": "event", "session": "7", "n": 15, "prev": evidence.digest(recording["items"][14]), "at": 1}
    recording["items"].append(late)
    recording["leaves"].append("")

    assert judged(recording, kept).bad.n == 15


def test_items_of_another_session_do_not_fit(whole):
    recording, kept = whole
    recording["session"] = "8"

    assert judged(recording, kept).bad.n == 0


@settings(max_examples=150)
@given(st.data())
def test_any_changed_value_of_any_item_is_found_there(data):
    lines, kept, _ = made(rounds=2)
    recording = evidence.manifest("7", lines)
    n = data.draw(st.integers(0, len(lines) - 1))
    item = recording["items"][n]
    key = data.draw(st.sampled_from(sorted(item)))
    changed = data.draw(st.one_of(st.integers(0, 10**6), st.text(max_size=5), st.just([]), st.none()))
    if changed == item[key]:
        return
    item[key] = changed

    bad = judged(recording, kept).bad

    assert bad is not None
    assert bad.n == n


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["format", "session", "items", "leaves", "kind", "n", "prev"]), inner, max_size=5),
    max_leaves=12,
))  # fmt: skip
def test_garbage_is_judged_and_never_crashes(garbage):
    recording = garbage if isinstance(garbage, dict) else {"items": garbage}
    for format_ in ({}, {"format": evidence.FORMAT}):
        assert not evidence.verify_recording(recording | format_, lambda name: None).whole


def test_one_segment_is_proved_by_the_root_alone():
    lines, _, chain = made()
    closed = canonical.decode(lines[-1])
    leaves = chain.leaves[:-1]

    for n, line in enumerate(lines[:-1]):
        path = evidence.inclusion(leaves, n)
        root = bytes.fromhex(closed["root"])
        assert merkle.includes(merkle.leaf_hash(line), n, len(leaves), path, root)
        assert not merkle.includes(merkle.leaf_hash(line + b" "), n, len(leaves), path, root)
    assert evidence.root_of(leaves) == merkle.root(lines[:-1])


def test_a_chain_is_taken_up_where_it_ended():
    lines, _, chain = made()
    again = Chain("7", KEY)

    assert again.restore(lines[:9]) == 9
    assert again.segments("a.camera") == 3
    assert canonical.decode(again.add(Kind.GAP, track="a.camera"))["prev"] == evidence.digest(
        canonical.decode(lines[8])
    )
    assert Chain("7", KEY).restore([lines[0], lines[2]]) == 1
    assert Chain("7", KEY).restore([lines[0], lines[1][:-4]]) == 1


def test_verdict_is_the_same_when_asked_twice(whole):
    recording, kept = whole
    before = copy.deepcopy(recording)

    assert judged(recording, kept) == judged(recording, kept)
    assert recording == before
