import subprocess

import pytest
from asn1crypto import core, keys, pem

from ca import sm2
from ca.demo_ca import DemoCas
from ca.keys import KeyKind
from ca.sealing import file, lockb, sm2_box
from ca.sealing.faults import ParamsWrong
from ca.sealing.sm2_box import NotSm2
from tests.ca.seal_vectors import BIDDER, LOT, SEQ, opening, stream, team

MEANT = {"lot": LOT, "bidder": BIDDER, "seq": SEQ}


@pytest.fixture(scope="module")
def cas():
    return DemoCas.make()


@pytest.fixture(scope="module")
def holders(cas):
    made = {}
    for kind in KeyKind:
        made[kind] = cas.issue(f"{kind.value} firm", "91510000MA00000019", kind)
    return made


@pytest.fixture
def sealed(tmp_path, holders):
    """One bid whose kb is also under three certificates."""
    params, scalars = opening()
    (tmp_path / "plain").write_bytes(b"price 123")
    wrappers = [lockb.wrapper(holder.certificate) for holder in holders.values()]
    made = file.seal(tmp_path / "plain", tmp_path / "sealed", params, wrappers=wrappers, **MEANT)
    return made, (tmp_path / "sealed").read_bytes(), params, scalars


@pytest.mark.parametrize("kind", KeyKind)
def test_each_certificate_unlocks(kind, holders, sealed, tmp_path):
    made, raw, params, scalars = sealed
    kb = lockb.unwrap(made.header, holders[kind].key)

    assert kb == made.kb
    told = {"digest": made.digest, "kb": kb, "scalars": team(scalars, (0, 1, 2)), **MEANT}
    file.open_sealed(stream(raw), tmp_path / "out", params, **told)
    assert (tmp_path / "out").read_bytes() == b"price 123"


def test_header_names_algorithms_and_certificates(sealed):
    wraps = sealed[0].header.fields["lockb"]
    assert [wrap["alg"] for wrap in wraps] == ["RSA-OAEP-256", "P256-HPKE", "SM2-C1C3C2"]
    assert [len(wrap["ct"]) // 2 for wrap in wraps][1:] == [113, 129]
    assert len({wrap["cert"] for wrap in wraps}) == 3


@pytest.mark.parametrize("kind", KeyKind)
def test_another_key_or_another_bid_unlocks_nothing(kind, cas, holders, sealed, tmp_path):
    made, _, params, _ = sealed
    stranger = cas.issue("stranger", "91510000MA00000027", kind)
    with pytest.raises(lockb.CannotUnwrap):
        lockb.unwrap(made.header, stranger.key)
    again = file.seal(tmp_path / "plain", tmp_path / "again", params, **MEANT)
    moved = again.header.fields | {"lockb": made.header.fields["lockb"]}
    with pytest.raises(lockb.CannotUnwrap):
        lockb.unwrap(file.Header(again.header.raw, moved), holders[kind].key)


def test_five_certificates_are_one_too_many(holders, tmp_path):
    params, _ = opening()
    (tmp_path / "plain").write_bytes(b"x")
    wrapper = lockb.wrapper(holders[KeyKind.ECDSA].certificate)
    with pytest.raises(ParamsWrong):
        file.seal(tmp_path / "plain", tmp_path / "sealed", params, wrappers=[wrapper] * 5, **MEANT)


# SM2 encryption by itself


def scalar_of(key):
    return keys.PrivateKeyInfo.load(pem.unarmor(key.to_pem())[2])["private_key"].parsed["private_key"].native


def test_sm2_curve_and_round_trip():
    assert sm2_box._point(sm2_box._written(sm2_box.G)) == sm2_box.G
    assert sm2_box._times(sm2_box.ORDER, sm2_box.G) is None
    key = sm2.PrivateKey.generate()
    scalar = scalar_of(key)
    assert sm2_box._written(sm2_box._times(scalar, sm2_box.G)) == key.public.point
    sealed = sm2_box.encrypt(key.public.point, b"\1" * 32)
    assert sm2_box.decrypt(scalar.to_bytes(32), sealed) == b"\1" * 32
    assert sm2_box.encrypt(key.public.point, b"\1" * 32) != sealed


def test_openssl_reads_what_we_sealed_and_we_what_openssl_sealed(tmp_path):
    key = sm2.PrivateKey.generate()
    file_, scalar = tmp_path / "key.pem", scalar_of(key).to_bytes(32)
    file_.write_bytes(key.to_pem())

    def openssl(act, raw):
        command = ["openssl", "pkeyutl", act, "-inkey", str(file_), "-pkeyopt", "digest:sm3"]
        return subprocess.run(command, input=raw, capture_output=True, check=True).stdout

    ours = sm2_box.encrypt(key.public.point, b"\7" * 32)
    assert openssl("-decrypt", der(ours)) == b"\7" * 32
    theirs = raw_of(openssl("-encrypt", b"\7" * 32))
    assert sm2_box.decrypt(scalar, theirs) == b"\7" * 32


class Ciphertext(core.Sequence):
    _fields = [("x", core.Integer), ("y", core.Integer), ("c3", core.OctetString), ("c2", core.OctetString)]


def der(raw):
    x, y = int.from_bytes(raw[1:33]), int.from_bytes(raw[33:65])
    return Ciphertext({"x": x, "y": y, "c3": raw[65:97], "c2": raw[97:]}).dump()


def raw_of(ciphertext):
    parts = Ciphertext.load(ciphertext)
    point = b"\4" + parts["x"].native.to_bytes(32) + parts["y"].native.to_bytes(32)
    return point + parts["c3"].native + parts["c2"].native


@pytest.mark.parametrize("place", [0, 5, 40, 70, 100, 128])
def test_a_changed_sm2_ciphertext_does_not_open(place):
    key = sm2.PrivateKey.generate()
    sealed = bytearray(sm2_box.encrypt(key.public.point, b"\7" * 32))
    sealed[place] ^= 1
    with pytest.raises(NotSm2):
        sm2_box.decrypt(scalar_of(key).to_bytes(32), bytes(sealed))
    with pytest.raises(NotSm2):
        sm2_box.decrypt(scalar_of(key).to_bytes(32), bytes(sealed[:-1]))
