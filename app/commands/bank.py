"""`gongheng bank`: a bank for the demo, and somebody who pays through it.

The bank is `mock-bank`, a program of its own that speaks ISO 20022 over HTTP on this machine; nothing of it is
part of the product. Its clock stands on a working day, because banks book nothing on Sundays.
"""

import hashlib
import os
import subprocess
import sys
import time
from datetime import timedelta
from urllib.parse import urlsplit

import click
import httpx

from app.cli import until_told_to_stop
from escrow.banks.iso20022 import is_iban
from storage import clock
from storage.forms import BEIJING
from storage.values import Money

PORT = 8090
ACCOUNT, HOLDER = "CN23ESCROW8801", "公共资源交易中心保证金专户"
IDENTITY = "ESCROW"


def address(port: int = PORT) -> str:
    """What `GONGHENG_BANK_URL` is for the demo's bank."""
    return f"http://127.0.0.1:{port}?account={ACCOUNT}&holder={HOLDER}&id={IDENTITY}"


def command(port: int = PORT, database: str = ":memory:") -> list[str]:
    """The command line that runs the demo's bank on 127.0.0.1."""
    return [
        sys.executable, "-m", "mockbank", "--host", "127.0.0.1", "--port", str(port), "--db", database, "--quiet",
        "--timezone", "Asia/Shanghai", "--clock", _working_day(), "--cutoff", "23:59",
    ]  # fmt: skip


def _working_day() -> str:
    """This hour, or the same hour of next Monday when it is a weekend; never close to the bank's cutoff."""
    today = clock.now().astimezone(BEIJING)
    day = today + timedelta(days={5: 2, 6: 1}.get(today.weekday(), 0))
    return f"{day:%Y-%m-%d}T{min(today.hour, 12):02d}:00"


def prepare(port: int = PORT, seconds: float = 15) -> None:
    """Wait until the bank answers, and open the centre's account there if it is not open yet."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=5) as http:
        until = time.monotonic() + seconds
        while True:
            try:
                known = http.get(f"/_mock/accounts/{IDENTITY}").status_code == 200
                break
            except httpx.TransportError:
                if time.monotonic() > until:
                    raise click.ClickException(f"演示银行没有在端口 {port} 上启动。") from None
                time.sleep(0.05)
        if not known:
            http.post(
                "/_mock/accounts",
                json={"id": IDENTITY, "name": HOLDER, "iban": ACCOUNT, "currency": "CNY", "balance": 0},
            ).raise_for_status()


def pay_in(port: int, sub_account: str, amount: Money, *, payer: str, account: str, note: str = "投标保证金") -> str:
    """Let somebody pay into the centre's account, naming a sub-account; returns the bank's reference."""
    body = {
        "account": IDENTITY, "amount": amount.fen, "reference": sub_account, "note": note,
        "debtor": {"name": payer, "iban": account},
    }  # fmt: skip
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as http:
        answer = http.post("/_mock/credits", json=body)
        if answer.status_code != 201:
            raise click.ClickException(answer.json().get("error", answer.text))
        return f"MB-RCV-{answer.json()['id']}"


def payer_account(name: str) -> str:
    """An account number that belongs to this demo payer and to nobody else."""
    own = f"PAYER{int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) % 10**12:012d}"
    digits = "".join(str(int(letter, 36)) for letter in f"{own}CN00")
    number = f"CN{98 - int(digits) % 97:02d}{own}"
    assert is_iban(number)
    return number


@click.group()
def bank() -> None:
    """A bank for the demo (mock-bank, ISO 20022), and payments into it.

    \b
    Examples:
      gongheng bank demo                                   run the demo's bank until stopped
      gongheng bank pay --sub-account 8801… --amount 80000 pay a deposit
    """


@bank.command()
@click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Port on 127.0.0.1.")
@click.option(
    "--file", "database", default=":memory:", show_default=True, help="SQLite file the bank keeps its books in."
)
def demo(port: int, database: str) -> None:
    """Run the demo's bank on 127.0.0.1 until stopped.

    \b
    Example:
      gongheng bank demo --port 8090
    """
    stop = until_told_to_stop()
    child = subprocess.Popen(command(port, database), env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        prepare(port)
        click.echo(f"演示银行：http://127.0.0.1:{port}（账号 {ACCOUNT}，按 Ctrl-C 停止）")
        click.echo(f"GONGHENG_BANK_URL='{address(port)}'")
        while child.poll() is None and not stop.wait(0.2):
            pass
    finally:
        child.terminate()
        child.wait()


@bank.command()
@click.option("--sub-account", required=True, help="The sub-account number on the deposit's page.")
@click.option("--amount", required=True, help="Yuan, e.g. 80000 or 80000.00.")
@click.option("--payer", default="示例付款单位", show_default=True, help="Name of whoever pays.")
@click.option("--from-account", help="Account number of the payer; made from the name when left out.")
@click.option("--note", default="投标保证金", show_default=True, help="What the payer writes to the payee.")
@click.option("--bank-url", envvar="GONGHENG_BANK_URL", help="Address of the demo's bank.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the demo's bank, instead of its address.")
def pay(
    sub_account: str,
    amount: str,
    payer: str,
    from_account: str | None,
    note: str,
    bank_url: str | None,
    port: int | None,
) -> None:
    """Pay into the centre's account as a bidder would; the credit notice comes in by the bank's own messages.

    \b
    Example:
      gongheng bank pay --sub-account 880112345678901237 --amount 80000 --payer 示例建设有限公司
    """
    told = urlsplit(bank_url or "").port
    reference = pay_in(
        port or told or PORT, sub_account, Money.yuan(amount), payer=payer,
        account=from_account or payer_account(payer), note=note,
    )  # fmt: skip
    click.echo(f"已付款 {Money.yuan(amount)} 元，银行流水号 {reference}。")
