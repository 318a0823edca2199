"""The two checkers of a certificate path: pyhanko-certvalidator and OpenSSL. Both must accept.

They are asked about one path, link by link as `ca.paths` found it. For the second and every further holder
under an issuing CA whose own path both have accepted, only the holder's certificate is new: then OpenSSL
checks that one link, if nothing above it can constrain it (RFC 5280: name constraints and policies); all
the rest was checked minutes ago with the same lists, and cannot have changed.
"""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from asn1crypto import x509
from OpenSSL import crypto
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.authority import CertTrustAnchor, TrustedServiceType, TrustQualifiers, derive_quals_from_cert
from pyhanko_certvalidator.errors import RevokedError
from pyhanko_certvalidator.name_trees import default_excluded_subtrees, default_permitted_subtrees
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import DisallowWeakAlgorithmsPolicy, PKIXValidationParams
from pyhanko_certvalidator.validate import async_validate_path

from ca.certificates import Certificate
from ca.keys import Validator
from ca.remembered import Remembered
from ca.revocation import Answer, Revocation, RevocationList
from ca.trust import Anchor, Policy

T = TypeVar("T")
WEAK = frozenset({"md2", "md5", "sha1"})
CONSTRAINING = {"name_constraints", "policy_constraints", "policy_mappings", "inhibit_any_policy"}
ORDINARY = {"key_usage", "basic_constraints", "extended_key_usage", "subject_alt_name"}  # may be critical


@dataclass(frozen=True)
class Answers:
    """What we hold about revocation: lists, and OCSP responses as they were received."""

    lists: tuple[RevocationList, ...]
    ocsps: tuple[bytes, ...] = ()
    signers: tuple[Certificate, ...] = ()  # certificates that came along; lists and responses may be theirs


def refusals(
    links: Sequence[Certificate],
    anchor: Anchor,
    lists: Sequence[RevocationList],
    answers: Sequence[Answer],
    moment: datetime,
) -> list[str]:
    """Reasons of the checkers to refuse. Given lists (then all of `answers` are good), they read them, too."""
    upper = (tuple(links[1:]), anchor, tuple(lists))
    plain = bool(lists) and all(one.usable for one in lists)
    if plain and _proven.at(upper, moment) and _ordinary(links[0], anchor.policy):
        return [] if _openssl(links[:2], links[1], anchor.policy, (), moment) else ["path_refused_by_openssl"]
    found = []
    if _certvalidator(links, anchor, Answers(tuple(lists)), moment) is not Revocation.GOOD:
        found.append("path_refused")
    listed_later = any(answer.since is not None for answer in answers)  # OpenSSL knows no "revoked, but later"
    partial = not anchor.certificate.self_issued  # and wants a list for an anchor that is no root
    readable = () if listed_later or partial else lists
    if not _openssl(links, anchor.certificate, anchor.policy, readable, moment):
        found.append("path_refused_by_openssl")
    if not found and plain and readable and all(_constrains_nothing(link) for link in links[1:]):
        _proven.keep(upper, True, window(links[1:], answers))
    return found


def window(links: Sequence[Certificate], answers: Sequence[Answer]) -> tuple[datetime, datetime]:
    """From when to when all are in force and all answers speak."""
    spoken = [answer.speaks for answer in answers if answer.speaks is not None]
    starts = [link.not_before for link in links] + [speaks[0] for speaks in spoken]
    return max(starts), min([link.not_after for link in links] + [speaks[1] for speaks in spoken])


def _constrains_nothing(ca: Certificate) -> bool:
    return not CONSTRAINING & ca.extensions.keys()


def _ordinary(holder: Certificate, policy: Policy) -> bool:
    """Whether a holder's certificate asks nothing of its path beyond a signature and a period."""
    critical = {name for name, important in holder.extensions.items() if important}
    asked = policy.critical_oids | policy.certificate_policies
    return not asked and critical <= ORDINARY and not CONSTRAINING & holder.extensions.keys()


def revocation_by_certvalidator(
    links: Sequence[Certificate], anchor: Anchor, known: Answers, at: datetime, ours: Answer
) -> Answer:
    """Delta, partitioned and indirect lists, and OCSP: its word, where our own reading knows nothing."""
    said = _certvalidator(links, anchor, known, at)
    if said is Revocation.GOOD:
        return Answer(Revocation.GOOD, "OCSP" if known.ocsps else "CRL")
    return Answer(said, ours.by, ours.since) if said is Revocation.REVOKED else ours


