import pytest

from ca import canonical, ecdsa
from ca.sealing import file, messages, transcript
from ca.sealing.holder import Join
from ca.sealing.transcript import BidVerdict
from tests.ca.seal_vectors import LOT, Chance, key, opening

PLATFORM, SUPERVISOR = key("platform"), key("supervisor")
BIDDERS = [f"9161000000000000{n}X" for n in range(4)]


class Opening:
    """Four bids: two open, one was never unlocked, one is malformed; holder H2 lies, H1 H3 H4 release."""

    def __init__(self, folder):
        self.params, self.scalars = opening()
        self.folder, self.files, self.freeze, self.unlocks = folder, folder / "files", [], {}
        self.files.mkdir()
        for number, bidder in enumerate(BIDDERS):
            source, target = folder / "plain", self.files / f"{number}.sealed"
            source.write_bytes(f"price {number}".encode())
            meant = {"lot": LOT, "bidder": bidder, "seq": 1}
            sealed = file.seal(source, target, self.params, **meant, random=Chance(bidder))
            digest = sealed.digest
            if number == 3:
                raw = bytearray(target.read_bytes())
                raw[-1] ^= 1
                target.write_bytes(raw)
                digest = file.hashlib.sha256(raw).digest()
            self.freeze.append(meant | {"digest": digest.hex()})
            if number != 2:
                self.unlocks[digest.hex()] = sealed.kb
        self.by_digest = transcript.digests_in(self.files)
        self.verdicts = [
            transcript.judge(
                self.by_digest[entry["digest"]], self.params, entry, self.unlocks.get(entry["digest"]), self.good()
            )
            for entry in self.freeze
        ]

    def good(self):
        return {place: self.scalars[place] for place in (0, 2, 3)}

    def roots(self):
        frozen = [messages.bid_leaf(**one | {"digest": bytes.fromhex(one["digest"])}) for one in self.freeze]
        unlocked = [messages.unlock_leaf(digest=bytes.fromhex(one), kb=kb) for one, kb in self.unlocks.items()]
        return messages.root(frozen), messages.root(unlocked)

    def joins(self):
        made = {}
        for place, seat in enumerate(self.params.holders):
            sig, opening_key = key(f"sig{seat.id}"), ecdsa.Key(self.scalars[place])
            join = sig.sign(messages.join(self.params.base, seat.pk, sig.public))
            made[seat.id] = Join(seat.pk, sig.public, join, opening_key.sign(messages.ready(self.params.base)))
        return made

    def releases(self):
        freeze, unlocks = self.roots()
        told = []
        for place in (0, 1, 2, 3):
            holder = self.params.holders[place].id
            scalar = key("lie").scalar if place == 1 else self.scalars[place]
            message = messages.release(
                self.params.digest, freeze_root=freeze, unlock_root=unlocks, holder=holder, key=scalar
            )
            told.append((holder, scalar, key(f"sig{holder}").sign(message)))
        return told

    def raw(self, **changes):
        parts = {
            "joins": self.joins(), "freeze": self.freeze, "unlocks": self.unlocks,
            "close": SUPERVISOR.sign(messages.close(self.params.digest, *self.roots())),
            "releases": self.releases(), "bids": self.verdicts, "key": PLATFORM,
        }  # fmt: skip
        return transcript.build(self.params, **parts | changes)

    def check(self, raw, **more):
        return transcript.verify(raw, self.by_digest, close_holds=holds, **more)


def holds(message, signature):
    return ecdsa.verify(SUPERVISOR.public, message, signature)


@pytest.fixture
def made(tmp_path):
    return Opening(tmp_path)


def test_everybody_repeats_the_same_verdicts(made, tmp_path):
    found = made.check(made.raw(), platform=PLATFORM.public, into=tmp_path / "opened")

    assert found.ok, found.first_wrong
    assert [one.verdict for one in found.bids] == ["OPENED", "OPENED", "NOT_UNLOCKED", "CONTENT"]
    assert [one.culprit for one in found.bids] == ["", "", "bidder", "bidder"]
    assert found.blamed == ("H2",)
    assert found.remarks == ()
    opened = sorted(path.read_text() for path in (tmp_path / "opened").iterdir())
    assert opened == ["price 0", "price 1"]


def test_kb_of_a_bid_that_was_not_unlocked_is_nowhere(made):
    chance = Chance(BIDDERS[2])
    kb = [chance(32) for _ in range(2)][1]
    assert kb.hex() not in made.raw().decode()


def test_without_the_supervisors_key_it_says_so(made):
    found = transcript.verify(made.raw(), made.by_digest)
    assert found.ok
    assert "close" in found.remarks[0]


def test_a_missing_file_is_a_remark(made):
    digest = made.freeze[0]["digest"]
    del made.by_digest[digest]
    found = made.check(made.raw())
    assert found.ok
    assert found.remarks[0].startswith(digest)


