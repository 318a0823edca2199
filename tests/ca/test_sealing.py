import hashlib
import itertools

import pytest

from ca import canonical
from ca.sealing import file, lock
from ca.sealing.faults import Fault, ParamsWrong
from ca.sealing.header import padded, padme, parse_header
from tests.ca.seal_vectors import BIDDER, LOT, SEQ, VECTORS, Chance, opening, stream, team

MEANT = {"lot": LOT, "bidder": BIDDER, "seq": SEQ}


def sealed_vector(vector, folder):
    """The file of a vector; V3 has the last bit of its last envelope turned before sealing."""
    source, target = folder / "plain", folder / "sealed"
    source.write_bytes(vector.plaintext)
    if vector.name != "V3":
        return file.seal(source, target, vector.params, **MEANT, random=Chance("V" + vector.name[1:])), target
    chance, params = Chance(vector.name), vector.params
    salt, kb, kc = chance(32), chance(32), chance(32)
    ctx = lock.context(params=params.digest, salt=salt, **MEANT)
    closed = lock.close(params, ctx, kc)
    bent = lock.LockC(closed.cc, closed.E, closed.teams[:-1] + bytes([closed.teams[-1] ^ 1]))
    fields = file.header_fields(params, salt=salt, closed=bent, **MEANT)
    fields |= {"size": padded(0), "cb": lock.commitment("kb", ctx, kb).hex(), "lockb": []}
    header = parse_header(canonical.ascii_encode(fields), params)
    key = lock.content_key(kb, kc, ctx, header.raw)
    digest = file.write_sealed(source, 0, target, header, key, lambda count: None)
    return file.Sealed(digest, header.file_length, header, kb, kc), target


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_every_byte_of_a_vector(vector, tmp_path):
    sealed, target = sealed_vector(vector, tmp_path)
    header = sealed.header

    assert vector.params.digest == vector.raw("params_sha256")
    assert vector.params.canon == vector.fields["params"].encode()
    assert header.fields["salt"] == vector.fields["salt"]
    assert sealed.kb.hex() == (vector.fields.get("kb") or "")
    assert sealed.kc == vector.raw("kc")
    assert header.ctx == vector.raw("ctx")
    assert header.fields.get("cb", "") == vector.fields.get("cb", "")
    assert header.lock == lock.LockC(*map(vector.raw, ("cc", "E", "teams")))
    assert hashlib.sha256(header.raw).digest() == vector.raw("header_sha256")
    assert lock.content_key(sealed.kb, sealed.kc, header.ctx, header.raw) == vector.raw("content_key")
    assert target.stat().st_size == sealed.length == vector.fields["file_bytes"]
    assert sealed.digest == hashlib.sha256(target.read_bytes()).digest() == vector.raw("file_sha256")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_every_team_comes_to_the_verdict_of_the_vector(vector, tmp_path):
    sealed, target = sealed_vector(vector, tmp_path)
    raw, out = target.read_bytes(), tmp_path / "out"

    for places in itertools.combinations(range(vector.params.n), vector.params.m):
        scalars = team(vector.scalars, places)
        try:
            file.open_sealed(
                stream(raw), out, vector.params, digest=sealed.digest, kb=sealed.kb, scalars=scalars, **MEANT
            )
            verdict = "OPENED"
            assert out.read_bytes() == vector.plaintext
            out.unlink()
        except Fault as fault:
            verdict = f"{fault.code} / {fault.culprit}"
        assert not out.exists()
        assert vector.fields["verdict"].startswith(verdict)


@pytest.mark.parametrize(
    ("length", "rounded"), [(1, 1), (8, 8), (9, 10), (1000, 1024), (65537, 67584), (2**30 + 1, 1107296256)]
)
def test_padme_rounds_up_by_a_few_bits(length, rounded):
    assert padme(length) == rounded


@pytest.mark.parametrize("length", [0, 1, 65528, 65529, 131064, 131065, 400_000])
def test_files_of_any_length_come_back(length, tmp_path):
    params, scalars = opening(mode="committee")
    source, target, out = tmp_path / "plain", tmp_path / "sealed", tmp_path / "out"
    source.write_bytes(bytes(i % 251 for i in range(length)))

    sealed = file.seal(source, target, params, **MEANT)
    with target.open("rb") as raw:
        opened = file.open_sealed(
            raw, out, params, digest=sealed.digest, kb=sealed.kb, scalars=team(scalars, (0, 2, 4)), **MEANT
        )

    assert out.read_bytes() == source.read_bytes()
    assert opened.length == length
    assert opened.sha256 == hashlib.sha256(source.read_bytes()).digest()
    assert sealed.kb == b""
    assert target.stat().st_size == sealed.length


def test_sealing_again_uses_nothing_twice(tmp_path):
    params, _ = opening()
    source = tmp_path / "plain"
    source.write_bytes(b"price")
    one, two = (file.seal(source, tmp_path / name, params, **MEANT) for name in ("a", "b"))
    for name in ("salt", "cc", "cb", "E", "teams"):
        assert one.header.fields[name] != two.header.fields[name]
    assert len({one.kb, one.kc, two.kb, two.kc}) == 4


@pytest.mark.parametrize(
    "wrong",
    [{"lot": "draw"}, {"lot": "quote"}, {"lot": "a b"}, {"bidder": ""}, {"seq": 0}, {"bidder": "x" * 65}],
)
def test_what_cannot_be_written_is_not_sealed(wrong, tmp_path):
    params, _ = opening()
    source = tmp_path / "plain"
    source.write_bytes(b"price")
    with pytest.raises(ParamsWrong):
        file.seal(source, tmp_path / "sealed", params, **MEANT | wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["plain"]


@pytest.mark.parametrize("told", [4, 6])
def test_a_file_that_changes_its_length_meanwhile_is_not_sealed(told, tmp_path):
    params, _ = opening()
    source, target = tmp_path / "plain", tmp_path / "sealed"
    source.write_bytes(b"price")
    header = file.seal(source, target, params, **MEANT).header
    target.unlink()
    with pytest.raises(OSError, match="became"):
        file.write_sealed(source, told, target, header, bytes(32), lambda count: None)
    assert [path.name for path in tmp_path.iterdir()] == ["plain"]


def test_the_remedy_opens_with_both_halves_from_the_rescue_file(tmp_path):
    params, _ = opening()
    source, target, out = tmp_path / "plain", tmp_path / "sealed", tmp_path / "out"
    source.write_bytes(b"price")
    sealed = file.seal(source, target, params, **MEANT)
    told = {"digest": sealed.digest, "kb": sealed.kb, **MEANT}

    file.open_sealed(stream(target.read_bytes()), out, params, kc=sealed.kc, **told)
    assert out.read_bytes() == b"price"
    with pytest.raises(Fault, match="MALFORMED_LOCK_C"):
        file.open_sealed(stream(target.read_bytes()), tmp_path / "no", params, kc=bytes(32), **told)
