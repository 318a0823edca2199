import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from ca import ecdsa
from ca.ecdsa import Key, NotAKey, PlatformKey

KEY = Key(bytes(31) + b"\7")


def test_a_signature_speaks_for_its_message_and_key_only():
    signature = KEY.sign(b"hello")

    assert len(signature) == 64
    assert ecdsa.verify(KEY.public, b"hello", signature)
    assert not ecdsa.verify(KEY.public, b"hellO", signature)
    assert not ecdsa.verify(Key.make().public, b"hello", signature)
    for bad in (signature[:-1], signature + b"\0", bytes(64), b"\xff" * 64):
        assert not ecdsa.verify(KEY.public, b"hello", bad)


def test_known_signature_of_rfc6979():
    public = bytes.fromhex("0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6")
    r = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    s = "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    assert ecdsa.verify(public, b"sample", bytes.fromhex(r + s))


def test_two_keys_share_one_x():
    one, two = Key.make(), Key.make()
    assert one.shared(two.public) == two.shared(one.public)


@pytest.mark.parametrize("scalar", [bytes(32), b"\1" * 31, ecdsa.ORDER.to_bytes(32), b"\xff" * 32])
def test_no_scalar(scalar):
    with pytest.raises(NotAKey):
        Key(scalar)
    with pytest.raises(NotAKey):
        ecdsa.public_of(scalar)


@pytest.mark.parametrize("point", [b"", bytes(33), b"\2" + b"\xff" * 32, b"\4" + KEY.public[1:], KEY.public + b"\0"])
def test_no_point(point):
    assert not ecdsa.is_point(point)
    assert not ecdsa.verify(point, b"x", KEY.sign(b"x"))
    with pytest.raises(NotAKey):
        KEY.shared(point)


def test_the_platform_key_is_made_once_and_for_its_owner_only(tmp_path):
    folder = tmp_path / "keys"
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: PlatformKey.at(folder).public, range(16)))

    assert len(made) == 1
    [file] = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PlatformKey.at(folder, "receipt").public not in made


def test_a_key_never_shows_its_scalar():
    assert KEY.scalar.hex() not in repr(KEY)
