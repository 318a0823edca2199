"""A bank that takes payment files over HTTP and keeps its answers in a mailbox 信箱.

This is how `mock-bank`, the bank of demo and tests, is spoken with; a host-to-host adapter of a real bank has
the same six verbs and other addresses. A message is left in the mailbox until it is safe with us. After a
start everything the bank ever sent is read once more, for what was taken from the mailbox just before a crash.
"""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from escrow.banks.bank import Heard, Letter, Told, Unreachable
from escrow.banks.iso20022 import Payment, write_payments
from escrow.models import Refund
from storage.forms import BEIJING

SECONDS = 10


class MailboxBank:
    """A bank behind an HTTP address, keeping one account of ours."""

    def __init__(self, url: str, account: str, holder: str, *, name: str = "mock", mailbox_id: str = "") -> None:
        self.name, self.account, self.holder = name, account, holder
        self.mailbox_id = mailbox_id or account  # what the bank calls the account in its own addresses
        self._http = httpx.Client(base_url=url, timeout=SECONDS, trust_env=False)
        self._has_read_all = False

    def close(self) -> None:
        self._http.close()

    def tell(self, msg_id: str, payments: Sequence[Refund]) -> bool:
        """Hand in a pain.001; False when the bank has had a file of this number before."""
        at = max(payment.ordered_at for payment in payments).astimezone(BEIJING)
        body = write_payments(msg_id, at, self.holder, self.account, [payment_of(one) for one in payments])
        answer = self._ask("POST", "/payments", content=body, headers={"Content-Type": "application/xml"})
        if answer.status_code not in (202, 422):
            raise Unreachable(f"the bank answered {answer.status_code}")
        return _body(answer).get("reason") != "DUPL"

    def ask(self, end_to_end_id: str) -> Told:
        """What the bank knows of one payment."""
        answer = self._ask("GET", f"/_mock/payments/{end_to_end_id}")
        if answer.status_code == 404:
            return Told(Heard.UNKNOWN)
        if answer.status_code != 200:
            raise Unreachable(f"the bank answered {answer.status_code}")
        said = _body(answer)
        if said["status"] == "rejected":
            return Told(Heard.REJECTED, said.get("reason") or "")
        return Told(Heard.BOOKED if said.get("booked_at") else Heard.TAKEN)

    def letters(self) -> list[Letter]:
        """What waits in the mailbox; the first time, everything that was ever sent."""
        path = "/_mock/mailbox?leave" if self._has_read_all else "/_mock/messages"
        self._ask("GET", "/_mock/mailbox?leave&type=none")  # lets the bank book and write what has come due
        answer = self._ask("GET", path)
        if answer.status_code != 200:
            raise Unreachable(f"the bank answered {answer.status_code}")
        return [Letter(str(one["id"]), one["body"].encode()) for one in _body(answer)]

    def file_away(self, ids: Sequence[str]) -> None:
        """Take these from the mailbox; whatever came in between is put back."""
        self._has_read_all = True
        for one in _body(self._ask("GET", "/_mock/mailbox")):
            if str(one["id"]) not in set(ids):
                self._ask("POST", f"/_mock/mailbox/{one['id']}/unread")

    def report(self) -> None:
        """Ask for the statement of the day so far (camt.052)."""
        self._ask("POST", f"/_mock/accounts/{self.mailbox_id}/report")

    def _ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **given)
        except httpx.HTTPError as trouble:
            raise Unreachable(type(trouble).__name__) from trouble


def _body(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as trouble:
        raise Unreachable("the bank answered something unreadable") from trouble


def payment_of(refund: Refund) -> Payment:
    """A refund as the bank is told of it."""
    return Payment(
        end_to_end_id=refund.end_to_end_id, amount=refund.amount, name=refund.payee_name,
        account=refund.payee_account, bank=refund.payee_bank, note=f"退还保证金 {refund.reason}",
    )  # fmt: skip


def from_url(url: str) -> MailboxBank:
    """A bank from its setting: `http://HOST:PORT/?account=NUMBER&holder=NAME[&name=mock][&id=ESCROW]`."""
    parts = urlsplit(url)
    told = {key: values[0] for key, values in parse_qs(parts.query).items()}
    assert told.get("account"), "the address of a bank names our account: ?account=…&holder=…"
    return MailboxBank(
        f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/"), told["account"],
        told.get("holder", "公共资源交易中心"), name=told.get("name", "mock"), mailbox_id=told.get("id", ""),
    )  # fmt: skip
