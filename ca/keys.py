"""Keys that sign 签名密钥: RSA, ECDSA and SM2 behind one face, so that nothing above asks which it is."""

from enum import StrEnum

from asn1crypto import algos, core, keys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from pyhanko_certvalidator.sig_validate import (
    DEFAULT_VALIDATION_CONTEXT,
    DefaultSignatureValidator,
    SignatureValidationContext,
    SignatureValidator,
)

from ca import names, sm2  # noqa: F401 – names: the national names are taught before anything is parsed

RSA_BITS = 2048
CURVES = {"secp256r1": ec.SECP256R1, "secp384r1": ec.SECP384R1, "secp521r1": ec.SECP521R1}
LONGEST_SIGNATURE = 1024  # bytes: RSA-8192; longer is refused before any arithmetic


class KeyKind(StrEnum):
    """What arithmetic a key does."""

    RSA = "rsa"
    ECDSA = "ecdsa"
    SM2 = "sm2"


class NotAKey(Exception):
    """The bytes are no private key that we can sign with, or the password is wrong."""


class SigningKey:
    """A private key in hand: signs bytes with the one algorithm of its kind."""

    kind: KeyKind
    digest: str  # the digest's name in CMS: sha256 or sm3

    @property
    def public(self) -> keys.PublicKeyInfo:
        """SubjectPublicKeyInfo."""
        raise AssertionError

    @property
    def algorithm(self) -> algos.SignedDigestAlgorithm:
        """The signature's AlgorithmIdentifier."""
        raise AssertionError

    def sign(self, message: bytes) -> bytes:
        """A signature over the message (RSA: PKCS#1 v1.5; ECDSA and SM2: DER)."""
        raise AssertionError

    def to_pem(self, password: bytes | None = None) -> bytes:
        """PKCS#8 PEM, encrypted when a password is given."""
        raise AssertionError


class _ClassicKey(SigningKey):
    """RSA or ECDSA on a NIST curve, by `cryptography`."""

    digest = "sha256"

    def __init__(self, private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self.private = private
        self.kind = KeyKind.RSA if isinstance(private, rsa.RSAPrivateKey) else KeyKind.ECDSA

    @property
    def public(self) -> keys.PublicKeyInfo:
        der = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return keys.PublicKeyInfo.load(der)

    @property
    def algorithm(self) -> algos.SignedDigestAlgorithm:
        if self.kind is KeyKind.RSA:
            return algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa", "parameters": core.Null()})
        return algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"})

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self.private.sign(message, ec.ECDSA(hashes.SHA256()))

    def to_pem(self, password: bytes | None = None) -> bytes:
        lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        return self.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


class _NationalKey(SigningKey):
    """SM2 with SM3 国密."""

    kind = KeyKind.SM2
    digest = "sm3"

    def __init__(self, private: sm2.PrivateKey) -> None:
        self.private = private

    @property
    def public(self) -> keys.PublicKeyInfo:
        return keys.PublicKeyInfo.load(self.private.public.spki)

    @property
    def algorithm(self) -> algos.SignedDigestAlgorithm:
        return algos.SignedDigestAlgorithm({"algorithm": "sm3_sm2"})

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)

    def to_pem(self, password: bytes | None = None) -> bytes:
        return self.private.to_pem(password)


def generate(kind: KeyKind, *, rsa_bits: int = RSA_BITS) -> SigningKey:
    """A new key of this kind; ECDSA on P-256."""
    if kind is KeyKind.RSA:
        return _ClassicKey(rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits))
    if kind is KeyKind.ECDSA:
        return _ClassicKey(ec.generate_private_key(ec.SECP256R1()))
    return _NationalKey(sm2.PrivateKey.generate())


def from_private(private: object) -> SigningKey:
    """A key that `cryptography` has read. Raises NotAKey for other kinds."""
    if isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        return _ClassicKey(private)
    raise NotAKey("not an RSA or ECDSA key")


def from_pem(pem: bytes, password: bytes | None = None) -> SigningKey:
    """Read a private key in PEM of any of the three kinds. Raises NotAKey."""
    try:
        return _NationalKey(sm2.PrivateKey.from_pem(pem, password))
    except sm2.Sm2Error:
        pass
    try:
        return from_private(serialization.load_pem_private_key(pem, password or None))
    except (ValueError, TypeError, NotImplementedError) as error:
        raise NotAKey(str(error)) from error
    except Exception as error:  # cryptography.exceptions.UnsupportedAlgorithm and its like
        raise NotAKey(type(error).__name__) from error


def kind_of(public: keys.PublicKeyInfo) -> KeyKind | None:
    """What kind of key this is; None: none that we take."""
    algorithm = public["algorithm"]["algorithm"].native
    if algorithm in ("rsa", "rsassa_pss"):
        return KeyKind.RSA
    if algorithm != "ec" or public["algorithm"]["parameters"].name != "named":
        return None
    curve = public["algorithm"]["parameters"].native
    if curve == "sm2p256v1":
        return KeyKind.SM2
    return KeyKind.ECDSA if curve in CURVES else None


class Validator(SignatureValidator):
    """Checks one signature by one public key, for pyhanko and for us. `identity`: the signer's SM2 id."""

    def __init__(self, identity: bytes = sm2.DEFAULT_ID) -> None:
        self.identity = identity
        self._classic = DefaultSignatureValidator()

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: keys.PublicKeyInfo,
        signature_algorithm: algos.SignedDigestAlgorithm,
        context: SignatureValidationContext = DEFAULT_VALIDATION_CONTEXT,
    ) -> None:
        """Raises InvalidSignature, and nothing else, for every signature that does not hold."""
        try:
            self._validate(signature, signed_data, public_key_info, signature_algorithm, context)
        except InvalidSignature:
            raise
        except Exception as error:  # foreign bytes: whatever the parsers below say, it is no signature
            raise InvalidSignature(f"{type(error).__name__}: {error}") from error

    def _validate(
        self,
        signature: bytes,
        signed: bytes,
        public: keys.PublicKeyInfo,
        algorithm: algos.SignedDigestAlgorithm,
        context: SignatureValidationContext,
    ) -> None:
        if len(signature) > LONGEST_SIGNATURE:
            raise InvalidSignature("too long")
        kind, named = kind_of(public), algorithm["algorithm"].native
        national = named in ("sm3_sm2", "sm2")
        if kind is None or (kind is KeyKind.SM2) is not national:
            raise InvalidSignature("key and algorithm are of different kinds")
        if not national:
            return self._classic.validate_signature(signature, signed, public, algorithm, context)
        if context.prehashed or context.contextual_md_algorithm not in (None, "sm3"):
            raise InvalidSignature("SM2 goes with SM3 over the whole message")
        if not sm2.public_key(bytes(public["public_key"])).verify(signature, signed, identity=self.identity):
            raise InvalidSignature("SM2 signature does not hold")
        return None


def holds(
    signature: bytes, signed: bytes, public: keys.PublicKeyInfo, algorithm: algos.SignedDigestAlgorithm, identity: bytes
) -> bool:
    """Whether this key signed these bytes in this way."""
    try:
        Validator(identity).validate_signature(signature, signed, public, algorithm)
    except InvalidSignature:
        return False
    return True
