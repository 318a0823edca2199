"""Revocation beyond one plain list: delta, partitioned and foreign-signed lists, and OCSP responses."""

from datetime import timedelta

import pytest
from asn1crypto import core, crl, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from cryptography.x509 import ocsp

from ca import issuing, paths
from ca.certificates import read
from ca.issuing import Subject, Wish
from ca.keys import KeyKind
from ca.revocation import Revocation, ask, read_lists
from tests.ca.paper import AT, DAY, Hierarchy, a_key, trusting

# A certificate that says where its CA answers; nothing is ever fetched from there.
OCSP_PLACE = {
    "extn_id": "authority_information_access",
    "critical": False,
    "extn_value": x509.AuthorityInfoAccessSyntax(
        [
            {
                "access_method": "ocsp",
                "access_location": x509.GeneralName("uniform_resource_identifier", "http://ocsp.invalid/"),
            }
        ]
    ),
}
STRAIGHT = Hierarchy.straight().bent("holder", more=(OCSP_PLACE,))
ROOT, BETWEEN, HOLDER = STRAIGHT.made()
UPPER, LOWER = STRAIGHT.lists()
SERIAL = HOLDER.asn1.serial_number


def check(crls=(UPPER, LOWER), *, ocsps=(), at=AT, chain=(BETWEEN,)):
    return paths.check(HOLDER, chain=chain, trust=trusting(ROOT), at=at, crls=crls, ocsps=ocsps)


def listed(*more, key="issuing", revoked=None, number=1, start=AT - DAY, end=AT + DAY, issuer=None):
    """A list of the issuing CA with extensions of our wishing."""
    return issuing.revocation_list(
        issuer=issuer or BETWEEN.asn1.subject, key=a_key(KeyKind.ECDSA, key), this_update=start, next_update=end,
        revoked=revoked or {}, number=number, more=more,
    ).dump()  # fmt: skip


def extension(name, value, *, critical=True):
    return {"extn_id": name, "critical": critical, "extn_value": value}


FRESHEST = extension("freshest_crl", x509.CRLDistributionPoints([
    {"distribution_point": x509.DistributionPointName("full_name", [x509.GeneralName("uniform_resource_identifier",
                                                                                     "http://crl.example/delta")])}
]), critical=False)  # fmt: skip
DELTA = extension("delta_crl_indicator", core.Integer(1))


def partition(**scope):
    return extension("issuing_distribution_point", crl.IssuingDistributionPoint(scope))


def test_a_list_says_when_and_for_whom_it_speaks():
    (one,) = read_lists(LOWER)
    answer = ask(HOLDER, BETWEEN, (one,), AT)

    assert (answer.state, answer.by) == (Revocation.GOOD, "1")
    assert answer.speaks == (AT - DAY, AT + 7 * DAY)
    assert ask(HOLDER, ROOT, (one,), AT).state is Revocation.MISSING


@pytest.mark.parametrize("edge", [AT - DAY, AT + 7 * DAY])
def test_a_list_speaks_from_its_first_to_its_last_second(edge):
    (one,) = read_lists(LOWER)
    outside = edge + (timedelta(seconds=1) if edge > AT else -timedelta(seconds=1))

    assert ask(HOLDER, BETWEEN, (one,), edge).state is Revocation.GOOD
    assert ask(HOLDER, BETWEEN, (one,), outside).state is Revocation.STALE


def test_partition_for_holders_counts_for_holders():
    assert check((UPPER, listed(partition(only_contains_user_certs=True)))).good
    assert check((UPPER, listed(partition(only_contains_user_certs=True), revoked={SERIAL: AT - DAY}))).reasons == (
        "revocation_revoked",
    )
    assert check((UPPER, listed(partition(only_contains_ca_certs=True)))).reasons == ("revocation_missing",)


def test_delta_list():
    base = listed(FRESHEST)

    assert check((UPPER, base)).reasons == ("revocation_missing",), "a delta is promised, and not here"
    assert check((UPPER, base, listed(DELTA, number=2))).good
    revoked = listed(DELTA, number=2, revoked={SERIAL: AT - DAY / 2})
    assert check((UPPER, base, revoked)).reasons == ("revocation_revoked",)
    assert check((UPPER, revoked)).reasons == ("revocation_missing",), "a delta alone is no list"


