"""SM2 signatures 国密签名 (GB/T 32918.2, GM/T 0009) by the system's OpenSSL, called through ctypes.

`cryptography` knows SM3 and SM4 but not SM2, and the SM2 packages of the registry accept malformed
signatures or abort the process; OpenSSL 3 does neither (docs/decisions/0004-sm2.md). We add two checks
of our own before it sees anything: a public key is exactly one uncompressed point, and a signature is
minimal DER of two integers in 1…n−1.

An SM2 signature covers SM3(Z ‖ message), and Z covers the signer's identity and public key; the
identity is 1234567812345678 unless both sides agreed on another (GM/T 0009, 10).
"""

import ctypes
from collections.abc import Iterable
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_size_t, c_ubyte, c_void_p
from functools import cache, lru_cache

DEFAULT_ID = b"1234567812345678"
ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
SPKI_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")  # + 04 ‖ x ‖ y
LONGEST_ID = 8190  # bytes: OpenSSL's limit, for the length in bits must fit 16 bits (GM/T 0009)


class Sm2Error(Exception):
    """A key, signature or identity that is not SM2 at all (a signature that is merely wrong is False)."""


@cache
def _library() -> ctypes.CDLL:
    """libcrypto of OpenSSL 3, with the types of what we call. Raises Sm2Error when it is not there."""
    try:
        library = ctypes.CDLL("libcrypto.so.3")
    except OSError as error:
        raise Sm2Error("libcrypto.so.3 (OpenSSL 3) is not installed") from error
    pointer, text, size = c_void_p, c_char_p, c_size_t
    for name, result, *arguments in (
        ("ERR_clear_error", None),
        ("EVP_sm3", pointer),
        ("EVP_aes_256_cbc", pointer),
        ("EVP_PKEY_free", None, pointer),
        ("EVP_PKEY_is_a", c_int, pointer, text),
        ("EVP_PKEY_CTX_new_from_name", pointer, pointer, text, text),
        ("EVP_PKEY_CTX_new_from_pkey", pointer, pointer, pointer, text),
        ("EVP_PKEY_CTX_free", None, pointer),
        ("EVP_PKEY_check", c_int, pointer),
        ("EVP_PKEY_keygen_init", c_int, pointer),
        ("EVP_PKEY_generate", c_int, pointer, POINTER(pointer)),
        ("EVP_PKEY_CTX_set1_id", c_int, pointer, text, c_int),
        ("EVP_MD_CTX_new", pointer),
        ("EVP_MD_CTX_free", None, pointer),
        ("EVP_DigestVerifyInit", c_int, pointer, POINTER(pointer), pointer, pointer, pointer),
        ("EVP_DigestVerifyFinal", c_int, pointer, text, size),
        ("EVP_DigestSignInit", c_int, pointer, POINTER(pointer), pointer, pointer, pointer),
        ("EVP_DigestSignFinal", c_int, pointer, pointer, POINTER(size)),
        ("EVP_DigestUpdate", c_int, pointer, text, size),
        ("d2i_PUBKEY", pointer, pointer, POINTER(text), c_long),
        ("i2d_PUBKEY", c_int, pointer, POINTER(POINTER(c_ubyte))),
        ("d2i_AutoPrivateKey", pointer, pointer, POINTER(text), c_long),
        ("BIO_new", pointer, pointer),
        ("BIO_s_mem", pointer),
        ("BIO_new_mem_buf", pointer, text, c_int),
        ("BIO_free", c_int, pointer),
        ("BIO_read", c_int, pointer, pointer, c_int),
        ("BIO_ctrl_pending", size, pointer),
        ("PEM_read_bio_PrivateKey", pointer, pointer, pointer, pointer, text),
        ("PEM_write_bio_PKCS8PrivateKey", c_int, pointer, pointer, pointer, text, c_int, pointer, pointer),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class _Handle:
    """An EVP_PKEY that frees itself. OpenSSL shares one between threads as long as nobody changes it."""

    def __init__(self, pointer: int | None) -> None:
        library = _library()
        self.pointer = pointer
        self._free = library.EVP_PKEY_free  # kept: at the interpreter's end modules are gone before keys
        library.ERR_clear_error()
        if not pointer:
            raise Sm2Error("not an SM2 key")
        if library.EVP_PKEY_is_a(pointer, b"SM2") != 1:
            raise Sm2Error("a key of another kind, not SM2")

    def __del__(self) -> None:
        if self.pointer:
            self._free(self.pointer)


def _plausible(signature: bytes) -> bool:
    """Whether r and s lie in 1…n−1. Raises Sm2Error when it is not minimal DER of two integers."""
    rest = signature
    if len(rest) < 8 or len(rest) > 72 or rest[0] != 0x30 or rest[1] != len(rest) - 2:
        raise Sm2Error("signature is not DER")
    rest, numbers = rest[2:], []
    for _ in range(2):
        if len(rest) < 3 or rest[0] != 0x02 or not 1 <= rest[1] <= 33 or len(rest) < 2 + rest[1]:
            raise Sm2Error("signature is not two integers")
        body, rest = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
        if body[0] & 0x80 or (len(body) > 1 and body[0] == 0 and not body[1] & 0x80):
            raise Sm2Error("signature integer is negative or not minimal")
        numbers.append(int.from_bytes(body, "big"))
    if rest:
        raise Sm2Error("bytes after the signature")
    return all(0 < number < ORDER for number in numbers) and sum(numbers) != ORDER


def _parts(message: bytes | Iterable[bytes]) -> Iterable[bytes]:
    return (message,) if isinstance(message, bytes | bytearray | memoryview) else message


def _digest(starter: str, handle: _Handle, identity: bytes, message: bytes | Iterable[bytes]) -> int:
    """An EVP_MD_CTX that has read Z and the message. The caller frees it."""
    if len(identity) > LONGEST_ID:
        raise Sm2Error("identity is too long")
    library = _library()
    context, key_context = library.EVP_MD_CTX_new(), c_void_p()
    try:
        started = getattr(library, starter)(context, byref(key_context), library.EVP_sm3(), None, handle.pointer)
        if started != 1 or library.EVP_PKEY_CTX_set1_id(key_context, identity, len(identity)) <= 0:
            raise Sm2Error("OpenSSL does not start an SM2 signature")
        for part in _parts(message):
            if library.EVP_DigestUpdate(context, bytes(part), len(part)) != 1:
                raise Sm2Error("OpenSSL does not read the message")
    except BaseException:
        library.EVP_MD_CTX_free(context)
        raise
    return context


class PublicKey:
    """公钥: a point of the SM2 curve."""

    def __init__(self, point: bytes) -> None:
        """`point`: 04 ‖ x ‖ y, 65 bytes. Raises Sm2Error for anything not on the curve."""
        if len(point) != 65 or point[0] != 4:
            raise Sm2Error("an SM2 public key is 65 bytes, 04 first")
        self.point = bytes(point)
        spki = SPKI_HEAD + self.point
        self._handle = _Handle(_library().d2i_PUBKEY(None, byref(c_char_p(spki)), len(spki)))

    @property
    def spki(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        return SPKI_HEAD + self.point

    def verify(self, signature: bytes, message: bytes | Iterable[bytes], *, identity: bytes = DEFAULT_ID) -> bool:
        """Whether this key signed SM3(Z ‖ message); the message may come in parts and is never kept.

        Raises Sm2Error when the signature is not one in form.
        """
        if not _plausible(signature):
            return False
        library = _library()
        context = _digest("EVP_DigestVerifyInit", self._handle, identity, message)
        try:
            return bool(library.EVP_DigestVerifyFinal(context, signature, len(signature)) == 1)
        finally:
            library.EVP_MD_CTX_free(context)
            library.ERR_clear_error()


@lru_cache(maxsize=4096)
def public_key(point: bytes) -> PublicKey:
    """The key of this point; kept, because the same CAs and bidders come again and again."""
    return PublicKey(point)


class PrivateKey:
    """私钥: made here, or read from PEM."""

    def __init__(self, handle: _Handle) -> None:
        self._handle = handle
        library = _library()
        length = library.i2d_PUBKEY(handle.pointer, None)
        spki = (c_ubyte * max(length, 1))()
        library.i2d_PUBKEY(handle.pointer, byref(ctypes.cast(spki, POINTER(c_ubyte))))
        if length != len(SPKI_HEAD) + 65 or not bytes(spki).startswith(SPKI_HEAD):
            raise Sm2Error("the private key has no uncompressed SM2 public key")
        self.public = PublicKey(bytes(spki)[len(SPKI_HEAD) :])

    @classmethod
    def generate(cls) -> "PrivateKey":
        """A new key from the system's randomness."""
        library, made = _library(), c_void_p()
        context = library.EVP_PKEY_CTX_new_from_name(None, b"SM2", None)
        try:
            if library.EVP_PKEY_keygen_init(context) != 1 or library.EVP_PKEY_generate(context, byref(made)) != 1:
                raise Sm2Error("OpenSSL does not make an SM2 key")
        finally:
            library.EVP_PKEY_CTX_free(context)
        return cls(_Handle(made.value))

    @classmethod
    def from_pem(cls, pem: bytes, password: bytes | None = None) -> "PrivateKey":
        """Read PKCS#8 or the older EC form, encrypted or not. Raises Sm2Error (also on a wrong password)."""
        library = _library()
        source = library.BIO_new_mem_buf(pem, len(pem))
        try:
            # With no callback the last argument is the password itself; "" keeps OpenSSL from asking the terminal.
            handle = _Handle(library.PEM_read_bio_PrivateKey(source, None, None, password or b""))
        finally:
            library.BIO_free(source)
        return cls(_checked(handle))

    @classmethod
    def from_scalar(cls, scalar: int) -> "PrivateKey":
        """The key of a known scalar 1…n−2 (for published test vectors)."""
        if not 1 <= scalar < ORDER - 1:
            raise Sm2Error("scalar out of range")
        der = bytes.fromhex("30310201010420") + scalar.to_bytes(32, "big") + bytes.fromhex("a00a06082a811ccf5501822d")
        return cls(_checked(_Handle(_library().d2i_AutoPrivateKey(None, byref(c_char_p(der)), len(der)))))

    def to_pem(self, password: bytes | None = None) -> bytes:
        """PKCS#8 PEM; with a password encrypted (PBES2, AES-256-CBC)."""
        library = _library()
        sink = library.BIO_new(library.BIO_s_mem())
        cipher = library.EVP_aes_256_cbc() if password else None
        try:
            written = library.PEM_write_bio_PKCS8PrivateKey(
                sink, self._handle.pointer, cipher, password, len(password or b""), None, None
            )
            if written != 1:
                raise Sm2Error("OpenSSL does not write the key")
            pem = ctypes.create_string_buffer(library.BIO_ctrl_pending(sink))
            library.BIO_read(sink, pem, len(pem))
        finally:
            library.BIO_free(sink)
        return pem.raw

    def sign(self, message: bytes | Iterable[bytes], *, identity: bytes = DEFAULT_ID) -> bytes:
        """DER signature over SM3(Z ‖ message)."""
        library = _library()
        context = _digest("EVP_DigestSignInit", self._handle, identity, message)
        try:
            length = c_size_t(80)
            signature = ctypes.create_string_buffer(80)
            if library.EVP_DigestSignFinal(context, signature, byref(length)) != 1:
                raise Sm2Error("OpenSSL does not sign")
            return signature.raw[: length.value]
        finally:
            library.EVP_MD_CTX_free(context)


def _checked(handle: _Handle) -> _Handle:
    """A private key whose scalar fits its public key."""
    library = _library()
    context = library.EVP_PKEY_CTX_new_from_pkey(None, handle.pointer, None)
    try:
        if library.EVP_PKEY_check(context) != 1:
            raise Sm2Error("private and public key do not belong together")
    finally:
        library.EVP_PKEY_CTX_free(context)
        library.ERR_clear_error()
    return handle