class _Known(x509.Certificate):
    """A certificate whose odd critical extensions the CA's policy declares harmless."""

    harmless: frozenset[str] = frozenset()

    @property
    def critical_extensions(self) -> set[str]:
        return set(super().critical_extensions) - self.harmless


def _known(certificate: Certificate, policy: Policy) -> x509.Certificate:
    if not policy.critical_oids:
        return certificate.asn1
    known = _Known.load(certificate.der)
    known.harmless = policy.critical_oids
    return known


def _certvalidator(links: Sequence[Certificate], anchor: Anchor, known: Answers, moment: datetime) -> Revocation | None:
    """RFC 5280 §6 by pyhanko-certvalidator over exactly this path; with answers, revocation is required.

    GOOD, REVOKED, or None when it refuses the path or knows too little.
    """
    root = CertTrustAnchor(anchor.certificate.asn1, quals=_qualifiers(anchor))
    between = [_known(link, anchor.policy) for link in reversed(links[1:-1])]
    path = ValidationPath(root, between, _known(links[0], anchor.policy))
    try:
        context = ValidationContext(
            trust_roots=[root],
            other_certs=[*between, *(signer.asn1 for signer in known.signers)],
            crls=[one.asn1 for one in known.lists],
            ocsps=list(known.ocsps),
            moment=moment,
            revocation_mode="require" if known.lists or known.ocsps else "none",
            allow_fetching=False,
            time_tolerance=timedelta(0),
            signature_validator=Validator(),
            algorithm_usage_policy=DisallowWeakAlgorithmsPolicy(
                weak_hash_algos=WEAK - anchor.policy.digests, rsa_key_size_threshold=anchor.policy.rsa_bits
            ),
        )
        at_once(async_validate_path(context, path))
    except RevokedError as error:
        return None if error.is_side_validation else Revocation.REVOKED
    except TriedToWait:
        raise
    except Exception:  # foreign lists and responses: whatever it stumbles over, it has not accepted
        return None
    return Revocation.GOOD


def _qualifiers(anchor: Anchor) -> TrustQualifiers:
    """An anchor's own limits bind: its path length, its name constraints, its period.

    Certificate policies 证书策略 are those that we ask for, one of which must then hold all the way. (They go
    in with the anchor: given beside it, certvalidator 0.33 lets an anchor without policies overrule them.)
    """
    asked = anchor.policy.certificate_policies
    said = derive_quals_from_cert(anchor.certificate.asn1)
    names = said.standard_parameters
    permitted = names.initial_permitted_subtrees if names else None
    excluded = names.initial_excluded_subtrees if names else None
    return TrustQualifiers(
        max_path_length=said.max_path_length,
        valid_from=said.valid_from,
        valid_until=said.valid_until,
        trusted_service_type=TrustedServiceType.CERTIFICATE_AUTHORITY,
        standard_parameters=PKIXValidationParams(
            user_initial_policy_set=asked or frozenset({"any_policy"}),
            initial_explicit_policy=bool(asked),
            # kinds of names that an anchor does not mention are free
            initial_permitted_subtrees=default_permitted_subtrees() | permitted if permitted else None,
            initial_excluded_subtrees=default_excluded_subtrees() | excluded if excluded else None,
        ),
    )


class TriedToWait(Exception):
    """A check wanted to wait for something, which can only be the network: a bug, never a verdict."""


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that has nothing to wait for; waiting would mean the network, and is a bug."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    work.close()
    raise TriedToWait


def _openssl(
    links: Sequence[Certificate],
    trusted: Certificate,
    policy: Policy,
    lists: Sequence[RevocationList],
    moment: datetime,
) -> bool:
    """The same path by OpenSSL, up to a certificate that is trusted as it stands."""
    store = crypto.X509Store()
    store.add_cert(trusted.openssl)
    flags = crypto.X509StoreFlags.PARTIAL_CHAIN
    if policy.strict:
        flags |= crypto.X509StoreFlags.X509_STRICT
    if policy.critical_oids:
        flags |= crypto.X509StoreFlags.IGNORE_CRITICAL
    if lists:
        flags |= crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL
        for one in lists:
            store.add_crl(one.pyca)
    store.set_flags(flags)
    store.set_time(moment)
    try:
        between = [link.openssl for link in links[1:-1]]
        crypto.X509StoreContext(store, links[0].openssl, between).verify_certificate()
    except (crypto.Error, crypto.X509StoreContextError):
        return False
    return True


_proven: Remembered[bool] = Remembered(256)