def test_unknown_critical_extension_of_a_list():
    odd = extension("1.2.3.4.5", core.ParsableOctetString(b"\x05\x00"))

    assert check((UPPER, listed(odd))).reasons == ("revocation_missing",)


def crl_signer(**wishes):
    """A second certificate of the issuing CA, for lists only."""
    wish = {"ca": True, "usage": frozenset({"crl_sign"})} | wishes
    return read(issuing.certificate(
        Wish(STRAIGHT.issuing.subject, a_key(KeyKind.ECDSA, "lists").public, AT - DAY, AT + DAY, **wish),
        issuer=ROOT.asn1.subject, key=a_key(KeyKind.ECDSA, "root"),
    ).dump())  # fmt: skip


def test_list_signed_by_another_key_of_the_same_ca():
    foreign = listed(key="lists")

    assert check((UPPER, foreign)).reasons == ("revocation_missing",)
    assert check((UPPER, foreign), chain=(BETWEEN, crl_signer())).good
    no_right = crl_signer(usage=frozenset({"key_cert_sign"}))
    assert not check((UPPER, foreign), chain=(BETWEEN, no_right)).good


# ------------------------------------------------------------------------------------------------------ OCSP


def native(name):
    """The key of this name in `cryptography`'s hands."""
    from asn1crypto import pem

    return load_der_private_key(pem.unarmor(a_key(KeyKind.ECDSA, name).to_pem())[2], None)


def responder(**wishes):
    """A certificate for signing responses, issued by the issuing CA."""
    extended = {"extended_usage": ("ocsp_signing",)} | wishes
    no_check = extension("ocsp_no_check", core.Null(), critical=False)
    return read(issuing.certificate(
        Wish(Subject.of(common_name="OCSP"), a_key(KeyKind.ECDSA, "responder").public, AT - DAY, AT + DAY,
             more=(no_check,), **extended),
        issuer=BETWEEN.asn1.subject, key=a_key(KeyKind.ECDSA, "issuing"),
    ).dump())  # fmt: skip


def response(*, status=ocsp.OCSPCertStatus.GOOD, start=AT - DAY, end=AT + DAY, by=BETWEEN, key="issuing", about=HOLDER,
             revoked=None):  # fmt: skip
    made = ocsp.OCSPResponseBuilder().add_response(
        cert=about.pyca, issuer=BETWEEN.pyca, algorithm=hashes.SHA256(), cert_status=status,
        this_update=start.replace(tzinfo=None), next_update=end.replace(tzinfo=None),
        revocation_time=revoked.replace(tzinfo=None) if revoked else None, revocation_reason=None,
    ).responder_id(ocsp.OCSPResponderEncoding.HASH, by.pyca)  # fmt: skip
    if by is not BETWEEN:
        made = made.certificates([by.pyca])
    return made.sign(native(key), hashes.SHA256()).public_bytes(Encoding.DER)


def test_good_response():
    assert check((UPPER,), ocsps=(response(),)).good
    assert check((UPPER,), ocsps=(response(by=responder(), key="responder"),)).good


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"status": ocsp.OCSPCertStatus.REVOKED, "revoked": AT - DAY}, "revocation_revoked"),
        ({"status": ocsp.OCSPCertStatus.UNKNOWN}, "revocation_missing"),
        ({"start": AT - 5 * DAY, "end": AT - 4 * DAY}, "revocation_missing"),
        ({"start": AT + 4 * DAY, "end": AT + 5 * DAY}, "revocation_missing"),
        ({"about": BETWEEN}, "revocation_missing"),
        ({"by": responder(extended_usage=()), "key": "responder"}, "revocation_missing"),
        ({"by": HOLDER, "key": "holder"}, "revocation_missing"),
    ],
)
def test_response_that_does_not_clear(wrong, reason):
    path = check((UPPER,), ocsps=(response(**wrong),))

    assert not path.good
    assert path.reasons == (reason,)


def test_no_byte_of_a_response_may_change():
    raw = response()
    for place in range(len(raw) - 1, 0, -9):
        bad = bytearray(raw)
        bad[place] ^= 1 << place % 8
        path = check((UPPER,), ocsps=(bytes(bad),))
        assert not path.good, place


@pytest.mark.parametrize("raw", [b"", b"junk", b"\x30\x03\x0a\x01\x06"])
def test_bytes_that_are_no_response_clear_nothing(raw):
    assert check((UPPER,), ocsps=(raw,)).reasons == ("revocation_missing",)
