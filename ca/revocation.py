"""Was it revoked 吊销: certificate revocation lists read from what we already hold, never fetched.

The answer for one certificate at one moment is `GOOD`, `REVOKED`, `STALE` (there is a list, but none
that speaks for this moment) or `MISSING` (no list of its CA at all), and says which list answered.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property, lru_cache

from asn1crypto import crl
from cryptography import x509 as second

from ca import keys
from ca.certificates import Certificate, Unreadable, pieces

LARGEST = 64 * 1024 * 1024  # bytes of one list
# RFC 5280, 5.2: the list's extensions that we act upon; any other critical one makes it unusable.
_UNDERSTOOD = {second.AuthorityKeyIdentifier.oid, second.CRLNumber.oid}


class Revocation(StrEnum):
    """What is known of a certificate's revocation at a moment."""

    GOOD = "good"
    REVOKED = "revoked"
    STALE = "stale"
    MISSING = "missing"


REVOCATION_NAMES = {
    Revocation.GOOD: "未吊销",
    Revocation.REVOKED: "已吊销",
    Revocation.STALE: "吊销信息不在有效期内",
    Revocation.MISSING: "没有吊销信息",
}


@dataclass(frozen=True)
class RevocationList:
    """吊销列表, read."""

    der: bytes
    pyca: second.CertificateRevocationList = field(compare=False, repr=False)
    asn1: crl.CertificateList = field(compare=False, repr=False)
    issuer_key: str = field(compare=False, repr=False)  # its CA's name in a form to compare

    @cached_property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    @cached_property
    def period(self) -> tuple[datetime, datetime]:
        """From when to when it speaks; a list without a next update speaks for its own moment only."""
        start = self.pyca.last_update_utc
        return start, self.pyca.next_update_utc or start

    @cached_property
    def number(self) -> str:
        """CRL number, or the start of its digest."""
        for extension in self.pyca.extensions:
            if isinstance(extension.value, second.CRLNumber):
                return str(extension.value.crl_number)
        return self.fingerprint[:16]

    @cached_property
    def numbered(self) -> bool:
        return any(isinstance(extension.value, second.CRLNumber) for extension in self.pyca.extensions)

    @cached_property
    def usable(self) -> bool:
        """Full and direct: no delta and none to come, no partition, nothing critical that we don't understand."""
        extensions = self.pyca.extensions
        return all(not extension.critical or extension.oid in _UNDERSTOOD for extension in extensions) and not any(
            isinstance(extension.value, second.DeltaCRLIndicator | second.FreshestCRL) for extension in extensions
        )

    def revoked_at(self, serial: int) -> datetime | None:
        """When the certificate with this serial was revoked; None: it is not on the list."""
        entry = self.pyca.get_revoked_certificate_by_serial_number(serial)
        return None if entry is None else entry.revocation_date_utc

    def signed_by(self, issuer: Certificate) -> bool:
        """Whether the CA's key signed this list, and the CA may sign lists."""
        return _signed_by(self, issuer)


@lru_cache(maxsize=1024)
def _signed_by(answer: RevocationList, issuer: Certificate) -> bool:
    if issuer.usage is not None and "crl_sign" not in issuer.usage:
        return False
    algorithm = answer.asn1["signature_algorithm"]
    if algorithm.dump() != answer.asn1["tbs_cert_list"]["signature"].dump():
        return False
    signature, body = bytes(answer.asn1["signature"]), answer.asn1["tbs_cert_list"].dump()
    return keys.holds(signature, body, issuer.asn1.public_key, algorithm, keys.sm2.DEFAULT_ID)


@dataclass(frozen=True)
class Answer:
    """What was found about one certificate."""

    state: Revocation
    by: str | None = None  # which list said so
    since: datetime | None = None  # revoked at; may be later than the moment asked about
    speaks: tuple[datetime, datetime] | None = None  # from when to when the answer holds


def read_lists(raw: bytes) -> tuple[RevocationList, ...]:
    """Every CRL of a PEM file, or the one of a DER file. Raises Unreadable."""
    return tuple(_read(der) for der in pieces(raw, "CRL", "不是吊销列表"))


def as_lists(given: Iterable["bytes | RevocationList"]) -> tuple[RevocationList, ...]:
    """Lists already read, or bytes to read. Raises Unreadable."""
    found: list[RevocationList] = []
    for one in given:
        found += [one] if isinstance(one, RevocationList) else read_lists(one)
    return tuple(found)


@lru_cache(maxsize=256)
def _read(der: bytes) -> RevocationList:
    if len(der) > LARGEST:
        raise Unreadable(reason="文件太大")
    try:
        listed = second.load_der_x509_crl(der)
        asn1 = crl.CertificateList.load(der, strict=True)
        answer = RevocationList(der, listed, asn1, str(asn1.issuer.hashable))
        _ = answer.period, answer.number, answer.usable
    except Exception as error:  # parsers of foreign bytes raise whatever they like; ours raise one thing
        raise Unreadable(reason="不是吊销列表") from error
    return answer


def ask(certificate: Certificate, issuer: Certificate, lists: Iterable[RevocationList], at: datetime) -> Answer:
    """What the issuer's own lists say about this certificate at this moment.

    A list issued later counts against the certificate (it was revoked before `at`), never for it: later
    lists may leave out what has expired meanwhile.
    """
    own = [one for one in lists if one.issuer_key == issuer.subject_key and one.usable and one.signed_by(issuer)]
    listed = [(when, one) for one in own if (when := one.revoked_at(certificate.asn1.serial_number)) is not None]
    for when, one in sorted(listed, key=lambda pair: pair[0]):
        if when <= at:
            return Answer(Revocation.REVOKED, one.number, when)
    fresh = [one for one in own if one.period[0] <= at <= one.period[1]]
    later = min((when for when, _ in listed), default=None)
    if fresh:
        newest = max(fresh, key=lambda one: one.period[0])
        return Answer(Revocation.GOOD, newest.number, later, newest.period)
    return Answer(Revocation.STALE if own else Revocation.MISSING, own[0].number if own else None, later)
