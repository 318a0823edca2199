"""mock-bank in this process, on a free port of 127.0.0.1, with one account of ours and a clock on a Monday."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from mockbank.server import Config, make_server

from escrow.banks.mailbox import MailboxBank
from escrow.banks.reach import connect, disconnect

ACCOUNT, HOLDER = "CN23ESCROW8801", "公共资源交易中心保证金专户"
PAYER = "CN14PAYER0001"


class DemoBank:
    """The bank's other side: what a test may do at the bank."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, trust_env=False, timeout=10)

    def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = self.http.request(method, path, json=body or None)
        assert answer.status_code < 400, answer.text
        return answer.json()

    def pay(self, sub_account: str, fen: int, *, name: str = "付款单位", iban: str = PAYER, **given: Any) -> Any:
        wanted = {"reference": sub_account} if sub_account else {}
        return self.ask(
            "POST",
            "/_mock/credits",
            account="ESCROW",
            amount=fen,
            debtor={"name": name, "iban": iban},
            **wanted | given,
        )

    def behave(self, behaviour: str, account: str = "ESCROW", **parameters: Any) -> None:
        self.ask("PATCH", f"/_mock/accounts/{account}", behaviour=behaviour, parameters=parameters)

    def days(self, count: int) -> None:
        self.ask("POST", f"/_mock/advance?days={count}")

    def balance(self) -> int:
        return self.ask("GET", "/_mock/accounts/ESCROW")["balance"]

    def payments(self) -> list[dict[str, Any]]:
        return self.ask("GET", "/_mock/payments")


@contextmanager
def running(**config: Any) -> Iterator[tuple[MailboxBank, DemoBank]]:
    """The bank as we speak with it, and as it is behind the counter."""
    server = make_server(
        Config(port=0, quiet=True, clock="2026-11-23T09:00", cutoff="23:59", timezone="Asia/Shanghai", **config)
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    demo = DemoBank(f"http://127.0.0.1:{server.server_address[1]}")
    demo.ask("POST", "/_mock/accounts", id="ESCROW", name=HOLDER, iban=ACCOUNT, currency="CNY", balance=0)
    bank = MailboxBank(demo.url, ACCOUNT, HOLDER, mailbox_id="ESCROW")
    connect(bank)
    try:
        yield bank, demo
    finally:
        disconnect(bank.name)
        bank.close()
        demo.http.close()
        server.shutdown()
        thread.join(5)
        server.server_close()
