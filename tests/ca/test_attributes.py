"""Signed attributes: each thing they must say, said wrongly, and signed all the same."""

import hashlib
import io

import pytest
from asn1crypto import cms, core, tsp
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import validate_sig_integrity

from ca.keys import KeyKind, Validator
from ca.signatures import verify_detached
from ca.signing import sign_bytes
from tests.ca.paper import AT, bidder, cas, lists

CONTENT = b"what is signed"
KINDS = list(KeyKind)


def again(kind, change):
    """A signature whose attributes were changed by `change(list of (type, values))` and signed once more."""
    issued = bidder(kind)
    message = cms.ContentInfo.load(sign_bytes(CONTENT, issued.key, issued.certificate, issued.chain))
    info = message["content"]["signer_infos"][0]
    said = [(attribute["type"].native, attribute["values"]) for attribute in info["signed_attrs"]]
    made = cms.CMSAttributes([{"type": name, "values": values} for name, values in change(said)])
    info["signed_attrs"] = made
    info["signature"] = issued.key.sign(made.dump())
    return message.dump(force=True)


def verify(signature):
    return verify_detached(signature, io.BytesIO(CONTENT), trust=cas().trust, at=AT, crls=lists())


def by_pyhanko(signature, kind):
    """The same question to pyhanko: intact and signed?"""
    body = cms.ContentInfo.load(signature)["content"]
    digest = hashlib.new(bidder(kind).key.digest, CONTENT).digest()
    try:
        return validate_sig_integrity(
            body["signer_infos"][0], bidder(kind).certificate.asn1, "data", digest, sig_validator=Validator()
        )
    except (SignatureValidationError, ValueError, TypeError, IndexError) as error:
        return type(error).__name__


def without(name):
    return lambda said: [pair for pair in said if pair[0] != name]


def instead(name, values):
    return lambda said: [(kind, values if kind == name else was) for kind, was in said]


def twice(name):
    return lambda said: [pair for pair in said for _ in range(2 if pair[0] == name else 1)]


def more(name, values):
    return lambda said: [*said, (name, values)]


def meaning(der, **place):
    named = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(der).digest(), **place})
    return [tsp.SigningCertificateV2({"certs": [named]})]


OTHER = bidder(KeyKind.ECDSA).chain[0]


@pytest.mark.parametrize("kind", KINDS)
def test_changing_nothing_changes_nothing(kind):
    signature = again(kind, lambda said: said)

    assert verify(signature).good
    assert by_pyhanko(signature, kind) == (True, True)


WRONG = {
    "no digest": without("message_digest"),
    "another digest": instead("message_digest", [bytes(32)]),
    "two digests": twice("message_digest"),
    "two values": instead("message_digest", [hashlib.sha256(CONTENT).digest(), bytes(32)]),
    "no content type": without("content_type"),
    "another content type": instead("content_type", ["signed_data"]),
    "another certificate": instead("signing_certificate_v2", meaning(OTHER.der)),
    "an unknown digest of it": instead(
        "signing_certificate_v2", meaning(OTHER.der, hash_algorithm={"algorithm": "md5"})
    ),
    "another issuer of it": instead(
        "signing_certificate_v2",
        meaning(OTHER.der, issuer_serial={"issuer": [], "serial_number": 5}),
    ),
    "no certificate in it": instead("signing_certificate_v2", [tsp.SigningCertificateV2({"certs": []})]),
    "two times": more("signing_time", [cms.Time(name="utc_time", value=AT), cms.Time(name="utc_time", value=AT)]),
    "unknown attribute twice": lambda said: [*said, *[("1.2.3.4", [core.Null()])] * 2],
    "another algorithm": more("cms_algorithm_protection", [
        cms.CMSAlgorithmProtection({
            "digest_algorithm": {"algorithm": "sha512"}, "signature_algorithm": {"algorithm": "sha512_rsa"},
        })
    ]),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", WRONG)
def test_one_wrong_attribute(case, kind):
    try:
        signature = again(kind, WRONG[case])
    except (ValueError, TypeError):
        pytest.skip("cannot even be written")

    verdict = verify(signature)

    assert not verdict.good
    assert verdict.signature_good, "the key did sign these attributes"
    assert set(verdict.reasons) <= {"bad_attributes", "content_changed"}
    assert verdict.reasons
    assert by_pyhanko(signature, kind) != (True, True) or case in ("unknown attribute twice", "two times")


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_attribute_does_no_harm(kind):
    assert verify(again(kind, more("1.2.3.4", [core.Null()]))).good
