"""Key files 密钥文件: what a signer carries – PKCS#12, or PEM with key, certificate and chain – read into one."""

from dataclasses import dataclass

from asn1crypto import pem
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from ca import keys
from ca.certificates import Certificate, Unreadable, read_all
from ca.certificates import read as read_certificate
from ca.keys import NotAKey, SigningKey
from storage.refusals import NotValid


class CannotOpenKey(NotValid):
    """Wrong password, or no key file at all: nobody can tell the two apart."""

    says = "打不开密钥文件：密码不对，或者文件不是密钥。请重新选择文件、输入密码。"


class KeyWithoutCertificate(NotValid):
    says = "没有找到与密钥对应的证书。请一并提供证书文件。"


@dataclass(frozen=True)
class Keyholder:
    """A key, its certificate and the CAs between it and the root."""

    key: SigningKey
    certificate: Certificate
    chain: tuple[Certificate, ...]


def read(raw: bytes, password: bytes | None = None, *, more: bytes = b"") -> Keyholder:
    """Read a key file; `more`: PEM certificates that are not in it.

    The certificate is the one of this key; all others are the chain. Raises CannotOpenKey,
    KeyWithoutCertificate and Unreadable.
    """
    if pem.detect(raw):
        key, found = _from_pem(raw, password), _certificates(raw)
    else:
        key, found = _from_pkcs12(raw, password)
    found += read_all(more) if more else ()
    public = key.public.dump()
    own = [certificate for certificate in found if certificate.asn1.public_key.dump() == public]
    if not own:
        raise KeyWithoutCertificate
    newest = max(own, key=lambda certificate: certificate.not_after)
    return Keyholder(key, newest, tuple(certificate for certificate in found if certificate not in own))


def _certificates(raw: bytes) -> tuple[Certificate, ...]:
    try:
        return read_all(raw)
    except Unreadable:
        return ()


def _from_pem(raw: bytes, password: bytes | None) -> SigningKey:
    try:
        return keys.from_pem(raw, password)
    except NotAKey as error:
        raise CannotOpenKey from error


def _from_pkcs12(raw: bytes, password: bytes | None) -> tuple[SigningKey, tuple[Certificate, ...]]:
    try:
        opened = pkcs12.load_pkcs12(raw, password)
        key = keys.from_private(opened.key)
        held = [opened.cert, *opened.additional_certs]
        found = tuple(read_certificate(one.certificate.public_bytes(Encoding.DER)) for one in held if one)
    except Unreadable:
        raise
    except Exception as error:  # whatever the reader of foreign bytes stumbles over
        raise CannotOpenKey from error
    return key, found
