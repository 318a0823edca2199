"""Sealing a file and opening it again (gh-seal/2, §5): streamed, and never half a result on disk.

Writing goes to a draft in the same folder that is renamed only when everything was right; a wrong file
leaves nothing behind.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ca import canonical
from ca.sealing import lock
from ca.sealing.faults import BIDDER, PLATFORM, Fault, ParamsWrong, UploadRefused
from ca.sealing.header import (
    CHUNK,
    HEAD_AT_MOST,
    MAGIC,
    TAG,
    Header,
    check_same,
    padded,
    parse_header,
)
from ca.sealing.params import DRAW, TWO_LOCK, Params

Wrapper = Callable[[bytes, bytes], dict[str, str]]  # (kb, ctx) -> {cert, alg, ct}, see `ca.sealing.lockb`
Told = Callable[[int], None]


@dataclass(frozen=True)
class Sealed:
    """What sealing leaves with the bidder: the file's digest, and the secrets for its rescue file."""

    digest: bytes
    length: int
    header: Header
    kb: bytes = field(repr=False)  # empty outside two-lock
    kc: bytes = field(repr=False)


@dataclass(frozen=True)
class Opened:
    """A file that opened: what came out."""

    sha256: bytes
    length: int


def seal(
    source: Path,
    target: Path,
    params: Params,
    *,
    lot: str,
    bidder: str,
    seq: int,
    wrappers: Sequence[Wrapper] = (),
    random: Callable[[int], bytes] = os.urandom,
    told: Told = lambda count: None,
) -> Sealed:
    """Seal a file for one opening, lot, bidder and version; takes no keys, so none is ever used twice.

    wrappers: up to four ways to put kb also under a certificate of the bidder (two-lock only).
    told: called with the bytes done, for a progress bar. Raises `ParamsWrong`, NotCanonical, OSError.
    """
    if params.mode == DRAW:
        raise ParamsWrong("this seals bids; draws have boxes of their own")
    salt, kb, kc = random(32), random(32), random(32)
    if params.mode != TWO_LOCK:
        kb = lock.EMPTY_KB
    ctx = lock.context(bidder=bidder, lot=lot, params=params.digest, salt=salt, seq=seq)
    length = source.stat().st_size
    fields = header_fields(params, lot=lot, bidder=bidder, seq=seq, salt=salt, closed=lock.close(params, ctx, kc))
    fields["size"] = padded(length)
    if params.mode == TWO_LOCK:
        wraps = [wrapper(kb, ctx) for wrapper in wrappers]
        fields |= {"cb": lock.commitment("kb", ctx, kb).hex(), "lockb": wraps}
    try:
        header = parse_header(canonical.ascii_encode(fields), params)
    except UploadRefused as error:
        raise ParamsWrong(f"lot, bidder, seq or a certificate cannot be written: {error.facts['fault']}") from error
    digest = write_sealed(source, length, target, header, lock.content_key(kb, kc, ctx, header.raw), told)
    return Sealed(digest, header.file_length, header, kb, kc)


def header_fields(
    params: Params, *, lot: str, bidder: str, seq: int, salt: bytes, closed: lock.LockC
) -> dict[str, Any]:
    """The fields that headers of bids, quotes and contribution boxes share."""
    return {
        "v": 2,
        "params": params.digest.hex(),
        "lot": lot,
        "bidder": bidder,
        "seq": seq,
        "salt": salt.hex(),
        "cc": closed.cc.hex(),
        "E": closed.E.hex(),
        "teams": closed.teams.hex(),
    }


def write_sealed(source: Path, length: int, target: Path, header: Header, key: bytes, told: Told) -> bytes:
    """Write the sealed file; its SHA-256. Raises OSError when the source changed its length meanwhile."""
    digest, cipher, left = hashlib.sha256(), AESGCM(key), header.size
    with source.open("rb") as plain, _draft(target) as out:
        for part in (MAGIC, len(header.raw).to_bytes(4), header.raw):
            digest.update(part)
            out.write(part)
        pending, counter, taken = length.to_bytes(8), 0, 0
        while left:
            size = min(CHUNK, left)
            more = plain.read(min(size - len(pending), length - taken))
            taken += len(more)
            chunk = (pending + more).ljust(size, b"\0")
            if taken < length and len(pending) + len(more) < size:
                raise OSError("the file became shorter while it was read")
            pending, left = b"", left - size
            sealed = cipher.encrypt(nonce(counter, last=not left), chunk, None)
            digest.update(sealed)
            out.write(sealed)
            counter += 1
            told(taken)
        if plain.read(1):
            raise OSError("the file became longer while it was read")
    return digest.digest()


def nonce(counter: int, *, last: bool) -> bytes:
    """u64 counter ‖ u32 last flag."""
    return counter.to_bytes(8) + int(last).to_bytes(4)


