"""`gongheng bank`: a real demo bank is started, paid into, and stopped with nothing left."""

import signal
import subprocess
import sys

import httpx
import pytest
from click.testing import CliRunner

from app.centre import free_port
from app.commands import bank as commands
from escrow.banks import mailbox
from escrow.banks.iso20022 import is_iban, read


@pytest.fixture
def port():
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "bank", "demo", "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    for _ in range(2):
        child.stdout.readline()
    yield port
    child.send_signal(signal.SIGTERM)
    assert child.wait(10) == 0
    child.stdout.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)


def test_a_payment_comes_in_as_a_credit_notice(port):
    arguments = ["pay", "--sub-account", "880112345678901237", "--amount", "80000", "--port", str(port)]
    answer = CliRunner().invoke(commands.bank, arguments)

    assert answer.exit_code == 0, answer.output
    assert "80000.00" in answer.output
    bank = mailbox.from_url(commands.address(port))
    [letter] = bank.letters()
    [line] = read(letter.body).pages[0].lines
    assert (line.amount.fen, line.references, line.party_name) == (8_000_000, ("880112345678901237",), "示例付款单位")
    bank.close()


def test_each_payer_has_an_account_of_its_own():
    one, two = commands.payer_account("甲公司"), commands.payer_account("乙公司")

    assert is_iban(one)
    assert one != two
    assert one == commands.payer_account("甲公司")
