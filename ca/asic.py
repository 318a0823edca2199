"""ASiC containers 签名文件包 (ETSI EN 319 162-1): a bid's documents and who signed them, in one ZIP.

ASiC-E: `mimetype`, the documents, `META-INF/ASiCManifest*.xml` with the digest of every document, and a
detached CAdES signature over each manifest. ASiC-S: one document and a signature over it.

The reader streams, and refuses what strict ZIP reading refuses; the verdict says every file that no
signature covers, every digest that does not fit, and what is wrong with each signature.
"""

import base64
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from ca.certificates import Certificate
from ca.digests import PIECE, Running
from ca.keys import SigningKey
from ca.revocation import RevocationList
from ca.signatures import Verdict, verify_detached
from ca.signing import sign_bytes
from ca.strict_zip import FAULTS, STORED, Archive, BadArchive, Limits, plain_name
from ca.trust import TrustList

ASIC_E, ASIC_S = "application/vnd.etsi.asic-e+zip", "application/vnd.etsi.asic-s+zip"
MANIFEST = "META-INF/ASiCManifest.xml"
SIGNATURE = "META-INF/signature001.p7s"
SIMPLE_SIGNATURE = "META-INF/signature.p7s"
PRICE = "price.json"
LARGEST_MANIFEST = 4 * 1024 * 1024
LARGEST_SIGNATURE = 1024 * 1024
MOST_SIGNATURES = 32
ASIC = "http://uri.etsi.org/02918/v1.2.1#"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
ALGORITHMS = {
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
    "urn:oid:1.2.156.10197.1.401": "sm3",
}
_MANIFEST_NAME = re.compile(r"META-INF/ASiCManifest[A-Za-z0-9_.-]*\.xml")
_SIGNATURE_NAME = re.compile(r"META-INF/[A-Za-z0-9_.-]*signature[A-Za-z0-9_.-]*\.p7s")

FAULTS.update(
    {
        "not_asic": "不是签名文件包（ASiC）",
        "stray_meta": "META-INF 里有不认识的文件“{name}”",
        "bad_manifest": "签名清单写得不对",
        "no_signature": "文件包没有签名",
    }
)
PROBLEM_NAMES = {
    "not_covered": "有文件不在签名清单里",
    "not_there": "签名清单里的文件不在包里",
    "changed": "有文件与签名清单的摘要不符",
    "signature_not_good": "签名未通过核验",
    "not_whole": "没有一个签名覆盖全部文件",
}


@dataclass(frozen=True)
class Document:
    """One signed file."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Found:
    """One signature of the container."""

    name: str
    covers: tuple[str, ...]
    changed: tuple[str, ...]  # documents whose digest does not fit
    missing: tuple[str, ...]
    verdict: Verdict

    @property
    def good(self) -> bool:
        return self.verdict.good and not self.changed and not self.missing


@dataclass(frozen=True)
class ContainerVerdict:
    """文件包核验结论."""

    kind: str
    documents: tuple[Document, ...]
    signatures: tuple[Found, ...]
    not_covered: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Every file is covered, by a signature over everything, and every signature is good."""
        return bool(self.signatures) and not self.problems

    @property
    def problems(self) -> tuple[str, ...]:
        """Stable codes of what is wrong."""
        names = {document.name for document in self.documents}
        return tuple(
            code
            for code, wrong in (
                ("not_covered", self.not_covered),
                ("not_there", any(found.missing for found in self.signatures)),
                ("changed", any(found.changed for found in self.signatures)),
                ("signature_not_good", not all(found.verdict.good for found in self.signatures)),
                ("not_whole", not any(set(found.covers) >= names for found in self.signatures)),
            )
            if wrong
        )

    def as_facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "good": self.good,
            "kind": self.kind,
            "problems": list(self.problems),
            "documents": [{"name": d.name, "size": d.size, "sha256": d.sha256} for d in self.documents],
            "not_covered": list(self.not_covered),
            "signatures": [
                {"name": f.name, "covers": list(f.covers), "changed": list(f.changed), "missing": list(f.missing)}
                | {"good": f.good, "verdict": f.verdict.as_facts()}
                for f in self.signatures
            ],
        }


# ------------------------------------------------------------------------------------------------ reading


