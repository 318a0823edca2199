"""The bank's door: a bank may bring its messages itself, signed with a secret that only it and we know.

    POST /api/bank/<name>/messages      body: one ISO 20022 message
    Bank-Time: seconds since 1970       Bank-Signature: hex HMAC-SHA256(secret, time ‖ "." ‖ body)

The secret is the key file `bank-<name>.key`. A message brought twice is taken in once.
"""

import hashlib
import hmac

from flask import g, request
from pydantic import BaseModel

from ca.rights import public
from escrow.banks import reach, watch
from escrow.views import bank_api
from storage import clock
from storage.refusals import NotYours

LATE_SECONDS = 300


class NotTheBank(NotYours):
    says = "消息签名不正确或已过期。请检查银行接口密钥和时钟。"


class Kept(BaseModel):
    """What became of a message."""

    kept: str
    kind: str
    problem: str | None


@bank_api.post("/<name>/messages")
@public
@bank_api.output(Kept, status_code=202)
def bring(name: str):
    """Take in one message that the bank brings; labelled public because the signature is the label."""
    body = request.get_data()
    bank = next((one for one in reach.banks(g.db) if one.name == name), None)
    if bank is None:
        raise NotTheBank
    _check(name, body)
    row = watch.take_in(g.db, bank.name, bank.account, body)
    return {"kept": row.digest, "kind": row.kind, "problem": row.problem}


def signature(secret: bytes, at: str, body: bytes) -> str:
    """The signature a bank puts on a message."""
    return hmac.new(secret, at.encode() + b"." + body, hashlib.sha256).hexdigest()


def _check(name: str, body: bytes) -> None:
    at, signed = request.headers.get("Bank-Time", ""), request.headers.get("Bank-Signature", "")
    if not (at.isascii() and at.isdigit() and len(at) < 12):
        raise NotTheBank
    if not hmac.compare_digest(signature(g.house.settings.secret(f"bank-{name}.key"), at, body), signed):
        raise NotTheBank
    if abs(clock.database(g.db).timestamp() - int(at)) > LATE_SECONDS:
        raise NotTheBank
