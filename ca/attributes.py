"""The signed attributes of a CMS signature 签名属性 (RFC 5652 §5.3, §11; RFC 5035; RFC 6211), checked one by one.

With attributes the key signs them, and one of them is the content's digest. So three things must hold: the
attributes say what they must and once only, the digest in them is the content's, and the key signed them.
The third is `ca.signatures`' part.
"""

import hashlib
from datetime import datetime

from asn1crypto import cms, core, tsp

from ca.certificates import Certificate

_HASHES = {"sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}


class BadAttributes(Exception):
    """An attribute is missing, there twice, or contradicts the signature it stands in."""


def value(attributes: cms.CMSAttributes, name: str) -> core.Asn1Value | None:
    """The one value of an attribute; None: it is not there. Raises BadAttributes when there are several."""
    found = [attribute["values"] for attribute in attributes if attribute["type"].native == name]
    if not found:
        return None
    if len(found) != 1 or len(found[0]) != 1:
        raise BadAttributes(f"{name} more than once")
    return found[0][0]


def signing_time(attributes: cms.CMSAttributes) -> datetime | None:
    """签名时间 that the signer claims, if it claims one."""
    try:
        said = value(attributes, "signing_time")
    except BadAttributes:
        return None
    moment: datetime | None = None if said is None else said.native
    return moment


def check(info: cms.SignerInfo, attributes: cms.CMSAttributes, content_type: str, signer: Certificate) -> bytes:
    """The content digest that was signed. Raises BadAttributes unless everything else in them fits.

    `attributes`: those of `info`, with the tag of a SET.
    """
    # 1. The content type is there and is the one beside it.
    said = value(attributes, "content_type")
    if said is None or said.native != content_type:
        raise BadAttributes("content_type")
    # 2. The certificate is the one that the signer meant.
    for name, shape in (
        ("signing_certificate_v2", tsp.SigningCertificateV2),
        ("signing_certificate", tsp.SigningCertificate),
    ):
        meant = value(attributes, name)
        if meant is not None and not _is_meant(shape.load(meant.dump())["certs"][0], signer):
            raise BadAttributes(name)
    # 3. The algorithms are those that the signer named.
    protection = value(attributes, "cms_algorithm_protection")
    if protection is not None and not (
        protection["digest_algorithm"].native == info["digest_algorithm"].native
        and protection["signature_algorithm"].native == info["signature_algorithm"].native
    ):
        raise BadAttributes("cms_algorithm_protection")
    # 4. No attribute comes twice, and only one time is claimed.
    value(attributes, "signing_time")
    kinds = [attribute["type"].native for attribute in attributes]
    if len(set(kinds)) != len(kinds):
        raise BadAttributes("an attribute comes twice")
    # 5. The digest.
    digest = value(attributes, "message_digest")
    if digest is None:
        raise BadAttributes("message_digest")
    signed: bytes = digest.native
    return signed


def _is_meant(named: tsp.ESSCertID | tsp.ESSCertIDv2, signer: Certificate) -> bool:
    """Whether an ESSCertID names this certificate (RFC 5035, 5): its digest, and issuer and serial when given."""
    if isinstance(named, tsp.ESSCertID):  # version 1 has SHA-1 only; a second name for what the key binds anyway
        digest = hashlib.sha1(signer.der, usedforsecurity=False).digest()
    else:
        algorithm = _HASHES.get(named["hash_algorithm"]["algorithm"].native)
        if algorithm is None:
            return False
        digest = hashlib.new(algorithm, signer.der).digest()
    if named["cert_hash"].native != digest:
        return False
    place = named["issuer_serial"]
    if isinstance(place, core.Void):
        return True
    issuers = [name.chosen.untag().dump() for name in place["issuer"] if name.name == "directory_name"]
    return place["serial_number"].native == signer.asn1.serial_number and signer.asn1.issuer.dump() in issuers
