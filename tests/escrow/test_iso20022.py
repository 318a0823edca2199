"""Messages of banks: read with bounds, refused with one kind of exception, written by the schema."""

from contextlib import suppress
from datetime import date, datetime
from pathlib import Path

import pytest
import sepaxml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from escrow.banks.iso20022 import Payment, Unreadable, is_iban, read, write_payments
from storage.values import Money
from tests.escrow.mock_bank import ACCOUNT, PAYER, running

SPACE = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"
HEAD = f'<Document xmlns="{SPACE}"><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>M</MsgId>'
OPEN = (
    HEAD + "<CreDtTm>2026-11-23T09:00:00+08:00</CreDtTm></GrpHdr><Ntfctn><Id>N</Id><Acct><Id><Othr><Id>6222001</Id>"
    "</Othr></Id></Acct>{entries}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
)
ENTRY = (
    '<Ntry><Amt Ccy="{ccy}">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>{status}</Cd></Sts>'
    "<BookgDt><Dt>2026-11-23</Dt></BookgDt>{reference}<BkTxCd/>{details}</Ntry>"
)
REFERENCE = "<AcctSvcrRef>B-1</AcctSvcrRef>"


def notice(ccy="CNY", amount="80000.00", status="BOOK", reference=REFERENCE, details="") -> bytes:
    entry = ENTRY.format(ccy=ccy, amount=amount, status=status, reference=reference, details=details)
    return OPEN.format(entries=entry).encode()


def test_a_credit_notice_is_read():
    [page] = read(notice()).pages
    [line] = page.lines

    assert page.account == "6222001"
    assert (line.bank_reference, line.amount, line.day) == ("B-1", Money.yuan("80000"), date(2026, 11, 23))


def test_a_page_about_an_account_in_another_currency_is_left_out():
    euros = notice(ccy="EUR").replace(b"</Othr></Id></Acct>", b"</Othr></Id><Ccy>EUR</Ccy></Acct>")

    assert read(euros).pages == ()


def test_what_is_not_booked_is_not_a_line():
    assert read(notice(status="PDNG")).pages[0].lines == ()


def detail(amount: str, end_to_end_id: str) -> str:
    return (
        f"<TxDtls><Refs><EndToEndId>{end_to_end_id}</EndToEndId></Refs>"
        f'<Amt Ccy="CNY">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd></TxDtls>'
    )


def test_a_batch_is_one_line_for_each_of_its_parts():
    parts = f"<NtryDtls>{detail('50000.00', 'A')}{detail('30000.00', 'B')}</NtryDtls>"

    lines = read(notice(details=parts)).pages[0].lines

    assert [(one.bank_reference, str(one.amount), one.end_to_end_id) for one in lines] == [
        ("B-1/1", "50000.00", "A"),
        ("B-1/2", "30000.00", "B"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe<\x00",
        b"hello",
        b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"/>',
        b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + notice(),
        b'<?xml version="1.0" encoding="gb2312"?>' + notice(),
        notice(ccy="EUR"),
        notice(amount="0.001"),
        notice(amount="NaN"),
        notice(amount="1e400"),
        notice(reference=""),
        notice(reference=f"<AcctSvcrRef>{'x' * 61}</AcctSvcrRef>"),
        notice(details=f"<NtryDtls>{detail('1.00', 'A')}{detail('2.00', 'B')}</NtryDtls>"),
        notice().replace(b"<Dt>2026-11-23</Dt>", b"<Dt>2026-02-30</Dt>"),
        notice()[:-20],
    ],
)
def test_what_does_not_fit_is_unreadable_and_nothing_else(body):
    with pytest.raises(Unreadable):
        read(body)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.integers(0, 900), junk=st.binary(min_size=1, max_size=4), cut=st.integers(0, 3))
def test_bytes_changed_anywhere_are_read_or_unreadable(place, junk, cut):
    body = notice(details=f"<NtryDtls>{detail('80000.00', 'A')}</NtryDtls>")
    with suppress(Unreadable):
        read(body[:place] + junk + body[place + cut :])


def payments(count: int = 2) -> list[Payment]:
    accounts = [PAYER, "6222001234567890123"]
    return [
        Payment(
            f"{place:032x}", Money(8_000_000 + place), f"某单位{place} & <公司>", accounts[place % 2], "", "退还保证金"
        )
        for place in range(count)
    ]


def written(**other) -> bytes:
    facts = {"msg_id": "f" * 32, "at": datetime(2026, 11, 23, 9), "debtor": "交易中心", "account": ACCOUNT}
    return write_payments(**facts | {"payments": payments()} | other)


def test_a_payment_file_fits_the_published_schema():
    folder = Path(sepaxml.__file__).parent / "schemas"
    schema = etree.XMLSchema(etree.parse(folder / "pain.001.001.09.xsd"))

    schema.assertValid(etree.fromstring(written()))


def test_the_same_payments_are_the_same_bytes():
    assert written() == written()
    assert written(msg_id="e" * 32) != written()


def test_a_bank_reads_what_we_mean():
    with running() as (_, demo):
        answer = demo.http.post("/payments", content=written()).json()

    assert answer["status"] == "ACCP"
    assert [(one["end_to_end_id"], one["amount"]) for one in answer["payments"]] == [
        (one.end_to_end_id, one.amount.fen) for one in payments()
    ]


def test_account_numbers_that_are_ibans():
    assert is_iban(ACCOUNT)
    assert not is_iban("CN24ESCROW8801")
    assert not is_iban("6222001234567890123")
