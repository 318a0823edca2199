"""The attacks on sealed bids, numbered as in the threat model: each must fail, or blame the right one."""

import itertools
import random
from dataclasses import replace

import pytest

from ca import canonical, ecdsa
from ca.sealing import file, lock
from ca.sealing.faults import UPLOAD, Fault, ParamsWrong, UploadRefused
from ca.sealing.header import HEAD_AT_MOST, MAGIC, Header, check_upload, padded, parse_header
from ca.sealing.params import Params, base_of, check_for_bids
from tests.ca.seal_vectors import BIDDER, LOT, SEQ, Chance, key, opening, stream, team

MEANT = {"lot": LOT, "bidder": BIDDER, "seq": SEQ}
TEAMS = list(itertools.combinations(range(5), 3))


class Case:
    """One sealed bid: its bytes, its secrets, and ways to bend it."""

    def __init__(self, folder, params, scalars, plain=b"price 123", **meant):
        self.folder, self.params, self.scalars = folder, params, scalars
        self.meant = MEANT | meant
        source, target = folder / "plain", folder / "sealed"
        source.write_bytes(plain)
        self.sealed = file.seal(source, target, params, **self.meant, random=Chance("attacks"))
        self.raw = target.read_bytes()
        source.unlink()
        target.unlink()

    def bent(self, **changes):
        """The file with other header fields, content sealed again under the header as it then is."""
        fields = self.sealed.header.fields | changes
        fields = {name: part for name, part in fields.items() if part is not None}
        return self._with_header(canonical.ascii_encode(fields))

    def _with_header(self, header):
        rest = self.raw[12 + len(self.sealed.header.raw) :]
        return MAGIC + len(header).to_bytes(4) + header + rest

    def upload(self, raw, **meant):
        meant = {"lot": LOT, "bidder": BIDDER, "after": 0} | meant
        return check_upload(raw[:HEAD_AT_MOST], len(raw), self.params, **meant)

    def verdict(self, raw, places=(0, 1, 2), **told):
        """Code of the fault, or OPENED; and nothing may be left in the folder that was not opened."""
        told = {"digest": file.hashlib.sha256(raw).digest(), "kb": self.sealed.kb, **self.meant} | told
        told.setdefault("scalars", team(self.scalars, places))
        out = self.folder / "out"
        try:
            file.open_sealed(stream(raw), out, self.params, **told)
        except Fault as fault:
            assert list(self.folder.iterdir()) == [], "something was left on disk"
            return fault.code, fault.culprit
        out.unlink()
        return "OPENED", ""


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path, *opening())


def test_every_team_opens_and_no_pair_does(case):
    assert {case.verdict(case.raw, places) for places in TEAMS} == {("OPENED", "")}
    for pair in itertools.combinations(range(5), 2):
        with pytest.raises(ValueError, match="3 scalars"):
            case.verdict(case.raw, pair)


def resealed(case, *, E=None, teams=None):  # noqa: N803
    """A cheating bidder seals rightly over a lock C of his own making."""
    fields = case.sealed.header.fields | ({"E": E.hex()} if E else {}) | ({"teams": teams.hex()} if teams else {})
    header = parse_header(canonical.ascii_encode(fields), case.params)
    ck = lock.content_key(case.sealed.kb, case.sealed.kc, header.ctx, header.raw)
    source, target = case.folder / "again", case.folder / "cheat"
    source.write_bytes(b"price 123")
    file.write_sealed(source, 9, target, header, ck, lambda count: None)
    raw = target.read_bytes()
    source.unlink()
    target.unlink()
    return raw


def test_f2_shares_that_open_for_one_team_only_open_for_none(case):
    """Only team {1,2,5} would open; whoever comes, the verdict is the same and blames the bidder."""
    good = case.sealed.header.lock.teams
    only = TEAMS.index((0, 1, 4))
    teams = b"".join(good[32 * place : 32 * place + 32] if place == only else bytes(32) for place in range(len(TEAMS)))
    raw = resealed(case, teams=teams)
    assert {case.verdict(raw, places) for places in TEAMS} == {("MALFORMED_LOCK_C", "bidder")}


