"""Paths and policies: a straight hierarchy counts; bent at one place, it is refused for just that."""

import itertools
from dataclasses import replace
from datetime import UTC, timedelta, timezone

import pytest
from asn1crypto import algos, core, x509

from ca import checkers, issuing, keys, paths
from ca.certificates import Unreadable, read
from ca.issuing import CA_USAGE, Subject, Wish
from ca.keys import KeyKind
from ca.revocation import Revocation, read_lists
from ca.trust import Anchor, Asked, NotAnAnchor, Policy, TrustList
from storage.refusals import Refusal
from tests.ca.paper import AT, DAY, Hierarchy, a_key, bidder, cas, lists, trusting

KINDS = list(KeyKind)
STRAIGHT = Hierarchy.straight()


def check(hierarchy=STRAIGHT, *, how=None, trust=None, crls=None, at=AT, chain=None, purpose="sign", **policy):
    root, between, holder = hierarchy.made(**(how or {}))
    return paths.check(
        holder,
        chain=(between,) if chain is None else chain,
        trust=trust or trusting(root, **policy),
        at=at,
        crls=hierarchy.lists() if crls is None else crls,
        purpose=purpose,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_straight_hierarchy_counts(kind):
    path = check(Hierarchy.straight(kind))

    assert path.good, path.reasons
    assert path.reasons == ()
    assert path.revocation is Revocation.GOOD
    assert [link.is_ca for link in path.links] == [False, True, True]


def extension(name, value, *, critical=True):
    return {"extn_id": name, "critical": critical, "extn_value": value}


def excluded(**names):
    trees = [x509.GeneralSubtree({"base": x509.GeneralName("directory_name", Subject.of(**names).name())})]
    return x509.NameConstraints({"excluded_subtrees": trees})


def named(host):
    return extension("subject_alt_name", x509.GeneralNames([x509.GeneralName("dns_name", host)]), critical=False)


SHA1_ECDSA = algos.SignedDigestAlgorithm({"algorithm": "sha1_ecdsa"})
SHA384_ECDSA = algos.SignedDigestAlgorithm({"algorithm": "sha384_ecdsa"})
UNKNOWN = extension("1.2.86.21.1.1", core.ParsableOctetString(b"\x04\x01?"))

BENT = {
    "expired": (STRAIGHT.bent("holder", not_after=AT - DAY), {}, "expired"),
    "not yet valid": (STRAIGHT.bent("holder", not_before=AT + DAY), {}, "not_yet_valid"),
    "issuing CA expired": (STRAIGHT.bent("issuing", not_after=AT - DAY), {}, "expired"),
    "issuing CA not yet valid": (STRAIGHT.bent("issuing", not_before=AT + DAY), {}, "not_yet_valid"),
    "root expired": (STRAIGHT.bent("root", not_after=AT - DAY), {}, "expired"),
    "for encryption": (STRAIGHT.bent("holder", usage=frozenset({"key_encipherment"})), {}, "wrong_usage"),
    "without usage": (STRAIGHT.bent("holder", without=frozenset({"key_usage"})), {}, "wrong_usage"),
    "for a web server": (STRAIGHT.bent("holder", extended_usage=("server_auth",)), {}, "wrong_usage"),
    "a CA signs": (STRAIGHT.bent("holder", ca=True, usage=CA_USAGE | issuing.END_ENTITY_USAGE), {}, "wrong_usage"),
    "signs certificates": (STRAIGHT.bent("holder", usage=CA_USAGE | issuing.END_ENTITY_USAGE), {},
                           "end_entity_signs_certificates"),
    "issuer is no CA": (STRAIGHT.bent("issuing", ca=False, path_length=None, usage=CA_USAGE), {},
                        "issuer_is_no_ca end_entity_signs_certificates"),
    "issuer may not sign": (STRAIGHT.bent("issuing", usage=frozenset({"crl_sign"})), {},
                            "ca_may_not_sign_certificates"),
    "path length": (STRAIGHT.bent("root", path_length=0).bent("issuing", path_length=None), {}, "path_length"),
    "other algorithm inside": (STRAIGHT, {"inner": SHA384_ECDSA}, "two_signature_algorithms"),
    "unknown critical extension": (STRAIGHT.bent("holder", more=(UNKNOWN,)), {},
                                   "path_refused path_refused_by_openssl"),
    "excluded name": (STRAIGHT.bent("issuing", more=(extension("name_constraints", excluded(country_name="CN")),)), {},
                      "path_refused path_refused_by_openssl"),
    "name constraint on a holder": (
        STRAIGHT.bent("holder", more=(extension("name_constraints", excluded(country_name="XX")),)), {},
        "end_entity_constrains_names"),
    "constraint not critical": (
        STRAIGHT.bent("issuing", more=(extension("name_constraints", excluded(country_name="XX"), critical=False),)),
        {}, "constraint_not_critical"),
    "constraint of an unknown kind": (
        STRAIGHT.bent("issuing", more=(extension("name_constraints", x509.NameConstraints({"excluded_subtrees": [
            x509.GeneralSubtree({"base": x509.GeneralName("registered_id", "1.2.3")})]})),)), {},
        "unknown_name_constraint"),
    "host name that is none": (STRAIGHT.bent("holder", more=(named("a_b.example"),)), {}, "malformed_name"),
    "address as host name": (STRAIGHT.bent("holder", more=(named("8.8.8.8"),)), {}, "malformed_name"),
    "pattern under a constraint": (
        STRAIGHT.bent("issuing", more=(extension("name_constraints", x509.NameConstraints({"excluded_subtrees": [
            x509.GeneralSubtree({"base": x509.GeneralName("dns_name", "bad.example")})]})),)).bent(
            "holder", more=(named("*.example"),)), {}, "unknown_name_constraint"),
    "serial 0": (STRAIGHT.bent("holder", serial=0), {}, "serial_out_of_range"),
    "serial too long": (STRAIGHT.bent("holder", serial=1 << 160), {}, "serial_out_of_range"),
    "negative serial": (STRAIGHT.bent("holder", serial=-5), {}, "serial_out_of_range"),
}  # fmt: skip


@pytest.mark.parametrize("case", BENT)
def test_bent_at_one_place(case):
    hierarchy, how, reasons = BENT[case]
    try:
        path = check(hierarchy, how=how)
    except Unreadable:
        assert "serial" in case, "some serials are no certificate at all"
        return

    assert not path.good
    assert set(path.reasons) == set(reasons.split())


class Sha1Key(keys.SigningKey):
    """Signs ECDSA over SHA-1, as nobody should."""

    kind = KeyKind.ECDSA

    def __init__(self, key):
        self.inner = key

    @property
    def public(self):
        return self.inner.public

    @property
    def algorithm(self):
        return SHA1_ECDSA

    def sign(self, message):
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        return self.inner.private.sign(message, ec.ECDSA(hashes.SHA1()))


def test_sha1():
    root, between, _ = STRAIGHT.made()
    weak = issuing.certificate(
        STRAIGHT.holder, issuer=between.asn1.subject, key=Sha1Key(a_key(KeyKind.ECDSA, "issuing"))
    )

    path = paths.check(read(weak.dump()), chain=(between,), trust=trusting(root), at=AT, crls=STRAIGHT.lists())

    assert path.reasons == ("weak_digest",)


def test_weak_rsa_key():
    weak = keys.generate(KeyKind.RSA, rsa_bits=1024)

    path = check(STRAIGHT.bent("holder", public=weak.public))
    assert path.reasons == ("weak_key",)
    allowed = check(STRAIGHT.bent("holder", public=weak.public), rsa_bits=1024)
    assert "weak_key" not in allowed.reasons


def test_key_of_a_kind_that_this_ca_should_not_issue():
    path = check(STRAIGHT.bent("holder", public=a_key(KeyKind.SM2, "holder").public), kinds=frozenset({KeyKind.ECDSA}))

    assert path.reasons == ("unaccepted_key",)


def test_curve_that_nobody_asked_for():
    from asn1crypto.keys import PublicKeyInfo
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    odd = ec.generate_private_key(ec.SECP256K1()).public_key()
    public = PublicKeyInfo.load(odd.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    path = check(STRAIGHT.bent("holder", public=public))

    assert {"unknown_key", "unaccepted_key"} <= set(path.reasons)
    assert not path.good


def test_same_name_other_key():
    root, between, holder = STRAIGHT.made()
    twin = issuing.certificate(
        replace(STRAIGHT.root, public=a_key(KeyKind.ECDSA, "twin").public),
        issuer=STRAIGHT.root.subject.name(), key=a_key(KeyKind.ECDSA, "twin"),
    )  # fmt: skip

    path = paths.check(holder, chain=(between,), trust=trusting(read(twin.dump())), at=AT, crls=STRAIGHT.lists())

    assert path.reasons == ("same_name_other_key",)
    assert path.anchor is None


def test_self_signed():
    key = a_key(KeyKind.ECDSA, "holder")
    alone = issuing.certificate(STRAIGHT.holder, issuer=STRAIGHT.holder.subject.name(), key=key)

    path = paths.check(read(alone.dump()), trust=cas().trust, at=AT, crls=lists())

    assert path.reasons == ("self_signed",)


def test_an_anchor_is_not_a_signer():
    root, *_ = STRAIGHT.made()
    path = paths.check(root, trust=trusting(root), at=AT, crls=STRAIGHT.lists())

    assert not path.good
    assert "anchor_itself" in path.reasons


def test_no_chain():
    assert check(chain=()).reasons == ("unknown_ca",)


def test_known_issuing_ca_need_not_be_sent():
    root, between, _ = STRAIGHT.made()

    assert check(trust=TrustList((Anchor(root),), known=(between,)), chain=()).good


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_chain_in_any_order_and_with_strangers(order):
    _, between, _ = STRAIGHT.made()
    chain = (between, bidder(KeyKind.RSA).certificate, bidder(KeyKind.SM2).chain[0])

    assert check(chain=[chain[place] for place in order]).good


def test_the_way_that_leads_to_an_anchor_is_found_among_ways_that_do_not():
    """The issuing CA holds two certificates, one from a CA that nobody knows (cross-certification)."""
    _, between, _ = STRAIGHT.made()
    stranger = issuing.certificate(
        STRAIGHT.issuing, issuer=Subject.of(common_name="别家").name(), key=a_key(KeyKind.ECDSA, "stranger")
    )

    for chain in ((between, read(stranger.dump())), (read(stranger.dump()), between)):
        assert check(chain=chain).good


def test_the_way_in_force_is_preferred():
    """The issuing CA's certificate was renewed with the same key; the old one is sent, too."""
    old = STRAIGHT.bent("issuing", not_after=AT - DAY).made()[1]
    _, between, _ = STRAIGHT.made()

    for chain in ((old, between), (between, old)):
        path = check(chain=chain)
        assert path.good, path.reasons


def test_a_loop_of_cas_ends():
    """Two CAs certify each other and nobody else knows them."""
    a, b = a_key(KeyKind.ECDSA, "a"), a_key(KeyKind.ECDSA, "b")
    name_a, name_b = Subject.of(common_name="甲"), Subject.of(common_name="乙")
    span = {"not_before": AT - DAY, "not_after": AT + DAY, "ca": True, "usage": CA_USAGE}
    first = issuing.certificate(Wish(name_a, a.public, **span), issuer=name_b.name(), key=b)
    second = issuing.certificate(Wish(name_b, b.public, **span), issuer=name_a.name(), key=a)
    holder = issuing.certificate(STRAIGHT.holder, issuer=name_a.name(), key=a)

    path = paths.check(
        read(holder.dump()), chain=(read(first.dump()), read(second.dump())), trust=cas().trust, at=AT, crls=lists()
    )

    assert path.reasons == ("unknown_ca",)


# ------------------------------------------------------------------------------------------------ revocation


@pytest.mark.parametrize("kind", KINDS)
def test_revoked(kind):
    hierarchy = Hierarchy.straight(kind)
    serial = hierarchy.made()[2].asn1.serial_number
    path = check(hierarchy, crls=hierarchy.lists(revoked={serial: AT - DAY}))

    assert path.reasons == ("revocation_revoked",)
    assert path.revoked_at == AT - DAY
    assert path.sound


def test_issuing_ca_revoked():
    _, between, _ = STRAIGHT.made()
    upper = issuing.revocation_list(
        issuer=STRAIGHT.root.subject.name(), key=a_key(KeyKind.ECDSA, "root"), this_update=AT - DAY,
        next_update=AT + DAY, revoked={between.asn1.serial_number: AT - DAY},
    )  # fmt: skip
    path = check(crls=(upper.dump(), STRAIGHT.lists()[1]))

    assert path.reasons == ("revocation_revoked",)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda h: (), "revocation_missing"),
        (lambda h: h.lists()[:1], "revocation_missing"),
        (lambda h: h.lists()[1:], "revocation_missing"),
        (lambda h: h.lists(at=AT - 20 * DAY), "revocation_stale"),
        (lambda h: h.lists(at=AT + 20 * DAY), "revocation_stale"),
        (lambda h: lists(), "revocation_missing"),
        (lambda h: forged(h), "revocation_missing"),
    ],
)
def test_answers_that_do_not_answer(wrong, reason):
    path = check(crls=wrong(STRAIGHT))

    assert not path.good
    assert path.reasons == (reason,)
    assert path.sound
    relaxed = check(crls=wrong(STRAIGHT), revocation=Asked.WHEN_KNOWN)
    assert relaxed.good
    assert relaxed.reasons == (reason,)


