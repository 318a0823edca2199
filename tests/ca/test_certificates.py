"""Reading certificates: what they say, what is odd, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca import issuing
from ca.certificates import Unreadable, lint, read, read_all
from ca.issuing import Subject, Wish
from ca.keys import KeyKind
from tests.ca.paper import AT, CODE, DAY, NAME, a_key, bidder, cas

KEY = a_key(KeyKind.ECDSA, "holder")


def made(*attributes, **wishes):
    """A certificate with this subject, signed by its own key."""
    subject = Subject(tuple(attributes) or (("common_name", "x"),))
    wish = Wish(subject, KEY.public, AT - DAY, AT + DAY, **wishes)
    return read(issuing.certificate(wish, issuer=subject.name(), key=KEY).dump())


@pytest.mark.parametrize("kind", list(KeyKind))
def test_what_a_certificate_says(kind):
    certificate = bidder(kind).certificate

    assert (certificate.holder, certificate.kind, certificate.is_ca) == (NAME, kind, False)
    assert certificate.bits == (2048 if kind is KeyKind.RSA else 256)
    assert certificate.usage == {"digital_signature", "non_repudiation"}
    assert certificate.not_before < AT < certificate.not_after
    assert lint(certificate) == ()
    assert read(certificate.to_pem()) == read(certificate.der) == certificate


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ([("organization_identifier", CODE)], CODE),
        ([("serial_number", CODE)], CODE),
        ([("organizational_unit_name", f"统一社会信用代码：{CODE}")], CODE),
        ([("common_name", f"051@{NAME}@{CODE}@1")], CODE),
        ([("organization_identifier", f"NTRCN-{CODE}")], CODE),
        ([("organization_identifier", CODE.lower())], CODE),
        ([("serial_number", CODE[:-1] + "0")], None),
        ([("serial_number", f"1{CODE}")], None),
        ([("serial_number", f"{CODE}1")], None),
        ([("serial_number", "440101199001011234")], None),
        ([("organization_name", CODE)], None),
        ([("organizational_unit_name", f"{CODE} 91350100M000100Y43")], None),
        ([("serial_number", "another thing"), ("common_name", CODE)], CODE),
    ],
)
def test_where_the_credit_code_stands(attributes, code):
    assert made(*attributes).credit_code() == code


def test_only_the_places_of_the_policy_count():
    certificate = made(("organizational_unit_name", CODE))

    assert certificate.credit_code(("organizational_unit_name",)) == CODE
    assert certificate.credit_code(("serial_number",)) is None


def test_control_characters_are_not_spoken():
    certificate = made(("organization_name", "a\u202e\nb"))

    assert certificate.subject == "O=ab"


@pytest.mark.parametrize(
    "raw",
    [b"", b"0", b"\x30\x80\x00\x00", b"x" * 100, bytes(100_000), b"-----BEGIN CERTIFICATE-----\n",
     b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END "
     b"PUBLIC KEY-----\n", b"\xff" * 5_000_000],
)  # fmt: skip
def test_what_is_no_certificate(raw):
    with pytest.raises(Unreadable):
        read(raw)


def test_one_file_one_certificate():
    both = bidder(KeyKind.RSA).certificate_pem + bidder(KeyKind.SM2).certificate_pem

    assert len(read_all(both)) == 2
    with pytest.raises(Unreadable):
        read(both)


def test_other_things_in_a_pem_file_are_passed_over():
    issued = bidder(KeyKind.ECDSA)

    assert read(issued.key_pem() + issued.certificate_pem) == issued.certificate


def test_bytes_behind_a_certificate():
    with pytest.raises(Unreadable):
        read(bidder(KeyKind.ECDSA).certificate.der + b"\0")


def test_doubled_extension():
    again = {"extn_id": "key_usage", "critical": True, "extn_value": issuing.x509.KeyUsage({"digital_signature"})}
    with pytest.raises(Unreadable):
        made(more=(again,))


@pytest.mark.parametrize("kind", list(KeyKind))
def test_no_bit_of_a_certificate_may_change(kind):
    """Every changed byte: unreadable, or no longer signed by its CA."""
    certificate, issuer = bidder(kind).certificate, cas().by_kind[kind].issuing
    assert certificate.signed_by(issuer)
    for place in range(0, len(certificate.der), 3):
        bad = bytearray(certificate.der)
        bad[place] ^= 1 << place % 8
        try:
            assert not read(bytes(bad)).signed_by(issuer), place
        except Unreadable:
            continue


@given(st.binary(max_size=300))
def test_any_bytes_raise_one_exception(raw):
    with pytest.raises(Unreadable):
        read(raw)


@given(st.data())
def test_any_bent_certificate_raises_one_exception_or_is_read(data):
    der = bytearray(bidder(data.draw(st.sampled_from(list(KeyKind)))).certificate.der)
    for _ in range(data.draw(st.integers(1, 5))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read(bytes(der))
    except Unreadable:
        return
    assert found.as_facts()["fingerprint"] == found.fingerprint
    assert isinstance(lint(found), tuple)
