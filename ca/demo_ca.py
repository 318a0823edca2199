"""CAs of our own 演示CA, for development, demonstration and tests: RSA, ECDSA and SM2, made at run time.

Each is a root, an issuing CA below it and their revocation lists. They refuse to exist in production:
a platform that issues its bidders' certificates could sign for them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from asn1crypto import pem
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from ca import keys
from ca.certificates import Certificate, read
from ca.issuing import CA_USAGE, END_ENTITY_USAGE, Subject, Wish, certificate, revocation_list
from ca.keyfiles import Keyholder
from ca.keys import KeyKind, SigningKey
from ca.trust import Anchor, Policy, TrustList
from storage import clock
from storage.refusals import NotValid

YEARS = 365 * timedelta(days=1)
LIST_LASTS = timedelta(days=30)
BACKDATED = timedelta(hours=1)  # clocks of other machines run slow
NAMES = {KeyKind.RSA: "RSA", KeyKind.ECDSA: "ECDSA", KeyKind.SM2: "SM2"}


class NotInProduction(NotValid):
    """The demo CAs were asked for in production."""

    says = "生产环境不能使用演示 CA。请接入经认可的电子认证服务机构。"


class Issued(Keyholder):
    """A certificate just issued, its key and the CAs between it and the root, ready to hand over."""

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.to_pem()

    @property
    def chain_pem(self) -> bytes:
        return b"".join(link.to_pem() for link in self.chain)

    def key_pem(self, password: bytes | None = None) -> bytes:
        return self.key.to_pem(password)

    def pkcs12(self, password: bytes) -> bytes:
        """PKCS#12 with the chain, RSA and ECDSA only: no common reader opens an SM2 one."""
        private = getattr(self.key, "private", None)
        return pkcs12.serialize_key_and_certificates(
            self.certificate.holder.encode(),
            private,
            self.certificate.pyca,
            [link.pyca for link in self.chain],
            BestAvailableEncryption(password),
        )


@dataclass
class DemoCa:
    """One CA: root, issuing CA, and who was revoked."""

    kind: KeyKind
    root_key: SigningKey
    root: Certificate
    issuing_key: SigningKey
    issuing: Certificate
    revoked: dict[int, datetime] = field(default_factory=dict)

    @classmethod
    def make(cls, kind: KeyKind, *, at: datetime | None = None) -> "DemoCa":
        """A new CA, in force from an hour before `at` for ten years. Raises NotInProduction."""
        refuse_in_production()
        start = (at or clock.now()) - BACKDATED
        root_key, issuing_key = keys.generate(kind), keys.generate(kind)
        names = [
            Subject.of(country_name="CN", organization_name=f"公衡演示{NAMES[kind]}证书机构", common_name=common)
            for common in (f"演示{NAMES[kind]}根CA", f"演示{NAMES[kind]}签发CA")
        ]
        root = certificate(
            Wish(names[0], root_key.public, start, start + 10 * YEARS, ca=True, usage=CA_USAGE),
            issuer=names[0].name(),
            key=root_key,
        )
        below = certificate(
            Wish(
                names[1],
                issuing_key.public,
                start,
                start + 8 * YEARS,
                ca=True,
                path_length=0,
                usage=CA_USAGE,
            ),
            issuer=names[0].name(),
            key=root_key,
        )
        return cls(kind, root_key, read(root.dump()), issuing_key, read(below.dump()))

    def issue(
        self,
        name: str,
        credit_code: str | None,
        *,
        usage: frozenset[str] = END_ENTITY_USAGE,
        person: str | None = None,
        key: SigningKey | None = None,
        not_before: datetime | None = None,
        lasts: timedelta = 2 * YEARS,
    ) -> Issued:
        """A certificate for an organisation (or a person of it), with a key made here unless given."""
        refuse_in_production()
        key = key or keys.generate(self.kind)
        said = {"country_name": "CN", "organization_name": name}
        if credit_code:
            said["organization_identifier"] = credit_code
        subject = Subject.of(**said, common_name=person or name)
        start = not_before or clock.now() - BACKDATED
        made = certificate(
            Wish(subject, key.public, start, start + lasts, usage=usage),
            issuer=self.issuing.asn1.subject,
            key=self.issuing_key,
        )
        return Issued(key, read(made.dump()), (self.issuing,))

    def revoke(self, issued: Certificate, *, at: datetime | None = None) -> None:
        """From `at` on its signatures no longer count; the next lists say so."""
        self.revoked[issued.asn1.serial_number] = at or clock.now()

    def lists(self, *, at: datetime | None = None, lasts: timedelta = LIST_LASTS) -> tuple[bytes, bytes]:
        """The root's and the issuing CA's revocation lists, DER."""
        start = (at or clock.now()) - BACKDATED
        number = int(start.timestamp())
        upper = revocation_list(
            issuer=self.root.asn1.subject, key=self.root_key, this_update=start, next_update=start + lasts, revoked={},
            number=number,
        )  # fmt: skip
        lower = revocation_list(
            issuer=self.issuing.asn1.subject, key=self.issuing_key, this_update=start, next_update=start + lasts,
            revoked=self.revoked, number=number,
        )  # fmt: skip
        return upper.dump(), lower.dump()