def forged(hierarchy):
    """Lists in the CAs' names, signed by somebody else."""
    return tuple(
        issuing.revocation_list(
            issuer=wish.subject.name(), key=a_key(KeyKind.ECDSA, "forger"), this_update=AT - DAY, next_update=AT + DAY,
            revoked={},
        ).dump()
        for wish in (hierarchy.root, hierarchy.issuing)
    )  # fmt: skip


def test_a_later_list_counts_against_and_never_for():
    serial = STRAIGHT.made()[2].asn1.serial_number
    later = STRAIGHT.lists(at=AT + 20 * DAY, revoked={serial: AT - DAY})

    assert check(crls=(*STRAIGHT.lists(), *later)).reasons == ("revocation_revoked",)
    after = STRAIGHT.lists(at=AT + 20 * DAY, revoked={serial: AT + DAY})
    assert check(crls=(*STRAIGHT.lists(), *after)).good


def test_a_revoked_certificate_is_refused_under_every_policy():
    serial = STRAIGHT.made()[2].asn1.serial_number

    assert not check(crls=STRAIGHT.lists(revoked={serial: AT - DAY}), revocation=Asked.WHEN_KNOWN).good


def test_good_answers_are_remembered_only_while_they_hold():
    root, between, holder = STRAIGHT.made()
    crls, serial = STRAIGHT.lists(), holder.asn1.serial_number

    def asked(crls=crls, at=AT):
        return paths.check(holder, chain=(between,), trust=trusting(root), at=at, crls=crls)

    assert asked().good
    assert asked() is asked(), "not asked again"
    assert asked(at=AT + 6 * DAY).good
    assert asked(at=AT + 8 * DAY).reasons == ("revocation_stale",)
    assert asked(at=AT - 2 * DAY).reasons == ("revocation_stale",)
    assert asked(crls=()).reasons == ("revocation_missing",)
    assert asked(crls=STRAIGHT.lists(revoked={serial: AT - DAY})).reasons == ("revocation_revoked",)


