"""Signatures of the three kinds: good ones count, and one wrong thing is said to be just that."""

import io
import socket
from dataclasses import replace
from datetime import timedelta

import pytest
from asn1crypto import cms, core

from ca.certificates import Unreadable
from ca.demo_ca import DemoCa
from ca.digests import Digests
from ca.keys import KeyKind
from ca.revocation import Revocation
from ca.signatures import verify_detached
from ca.signing import sign_bytes, sign_without_attributes
from ca.trust import Asked, Policy, TrustList
from tests.ca.paper import AT, CODE, DAY, NAME, bidder, cas, lists

CONTENT = b"a sealed bid " * 1000
KINDS = list(KeyKind)


def signed(kind):
    issued = bidder(kind)
    return sign_bytes(CONTENT, issued.key, issued.certificate, issued.chain)


def verify(signature, content=CONTENT, **wishes):
    known = {"trust": cas().trust, "at": AT, "crls": lists()} | wishes
    return verify_detached(signature, io.BytesIO(content), **known)


@pytest.mark.parametrize("kind", KINDS)
def test_good_signature_says_who_and_by_which_ca(kind):
    verdict = verify(signed(kind))

    assert verdict.good, verdict.reasons
    assert verdict.reasons == ()
    assert (verdict.holder, verdict.credit_code) == (NAME, CODE)
    assert verdict.issuer == cas().by_kind[kind].root.holder
    assert verdict.revocation is Revocation.GOOD
    assert verdict.as_facts()["good"] is True
    assert verdict.as_facts()["at"] == AT.isoformat()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("wrong", "found", "reason"),
    [
        ({"content": CONTENT + b"."}, {"intact": False}, "content_changed"),
        ({"content": b""}, {"intact": False}, "content_changed"),
        ({"crls": ()}, {"revocation": Revocation.MISSING, "certified": False}, "revocation_missing"),
        (
            {"at": AT + timedelta(days=90)},
            {"revocation": Revocation.STALE, "certified": False},
            "revocation_stale",
        ),
    ],
)
def test_one_wrong_thing_is_said_and_nothing_else(kind, wrong, found, reason):
    signature = signed(kind)
    good = verify(signature)

    verdict = verify(signature, **wrong)

    assert not verdict.good
    assert verdict.reasons == (reason,)
    same = replace(verdict, at=good.at, digest=good.digest, revoked_by=good.revoked_by, reasons=(), **{
        name: getattr(good, name) for name in found
    })  # fmt: skip
    assert same == good
    assert {name: getattr(verdict, name) for name in found} == found


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_ca(kind):
    others = TrustList(tuple(a for a in cas().trust.anchors if a.certificate.kind is not kind))

    verdict = verify(signed(kind), trust=others)

    assert verdict.reasons == ("unknown_ca",)
    assert (verdict.issuer, verdict.intact, verdict.signature_good) == (None, True, True)


@pytest.mark.parametrize("kind", KINDS)
def test_revoked_before_and_after(kind):
    ca = cas().by_kind[kind]
    issued = ca.issue(NAME, CODE, not_before=AT - DAY)
    signature = sign_bytes(CONTENT, issued.key, issued.certificate, issued.chain)
    ca.revoke(issued.certificate, at=AT - timedelta(hours=2))
    try:
        crls = cas().lists(at=AT)
    finally:
        ca.revoked.clear()

    before = verify(signature, crls=crls, at=AT)
    assert (before.revocation, before.reasons) == (Revocation.REVOKED, ("revocation_revoked",))
    assert before.revoked_at == AT - timedelta(hours=2)
    assert before.revoked_by

    earlier = verify(signature, crls=(*crls, *cas().lists(at=AT - timedelta(hours=4))), at=AT - timedelta(hours=3))
    assert earlier.good, earlier.reasons


@pytest.mark.parametrize("kind", KINDS)
def test_missing_answer_may_be_accepted_by_policy(kind):
    relaxed = TrustList(
        tuple(replace(a, policy=Policy(revocation=Asked.WHEN_KNOWN)) for a in cas().trust.anchors), cas().trust.known
    )

    verdict = verify(signed(kind), trust=relaxed, crls=())

    assert verdict.good
    assert verdict.reasons == ("revocation_missing",)


@pytest.mark.parametrize("kind", KINDS)
def test_no_byte_of_a_signature_file_may_change(kind):
    """Every second byte, certificates that came along and algorithm names included: unreadable, or not good."""
    signature = signed(kind)
    for place in range(0, len(signature), 2):
        bad = bytearray(signature)
        bad[place] ^= 1 << place // 2 % 8
        try:
            assert not verify(bytes(bad)).good, place
        except Unreadable:
            continue


