"""SM2 against the published vector, the openssl command, and everything that must not be accepted."""

import shutil
import subprocess

import pytest

from ca import sm2
from ca.sm2 import ORDER, PrivateKey, PublicKey, Sm2Error

# GB/T 32918.5-2017, A.2: the worked example on the recommended curve.
SCALAR = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8
MESSAGE = b"message digest"
R = 0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
S = 0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA
KEY = PrivateKey.from_scalar(SCALAR)


def integer(number: int) -> bytes:
    """A DER INTEGER."""
    body = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
    return b"\x02" + bytes([len(body)]) + body


def der(r: int, s: int, *, tail: bytes = b"") -> bytes:
    body = integer(r) + integer(s) + tail
    return b"\x30" + bytes([len(body)]) + body


def test_published_example_holds():
    assert KEY.public.verify(der(R, S), MESSAGE)
    assert KEY.public.point.hex().startswith("0409f9df311e5421a150dd7d161e4bc5")


def test_message_may_come_in_parts():
    assert KEY.public.verify(der(R, S), [b"message", b"", b" digest"])


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 64, 1000])
def test_own_signature_holds_and_says_nothing_about_other_bytes(size):
    key, message = PrivateKey.generate(), bytes(range(256)) * 4
    signature = key.sign(message[:size])

    assert key.public.verify(signature, message[:size])
    assert not key.public.verify(signature, message[: size + 1])
    assert not PrivateKey.generate().public.verify(signature, message[:size])


@pytest.mark.parametrize("identity", [b"", b"ALICE123@YAHOO.COM", b"x" * 8190])
def test_identity_is_part_of_what_is_signed(identity):
    signature = KEY.sign(MESSAGE, identity=identity)

    assert KEY.public.verify(signature, MESSAGE, identity=identity)
    assert not KEY.public.verify(signature, MESSAGE)


def test_identity_too_long_for_its_length_field():
    with pytest.raises(Sm2Error):
        KEY.sign(MESSAGE, identity=b"x" * 8191)


@pytest.mark.parametrize(
    ("r", "s"),
    [(0, S), (R, 0), (R + ORDER, S), (R, S + ORDER), (R, ORDER - S), (R, ORDER - R), (S, R), (ORDER, S), (R, ORDER),
     (R + 1, S), (R, S + 1)],
)  # fmt: skip
def test_numbers_out_of_range_or_changed_do_not_hold(r, s):
    assert not KEY.public.verify(der(r, s), MESSAGE)


@pytest.mark.parametrize(
    "signature",
    [b"", b"0", der(R, S)[:-1], der(R, S) + b"\0", der(R, S, tail=b"\0"), der(R, S, tail=integer(1)), der(-R, S),
     der(R, -S), b"\x31" + der(R, S)[1:], b"\x30\x81" + der(R, S)[1:], b"\x30\x80" + der(R, S)[2:] + b"\0\0",
     b"\x30\x46" + b"\x02\x22\0\0" + R.to_bytes(32) + integer(S), b"\x30\x06\x02\x01\x01\x02\x00\x01",
     b"\x30\x84\xff\xff\xff\xff", bytes(72), b"\xff" * 72, b"\x30\x06\x02\x84\x7f\xff\xff\xff",
     R.to_bytes(32) + S.to_bytes(32)],
)  # fmt: skip
def test_bytes_that_are_no_signature_raise_one_exception(signature):
    with pytest.raises(Sm2Error):
        KEY.public.verify(signature, MESSAGE)


def test_no_single_bit_of_a_signature_may_change():
    good = KEY.sign(MESSAGE)
    for place in range(len(good) * 8):
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
        try:
            assert not KEY.public.verify(bytes(bad), MESSAGE), place
        except Sm2Error:
            continue


POINT = KEY.public.point


@pytest.mark.parametrize(
    "point",
    [b"", b"\0", bytes(65), b"\x04" + bytes(64), POINT[:-1], POINT + b"\0", b"\x02" + POINT[1:33], b"\x06" + POINT[1:],
     POINT[:-1] + bytes([POINT[-1] ^ 1]), b"\x04" + b"\xff" * 64],
)  # fmt: skip
def test_points_off_the_curve_are_no_keys(point):
    with pytest.raises(Sm2Error):
        PublicKey(point)


def test_negated_key_does_not_verify():
    prime = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
    negated = POINT[:33] + (prime - int.from_bytes(POINT[33:])).to_bytes(32)

    assert not PublicKey(negated).verify(der(R, S), MESSAGE)


@pytest.mark.parametrize("password", [None, b"correct horse"])
def test_key_goes_to_pem_and_back(password):
    key = PrivateKey.generate()

    assert PrivateKey.from_pem(key.to_pem(password), password).public.point == key.public.point


@pytest.mark.parametrize("password", [None, b"", b"wrong"])
def test_locked_key_stays_shut(password):
    with pytest.raises(Sm2Error):
        PrivateKey.from_pem(KEY.to_pem(b"correct horse"), password)


def test_key_of_another_curve_is_refused(tmp_path):
    pem = subprocess.run(
        ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"], capture_output=True, check=True
    ).stdout
    with pytest.raises(Sm2Error):
        PrivateKey.from_pem(pem)


@pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl command is not installed")
@pytest.mark.parametrize("size", [0, 1, 55, 64, 1000])
@pytest.mark.parametrize("identity", [sm2.DEFAULT_ID, b"another"])
def test_openssl_command_agrees_both_ways(tmp_path, size, identity):
    key, message = PrivateKey.generate(), b"m" * size
    (tmp_path / "key").write_bytes(key.to_pem())
    (tmp_path / "message").write_bytes(message)
    (tmp_path / "ours").write_bytes(key.sign(message, identity=identity))
    common = ["openssl", "pkeyutl", "-rawin", "-digest", "sm3", "-inkey", "key", "-in", "message",
              "-pkeyopt", f"distid:{identity.decode()}"]  # fmt: skip

    subprocess.run([*common, "-sign", "-out", "theirs"], cwd=tmp_path, check=True, capture_output=True)
    said = subprocess.run([*common, "-verify", "-sigfile", "ours"], cwd=tmp_path, capture_output=True, text=True)

    assert key.public.verify((tmp_path / "theirs").read_bytes(), message, identity=identity)
    assert said.returncode == 0, said.stderr