HOLDERS = [case for case in BENT if BENT[case][0].issuing == STRAIGHT.issuing and BENT[case][0].root == STRAIGHT.root]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", ["straight", *HOLDERS])
def test_what_is_remembered_of_the_issuing_ca_changes_no_verdict(case, kind):
    """The second holder under an issuing CA is checked by less work, and with the same result."""
    hierarchy = Hierarchy.straight(kind)
    root, between, first = hierarchy.made()
    bent = replace(BENT[case][0].holder, public=hierarchy.holder.public) if case in BENT else hierarchy.holder
    how = BENT[case][1] if case in BENT else {}
    try:
        made = issuing.certificate(bent, issuer=between.asn1.subject, key=a_key(kind, "issuing"), **how)
        second = read(made.dump())
    except Unreadable:
        return
    known = {"chain": (between,), "trust": trusting(root), "at": AT, "crls": hierarchy.lists()}
    checkers._proven.forget()
    alone = paths.check(second, **known)
    checkers._proven.forget()
    paths._remembered.forget()

    assert paths.check(first, **known).good
    after = paths.check(second, **known)

    assert after == alone
    assert after.good is (case == "straight")


def test_remembering_saves_the_work(monkeypatch):
    root, between, first = STRAIGHT.made()
    second = read(issuing.certificate(
        STRAIGHT.holder, issuer=between.asn1.subject, key=a_key(KeyKind.ECDSA, "issuing")
    ).dump())  # fmt: skip
    known = {"chain": (between,), "trust": trusting(root), "crls": STRAIGHT.lists()}
    assert paths.check(first, at=AT, **known).good
    monkeypatch.setattr(checkers, "_certvalidator", lambda *_: pytest.fail("asked again"))

    assert paths.check(second, at=AT, **known).good


