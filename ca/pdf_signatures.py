"""Signatures inside PDFs (PAdES, ETSI EN 319 142): official documents carry the platform's and the parties'.

The PDF's structure – what a signature covers, what was added after it – is read by pyhanko; the signature
itself is judged like any other (`ca.signatures`), so that a PDF and a file beside its `.p7s` get the same
`Verdict`. Every signature adds a revision; the bytes signed before stay as they are.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DEFAULT_DIFF_POLICY, DiffResult, ModificationLevel
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from ca.certificates import Certificate, Unreadable
from ca.keys import SigningKey
from ca.revocation import RevocationList
from ca.signatures import Verdict, verify_detached
from ca.signing import KeySigner, run
from ca.trust import TrustList

LARGEST = 128 * 1024 * 1024  # bytes of a PDF; official documents have 0.1–5 MiB
MOST_SIGNATURES = 64
SUBFILTERS = {"/ETSI.CAdES.detached", "/adbe.pkcs7.detached"}


@dataclass(frozen=True)
class PdfSignature:
    """One signature found in a PDF."""

    field: str
    reason: str | None
    signed_at: datetime | None  # as the signer claims
    whole: bool  # it covers the whole file as it then was
    unchanged: bool  # nothing but further signatures was added since
    last: bool  # nothing at all was added since
    verdict: Verdict

    @property
    def good(self) -> bool:
        return self.verdict.good and self.whole and self.unchanged

    def as_facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "field": self.field,
            "good": self.good,
            "reason": self.reason,
            "signed_at": self.signed_at.isoformat() if self.signed_at else None,
            "whole": self.whole,
            "unchanged": self.unchanged,
            "last": self.last,
            "verdict": self.verdict.as_facts(),
        }


@dataclass(frozen=True)
class PdfVerdict:
    """PDF 核验结论."""

    signatures: tuple[PdfSignature, ...]

    @property
    def good(self) -> bool:
        """There is a signature, every one is good, and the last covers the file to its last byte."""
        return bool(self.signatures) and all(one.good for one in self.signatures) and self.signatures[-1].last

    def as_facts(self) -> dict[str, Any]:
        """For JSON."""
        return {"good": self.good, "signatures": [one.as_facts() for one in self.signatures]}


def sign_pdf(
    pdf: bytes,
    key: SigningKey,
    certificate: Certificate,
    chain: Sequence[Certificate] = (),
    *,
    field: str,
    reason: str | None = None,
    location: str | None = None,
) -> bytes:
    """The PDF with one more signature, PAdES B-B, in a new field of this name. Raises Unreadable."""
    meta = PdfSignatureMetadata(
        field_name=field,
        md_algorithm=key.digest,
        reason=reason,
        location=location,
        name=certificate.holder,
        subfilter=SigSeedSubFilter.PADES,
    )
    signer = PdfSigner(meta, KeySigner(key, certificate, chain))
    try:
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=True)
    except Exception as error:  # whatever the reader of foreign bytes stumbles over
        raise Unreadable(reason="不是 PDF 文件") from error
    made = run(signer.async_sign_pdf(writer))
    signed: bytes = made.getvalue()
    return signed


def verify_pdf(
    pdf: bytes,
    *,
    trust: TrustList,
    at: datetime,
    crls: Iterable[bytes | RevocationList] = (),
) -> PdfVerdict:
    """Check every signature of a PDF as of the moment `at`. Raises Unreadable for what is no PDF."""
    lists = tuple(crls)
    if len(pdf) > LARGEST:
        raise Unreadable(reason="文件太大")
    try:
        reader = PdfFileReader(io.BytesIO(pdf), strict=True)
        embedded = list(reader.embedded_regular_signatures)
        if len(embedded) > MOST_SIGNATURES:
            raise Unreadable(reason="签名太多")
        return PdfVerdict(tuple(_judged(pdf, one, trust, at, lists) for one in embedded))
    except Unreadable:
        raise
    except Exception as error:  # parsers of foreign bytes raise whatever they like; ours raise one thing
        raise Unreadable(reason="不是 PDF 文件") from error


def _judged(
    pdf: bytes, one: EmbeddedPdfSignature, trust: TrustList, at: datetime, lists: tuple[bytes | RevocationList, ...]
) -> PdfSignature:
    # 1. What it covers.
    one.compute_integrity_info(DEFAULT_DIFF_POLICY)
    coverage = one.coverage
    assert coverage is not None
    whole = coverage >= SignatureCoverageLevel.ENTIRE_REVISION and one.sig_object.get("/SubFilter") in SUBFILTERS
    # 2. What was added since: further signatures only, and only as far as the signature itself allows.
    after = one.diff_result
    level = after.modification_level if isinstance(after, DiffResult) else ModificationLevel.OTHER
    allowed = one.docmdp_level
    unchanged = level <= ModificationLevel.FORM_FILLING and (allowed is None or level.value <= allowed.value)
    # 3. The signature over the bytes that it covers.
    start, length, second, rest = (int(number) for number in one.byte_range)
    signed = io.BytesIO(pdf[start : start + length] + pdf[second : second + rest])
    verdict = verify_detached(_without_padding(one.pkcs7_content), signed, trust=trust, at=at, crls=lists)
    return PdfSignature(
        field=str(one.field_name),
        reason=str(one.sig_object.get("/Reason")) if "/Reason" in one.sig_object else None,
        signed_at=one.self_reported_timestamp,
        whole=whole,
        unchanged=unchanged,
        last=coverage is SignatureCoverageLevel.ENTIRE_FILE,
        verdict=verdict,
    )


def _without_padding(contents: bytes) -> bytes:
    """The DER of a signature without the zeros that fill its room. Raises ValueError."""
    length, head = contents[1], 2
    if length & 0x80:
        head += length & 0x7F
        length = int.from_bytes(contents[2:head])
    if any(contents[head + length :]):
        raise ValueError("something stands behind the signature")
    return contents[: head + length]
