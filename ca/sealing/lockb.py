"""Lock B under a certificate: kb wrapped for the bidder's own encryption key (gh-seal/2, §3), as a convenience.

A bidder may leave it out and rely on the rescue file alone. In the national two-certificate system the
encryption key pair is made and kept by the CA's key centre: then lock B is "bidder or his CA".
"""

import hashlib

from asn1crypto import keys as asn1_keys
from asn1crypto import pem as asn1_pem
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_private_key

from ca.certificates import Certificate
from ca.keys import KeyKind, SigningKey
from ca.sealing import sm2_box
from ca.sealing.faults import ParamsWrong
from ca.sealing.file import Wrapper, check_kb
from ca.sealing.header import Header
from ca.sealing.params import said

_SUITE = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class CannotUnwrap(ValueError):
    """No wrap for this key in the header, or one that does not open."""


def wrapper(certificate: Certificate) -> Wrapper:
    """The way to wrap kb for this certificate, for `file.seal`. Raises `ParamsWrong` for other kinds of key."""
    public = certificate.asn1.public_key
    name = hashlib.sha256(certificate.asn1.dump()).hexdigest()
    if certificate.kind is KeyKind.SM2:
        point = bytes(public["public_key"])
        return lambda kb, ctx: {"cert": name, "alg": "SM2-C1C3C2", "ct": sm2_box.encrypt(point, kb).hex()}
    loaded = load_der_public_key(public.dump())
    if isinstance(loaded, rsa.RSAPublicKey):
        return lambda kb, ctx: {"cert": name, "alg": "RSA-OAEP-256", "ct": loaded.encrypt(kb, _oaep(ctx)).hex()}
    if isinstance(loaded, ec.EllipticCurvePublicKey) and isinstance(loaded.curve, ec.SECP256R1):
        return lambda kb, ctx: {
            "cert": name,
            "alg": "P256-HPKE",
            "ct": _SUITE.encrypt(kb, loaded, info=said("kb", ctx)).hex(),
        }
    raise ParamsWrong("kb is wrapped for RSA, P-256 or SM2 certificates")


def unwrap(header: Header, key: SigningKey) -> bytes:
    """kb, by the private key of a certificate that the header names. Raises `CannotUnwrap`.

    Every wrap of the right kind is tried, and what comes out is held against the commitment.
    """
    tries = {KeyKind.RSA: ("RSA-OAEP-256", _by_rsa), KeyKind.ECDSA: ("P256-HPKE", _by_hpke)}
    algorithm, act = tries.get(key.kind, ("SM2-C1C3C2", _by_sm2))
    for wrap in header.fields.get("lockb", []):
        if wrap["alg"] != algorithm:
            continue
        try:
            kb = act(key, bytes.fromhex(wrap["ct"]), header.ctx)
            check_kb(header, kb)
        except Exception:  # noqa: S112 - whatever a foreign ciphertext makes a library say: not this one
            continue
        return kb
    raise CannotUnwrap("no lock B of this file opens with this key")


def _oaep(ctx: bytes) -> padding.OAEP:
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label=said("kb", ctx))


def _by_rsa(key: SigningKey, ct: bytes, ctx: bytes) -> bytes:
    private = load_pem_private_key(key.to_pem(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return private.decrypt(ct, _oaep(ctx))


def _by_hpke(key: SigningKey, ct: bytes, ctx: bytes) -> bytes:
    private = load_pem_private_key(key.to_pem(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return bytes(_SUITE.decrypt(ct, private, info=said("kb", ctx)))


def _by_sm2(key: SigningKey, ct: bytes, ctx: bytes) -> bytes:
    _, _, der = asn1_pem.unarmor(key.to_pem())
    inner = asn1_keys.PrivateKeyInfo.load(der)["private_key"].parsed
    return sm2_box.decrypt(inner["private_key"].native.to_bytes(32), ct)
