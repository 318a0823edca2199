"""From a certificate up to a CA that we recognise 证书链, judged at a given moment.

Two independent checkers must both accept: `pyhanko-certvalidator` (RFC 5280 in Python) and OpenSSL through
pyOpenSSL. Around them stands our own search for the chain and our own reading of lists, which can say
*what* is wrong – expired, revoked, wrong key of the right name – where a checker only says no.
Nothing here opens a connection: what was not handed in is not known.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from ca import checkers
from ca.certificates import Certificate
from ca.checkers import Answers
from ca.keys import KeyKind
from ca.remembered import Remembered
from ca.revocation import Answer, Revocation, RevocationList, as_lists, ask
from ca.trust import Anchor, Asked, Policy, TrustList

LONGEST = 8  # certificates in a path, anchor included
MOST_TRIES = 64  # signatures verified while looking for a path
MOST_WAYS = 8  # paths judged


@dataclass(frozen=True)
class Path:
    """What was found on the way up. `links` runs from the certificate itself to the anchor."""

    links: tuple[Certificate, ...]
    anchor: Anchor | None  # 信任锚; None: no CA that we recognise
    sound: bool  # 证书链成立: signatures, names, lengths, algorithms, both checkers
    in_force: bool  # 有效期内: every certificate, at the moment
    usage_good: bool  # 用途正确: may sign documents
    revocation: Revocation
    revoked_by: str | None  # the list that answered
    revoked_at: datetime | None
    reasons: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether a signature by this certificate would count at this moment."""
        known = self.revocation is Revocation.GOOD or (
            self.revocation is not Revocation.REVOKED
            and self.anchor is not None
            and self.anchor.policy.revocation is Asked.WHEN_KNOWN
        )
        return self.anchor is not None and self.sound and self.in_force and self.usage_good and known

    def as_facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "good": self.good,
            "issuer": self.anchor.name if self.anchor else None,
            "path": [link.fingerprint for link in self.links],
            "path_good": self.sound,
            "in_force": self.in_force,
            "usage_good": self.usage_good,
            "revocation": self.revocation.value,
            "revoked_by": self.revoked_by,
            "revoked_at": self.revoked_at.isoformat() if self.revoked_at else None,
            "reasons": list(self.reasons),
        }


def check(
    certificate: Certificate,
    *,
    chain: Sequence[Certificate] = (),
    trust: TrustList,
    at: datetime,
    crls: Iterable[bytes | RevocationList] = (),
    ocsps: Iterable[bytes] = (),
    purpose: str = "sign",
) -> Path:
    """Everything that can be said of this certificate at this moment. Raises Unreadable for a broken list.

    `purpose`: "sign", or "any" when only the path is asked about. Of several ways up the first good one is
    told; when none is good, the one with the least against it.
    """
    answers, at = (
        Answers(as_lists(crls), tuple(ocsps), (*chain, *trust.known)),
        at.astimezone(UTC).replace(microsecond=0),
    )
    key = (certificate, trust.version, answers, purpose)
    if (known := _remembered.at(key, at)) is not None:
        return known
    worst: Path | None = None
    for links, anchor, reasons in climb(certificate, chain, trust):
        path, window = _judge(links, anchor, reasons, answers, at, purpose)
        if path.good:
            if window is not None:
                _remembered.keep(key, path, window)
            return path
        if worst is None or len(path.reasons) < len(worst.reasons):
            worst = path
    assert worst is not None, "there is always a way, if only one of a single link"
    return worst


Way = tuple[tuple[Certificate, ...], Anchor | None, list[str]]


def climb(certificate: Certificate, chain: Sequence[Certificate], trust: TrustList) -> Iterator[Way]:
    """Ways up to an anchor by names and signatures; or one of a single link, no anchor, and why."""
    if any(anchor.certificate == certificate for anchor in trust.anchors):
        yield (certificate,), None, ["anchor_itself"]
        return
    tries, found, named = 0, 0, False
    waiting: list[tuple[Certificate, ...]] = [(certificate,)]
    while waiting and found < MOST_WAYS:
        links = waiting.pop()
        top = links[-1]
        for anchor in trust.anchors:
            if _could_issue(anchor.certificate, top) and (tries := tries + 1) <= MOST_TRIES:
                if top.signed_by(anchor.certificate):
                    found += 1
                    yield (*links, anchor.certificate), anchor, []
                named = True
        for issuer in dict.fromkeys((*chain, *trust.known)):
            if len(links) == LONGEST - 1 or issuer in links or not _could_issue(issuer, top):
                continue
            if (tries := tries + 1) <= MOST_TRIES and top.signed_by(issuer):
                waiting.append((*links, issuer))
    if found:
        return
    reason = "self_signed" if certificate.self_issued else "same_name_other_key" if named else "unknown_ca"
    yield (certificate,), None, [reason]