@pytest.mark.parametrize("seed", range(200))
def test_f2_any_corruption_of_e_or_envelopes_gives_every_team_the_same_verdict(case, seed):
    chance, good = random.Random(seed), case.sealed.header.lock
    if seed % 4 == 0:
        raw = resealed(case, E=key(f"other{seed}").public)
    else:
        teams = bytearray(good.teams)
        for _ in range(chance.choice((1, 2, 40))):
            teams[chance.randrange(len(teams))] ^= chance.randrange(1, 256)
        raw = resealed(case, teams=bytes(teams))
    assert {case.verdict(raw, places) for places in TEAMS} == {("MALFORMED_LOCK_C", "bidder")}


def test_f3_a_lying_holder_is_named_and_the_bid_opens_with_others(case):
    lie = {0: key("lie").scalar, 1: case.scalars[1], 2: case.scalars[2]}
    assert case.verdict(case.raw, scalars=lie) == ("FALSE_KEY", "holder/H1")
    assert case.verdict(case.raw, scalars={**lie, 0: bytes(32)}) == ("FALSE_KEY", "holder/H1")
    assert case.verdict(case.raw, (1, 2, 3)) == ("OPENED", "")


def test_f3_a_lying_holder_and_a_cheating_bidder_are_told_apart(case):
    raw = resealed(case, teams=bytes(320))
    assert case.verdict(raw) == ("MALFORMED_LOCK_C", "bidder")
    assert case.verdict(raw, scalars={0: key("lie").scalar} | team(case.scalars, (1, 2))) == (
        "FALSE_KEY",
        "holder/H1",
    )


@pytest.mark.parametrize("kb", [b"", bytes(32), b"\1" * 31, b"\1" * 33])
def test_f4_a_wrong_kb_is_seen_at_once(case, kb):
    with pytest.raises(Fault, match="WRONG_KB"):
        file.check_kb(case.sealed.header, kb)
    assert case.verdict(case.raw, kb=kb) == ("WRONG_KB", "bidder")
    file.check_kb(case.sealed.header, case.sealed.kb)


def test_f4_committee_takes_no_kb(tmp_path):
    case = Case(tmp_path, *opening(mode="committee"))
    assert case.verdict(case.raw) == ("OPENED", "")
    assert case.verdict(case.raw, kb=b"\1" * 32) == ("WRONG_KB", "bidder")


def test_f5_a_decoy_with_the_real_keys_opens_nothing(case):
    """Insiders publish another opening with the same keys and an earlier hour: base and hash differ."""
    decoy = replace(case.params, opening="O-decoy", deadline="2026-11-29T01:00:00Z")
    assert decoy.base != case.params.base
    assert decoy.digest != case.params.digest
    with pytest.raises(UploadRefused) as refused:
        check_upload(case.raw[:HEAD_AT_MOST], len(case.raw), decoy, lot=LOT, bidder=BIDDER)
    assert refused.value.facts["fault"] == "OTHER_OPENING_OR_MODE"
    decoyed = Case(case.folder, decoy, case.scalars)
    assert decoyed.verdict(case.raw, digest=case.sealed.digest)[0] == "OTHER_OPENING_OR_MODE"


@pytest.mark.parametrize(
    "change",
    [
        {"deadline": "2026-11-30T00:59:59Z"}, {"unlock_until": "2026-11-30T01:31:00Z"}, {"m": 2},
        {"release_until": "2026-12-30T02:00:00Z"}, {"mode": "committee"}, {"opening": "O-T2"},
    ],
)  # fmt: skip
def test_f5_every_term_is_in_the_base_that_holders_join(change):
    params, _ = opening()
    assert replace(params, **change).base != params.base