class Container:
    """A container, opened: its form is right; what its signatures say is for `verify`."""

    def __init__(self, file: BinaryIO, limits: Limits | None = None) -> None:
        """Raises BadArchive."""
        self.archive = Archive(file, limits)
        self.kind = self._kind()
        names = [member.name for member in self.archive.files]
        self.documents = tuple(n for n in names if n != "mimetype" and not n.upper().startswith("META-INF/"))
        self.manifests = tuple(n for n in names if _MANIFEST_NAME.fullmatch(n))
        self.signatures = tuple(n for n in names if _SIGNATURE_NAME.fullmatch(n))
        known = {"mimetype", "META-INF/manifest.xml", *self.documents, *self.manifests, *self.signatures}
        for name in names:
            if name not in known:
                raise BadArchive("stray_meta", name=name[:60])
        if not self.signatures or not self.documents:
            raise BadArchive("no_signature")
        if len(self.signatures) > MOST_SIGNATURES or len(self.manifests) > MOST_SIGNATURES:
            raise BadArchive("too_many")

    def _kind(self) -> str:
        first = self.archive.members[0] if self.archive.members else None
        if first is None or (first.name, first.method, first.body) != ("mimetype", STORED, 30 + len("mimetype")):
            raise BadArchive("not_asic")
        said = self.archive.read("mimetype", 100)
        if said not in (ASIC_E.encode(), ASIC_S.encode()):
            raise BadArchive("not_asic")
        return said.decode()

    def read(self, name: str, limit: int) -> bytes:
        """A small document whole. Raises BadArchive (too large, damaged) and KeyError."""
        return self.archive.read(name, limit)

    def price(self) -> bytes | None:
        """The bytes of `price.json` 开标一览表; None: there is none."""
        return self.archive.read(PRICE, LARGEST_MANIFEST) if PRICE in self.documents else None

    def save(self, folder: Path) -> None:
        """Write the documents below an empty folder; names were checked to stay inside it."""
        for name in self.documents:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                for piece in self.archive.pieces(self.archive[name]):
                    out.write(piece)

    def verify(
        self, *, trust: TrustList, at: datetime, crls: Iterable[bytes | RevocationList] = ()
    ) -> ContainerVerdict:
        """Check every digest and every signature, reading each document once. Raises BadArchive, Unreadable."""
        lists = tuple(crls)
        manifests = self._manifests()
        wanted = {"sha256", *(algorithm for m in manifests for algorithm, _ in m.references.values() if algorithm)}
        digests = {name: self._digests(name, wanted) for name in self.documents}
        found = tuple(self._signature(m, digests, trust, at, lists) for m in manifests)
        covered = {name for one in found for name in one.covers}
        return ContainerVerdict(
            kind=self.kind,
            documents=tuple(
                Document(name, self.archive[name].size, digests[name]["sha256"].hex()) for name in self.documents
            ),
            signatures=found,
            not_covered=tuple(name for name in self.documents if name not in covered),
        )

    def _manifests(self) -> tuple["Manifest", ...]:
        """What each signature covers; every signature is spoken for exactly once."""
        if self.kind == ASIC_S:
            if len(self.documents) != 1 or self.manifests or self.signatures != (SIMPLE_SIGNATURE,):
                raise BadArchive("bad_manifest")
            return (Manifest(SIMPLE_SIGNATURE, {self.documents[0]: ("", b"")}, None),)
        made = tuple(Manifest.read(self.archive.read(name, LARGEST_MANIFEST)) for name in self.manifests)
        if sorted(manifest.signature for manifest in made) != sorted(self.signatures):
            raise BadArchive("bad_manifest")
        return made

    def _digests(self, name: str, wanted: Iterable[str]) -> dict[str, bytes]:
        running = Running(*sorted(wanted))
        for piece in self.archive.pieces(self.archive[name]):
            running.update(piece)
        return running.digests()

    def _signature(
        self,
        manifest: "Manifest",
        digests: dict[str, dict[str, bytes]],
        trust: TrustList,
        at: datetime,
        lists: Sequence[bytes | RevocationList],
    ) -> Found:
        raw = self.archive.read(manifest.signature, LARGEST_SIGNATURE)
        if manifest.raw is None:  # ASiC-S: over the document itself
            (document,) = manifest.references
            content = self.archive.open(self.archive[document])
            verdict = verify_detached(raw, content, trust=trust, at=at, crls=lists)
            return Found(manifest.signature, (document,), (), (), verdict)
        verdict = verify_detached(raw, io.BytesIO(manifest.raw), trust=trust, at=at, crls=lists)
        present = {name: said for name, said in manifest.references.items() if name in digests}
        changed = [name for name, (algorithm, value) in present.items() if digests[name][algorithm] != value]
        missing = tuple(name for name in manifest.references if name not in digests)
        return Found(manifest.signature, tuple(present), tuple(changed), missing, verdict)


@dataclass(frozen=True)
class Manifest:
    """签名清单: the documents that one signature covers, each with its digest."""

    signature: str
    references: dict[str, tuple[str, bytes]]  # name → algorithm, digest
    raw: bytes | None

    @classmethod
    def read(cls, raw: bytes) -> "Manifest":
        """Read an ASiCManifest. Raises BadArchive for anything but the plain form: no DTD, no entity."""
        reader = _Reader()
        try:
            reader.run(raw)
            signature = _target(reader.signature[0]) if len(reader.signature) == 1 else ""
            references = {}
            for uri, algorithm, value in reader.references:
                name = _target(uri)
                if name in references or name == "mimetype" or name.upper().startswith("META-INF/"):
                    raise BadArchive("bad_manifest")
                references[name] = ALGORITHMS[algorithm], base64.b64decode("".join(value.split()), validate=True)
        except (expat.ExpatError, ValueError, KeyError) as error:
            raise BadArchive("bad_manifest") from error
        if not _SIGNATURE_NAME.fullmatch(signature) or not references:
            raise BadArchive("bad_manifest")
        return cls(signature, references, raw)

    @classmethod
    def write(cls, signature: str, documents: Sequence[tuple[str, str, bytes]]) -> bytes:
        """The manifest's bytes for (name, media type, SHA-256) of each document."""
        lines = [f'<asic:ASiCManifest xmlns:asic="{ASIC}" xmlns:ds="{DSIG}">']
        lines.append(f'<asic:SigReference MimeType="application/pkcs7-signature" URI={quoteattr(quote(signature))}/>')
        for name, media, digest in documents:
            lines.append(
                f"<asic:DataObjectReference MimeType={quoteattr(media)} URI={quoteattr(quote(name))}>"
                '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
                f"<ds:DigestValue>{escape(base64.b64encode(digest).decode())}</ds:DigestValue>"
                "</asic:DataObjectReference>"
            )
        lines.append("</asic:ASiCManifest>\n")
        return ('<?xml version="1.0" encoding="UTF-8"?>\n' + "\n".join(lines)).encode()