def test_a_moment_is_the_same_in_every_time_zone():
    edge = STRAIGHT.bent("holder", not_after=AT + DAY)
    for zone in (UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-11))):
        assert check(edge, at=(AT + DAY).astimezone(zone)).good
        assert check(edge, at=(AT + DAY + timedelta(seconds=1)).astimezone(zone)).reasons == ("expired",)


# --------------------------------------------------------------------------------------------------- policies


def test_known_critical_extension_may_be_declared_harmless():
    hierarchy = STRAIGHT.bent("holder", more=(UNKNOWN,))

    assert check(hierarchy, critical_oids=frozenset({"1.2.86.21.1.1"})).good
    assert not check(hierarchy, critical_oids=frozenset({"1.2.86.21.1.2"})).good


def constrained(**trees):
    """A root that constrains the names below it."""
    return STRAIGHT.bent("root", more=(extension("name_constraints", x509.NameConstraints(trees)),))


def tree(kind, value):
    return [x509.GeneralSubtree({"base": x509.GeneralName(kind, value)})]


def test_constraints_of_an_anchor_bind():
    china, nowhere = Subject.of(country_name="CN").name(), Subject.of(country_name="XX").name()

    assert check(constrained(permitted_subtrees=tree("directory_name", china))).good
    assert not check(constrained(permitted_subtrees=tree("directory_name", nowhere))).good
    assert not check(constrained(excluded_subtrees=tree("directory_name", china))).good
    assert check(constrained(excluded_subtrees=tree("directory_name", nowhere))).good
    assert check(constrained(permitted_subtrees=tree("dns_name", "example"))).good, "kinds not mentioned are free"