def test_f5_base_is_known_before_any_key(case):
    fields = case.params.written()
    terms = {name: part for name, part in fields.items() if name not in ("v", "suite")}
    assert base_of(terms | {"holders": [seat["id"] for seat in fields["holders"]]}) == case.params.base


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"cb": None, "lockb": None}, "OTHER_OPENING_OR_MODE"),  # F8: committee in a two-lock tender
        ({"lockb": None}, "FIELDS"),
        ({"more": 1}, "FIELDS"),
        ({"v": 1}, "FIELDS"),
        ({"seq": 0}, "FIELDS"),
        ({"seq": "1"}, "FIELDS"),
        ({"size": "65536"}, "FIELDS"),
        ({"lot": "draw"}, "FIELDS"),
        ({"lot": "quote"}, "FIELDS"),
        ({"bidder": "a b"}, "FIELDS"),
        ({"cc": "AA" * 32}, "FIELDS"),
        ({"cc": "zz"}, "FIELDS"),
        ({"E": "02" + "ff" * 32}, "FIELDS"),
        ({"lockb": [{}]}, "FIELDS"),
        ({"lockb": [{"cert": "00" * 32, "alg": "RSA-1_5", "ct": "00"}]}, "FIELDS"),
        ({"lockb": [{"cert": "00" * 32, "alg": "P256-HPKE", "ct": "00"}] * 5}, "FIELDS"),
        ({"lockb": [{"cert": "00", "alg": "P256-HPKE", "ct": "00"}]}, "LENGTHS"),
        ({"lockb": [{"cert": "00" * 32, "alg": "P256-HPKE", "ct": ""}]}, "LENGTHS"),
        ({"cc": "00"}, "LENGTHS"),
        ({"E": "02"}, "LENGTHS"),
        ({"cb": "00"}, "LENGTHS"),
        ({"teams": "00" * 32 * 9}, "LENGTHS"),
        ({"size": 65537}, "LENGTH"),
        ({"params": "00" * 32}, "OTHER_OPENING_OR_MODE"),
        ({"lot": "2"}, "OTHER_LOT"),
        ({"bidder": "91610000000000000Y"}, "OTHER_BIDDER"),
    ],
)
def test_upload_refuses_with_the_first_fault(case, fields, refused):
    with pytest.raises(UploadRefused) as found:
        case.upload(case.bent(**fields))
    assert found.value.facts["fault"] == refused
    assert UPLOAD[refused] in str(found.value)


def test_upload_faults_come_in_their_order(case):
    """A file with every fault at once tells the first; mended one by one it tells the next."""
    wrong = [{"seq": 0}, {"cc": "00"}, {"size": 65537}, {"params": "00" * 32}, {"lot": "2"}, {"bidder": "X"}]
    codes = ["FIELDS", "LENGTHS", "LENGTH", "OTHER_OPENING_OR_MODE", "OTHER_LOT", "OTHER_BIDDER"]
    for mended in range(len(wrong)):
        fields = {name: part for one in wrong[mended:] for name, part in one.items()}
        with pytest.raises(UploadRefused) as found:
            case.upload(case.bent(**fields))
        assert found.value.facts["fault"] == codes[mended]


@pytest.mark.parametrize("raw", [b"", b"GHSEAL2\n", b"PK\3\4" + bytes(100), MAGIC + b"\0\1\0\1" + bytes(70000)])
def test_f28_what_is_not_sealed_is_refused(case, raw):
    with pytest.raises(UploadRefused) as found:
        case.upload(raw)
    assert found.value.facts["fault"] == "NOT_SEALED"


@pytest.mark.parametrize(
    "twist",
    [
        lambda text: text.replace('"seq":1', '"seq":1,"seq":1'),
        lambda text: text.replace('"seq":1', '"seq": 1'),
        lambda text: text.replace('"seq":1', '"seq":1.0'),
        lambda text: text.replace('"lot":"1"', '"lot":"\\u0031"'),
        lambda text: text + " ",
        lambda text: text[:-1],
    ],
)
def test_f13_a_header_is_written_one_way(case, twist):
    raw = case._with_header(twist(case.sealed.header.raw.decode()).encode())
    with pytest.raises(UploadRefused) as found:
        case.upload(raw)
    assert found.value.facts["fault"] == "NOT_CANONICAL"


@pytest.mark.parametrize("cut", [1, 16, 65536, 65552])
def test_f12_a_cut_or_longer_file_is_refused_at_upload(case, cut):
    for raw in (case.raw[:-cut], case.raw + bytes(cut)):
        with pytest.raises(UploadRefused) as found:
            case.upload(raw)
        assert found.value.facts["fault"] == "LENGTH"


def test_a_version_is_newer_than_the_last(case):
    assert case.upload(case.raw).seq == 1
    with pytest.raises(UploadRefused) as found:
        case.upload(case.raw, after=1)
    assert found.value.facts["fault"] == "OTHER_SEQ"