def _target(uri: str) -> str:
    """The member that a URI names: relative, percent-decoded once."""
    name = unquote(uri, errors="strict")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", uri) or "#" in uri or "?" in uri or not plain_name(name):
        raise ValueError(uri)
    return name


class _Reader:
    """A manifest's few elements, by expat; anything clever (DTD, entity, deep nesting) ends the reading."""

    def __init__(self) -> None:
        self.signature: list[str] = []
        self.references: list[tuple[str, str, str]] = []
        self._path: list[str] = []
        self._now = ["", "", ""]

    def run(self, raw: bytes) -> None:
        parser = expat.ParserCreate("utf-8", " ")  # whatever else it may claim to be
        parser.buffer_text = True
        for clever in ("StartDoctypeDecl", "EntityDecl", "ExternalEntityRef", "ProcessingInstruction"):
            setattr(parser, f"{clever}Handler", self._refuse)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.Parse(raw, True)

    @staticmethod
    def _refuse(*_: object) -> None:
        raise BadArchive("bad_manifest")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        if len(self._path) > 8 or self._path[0] != f"{ASIC} ASiCManifest":
            self._refuse()
        if self._path[1:] == [f"{ASIC} SigReference"]:
            self.signature.append(attributes.get("URI", ""))
        elif self._path[1:] == [f"{ASIC} DataObjectReference"]:
            self._now = [attributes.get("URI", ""), "", ""]
        elif self._path[1:] == [f"{ASIC} DataObjectReference", f"{DSIG} DigestMethod"]:
            self._now[1] += attributes.get("Algorithm", "")
        elif len(self._path) == 2:
            self._refuse()

    def _text(self, text: str) -> None:
        if self._path[1:] == [f"{ASIC} DataObjectReference", f"{DSIG} DigestValue"]:
            self._now[2] += text

    def _end(self, _: str) -> None:
        if self._path[1:] == [f"{ASIC} DataObjectReference"]:
            self.references.append((self._now[0], self._now[1], self._now[2]))
        self._path.pop()


# ------------------------------------------------------------------------------------------------ writing


def write(
    out: BinaryIO,
    documents: Iterable[tuple[str, Path | bytes]],
    *,
    key: SigningKey,
    certificate: Certificate,
    chain: Sequence[Certificate] = (),
) -> tuple[Document, ...]:
    """Write an ASiC-E of these documents, signed, and say what is in it.

    Files are stored, not packed: bids are mostly PDFs, and are encrypted afterwards. Raises BadArchive for a
    name that the reader would refuse.
    """
    listed = list(documents)
    written = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "mimetype", ASIC_E.encode())
        for name, content in listed:
            if not plain_name(name) or name == "mimetype" or name.upper().startswith("META-INF/"):
                raise BadArchive("bad_name", name=name[:40])
            written.append((name, _media(name), *_add(archive, name, content)))
        if not written:
            raise BadArchive("no_signature")
        manifest = Manifest.write(SIGNATURE, [(name, media, digest) for name, media, digest, _ in written])
        _add(archive, MANIFEST, manifest)
        _add(archive, SIGNATURE, sign_bytes(manifest, key, certificate, chain))
    out.seek(0)
    Container(out)  # what we write, our reader must take
    return tuple(Document(name, size, digest.hex()) for name, _, digest, size in written)


def _add(archive: zipfile.ZipFile, name: str, content: Path | bytes) -> tuple[bytes, int]:
    """One stored member, dated at the beginning of ZIP's time, so that the same files make the same bytes."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr, entry.create_system = 0o100644 << 16, 3
    running, size = Running("sha256"), 0
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source:
        entry.file_size = source.seek(0, 2)
        source.seek(0)
        with archive.open(entry, "w", force_zip64=entry.file_size >= 0xFFFFFFFF) as target:
            while piece := source.read(PIECE):
                running.update(piece)
                target.write(piece)
                size += len(piece)
    return running.digests()["sha256"], size


_MEDIA = {".pdf": "application/pdf", ".json": "application/json", ".xml": "application/xml", ".txt": "text/plain"}


def _media(name: str) -> str:
    return _MEDIA.get(Path(name).suffix.lower(), "application/octet-stream")
