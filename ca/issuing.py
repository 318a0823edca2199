"""To write certificates and revocation lists: the pen of a CA, used by the demo CAs and the tests.

One pen for RSA, ECDSA and SM2: the structure is `asn1crypto`'s, the signature is the issuing key's.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from asn1crypto import algos, core, crl, keys, x509

from ca.keys import SigningKey

END_ENTITY_USAGE = frozenset({"digital_signature", "non_repudiation"})
CA_USAGE = frozenset({"key_cert_sign", "crl_sign"})
ORGANISATION_IDENTIFIER = "organization_identifier"


@dataclass(frozen=True)
class Subject:
    """What a certificate says of its holder: attributes in order, by their X.520 names."""

    attributes: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, **attributes: str) -> "Subject":
        """`Subject.of(country_name="CN", common_name="示范公司")`."""
        return cls(tuple(attributes.items()))

    def name(self) -> x509.Name:
        """An X.501 name, UTF-8 except the country."""
        rdns = [
            x509.RelativeDistinguishedName([x509.NameTypeAndValue({"type": kind, "value": _value(kind, text)})])
            for kind, text in self.attributes
        ]
        return x509.Name(name="", value=x509.RDNSequence(rdns))


def _value(kind: str, text: str) -> x509.DirectoryString | core.PrintableString:
    if kind in ("country_name", "serial_number"):
        return core.PrintableString(text)
    return x509.DirectoryString(name="utf8_string", value=text)


@dataclass(frozen=True)
class Wish:
    """One certificate as it shall be. Extensions in `more` are added, those in `without` left out."""

    subject: Subject
    public: keys.PublicKeyInfo
    not_before: datetime
    not_after: datetime
    ca: bool = False
    path_length: int | None = None
    usage: frozenset[str] = END_ENTITY_USAGE
    extended_usage: tuple[str, ...] = ()
    serial: int = field(default_factory=lambda: secrets.randbits(158) | 1 << 157)
    more: Sequence[Mapping[str, object]] = ()
    without: frozenset[str] = frozenset()


def key_identifier(public: keys.PublicKeyInfo) -> bytes:
    """SHA-1 of the public key bits (RFC 5280, 4.2.1.2, method 1): a name for a key, not a protection."""
    return hashlib.sha1(bytes(public["public_key"]), usedforsecurity=False).digest()


def certificate(
    wish: Wish,
    *,
    issuer: x509.Name,
    key: SigningKey,
    algorithm: algos.SignedDigestAlgorithm | None = None,
    inner: algos.SignedDigestAlgorithm | None = None,
) -> x509.Certificate:
    """A certificate for `wish`, signed by the issuer's key. `inner`: the algorithm inside, if another."""
    body = x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": wish.serial,
            "signature": inner or algorithm or key.algorithm,
            "issuer": issuer,
            "validity": x509.Validity({"not_before": _time(wish.not_before), "not_after": _time(wish.not_after)}),
            "subject": wish.subject.name(),
            "subject_public_key_info": wish.public,
            "extensions": _extensions(wish, issuer_key=key.public),
        }
    )
    return x509.Certificate(
        {
            "tbs_certificate": body,
            "signature_algorithm": algorithm or key.algorithm,
            "signature_value": key.sign(body.dump()),
        }
    )


def _time(moment: datetime) -> x509.Time:
    """RFC 5280, 4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050."""
    moment = moment.replace(microsecond=0)
    if moment.year < 2050:
        return x509.Time(name="utc_time", value=moment)
    return x509.Time(name="general_time", value=moment)


def _extensions(wish: Wish, *, issuer_key: keys.PublicKeyInfo) -> list[dict[str, object]]:
    basic: dict[str, object] = {"ca": wish.ca}
    if wish.path_length is not None:
        basic["path_len_constraint"] = wish.path_length
    found: list[dict[str, object]] = [
        {"extn_id": "basic_constraints", "critical": True, "extn_value": x509.BasicConstraints(basic)},
        {"extn_id": "key_usage", "critical": True, "extn_value": x509.KeyUsage(set(wish.usage))},
        {"extn_id": "key_identifier", "critical": False, "extn_value": core.OctetString(key_identifier(wish.public))},
        {
            "extn_id": "authority_key_identifier",
            "critical": False,
            "extn_value": x509.AuthorityKeyIdentifier({"key_identifier": key_identifier(issuer_key)}),
        },
    ]
    if wish.extended_usage:
        purposes = x509.ExtKeyUsageSyntax(list(wish.extended_usage))
        found.append({"extn_id": "extended_key_usage", "critical": False, "extn_value": purposes})
    found += [dict(extension) for extension in wish.more]
    return [extension for extension in found if extension["extn_id"] not in wish.without]


def revocation_list(
    *,
    issuer: x509.Name,
    key: SigningKey,
    this_update: datetime,
    next_update: datetime,
    revoked: Mapping[int, datetime],
    number: int | None = 1,
    more: Sequence[Mapping[str, object]] = (),
) -> crl.CertificateList:
    """A CRL 吊销列表 of the issuer: serial number → when it was revoked. `more`: extensions (of a delta list …)."""
    body: dict[str, object] = {
        "version": "v2",
        "signature": key.algorithm,
        "issuer": issuer,
        "this_update": _time(this_update),
        "next_update": _time(next_update),
        "crl_extensions": [
            {
                "extn_id": "authority_key_identifier",
                "critical": False,
                "extn_value": x509.AuthorityKeyIdentifier({"key_identifier": key_identifier(key.public)}),
            },
            *([{"extn_id": "crl_number", "critical": False, "extn_value": core.Integer(number)}] if number else []),
            *(dict(extension) for extension in more),
        ],
    }
    if revoked:
        body["revoked_certificates"] = [
            {"user_certificate": serial, "revocation_date": _time(moment)} for serial, moment in revoked.items()
        ]
    inside = crl.TbsCertList(body)
    return crl.CertificateList(
        {"tbs_cert_list": inside, "signature_algorithm": key.algorithm, "signature": key.sign(inside.dump())}
    )