def check_kb(header: Header, kb: bytes) -> None:
    """Is this the bidder's half key? At unlock, at once. Raises `Fault` WRONG_KB."""
    if header.cb is None:
        right = kb == lock.EMPTY_KB
    else:
        right = len(kb) == 32 and lock.commitment("kb", header.ctx, kb) == header.cb
    if not right:
        raise Fault("WRONG_KB", BIDDER)


def open_sealed(
    source: IO[bytes],
    target: Path,
    params: Params,
    *,
    lot: str,
    bidder: str,
    seq: int,
    digest: bytes,
    kb: bytes,
    scalars: Mapping[int, bytes] | None = None,
    kc: bytes | None = None,
    told: Told = lambda count: None,
) -> Opened:
    """Open a sealed file with kb and the released scalars of m holders (or, in the remedy, with kc itself).

    source: the file from its beginning; digest: what the receipt says of it. One pass reads, hashes and
    decrypts. Raises `Fault` with the first fault in the order digest, format, kb, scalars, lock C, chunks,
    padding; then nothing is left at `target`.
    """
    reading = _Reading(source)
    fault: Fault | None = None
    opened: Opened | None = None
    with _draft(target) as out:
        try:
            header = _checked_header(reading, params, lot, bidder, seq)
            check_kb(header, kb)
            found = _kc(params, header, scalars, kc)
            key = lock.content_key(kb, found, header.ctx, header.raw)
            opened = _decrypt(reading, out, header, key, told)
        except Fault as error:
            fault = error
        if reading.finish() != digest:
            fault = Fault("DIGEST", PLATFORM)
        if fault is not None:
            raise fault
    assert opened is not None
    return opened


def _kc(params: Params, header: Header, scalars: Mapping[int, bytes] | None, kc: bytes | None) -> bytes:
    if kc is None:
        return lock.open_with(params, header.ctx, header.lock, scalars or {})
    lock.check_kc(params, header.ctx, header.lock, kc)
    return kc


class _Reading:
    """A file read once from front to back, hashed on the way."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self._kept = b""
        self.length = source.seek(0, os.SEEK_END)
        source.seek(0)

    def ahead(self, size: int) -> bytes:
        """The next bytes without taking them."""
        self._fill(size)
        return self._kept[:size]

    def take(self, size: int) -> bytes:
        self._fill(size)
        taken, self._kept = self._kept[:size], self._kept[size:]
        return taken

    def finish(self) -> bytes:
        """SHA-256 of the whole file, whatever was taken of it."""
        while part := self._source.read(1 << 20):
            self._hash.update(part)
        return self._hash.digest()

    def _fill(self, size: int) -> None:
        while len(self._kept) < size and (part := self._source.read(size - len(self._kept))):
            self._hash.update(part)
            self._kept += part


def _checked_header(reading: _Reading, params: Params, lot: str, bidder: str, seq: int) -> Header:
    try:
        header = check_same(reading.ahead(HEAD_AT_MOST), reading.length, params, lot=lot, bidder=bidder, seq=seq)
    except UploadRefused as error:
        raise Fault(error.facts["fault"], BIDDER) from error
    reading.take(len(MAGIC) + 4 + len(header.raw))
    return header


def _decrypt(reading: _Reading, out: IO[bytes], header: Header, key: bytes, told: Told) -> Opened:
    digest, written, length, left = hashlib.sha256(), 0, 0, header.size
    for counter, plain in enumerate(_chunks(reading, header, key)):
        left -= len(plain)
        if counter == 0:
            length = _length(plain, header)
            plain = plain[8:]
        content, zeros = plain[: length - written], plain[length - written :]
        if zeros.strip(b"\0"):
            raise Fault("PADDING", BIDDER, "the padding is not empty")
        out.write(content)
        digest.update(content)
        written += len(content)
        told(written)
    return Opened(digest.digest(), length)


def _length(first: bytes, header: Header) -> int:
    length = int.from_bytes(first[:8])
    if len(first) < 8 or length > header.size - 8 or header.size != padded(length):
        raise Fault("PADDING", BIDDER, "the size does not fit the length")
    return length


def _chunks(reading: _Reading, header: Header, key: bytes) -> Iterator[bytes]:
    cipher, left, counter = AESGCM(key), header.size, 0
    if not left:
        raise Fault("CONTENT", BIDDER, "no content")
    while left:
        size = min(CHUNK, left)
        left -= size
        try:
            yield cipher.decrypt(nonce(counter, last=not left), reading.take(size + TAG), None)
        except InvalidTag as error:
            raise Fault("CONTENT", BIDDER, f"chunk {counter} does not open") from error
        counter += 1


@contextmanager
def _draft(target: Path) -> Iterator[IO[bytes]]:
    """A file beside the target that takes its name only when all went well, and else is gone."""
    draft = target.with_name(f".{target.name[:80]}.{secrets.token_hex(8)}.part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(draft, target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