@pytest.mark.parametrize("meant", [{"lot": "2"}, {"bidder": "91610000000000000Y"}, {"seq": 2}])
def test_f14_moved_to_another_lot_bidder_or_version_it_stays_shut(case, meant):
    code = {"lot": "OTHER_LOT", "bidder": "OTHER_BIDDER", "seq": "OTHER_SEQ"}[next(iter(meant))]
    assert case.verdict(case.raw, **meant) == (code, "bidder")
    renamed = case.bent(**meant)  # the envelope relabelled as well: ctx differs, so no kb and no kc fits
    assert case.verdict(renamed, **meant)[0] == "WRONG_KB"
    header = Header(b"", case.sealed.header.fields | meant)
    cb = lock.commitment("kb", header.ctx, case.sealed.kb).hex()
    assert case.verdict(case.bent(**meant, cb=cb), **meant)[0] == "MALFORMED_LOCK_C"


def test_f14_an_envelope_transplanted_from_another_bid(case):
    other = Case(case.folder, case.params, case.scalars, bidder="91610000000000000Y")
    stolen = {name: other.sealed.header.fields[name] for name in ("cc", "E", "teams", "salt")}
    header = Header(b"", case.sealed.header.fields | stolen)
    cb = lock.commitment("kb", header.ctx, case.sealed.kb).hex()
    raw = case.bent(**stolen, cb=cb)
    assert {case.verdict(raw, places) for places in TEAMS} == {("MALFORMED_LOCK_C", "bidder")}


@pytest.mark.parametrize("seed", range(400))
def test_f11_one_changed_bit_opens_nothing_and_leaves_nothing(case, seed):
    chance = random.Random(seed)
    place = chance.randrange(len(case.raw)) if seed % 2 else chance.randrange(12 + len(case.sealed.header.raw))
    raw = bytearray(case.raw)
    raw[place] ^= 1 << chance.randrange(8)
    assert case.verdict(bytes(raw), digest=case.sealed.digest) == ("DIGEST", "platform")
    code, culprit = case.verdict(bytes(raw))  # even when the receipt said the same
    assert code != "OPENED"
    assert culprit == "bidder"


def test_f26_chunks_swapped_doubled_dropped_or_taken_from_another_bid(tmp_path):
    params, scalars = opening()
    case = Case(tmp_path, params, scalars, plain=bytes(200_000))
    other = Case(tmp_path, params, scalars, plain=bytes(200_000), seq=2)
    start, step = 12 + len(case.sealed.header.raw), 65536 + 16
    chunk = [case.raw[start + i * step : start + (i + 1) * step] for i in range(4)]
    foreign = other.raw[start : start + step]
    head, tail = case.raw[:start], case.raw[start + 2 * step :]
    for first, second in ((chunk[1], chunk[0]), (chunk[0], chunk[0]), (foreign, chunk[1])):
        assert case.verdict(head + first + second + tail) == ("CONTENT", "bidder")
    assert case.verdict(head + b"".join(chunk[:2]))[0] == "LENGTH"


def test_f15_f16_small_files_have_one_size():
    assert {padded(length) for length in (0, 3000, 9000, 65528)} == {65536}
    assert padded(100_000) == padded(100_300)


@pytest.mark.parametrize("wrong", ["length", "zeros", "size"])
def test_f16_a_second_offer_in_the_padding_is_blamed_on_the_bidder(case, wrong):
    header = case.sealed.header
    if wrong == "size":
        fields = header.fields | {"size": 66000}
        header = parse_header(canonical.ascii_encode(fields), case.params)
    ck = lock.content_key(case.sealed.kb, case.sealed.kc, header.ctx, header.raw)
    plain = bytearray(header.size)
    plain[:17] = (9).to_bytes(8) + b"price 123"
    if wrong == "length":
        plain[:8] = (65529).to_bytes(8)
    if wrong == "zeros":
        plain[-9:] = b"price 099"
    cipher = file.AESGCM(ck)
    chunks = [bytes(plain[start : start + 65536]) for start in range(0, len(plain), 65536)]
    body = b"".join(
        cipher.encrypt(file.nonce(number, last=number == len(chunks) - 1), chunk, None)
        for number, chunk in enumerate(chunks)
    )
    raw = MAGIC + len(header.raw).to_bytes(4) + header.raw + body
    assert case.verdict(raw) == ("PADDING", "bidder")