def test_certificate_policies_may_be_asked_for():
    wanted = x509.CertificatePolicies([{"policy_identifier": "1.2.156.1"}])
    more = (extension("certificate_policies", wanted, critical=False),)
    hierarchy = STRAIGHT.bent("issuing", more=more).bent("holder", more=more)

    assert check(hierarchy, certificate_policies=frozenset({"1.2.156.1"})).good
    assert not check(hierarchy, certificate_policies=frozenset({"1.2.156.2"})).good
    assert not check(STRAIGHT, certificate_policies=frozenset({"1.2.156.1"})).good
    assert not check(STRAIGHT.bent("holder", more=more), certificate_policies=frozenset({"1.2.156.1"})).good


def test_list_without_a_number_is_no_list_to_the_letter():
    upper, lower = (
        issuing.revocation_list(
            issuer=wish.subject.name(), key=a_key(KeyKind.ECDSA, name), this_update=AT - DAY, next_update=AT + DAY,
            revoked={}, number=None,
        ).dump()
        for name, wish in (("root", STRAIGHT.root), ("issuing", STRAIGHT.issuing))
    )  # fmt: skip

    assert check(crls=(upper, lower)).reasons == ("revocation_missing",)
    assert check(crls=(upper, lower), strict=False).good


def test_folder_of_anchors_with_policies(tmp_path):
    first, second = cas().by_kind[KeyKind.RSA].root, cas().by_kind[KeyKind.SM2].root
    (tmp_path / "first.pem").write_bytes(first.to_pem())
    (tmp_path / "first.toml").write_text(
        'kinds = ["rsa"]\nrsa_bits = 3072\nrevocation = "when_known"\ncritical_oids = ["1.2.3"]\n'
        'sm2_id = "abc"\nstrict = false\ncode_places = ["serial_number"]\ndigests = ["sha256"]\n'
    )
    (tmp_path / "second.cer").write_bytes(second.der)
    (tmp_path / "README").write_text("nothing to do with it")

    trust = TrustList.from_folder(tmp_path)

    assert [anchor.certificate for anchor in trust.anchors] == [first, second]
    assert trust.anchors[0].policy == Policy(
        kinds=frozenset({KeyKind.RSA}), rsa_bits=3072, revocation=Asked.WHEN_KNOWN, critical_oids=frozenset({"1.2.3"}),
        sm2_id=b"abc", strict=False, code_places=("serial_number",), digests=frozenset({"sha256"}),
    )  # fmt: skip
    assert trust.anchors[1].policy == Policy()
    assert trust.version != TrustList.of(first, second).version


@pytest.mark.parametrize("text", ['kinds = ["dsa"]', "unknown = 1", "rsa_bits = 'x'", "not toml", "sm2_id = 5",
                                  'revocation = "never"', 'kinds = "rsa"', "rsa_bits = true"])  # fmt: skip
def test_policy_written_wrongly(tmp_path, text):
    (tmp_path / "ca.pem").write_bytes(cas().by_kind[KeyKind.RSA].root.to_pem())
    (tmp_path / "ca.toml").write_text(text)

    with pytest.raises(Unreadable):
        TrustList.from_folder(tmp_path)


def test_only_cas_are_anchors():
    with pytest.raises(NotAnAnchor) as no:
        Anchor(bidder(KeyKind.RSA).certificate)
    assert isinstance(no.value, Refusal)


def test_lists_that_are_none():
    for raw in (
        b"",
        b"junk",
        bidder(KeyKind.RSA).certificate.der,
        b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----",
    ):
        with pytest.raises(Unreadable):
            read_lists(raw)