def _judge(
    links: tuple[Certificate, ...],
    anchor: Anchor | None,
    reasons: list[str],
    known: Answers,
    at: datetime,
    purpose: str,
) -> tuple[Path, tuple[datetime, datetime] | None]:
    """One way up, in numbered steps that all run; and from when to when a good result stays good."""
    policy = anchor.policy if anchor else Policy()
    # 1. What each certificate is made of.
    reasons = reasons + _weaknesses(links, anchor, policy)
    # 2. In force at the moment.
    late, early = [c for c in links if at > c.not_after], [c for c in links if at < c.not_before]
    # 3. What the certificate may be used for.
    usage_good = purpose == "any" or _may_sign(links[0], policy)
    # 4. Revocation, by our own reading of plain lists; what is not plain is left to certvalidator.
    if policy.strict:  # RFC 5280, 5.2.3: every list has a number
        known = replace(known, lists=tuple(one for one in known.lists if one.numbered))
    answers = _answers(links, known.lists, at) if anchor else []
    worst = _worst(answers)
    unsure = worst.state in (Revocation.MISSING, Revocation.STALE)
    if anchor and unsure and not late and not early and (known.ocsps or known.lists):
        worst = checkers.revocation_by_certvalidator(links, anchor, known, at, worst)
    # 5. Both checkers; at a moment when all were in force, so that they speak of the path and nothing else.
    moment = at if not late and not early else _common_moment(links)
    if anchor and moment and not reasons:
        whole = moment == at and bool(answers) and all(answer.state is Revocation.GOOD for answer in answers)
        reasons += checkers.refusals(links, anchor, known.lists if whole else (), answers, moment)
    words = [*reasons, *(["expired"] if late else []), *(["not_yet_valid"] if early else [])]
    words += [] if usage_good else ["wrong_usage"]
    words += [] if anchor is None or worst.state is Revocation.GOOD else [f"revocation_{worst.state.value}"]
    path = Path(
        links=links,
        anchor=anchor,
        sound=anchor is not None and not reasons and moment is not None,
        in_force=not late and not early,
        usage_good=usage_good,
        revocation=worst.state,
        revoked_by=worst.by,
        revoked_at=worst.since,
        reasons=tuple(dict.fromkeys(words)),
    )
    return path, _window(links, answers)


def _could_issue(issuer: Certificate, issued: Certificate) -> bool:
    """The names fit. Key identifiers are hints and are left to the signature."""
    return issuer.subject_key == issued.issuer_key


def _weaknesses(links: Sequence[Certificate], anchor: Anchor | None, policy: Policy) -> list[str]:
    """What the certificates are made of, the anchor's own signature excepted: nobody asks it anything."""
    found: list[str] = []
    for place, link in enumerate(links):
        if link.kind is None or link.kind not in policy.kinds:
            found.append("unaccepted_key")
        elif link.kind is KeyKind.RSA and link.bits < policy.rsa_bits:
            found.append("weak_key")
        if anchor is None or place < len(links) - 1:
            if link.signature_digest not in policy.digests:
                found.append("weak_digest")
            found += link.oddities
        if place and not link.is_ca:
            found.append("issuer_is_no_ca")
        if place and link.constrains_hosts and links[0].has_wildcard:  # nobody agrees what that means
            found.append("unknown_name_constraint")
        # RFC 5280, 4.2.1.9: self-issued certificates between do not count.
        between = sum(not below.self_issued for below in links[1:place])
        if link.path_length is not None and place and between > link.path_length:
            found.append("path_length")
    return found


def _may_sign(certificate: Certificate, policy: Policy) -> bool:
    """Whether this certificate is for signing documents, and not a CA's."""
    if certificate.is_ca or certificate.usage is None:
        return False
    purposes = certificate.extended_usage
    return bool(certificate.usage & {"digital_signature", "non_repudiation"}) and (
        purposes is None or bool(purposes & policy.purposes)
    )


def _answers(links: Sequence[Certificate], lists: Sequence[RevocationList], at: datetime) -> list[Answer]:
    return [ask(link, issuer, lists, at) for link, issuer in pairwise(links)]


def _worst(answers: Sequence[Answer]) -> Answer:
    """The answer that decides: revoked, then missing, then stale, then that of the certificate itself."""
    for state in (Revocation.REVOKED, Revocation.MISSING, Revocation.STALE):
        for answer in answers:
            if answer.state is state:
                return answer
    return answers[0] if answers else Answer(Revocation.MISSING)


def _common_moment(links: Sequence[Certificate]) -> datetime | None:
    """A moment when all were in force; None: there was none."""
    start, end = max(link.not_before for link in links), min(link.not_after for link in links)
    return start if start <= end else None


def _window(links: Sequence[Certificate], answers: Sequence[Answer]) -> tuple[datetime, datetime] | None:
    """From when to when a good result stays the same; None: don't keep it."""
    if any(answer.speaks is None or answer.since is not None for answer in answers):
        return None
    return checkers.window(links, answers)


_remembered: Remembered[Path] = Remembered(4096)