def test_a_stranger_among_the_certificates():
    """A certificate that nobody can place, and one of another CA that everybody can."""
    issued, other = bidder(KeyKind.RSA), bidder(KeyKind.SM2)
    alone = DemoCa.make(KeyKind.ECDSA, at=AT).issuing

    along = sign_bytes(CONTENT, issued.key, issued.certificate, (*issued.chain, other.certificate))
    assert verify(along).good
    strange = sign_bytes(CONTENT, issued.key, issued.certificate, (*issued.chain, alone))
    assert verify(strange).reasons == ("stray_certificate",)


def test_attributes_shown_again_as_content():
    """The signed attributes of one message, passed off as a message without attributes."""
    issued = bidder(KeyKind.RSA)
    message = cms.ContentInfo.load(signed(KeyKind.RSA))
    info = message["content"]["signer_infos"][0]
    content = info["signed_attrs"].untag().dump()
    kept = ("version", "sid", "digest_algorithm", "signature_algorithm", "signature")
    message["content"]["signer_infos"] = [cms.SignerInfo({name: info[name] for name in kept})]
    forged = message.dump(force=True)

    verdict = verify(forged, content=content)

    assert verdict.signature_good, "the arithmetic holds: that is the trap"
    assert not verdict.good
    assert "attributes_as_content" in verdict.reasons
    assert verdict.certificate == issued.certificate.fingerprint


def with_info(kind, **changes):
    """A signature with fields of its SignerInfo replaced."""
    message = cms.ContentInfo.load(signed(kind))
    for name, value in changes.items():
        message["content"]["signer_infos"][0][name] = value
    return message.dump(force=True)


@pytest.mark.parametrize("kind", KINDS)
def test_form_that_nothing_covers(kind):
    assert "bad_form" in verify(with_info(kind, version="v3")).reasons
    message = cms.ContentInfo.load(signed(kind))
    message["content"]["digest_algorithms"] = [{"algorithm": "sha512"}]
    assert verify(message.dump(force=True)).reasons == ("bad_form",)
    message = cms.ContentInfo.load(signed(kind))
    message["content"]["encap_content_info"]["content"] = core.OctetString(CONTENT)
    assert verify(message.dump(force=True)).reasons == ("content_inside",)


def test_two_signers_are_not_one():
    message = cms.ContentInfo.load(signed(KeyKind.RSA))
    infos = message["content"]["signer_infos"]
    infos.append(infos[0].copy())
    with pytest.raises(Unreadable):
        verify(message.dump(force=True))


@pytest.mark.parametrize(
    "raw",
    [b"", b"0", b"\x30\x80", b"not a signature", b"-----BEGIN CMS-----\n!!\n-----END CMS-----\n", bytes(2 << 20)],
)
def test_bytes_that_are_no_signature_raise_one_exception(raw):
    with pytest.raises(Unreadable):
        verify(raw)


@pytest.mark.parametrize("kind", KINDS)
def test_digests_made_on_arrival_are_enough(kind):
    digests = Digests.of(io.BytesIO(CONTENT), "sha256", "sm3")

    verdict = verify_detached(signed(kind), digests, trust=cas().trust, at=AT, crls=lists())

    assert verdict.good, verdict.reasons
    with pytest.raises(Unreadable):
        verify_detached(signed(kind), {"sha384": b""}, trust=cas().trust, at=AT, crls=lists())


def test_national_signature_without_attributes():
    issued = bidder(KeyKind.SM2)
    signature = sign_without_attributes(io.BytesIO(CONTENT), issued.key, issued.certificate, issued.chain)

    assert verify(signature).good
    changed = verify(signature, content=CONTENT[:-1])
    assert changed.reasons == ("content_changed",)
    with pytest.raises(Unreadable):
        verify_detached(signature, Digests.of(io.BytesIO(CONTENT), "sm3"), trust=cas().trust, at=AT, crls=lists())


@pytest.mark.parametrize("identity", [b"", b"8765432187654321"])
def test_national_signature_under_another_identity(identity):
    national = TrustList(
        tuple(replace(a, policy=replace(a.policy, sm2_id=identity)) for a in cas().trust.anchors), cas().trust.known
    )

    verdict = verify(signed(KeyKind.SM2), trust=national)

    assert verdict.reasons == ("signature_bad",)
    assert (verdict.intact, verdict.certified) == (True, True)


def test_a_check_opens_no_connection(monkeypatch):
    signature = signed(KeyKind.RSA)

    def no(*_):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "socket", no)
    monkeypatch.setattr(socket, "getaddrinfo", no)

    assert verify(signature, crls=lists()[::-1]).good
