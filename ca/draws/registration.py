"""Blind registration 盲报名: what a firm hands in, how it is kept unreadable, and the log it stands in.

A registration is kept as a *cell* of one size under a day key that never touches database or backups. Its
*entry* is a salted commitment, so no firm can be guessed from it. Until the result, the log shows only
heads that hide even its size.
"""

import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ca import canonical, ecdsa, merkle
from ca.draws.shapes import QUOTE, REGISTER, WITHDRAW, like
from ca.ecdsa import Key
from ca.tagged import H, mac

PLAIN = 2048
CELL = 32 + 12 + PLAIN + 16
Body = dict[str, Any]


class NotRegistration(ValueError):
    """This is no registration or withdrawal: wrong fields, too large, or a cell that does not open."""


@dataclass(frozen=True)
class Cell:
    """One kept registration or withdrawal."""

    raw: bytes  # 2,108 bytes: entry ‖ nonce ‖ sealed
    salt: bytes = field(repr=False)
    body: Body = field(repr=False)

    @property
    def entry(self) -> bytes:
        return self.raw[:32]

    @property
    def rest(self) -> bytes:
        return rest_of(self.raw)


def entry_of(body: Body, salt: bytes) -> bytes:
    """The commitment: H("cell", JCS(body), salt)."""
    return H("cell", canonical.encode(body), salt)


def statement(body: Body) -> bytes:
    """What a firm signs when it registers: H("statement", JCS(body without statement_sig))."""
    unsigned = {name: part for name, part in body.items() if name != "statement_sig"}
    return H("statement", canonical.encode(unsigned))


def register(
    project: str,
    firm: str,
    *,
    sign: Callable[[bytes], bytes] | None = None,
    cert: bytes | None = None,
    quote: dict[str, Any] | None = None,
    secret: bytes | None = None,
) -> tuple[Body, bytes]:
    """A registration as the firm's client makes it, and the secret by which it may be withdrawn.

    With cert (SHA-256 of the DER certificate) `sign` signs the statement with the certificate's key:
    ECDSA or SM2 as r‖s, RSA as PKCS #1 v1.5 with SHA-256. Without, a fresh key of the account signs.
    Raises `NotRegistration`.
    """
    secret = secrets.token_bytes(32) if secret is None else secret
    body: Body = {
        "kind": "register",
        "project": project,
        "firm": firm,
        "w": withdrawal_lock(secret).hex(),
        "share": secrets.token_hex(32),
    }
    if cert is None:
        key = Key.make()
        body["account"], sign = key.public.hex(), key.sign
    else:
        body["cert"] = cert.hex()
    if quote is not None:
        body["quote"] = quote
    assert sign is not None, "a certificate's key must sign"
    body["statement_sig"] = sign(statement(body)).hex()
    check(body)
    return body, secret


def withdraw(project: str, firm: str, entry: bytes, *, secret: bytes | None = None, account: str = "") -> Body:
    """A withdrawal by its secret; or, the secret lost, by account and second factor (told as such).

    account: the journal's reference to the decision.
    """
    body: Body = {"kind": "withdraw", "project": project, "firm": firm, "entry": entry.hex()}
    body |= {"w": secret.hex()} if secret is not None else {"account": account}
    check(body)
    return body


def withdrawal_lock(secret: bytes) -> bytes:
    """w of a registration: H("w", secret), secret being 32 bytes."""
    return H("w", secret)


def withdrawn_by_signature(entry: bytes) -> bytes:
    """What a certificate's key signs to withdraw without the secret."""
    return H("withdraw", entry)


def check(body: Body) -> None:
    """Is this a registration or withdrawal of the exact form? Raises `NotRegistration`."""
    if like(body, REGISTER):
        if ("cert" in body) == ("account" in body):
            raise NotRegistration("either a certificate or an account")
        if "quote" in body and not like(body["quote"], QUOTE):
            raise NotRegistration("a quote has other fields")
    elif like(body, WITHDRAW):
        if not one_reason(body):
            raise NotRegistration("one reason to withdraw")
    else:
        raise NotRegistration("other fields")


def one_reason(body: Body) -> bool:
    """A withdrawal stands on exactly one thing: the secret, a certificate's signature, or a record."""
    return sum(name in body for name in ("w", "sig", "account")) == 1


def statement_holds(body: Body) -> bool | None:
    """Did the account's key sign the statement? None for a certificate: `ca.signatures` says it."""
    if "account" not in body:
        return None
    signature = bytes.fromhex(body["statement_sig"])
    return ecdsa.verify(bytes.fromhex(body["account"]), statement(body), signature)


def withdrawal_holds(body: Body, registration: Body) -> bool | None:
    """Has the withdrawal the right secret? None when a record or a certificate's signature speaks."""
    if "w" in body:
        return withdrawal_lock(bytes.fromhex(body["w"])).hex() == registration["w"]
    return None if "account" in body or "cert" in registration else False


def seal_cell(day_key: bytes, body: Body, *, salt: bytes | None = None, nonce: bytes | None = None) -> Cell:
    """The row that is kept: always 2,108 bytes. Raises `NotRegistration` when the body is too large."""
    check(body)
    salt = os.urandom(32) if salt is None else salt
    nonce = os.urandom(12) if nonce is None else nonce
    written = canonical.encode(body)
    plain = salt + len(written).to_bytes(4) + written
    if len(plain) > PLAIN:
        raise NotRegistration(f"{len(written)} bytes do not fit a cell")
    entry = entry_of(body, salt)
    sealed = AESGCM(_cell_key(day_key, entry)).encrypt(nonce, plain.ljust(PLAIN, b"\0"), entry)
    return Cell(entry + nonce + sealed, salt, body)


def open_cell(day_key: bytes, raw: bytes) -> Cell:
    """The cell read with the day key. Raises `NotRegistration` for anything not exactly as written."""
    if len(raw) != CELL:
        raise NotRegistration("a cell has 2,108 bytes")
    entry = raw[:32]
    try:
        plain = AESGCM(_cell_key(day_key, entry)).decrypt(raw[32:44], raw[44:], entry)
        length = int.from_bytes(plain[32:36])
        written, zeros = plain[36 : 36 + length], plain[36 + length :]
        body = canonical.decode(written)
    except (InvalidTag, canonical.NotCanonical) as error:
        raise NotRegistration("a cell does not open") from error
    check(body)
    if zeros.strip(b"\0") or entry_of(body, plain[:32]) != entry:
        raise NotRegistration("a cell is not what its entry says")
    return Cell(raw, plain[:32], body)


def _cell_key(day_key: bytes, entry: bytes) -> bytes:
    return H("cellkey", day_key, entry)


def once(day_key: bytes, project: str, firm: str, generation: int = 0) -> bytes:
    """A value that is unique per firm and project and links to neither; generation: accepted withdrawals."""
    return mac(day_key, "once", project, firm, generation)


def rest_of(cell: bytes) -> bytes:
    """SHA-256 of a cell after its entry: what the log and the bundle show of it."""
    return hashlib.sha256(cell[32:]).digest()


def log_leaf(entry: bytes, rest: bytes) -> bytes:
    """One item of the log's tree: H("log", entry, SHA-256 of the cell after its entry)."""
    return H("log", entry, rest)


def log_head(size: int, root: bytes) -> bytes:
    """What is published of the log: binds size and root and tells neither."""
    return H("log-head", size, root)


def log_tree(cells: list[bytes]) -> merkle.Tree:
    """The log over cells in the order in which they were written."""
    return merkle.Tree(log_leaf(cell[:32], rest_of(cell)) for cell in cells)
