"""Certificates 数字证书: what one says – whose it is, what for, from when to when – and what is odd about it.

Nothing here trusts anything: a certificate read is only a piece of paper read. `ca.trust` and `ca.paths`
say whose paper counts.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

from asn1crypto import pem, x509
from cryptography import x509 as second
from OpenSSL import crypto

from ca import keys
from ca.keys import KeyKind
from storage.refusals import NotValid
from storage.values import CreditCode, NotACreditCode

LARGEST = 64 * 1024  # bytes; real ones have 1–4 KiB
FEWEST_BITS = {KeyKind.RSA: 1024, KeyKind.ECDSA: 256, KeyKind.SM2: 256}  # below: not even counted as a key
CODE_PLACES = ("organization_identifier", "serial_number", "organizational_unit_name", "common_name")
COMPARED = {"directory_name", "dns_name", "rfc822_name", "uniform_resource_identifier", "ip_address"}
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_CODE = re.compile(r"(?<![0-9A-Za-z])[0-9A-HJ-NPQRTUWXY]{18}(?![0-9A-Za-z])")


class Unreadable(NotValid):
    """The bytes are not the kind of thing they should be. The only exception of our readers of foreign bytes."""

    says = "文件无法识别：{reason}。请检查是否选对了文件。"


@dataclass(frozen=True)
class Certificate:
    """One certificate, read. Equal when its bytes are."""

    der: bytes
    asn1: x509.Certificate = field(compare=False, repr=False)
    pyca: second.Certificate = field(compare=False, repr=False)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the bytes, hex: its name everywhere in our records."""
        return hashlib.sha256(self.der).hexdigest()

    @cached_property
    def _subject(self) -> "_Name":
        return _name(self.asn1.subject.dump())

    @cached_property
    def subject(self) -> str:
        """The holder's full name as the CA wrote it."""
        return self._subject.spoken

    @cached_property
    def issuer(self) -> str:
        """The CA's full name."""
        return _name(self.asn1.issuer.dump()).spoken

    @cached_property
    def subject_key(self) -> str:
        """The holder's name in a form to compare (RFC 5280, 7.1)."""
        return self._subject.key

    @cached_property
    def issuer_key(self) -> str:
        """The CA's name in a form to compare."""
        return _name(self.asn1.issuer.dump()).key

    @cached_property
    def holder(self) -> str:
        """持有人: the organisation's name, else the common name, else the whole subject."""
        said = self._subject.attributes
        for kind in ("organization_name", "common_name"):
            if said.get(kind):
                return said[kind][0]
        return self.subject

    @property
    def serial(self) -> str:
        """Serial number, hex as CAs print it."""
        return f"{self.asn1.serial_number:X}"

    @cached_property
    def kind(self) -> KeyKind | None:
        """RSA, ECDSA or SM2; None: none that we take."""
        return keys.kind_of(self.asn1.public_key)

    @cached_property
    def bits(self) -> int:
        """Size of the key."""
        public = self.asn1.public_key
        if self.kind is KeyKind.RSA:
            return int(public["public_key"].parsed["modulus"].native.bit_length())
        return int(public.bit_size)

    @cached_property
    def not_before(self) -> datetime:
        return self.asn1.not_valid_before

    @cached_property
    def not_after(self) -> datetime:
        return self.asn1.not_valid_after

    @cached_property
    def usage(self) -> frozenset[str] | None:
        """密钥用途, X.509 words such as `digital_signature`; None: it does not say."""
        said = self.asn1.key_usage_value
        return None if said is None else frozenset(said.native)

    @cached_property
    def extended_usage(self) -> frozenset[str] | None:
        said = self.asn1.extended_key_usage_value
        return None if said is None else frozenset(said.native)

    @cached_property
    def is_ca(self) -> bool:
        basic = self.asn1.basic_constraints_value
        return bool(basic is not None and basic["ca"].native)

    @cached_property
    def path_length(self) -> int | None:
        """How many CAs may stand below this one; None: it does not say."""
        basic = self.asn1.basic_constraints_value
        return None if basic is None else basic["path_len_constraint"].native

    @cached_property
    def extensions(self) -> dict[str, bool]:
        """Names of its extensions (dotted when unknown), and whether each is critical."""
        return {each["extn_id"].native: each["critical"].native for each in self.asn1["tbs_certificate"]["extensions"]}

    @cached_property
    def openssl(self) -> crypto.X509:
        """The same in OpenSSL's hands."""
        return crypto.X509.from_cryptography(self.pyca)

    @cached_property
    def self_issued(self) -> bool:
        return self.subject_key == self.issuer_key

    @cached_property
    def signature_digest(self) -> str | None:
        """The digest under the CA's signature: sha256, sm3, sha1 …; None: not known to us."""
        algorithm = self.asn1["signature_algorithm"]
        if algorithm["algorithm"].native in ("sm3_sm2", "sm2"):
            return "sm3"
        try:
            return str(algorithm.hash_algo)
        except (ValueError, TypeError):
            return None

    def credit_code(self, places: tuple[str, ...] = CODE_PLACES) -> CreditCode | None:
        """统一社会信用代码 of the holder, from the first place that holds exactly one valid code."""
        said = self._subject.attributes
        for place in places:
            found = {code for text in said.get(place, ()) for code in _codes(text)}
            if found:
                return found.pop() if len(found) == 1 else None
        return None

    @cached_property
    def constrains_hosts(self) -> bool:
        """Whether it limits the host names of the certificates below."""
        return "dns_name" in _constrained_kinds(self.asn1)

    @cached_property
    def has_wildcard(self) -> bool:
        """Whether one of its host names is a pattern."""
        said = self.asn1.subject_alt_name_value or ()
        return any(name.name == "dns_name" and "*" in name.chosen.native for name in said)

    @cached_property
    def oddities(self) -> tuple[str, ...]:
        """What is odd about it, see `lint`."""
        return lint(self)

    def signed_by(self, issuer: "Certificate") -> bool:
        """Whether the issuer's key signed this certificate (nothing else is asked)."""
        return _signed_by(self, issuer)

    def to_pem(self) -> bytes:
        return pem.armor("CERTIFICATE", self.der)

    def as_facts(self) -> dict[str, Any]:
        """What it says, for JSON."""
        return {
            "fingerprint": self.fingerprint,
            "holder": self.holder,
            "credit_code": self.credit_code(),
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "key": self.kind.value if self.kind else None,
            "bits": self.bits,
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
            "usage": sorted(self.usage) if self.usage is not None else None,
            "ca": self.is_ca,
            "oddities": list(self.oddities),
        }


