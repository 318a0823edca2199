"""Recognised CAs 多CA互认: whose certificates count here, each CA under a policy of its own.

A CA is recognised by its certificate, the anchor 信任锚, and nothing else: no name, no list of the
operating system, no download. What one CA may do (algorithms, sizes, odd extensions, where it writes the
holder's credit code) says nothing about another.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from ca import sm2
from ca.certificates import CODE_PLACES, Certificate, Unreadable, read_all
from ca.keys import KeyKind
from storage.refusals import NotValid

SUFFIXES = {".pem", ".crt", ".cer", ".der"}
DOCUMENT_PURPOSES = frozenset({"email_protection", "client_auth", "any_extended_key_usage", "1.3.6.1.5.5.7.3.36"})


class NotAnAnchor(NotValid):
    """Only the certificate of a CA can be an anchor."""

    says = "“{holder}”的证书不是 CA 证书，不能作为信任锚。"


class Asked(StrEnum):
    """What a missing or stale answer about revocation 吊销信息 means."""

    ALWAYS = "always"  # without a fresh answer the verdict is not good
    WHEN_KNOWN = "when_known"  # said in the verdict, but accepted


def _shaped(value: Any, *, like: Any) -> Any:
    """A TOML value in the shape of a policy's field. Raises TypeError and ValueError."""
    wanted: type = list if isinstance(like, frozenset | tuple) else str if isinstance(like, str | bytes) else type(like)
    if type(value) is not wanted or (isinstance(value, list) and not all(type(one) is str for one in value)):
        raise TypeError(value)
    return value.encode() if isinstance(value, str) and isinstance(like, bytes) else type(like)(value)


@dataclass(frozen=True)
class Policy:
    """认证策略: what we accept from one CA."""

    kinds: frozenset[KeyKind] = frozenset(KeyKind)
    rsa_bits: int = 2048
    digests: frozenset[str] = frozenset({"sha256", "sha384", "sha512", "sm3"})
    critical_oids: frozenset[str] = frozenset()  # unknown critical extensions of this CA that we know to be harmless
    certificate_policies: frozenset[str] = frozenset()  # one of these OIDs must hold all the way; empty: any or none
    sm2_id: bytes = sm2.DEFAULT_ID  # the identity under which its holders sign
    code_places: tuple[str, ...] = CODE_PLACES  # where it writes the credit code, in order
    purposes: frozenset[str] = DOCUMENT_PURPOSES  # one of these, when a certificate limits its purposes
    revocation: Asked = Asked.ALWAYS
    strict: bool = True  # RFC 5280 to the letter (OpenSSL's X509_STRICT)

    @classmethod
    def read(cls, wishes: Mapping[str, Any]) -> "Policy":
        """From plain values, as a TOML file beside the anchor has them. Raises Unreadable."""
        made: dict[str, Any] = {}
        try:
            for name, value in wishes.items():
                default = getattr(cls(), name)
                made[name] = _shaped(value, like=default)
            if "kinds" in made:
                made["kinds"] = frozenset(KeyKind(kind) for kind in made["kinds"])
            return cls(**made)
        except (ValueError, TypeError, AttributeError) as error:
            raise Unreadable(reason="认证策略写得不对") from error

    def as_facts(self) -> dict[str, Any]:
        """Plain values, sorted, for JSON and for the list's version."""
        said = {wanted.name: getattr(self, wanted.name) for wanted in fields(self)}
        return {name: sorted(v) if isinstance(v, frozenset) else v.hex() if isinstance(v, bytes) else v
                for name, v in said.items()}  # fmt: skip


@dataclass(frozen=True)
class Anchor:
    """信任锚: a CA that we recognise, and how far."""

    certificate: Certificate
    policy: Policy = field(default_factory=Policy)
    name: str = ""

    def __post_init__(self) -> None:
        usage = self.certificate.usage
        if not self.certificate.is_ca or (usage is not None and "key_cert_sign" not in usage):
            raise NotAnAnchor(holder=self.certificate.holder)
        if not self.name:
            object.__setattr__(self, "name", self.certificate.holder)


@dataclass(frozen=True)
class TrustList:
    """The CAs recognised at one time. `known` are issuing CAs below them, kept so that nobody must send them."""

    anchors: tuple[Anchor, ...]
    known: tuple[Certificate, ...] = ()

    @classmethod
    def of(cls, *certificates: Certificate, policy: Policy | None = None) -> "TrustList":
        """Anchors that all stand under one policy."""
        return cls(tuple(Anchor(certificate, policy or Policy()) for certificate in certificates))

    @classmethod
    def from_folder(cls, folder: Path) -> "TrustList":
        """Every certificate in the folder's PEM and DER files is an anchor.

        `name.toml` beside `name.pem` holds its policy. Raises Unreadable and NotAnAnchor.
        """
        anchors = []
        for file in sorted(folder.iterdir()):
            if file.suffix.lower() not in SUFFIXES or not file.is_file():
                continue
            beside = file.with_suffix(".toml")
            policy = _policy(beside) if beside.is_file() else Policy()
            anchors += [Anchor(certificate, policy) for certificate in read_all(file.read_bytes())]
        return cls(tuple(anchors))

    @cached_property
    def version(self) -> str:
        """A digest of everything that is recognised: verdicts name it."""
        anchors = [[anchor.certificate.fingerprint, anchor.policy.as_facts()] for anchor in self.anchors]
        said = [anchors, sorted(certificate.fingerprint for certificate in self.known)]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def with_anchors(self, more: Iterable[Anchor]) -> "TrustList":
        """This list and these."""
        return TrustList((*self.anchors, *more), self.known)


def _policy(file: Path) -> Policy:
    try:
        return Policy.read(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Unreadable(reason="认证策略写得不对") from error
