import hashlib
import json
from pathlib import Path

import pytest

from ca import canonical
from ca.sealing import rescue
from ca.sealing.rescue import NotRescued, Rescue

PASSPHRASE = "正确的 horse battery"
VECTOR = json.loads((Path(__file__).resolve().parents[1] / "vectors" / "seal" / "rescue.json").read_text())


def counted(name):
    calls = iter(range(1, 9))
    return lambda size: hashlib.sha256(f"{name}/{next(calls)}".encode()).digest()[:size]


def made(name="R1"):
    digest = [hashlib.sha256(f"{name}/{word}".encode()).digest() for word in ("ctx", "params", "kb", "kc")]
    return Rescue(
        ctx=digest[0], params=digest[1], lot="1", bidder="91610000000000000X", seq=2, kb=digest[2], kc=digest[3]
    )


def test_the_published_vector():
    raw = rescue.write(made(), VECTOR["passphrase"], random=counted("R1"))
    assert raw.decode() == VECTOR["file"]
    assert rescue.read(raw, VECTOR["passphrase"]) == made()


@pytest.fixture
def cheap(monkeypatch):
    """The same with little work, where the work is not what is tested."""
    monkeypatch.setattr(rescue, "COST", {"n": 2**10, "r": 8, "p": 1})


def test_only_its_passphrase_opens_it_and_nothing_may_change(cheap):
    raw = rescue.write(made(), PASSPHRASE)
    assert rescue.read(raw, PASSPHRASE) == made()
    with pytest.raises(NotRescued):
        rescue.read(raw, PASSPHRASE + "!")
    outer = canonical.ascii_decode(raw)
    for name in ("ctx", "salt", "nonce", "ct"):
        first = "0" if outer[name][0] != "0" else "1"
        with pytest.raises(NotRescued):
            rescue.read(canonical.ascii_encode(outer | {name: first + outer[name][1:]}), PASSPHRASE)


@pytest.mark.parametrize(
    "change",
    [
        {"n": 2},
        {"r": 1},
        {"p": 9},
        {"kdf": "pbkdf2"},
        {"v": 1},
        {"more": 1},
        {"salt": "00"},
        {"nonce": "0g" * 12},
        {"ct": 5},
    ],
)
def test_other_costs_or_fields_are_not_followed(change):
    outer = canonical.ascii_decode(VECTOR["file"].encode())
    with pytest.raises(NotRescued):
        rescue.read(canonical.ascii_encode(outer | change), VECTOR["passphrase"])


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b"x" * 5000])
def test_garbage_is_one_kind_of_error(raw):
    with pytest.raises(NotRescued):
        rescue.read(raw, PASSPHRASE)


@pytest.mark.parametrize("inner", [{"more": 1}, {"ctx": "00" * 32}, []])
def test_what_is_rightly_sealed_but_no_rescue_is_refused(inner, cheap):
    kept = made()
    fields = {
        "v": 2, "ctx": kept.ctx.hex(), "kb": "00" * 32, "kc": "00" * 32, "params": "00" * 32, "lot": "1", "bidder": "X",
        "seq": 1,
    }  # fmt: skip
    content = canonical.ascii_encode(fields | inner if isinstance(inner, dict) else inner)
    salt, nonce = bytes(16), bytes(12)
    ct = rescue.AESGCM(rescue._key(PASSPHRASE, salt)).encrypt(nonce, content, kept.ctx)
    outer = {"v": 2, "ctx": kept.ctx.hex(), "kdf": "scrypt", "salt": salt.hex(), "nonce": nonce.hex(), "ct": ct.hex()}
    with pytest.raises(NotRescued, match="not a rescue file"):
        rescue.read(canonical.ascii_encode(outer | rescue.COST), PASSPHRASE)


def test_a_short_passphrase_is_not_taken():
    with pytest.raises(ValueError, match="10"):
        rescue.write(made(), "short")


def test_composed_and_decomposed_typing_are_one_passphrase(cheap):
    raw = rescue.write(made(), "caf\u00e9 caf\u00e9 caf\u00e9")
    assert rescue.read(raw, "cafe\u0301 cafe\u0301 cafe\u0301") == made()


def test_secrets_are_not_shown():
    assert made().kb.hex() not in repr(made())
    assert repr(made().kc) not in repr(made())