def test_a_false_verdict_of_the_platform_is_found(made):
    first = made.verdicts[0]
    lie = [BidVerdict(first.digest, "CONTENT", "bidder", ""), *made.verdicts[1:]]
    assert made.check(made.raw(bids=lie)).first_wrong == f"bids.{first.digest}: OPENED, not CONTENT"
    other = [BidVerdict(first.digest, "OPENED", "", "00" * 32), *made.verdicts[1:]]
    assert made.check(made.raw(bids=other)).first_wrong.startswith(f"bids.{first.digest}")
    assert made.check(made.raw(bids=made.verdicts[1:])).first_wrong.startswith("bids.")


def test_other_keys_than_those_known_are_found(made):
    stranger = key("stranger")
    raw = made.raw(key=stranger)
    assert made.check(raw, platform=PLATFORM.public).first_wrong == "platform: another platform's key"
    closed = made.raw(close=stranger.sign(b""))
    assert made.check(closed).first_wrong == "close"


@pytest.mark.parametrize(
    ("bend", "wrong"),
    [
        (lambda parts: parts["freeze"].pop(2), "close"),
        (lambda parts: parts["freeze"][0].update(seq=2), "close"),
        (lambda parts: parts["freeze"].insert(1, parts["freeze"][0]), "freeze: order or duplicate"),
        (lambda parts: parts["freeze"][1].update(digest=parts["freeze"][0]["digest"]), "freeze: order or duplicate"),
        (lambda parts: parts["unlocks"].reverse(), "unlocks: order, duplicate or not frozen"),
        (lambda parts: parts["unlocks"].pop(), "close"),
        (lambda parts: parts["unlocks"][0].update(kb="00" * 32), "close"),
        (lambda parts: parts["unlocks"][0].update(digest="00" * 32), "unlocks: order, duplicate or not frozen"),
        (lambda parts: parts["joins"].reverse(), "joins"),
        (lambda parts: parts["joins"][0].update(join="00" * 64), "joins.H1"),
        (lambda parts: parts["joins"][0].update(ready=parts["joins"][1]["ready"]), "joins.H1"),
        (lambda parts: parts["params"].update(m=2), "joins.H1"),
        (lambda parts: parts["params"].update(m=9), "params"),
        (lambda parts: parts["params"].update(mode="committee"), "joins.H1"),
        (lambda parts: parts["releases"][0].update(key="11" * 32), "releases[0].signature"),
        (lambda parts: parts["releases"][0].update(holder="H9"), "releases[0].holder"),
        (lambda parts: parts["releases"].__delitem__(slice(2, None)), "releases: fewer than m"),
        (lambda parts: parts["extensions"].append({"deadline": "x"}), "extensions: fields"),
        (lambda parts: parts.update(more=1), "fields"),
        (lambda parts: parts.update(close="zz"), "fields"),
    ],
)
def test_the_first_wrong_item_is_named_even_when_the_platform_signs_again(made, bend, wrong):
    parts = canonical.ascii_decode(made.raw())
    bend(parts)
    parts["signature"] = PLATFORM.sign(transcript._signed(parts)).hex()
    found = made.check(canonical.ascii_encode(parts))
    assert found.first_wrong is not None
    assert found.first_wrong.split(" ")[0] == wrong.split(" ")[0]


def test_a_draws_params_are_no_opening_of_bids(made):
    parts = canonical.ascii_decode(made.raw())
    parts["params"] = opening(mode="draw")[0].written()
    parts["signature"] = PLATFORM.sign(transcript._signed(parts)).hex()
    assert made.check(canonical.ascii_encode(parts)).first_wrong == "params.mode"


def test_nothing_may_change_after_the_signature(made):
    raw = made.raw()
    for place in range(0, len(raw), 97):
        bent = bytearray(raw)
        bent[place] ^= 1
        assert not made.check(bytes(bent)).ok, place


def test_an_extension_is_judged_too(made):
    later = {
        "deadline": "2026-11-30T01:10:00Z", "unlock_until": "2026-11-30T01:40:00Z",
        "release_until": "2026-11-30T02:10:00Z",
    }  # fmt: skip
    signature = SUPERVISOR.sign(messages.extend(made.params, **later)).hex()
    assert made.check(made.raw(extensions=[later | {"signature": signature}])).ok
    unjudged = transcript.verify(made.raw(extensions=[later | {"signature": "00" * 64}]), made.by_digest)
    assert unjudged.ok
    assert unjudged.remarks[1].startswith("extensions[0]")
    assert made.check(made.raw(extensions=[later | {"signature": "00" * 64}])).first_wrong == "extensions[0]"
    earlier = later | {"deadline": "2026-11-30T00:10:00Z"}
    assert made.check(made.raw(extensions=[earlier | {"signature": signature}])).first_wrong == "extensions[0]"
