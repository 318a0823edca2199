"""To sign a file 签名: CMS/CAdES beside it, with a key of any kind, and the same signer for PDFs."""

import asyncio
import io
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, BinaryIO, TypeVar

from asn1crypto import cms
from pyhanko.sign.signers import Signer
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko_certvalidator.registry import SimpleCertificateStore

from ca.certificates import Certificate
from ca.digests import PIECE, Digests
from ca.keys import KeyKind, SigningKey
from storage import clock

T = TypeVar("T")


class KeySigner(Signer):
    """A key of ours in pyhanko's hands: it writes the attributes, the key signs them."""

    def __init__(self, key: SigningKey, certificate: Certificate, chain: Sequence[Certificate] = ()) -> None:
        store = SimpleCertificateStore()
        store.register_multiple([link.asn1 for link in chain])
        super().__init__(signing_cert=certificate.asn1, cert_registry=store, signature_mechanism=key.algorithm)
        assert certificate.asn1.public_key.dump() == key.public.dump(), "certificate and key belong together"
        self.key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        """Sign `data`; with `dry_run` only something as long (PDF leaves room for it)."""
        assert digest_algorithm == self.key.digest, digest_algorithm
        return bytes(1024) if dry_run else self.key.sign(data)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run pyhanko's coroutine to its end, also when an event loop is already running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(max_workers=1) as aside:
        return aside.submit(asyncio.run, work).result()


def sign_detached(
    content: BinaryIO,
    key: SigningKey,
    certificate: Certificate,
    chain: Sequence[Certificate] = (),
    *,
    at: datetime | None = None,
) -> bytes:
    """A detached CAdES-BES signature over the content, DER; the content is read once, in pieces.

    Its attributes: content type, message digest, the certificate's digest, and the time the signer claims.
    """
    signer = KeySigner(key, certificate, chain)
    digest = Digests.of(content, key.digest)[key.digest]
    claimed = PdfCMSSignedAttributes(signing_time=(at or clock.now()).replace(microsecond=0))
    made = run(
        signer.async_sign(
            digest, key.digest, use_pades=True, is_pdf_sig=False, signed_attr_settings=claimed, encap_content_info=None
        )
    )
    return made.dump()


def sign_without_attributes(
    content: BinaryIO, key: SigningKey, certificate: Certificate, chain: Sequence[Certificate] = ()
) -> bytes:
    """A detached GM/T 0010 signature over SM3(Z ‖ content), as national key tools make it. SM2 only."""
    assert key.kind is KeyKind.SM2
    signature = key.private.sign(iter(lambda: content.read(PIECE), b""))  # type: ignore[attr-defined]
    sm3 = {"algorithm": "sm3"}
    body = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [sm3],
            "encap_content_info": cms.ContentInfo({"content_type": "gm_data"}),
            "certificates": [
                cms.CertificateChoices(name="certificate", value=link.asn1) for link in (certificate, *chain)
            ],
            "signer_infos": [
                {
                    "version": "v1",
                    "sid": cms.SignerIdentifier(
                        name="issuer_and_serial_number",
                        value=cms.IssuerAndSerialNumber(
                            {"issuer": certificate.asn1.issuer, "serial_number": certificate.asn1.serial_number}
                        ),
                    ),
                    "digest_algorithm": sm3,
                    "signature_algorithm": {"algorithm": "sm2"},
                    "signature": signature,
                }
            ],
        }
    )
    return cms.ContentInfo({"content_type": "gm_signed_data", "content": body}).dump()


def sign_bytes(content: bytes, key: SigningKey, certificate: Certificate, chain: Sequence[Certificate] = ()) -> bytes:
    """`sign_detached` over bytes in hand."""
    return sign_detached(io.BytesIO(content), key, certificate, chain)