@lru_cache(maxsize=8192)
def _signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    asn1 = certificate.asn1
    return keys.holds(
        bytes(asn1["signature_value"]),
        asn1["tbs_certificate"].dump(),
        issuer.asn1.public_key,
        asn1["signature_algorithm"],
        keys.sm2.DEFAULT_ID,
    )


def read(raw: bytes) -> Certificate:
    """Read one certificate, PEM or DER. Raises Unreadable."""
    found = read_all(raw)
    if len(found) != 1:
        raise Unreadable(reason="一个文件里应当只有一张证书")
    return found[0]


def read_all(raw: bytes) -> tuple[Certificate, ...]:
    """Read every certificate of a PEM file, or the one of a DER file. Raises Unreadable."""
    return tuple(_read(der) for der in pieces(raw, "CERTIFICATE", "不是证书"))


def pieces(raw: bytes, label: str, complaint: str) -> list[bytes]:
    """The DER blocks of a PEM file with this label (others are passed over), or the DER itself.

    Raises Unreadable, saying `complaint`.
    """
    if len(raw) > 64 * LARGEST:
        raise Unreadable(reason="文件太大")
    if not pem.detect(raw):
        return [raw]
    try:
        found = [der for kind, _, der in pem.unarmor(raw, multiple=True) if kind in (label, f"X509 {label}")]
    except Exception as error:  # whatever the reader of foreign bytes stumbles over
        raise Unreadable(reason=complaint) from error
    if not found:
        raise Unreadable(reason=complaint)
    return found


@lru_cache(maxsize=8192)
def _read(der: bytes) -> Certificate:
    if len(der) > LARGEST:
        raise Unreadable(reason="证书太大")
    try:
        asn1 = x509.Certificate.load(der, strict=True)
        if asn1.serial_number <= 0:  # RFC 5280, 4.1.2.2; the second reader is about to refuse it, too
            raise Unreadable(reason="证书序列号不合规")
        certificate = Certificate(der, asn1, second.load_der_x509_certificate(der))
        certificate.pyca.extensions  # noqa: B018 – parsed now: refuses doubled and malformed extensions
        _touch(certificate)
    except Unreadable:
        raise
    except Exception as error:  # parsers of foreign bytes raise whatever they like; ours raise one thing
        raise Unreadable(reason="不是证书") from error
    return certificate