def test_f18_f23_another_version_has_other_keys(tmp_path):
    params, scalars = opening()
    source = tmp_path / "plain"
    source.write_bytes(b"price")
    first = file.seal(source, tmp_path / "1", params, lot=LOT, bidder=BIDDER, seq=1)
    second = file.seal(source, tmp_path / "2", params, lot=LOT, bidder=BIDDER, seq=2)
    with pytest.raises(Fault, match="WRONG_KB"):
        file.check_kb(second.header, first.kb)
    assert first.header.ctx != second.header.ctx


def test_f27_garbage_in_lock_b_hurts_nobody_else(case):
    """The header may carry it; kb from the rescue file opens all the same."""
    fields = case.sealed.header.fields | {"lockb": [{"cert": "11" * 32, "alg": "SM2-C1C3C2", "ct": "ff" * 97}]}
    header = parse_header(canonical.ascii_encode(fields), case.params)
    ck = lock.content_key(case.sealed.kb, case.sealed.kc, header.ctx, header.raw)
    source, target = case.folder / "again", case.folder / "garbage"
    source.write_bytes(b"price 123")
    file.write_sealed(source, 9, target, header, ck, lambda count: None)
    raw = target.read_bytes()
    source.unlink()
    target.unlink()
    assert case.upload(raw)
    assert case.verdict(raw) == ("OPENED", "")


def params_with(**changes):
    params, _ = opening()
    return Params.of(params.written() | changes)


SEATS = opening()[0].written()["holders"]


@pytest.mark.parametrize(
    "changes",
    [
        {"holders": [SEATS[0], SEATS[0] | {"id": "H9"}, *SEATS[2:]]},  # F30: one key, two seats
        {"holders": [SEATS[0], SEATS[1] | {"id": "H1"}, *SEATS[2:]]},
        {"holders": [SEATS[0] | {"pk": "02" + "ff" * 32}, *SEATS[1:]]},
        {"holders": [SEATS[0] | {"pk": "04" + SEATS[0]["pk"][2:]}, *SEATS[1:]]},
        {"holders": [SEATS[0] | {"more": "1"}, *SEATS[1:]]},
        {"holders": [SEATS[0] | {"id": "a b"}, *SEATS[1:]]},
        {"holders": SEATS[:3]},
        {"holders": SEATS * 2},
        {"holders": "H1"},
        {"m": 1},
        {"m": 5},
        {"m": "3"},
        {"mode": "bidder"},
        {"v": 3},
        {"suite": "SM2-SM3-SM4"},
        {"opening": "a/b"},
        {"deadline": "2026-11-30T01:30:01Z"},
        {"deadline": "2026-11-30 01:00:00Z"},
        {"deadline": "2026-02-30T01:00:00Z"},
        {"deadline": "2026-11-30T01:30:00Z"},
        {"release_until": "2026-11-30T01:30:00Z"},
        {"more": 1},
    ],
)
def test_params_that_are_none(changes):
    with pytest.raises(ParamsWrong):
        params_with(**changes)


def test_params_for_tenders_have_two_spare_holders_and_the_procuring_entity_first():
    check_for_bids(params_with(), procuring_entity="H1")
    with pytest.raises(ParamsWrong):
        check_for_bids(params_with(m=4))
    with pytest.raises(ParamsWrong):
        check_for_bids(params_with(), procuring_entity="H2")
    with pytest.raises(ParamsWrong):
        check_for_bids(opening(mode="draw")[0])


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"v":2}', b"\xff" * 10])
def test_garbage_params_are_one_kind_of_error(raw):
    with pytest.raises(ParamsWrong):
        Params.read(raw)


def test_random_garbage_never_gives_another_error(case):
    chance = random.Random(18)
    for _ in range(300):
        raw = MAGIC + (20).to_bytes(4) + chance.randbytes(chance.randrange(80))
        with pytest.raises(UploadRefused):
            case.upload(raw)
        with pytest.raises(ParamsWrong):
            Params.read(chance.randbytes(chance.randrange(40)))
    assert not ecdsa.is_point(chance.randbytes(32))