@dataclass
class DemoCas:
    """The three, as the demo centre has them."""

    by_kind: Mapping[KeyKind, DemoCa]

    @classmethod
    def make(cls, *, at: datetime | None = None) -> "DemoCas":
        return cls({kind: DemoCa.make(kind, at=at) for kind in KeyKind})

    def issue(self, name: str, credit_code: str | None, kind: KeyKind, **wishes: object) -> Issued:
        """A certificate of the CA of this kind."""
        return self.by_kind[kind].issue(name, credit_code, **wishes)  # type: ignore[arg-type]

    @cached_property
    def trust(self) -> TrustList:
        """All three recognised, each for its own kind of key only."""
        return TrustList(
            tuple(Anchor(ca.root, Policy(kinds=frozenset({kind}))) for kind, ca in self.by_kind.items()),
            known=tuple(ca.issuing for ca in self.by_kind.values()),
        )

    def lists(self, *, at: datetime | None = None) -> tuple[bytes, ...]:
        """Every current revocation list."""
        return tuple(one for ca in self.by_kind.values() for one in ca.lists(at=at))

    def save(self, folder: Path) -> None:
        """Write `trust/`, `chain/` and `crl/` for the commands, and `private/` (0700) to go on issuing later."""
        for ca in self.by_kind.values():
            _write(folder / "trust" / f"{ca.kind}.pem", ca.root.to_pem())
            _write(folder / "trust" / f"{ca.kind}.toml", f'kinds = ["{ca.kind}"]\n'.encode())
            _write(folder / "chain" / f"{ca.kind}.pem", ca.issuing.to_pem())
            _write(folder / "private" / f"{ca.kind}-root.key", ca.root_key.to_pem(), secret=True)
            _write(folder / "private" / f"{ca.kind}-issuing.key", ca.issuing_key.to_pem(), secret=True)
        self.save_lists(folder)

    def save_lists(self, folder: Path) -> None:
        """Write fresh revocation lists."""
        for ca in self.by_kind.values():
            said = "\n".join(f"{serial:x} {when.isoformat()}" for serial, when in ca.revoked.items())
            _write(folder / "private" / f"{ca.kind}-revoked.txt", said.encode(), secret=True)
            listed = b"".join(pem.armor("X509 CRL", der) for der in ca.lists())
            _write(folder / "crl" / f"{ca.kind}.pem", listed)

    @classmethod
    def load(cls, folder: Path) -> "DemoCas":
        """The CAs that `save` wrote. Raises NotInProduction."""
        refuse_in_production()
        found = {}
        for kind in KeyKind:
            private = folder / "private"
            revoked = (line.split() for line in (private / f"{kind}-revoked.txt").read_text().splitlines())
            found[kind] = DemoCa(
                kind,
                keys.from_pem((private / f"{kind}-root.key").read_bytes()),
                read((folder / "trust" / f"{kind}.pem").read_bytes()),
                keys.from_pem((private / f"{kind}-issuing.key").read_bytes()),
                read((folder / "chain" / f"{kind}.pem").read_bytes()),
                {int(serial, 16): datetime.fromisoformat(when) for serial, when in revoked},
            )
        return cls(found)


def refuse_in_production() -> None:
    """Raises NotInProduction when this platform is a real one."""
    if os.environ.get("GONGHENG_MODE") == "production":
        raise NotInProduction


def _write(file: Path, content: bytes, *, secret: bool = False) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if secret else 0o755)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o644), "wb") as out:
        out.write(content)