def _touch(certificate: Certificate) -> None:
    """Read every field that is used later, so that a broken one is found here and not in the middle of a check."""
    _ = certificate.holder, certificate.subject_key, certificate.issuer_key, certificate.kind, certificate.bits
    _ = certificate.not_before, certificate.not_after, certificate.usage, certificate.extended_usage
    _ = certificate.path_length, certificate.is_ca, certificate.signature_digest, certificate.oddities
    _ = certificate.issuer, certificate.subject, certificate.extensions, certificate.asn1.key_identifier


def lint(certificate: Certificate) -> tuple[str, ...]:
    """What is odd about a certificate whatever CA it came from, by stable codes (RFC 5280, 4.1 and 4.2)."""
    asn1, is_ca, usage = certificate.asn1, certificate.is_ca, certificate.usage or frozenset()
    body, constrained = asn1["tbs_certificate"], _constrained_kinds(asn1)
    fewest = FEWEST_BITS.get(certificate.kind, 0) if certificate.kind else 0
    findings = {
        "not_version_3": body["version"].native != "v3",
        "serial_out_of_range": not 0 < asn1.serial_number < 1 << 159,
        "two_signature_algorithms": body["signature"].dump() != asn1["signature_algorithm"].dump(),
        "period_reversed": certificate.not_after <= certificate.not_before,
        "unknown_key": certificate.kind is None or certificate.bits < fewest or certificate.bits % 8 != 0,
        "end_entity_signs_certificates": not is_ca and "key_cert_sign" in usage,
        "ca_may_not_sign_certificates": is_ca and "key_cert_sign" not in usage,
        "end_entity_constrains_names": not is_ca and asn1.name_constraints_value is not None,
        "unknown_name_constraint": is_ca and not constrained <= COMPARED,  # the checkers do not compare them
        "constraint_not_critical": certificate.extensions.get("name_constraints") is False,
        "malformed_name": not _good_names(certificate),
    }
    return tuple(code for code, wrong in findings.items() if wrong)


def _good_names(certificate: Certificate) -> bool:
    """Alternative names are written as RFC 5280, 4.2.1.6 says; an empty subject makes them critical."""
    said = certificate.asn1.subject_alt_name_value
    if not certificate.subject_key and (said is None or not certificate.extensions["subject_alt_name"]):
        return certificate.is_ca
    for name in said or ():
        text = name.chosen.native if name.name in ("dns_name", "rfc822_name") else ""
        host = text.removeprefix("*.") if name.name == "dns_name" else text.rpartition("@")[2]
        if name.name == "rfc822_name" and not re.fullmatch(r"[!-?A-~]+@[^@]+", text):
            return False
        if text and (not _HOST.fullmatch(host) or host.replace(".", "").isdigit()):
            return False
    return True


def _constrained_kinds(asn1: x509.Certificate) -> set[str]:
    """Kinds of names that a CA constrains."""
    said = asn1.name_constraints_value
    if said is None:
        return set()
    return {tree["base"].name for side in ("permitted_subtrees", "excluded_subtrees") for tree in (said[side] or ())}


def _codes(text: str) -> set[CreditCode]:
    found = set()
    for candidate in _CODE.findall(text.upper()):
        try:
            found.add(CreditCode(candidate))
        except NotACreditCode:
            continue
    return found


_SHORT = {"common_name": "CN", "organization_name": "O", "organizational_unit_name": "OU", "country_name": "C",
          "state_or_province_name": "ST", "locality_name": "L"}  # fmt: skip


@dataclass(frozen=True)
class _Name:
    """A name, read once: most certificates share their issuer's."""

    key: str  # in a form to compare (RFC 5280, 7.1)
    attributes: dict[str, list[str]]  # each with all its values, in order
    spoken: str  # in one line: `C=CN, O=…, CN=…`, control characters removed


@lru_cache(maxsize=8192)
def _name(der: bytes) -> _Name:
    name = x509.Name.load(der)
    found: dict[str, list[str]] = {}
    for rdn in name.chosen:
        for pair in rdn:
            value = pair["value"].native
            found.setdefault(pair["type"].native, []).append(value if isinstance(value, str) else str(value))
    said = ", ".join(f"{_SHORT.get(kind, kind)}={value}" for kind, values in found.items() for value in values)
    return _Name(str(name.hashable), found, "".join(letter for letter in said if letter.isprintable()))
