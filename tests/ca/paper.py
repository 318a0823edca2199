"""Certificates to test with: one CA of each kind, made once, and a way to make a crooked one of anything."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from ca import keys
from ca.certificates import Certificate, read
from ca.demo_ca import DemoCa, DemoCas, Issued
from ca.issuing import CA_USAGE, Subject, Wish, certificate, revocation_list
from ca.keys import KeyKind, SigningKey
from ca.trust import Anchor, Policy, TrustList
from storage.values import check_character

AT = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
CODE = "91440101MA5CTFH82" + check_character("91440101MA5CTFH82")
NAME = "示范建设有限公司"


@cache
def cas() -> DemoCas:
    """The three demo CAs, in force around AT."""
    return DemoCas.make(at=AT - 30 * DAY)


@cache
def bidder(kind: KeyKind) -> Issued:
    """A bidder's certificate from the CA of this kind."""
    return cas().issue(NAME, CODE, kind, not_before=AT - DAY)


@cache
def lists() -> tuple[bytes, ...]:
    """Lists that revoke nobody."""
    return cas().lists(at=AT)


@cache
def a_key(kind: KeyKind, name: str = "") -> SigningKey:
    """A key by name: the same for the same name."""
    return keys.generate(kind)


@dataclass(frozen=True)
class Hierarchy:
    """Root, issuing CA and bidder of our own wishing, each to be bent before it is made."""

    kind: KeyKind = KeyKind.ECDSA
    root: Wish | None = None
    issuing: Wish | None = None
    holder: Wish | None = None

    @classmethod
    def straight(cls, kind: KeyKind = KeyKind.ECDSA) -> "Hierarchy":
        start, end = AT - 30 * DAY, AT + 300 * DAY
        return cls(
            kind,
            Wish(Subject.of(country_name="CN", common_name="根"), a_key(kind, "root").public, start, end, ca=True,
                 usage=CA_USAGE),
            Wish(Subject.of(country_name="CN", common_name="签发"), a_key(kind, "issuing").public, start, end, ca=True,
                 path_length=0, usage=CA_USAGE),
            Wish(Subject.of(country_name="CN", organization_name=NAME, organization_identifier=CODE),
                 a_key(kind, "holder").public, start, end),
        )  # fmt: skip

    def bent(self, which: str, **wishes: object) -> "Hierarchy":
        """The same with one certificate wished otherwise."""
        return replace(self, **{which: replace(getattr(self, which), **wishes)})

    def made(self, **how: object) -> tuple[Certificate, Certificate, Certificate]:
        """Root, issuing CA, bidder. `how`: algorithm for the bidder's certificate."""
        root_key, issuing_key = a_key(self.kind, "root"), a_key(self.kind, "issuing")
        upper = self.root.subject.name()
        root = certificate(self.root, issuer=upper, key=root_key)
        issuing = certificate(self.issuing, issuer=upper, key=root_key)
        holder = certificate(self.holder, issuer=self.issuing.subject.name(), key=issuing_key, **how)
        return tuple(read(made.dump()) for made in (root, issuing, holder))

    def lists(self, *, revoked: dict[int, datetime] | None = None, at: datetime = AT, lasts: timedelta = 7 * DAY):
        """Root's and issuing CA's lists, DER."""
        return tuple(
            revocation_list(
                issuer=wish.subject.name(), key=a_key(self.kind, name), this_update=at - DAY, next_update=at + lasts,
                revoked=(revoked or {}) if name == "issuing" else {},
            ).dump()
            for name, wish in (("root", self.root), ("issuing", self.issuing))
        )  # fmt: skip


def trusting(root: Certificate, **policy: object) -> TrustList:
    """A list with one anchor."""
    return TrustList((Anchor(root, Policy(**policy)),))


__all__ = ["AT", "CODE", "DAY", "NAME", "DemoCa", "Hierarchy", "a_key", "bidder", "cas", "lists", "trusting"]
