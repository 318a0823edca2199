"""ISO 20022: what banks write to us and we to them, as few plain values.

Read: camt.054 (credit and debit notices), camt.053 and camt.052 (statements), pain.002 (what became of a file),
pacs.004 (a payment that comes back; told, not booked: the booking is a camt entry). Written: pain.001.001.09.
Foreign bytes are read with bounds and without DTDs; anything that does not fit raises `Unreadable`, nothing else.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib import import_module
from typing import Any

from xsdata.formats.dataclass.context import XmlContext
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.parsers.config import ParserConfig
from xsdata.formats.dataclass.parsers.handlers import XmlEventHandler
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.models.datatype import XmlDate, XmlDateTime

from storage.values import Money

CURRENCY = "CNY"
LARGEST = 32 * 1024 * 1024  # bytes of one message
MOST_ENTRIES = 100_000


class Unreadable(Exception):
    """These bytes are not a message we can read; says why."""


@dataclass(frozen=True)
class Line:
    """One booked entry of an account."""

    bank_reference: str
    amount: Money  # below zero: it left the account
    day: date
    value_date: date
    end_to_end_id: str = ""
    party_name: str = ""  # who paid us, or whom we paid
    party_account: str = ""
    party_bank: str = ""
    references: tuple[str, ...] = ()
    note: str = ""
    is_return: bool = False
    reason: str = ""

    @property
    def is_credit(self) -> bool:
        return self.amount.fen > 0


@dataclass(frozen=True)
class Statement:
    """A statement's own part of a message."""

    id: str
    day: date
    is_final: bool
    opening: Money
    closing: Money


@dataclass(frozen=True)
class Page:
    """What a message says of one account: its lines, and the balances when it is a statement."""

    account: str
    lines: tuple[Line, ...]
    statement: Statement | None = None


@dataclass(frozen=True)
class Status:
    """What became of one payment: accepted, rejected, or nothing told about it alone (empty code)."""

    end_to_end_id: str
    code: str
    reason: str = ""

    @property
    def is_rejected(self) -> bool:
        return self.code == "RJCT"

    @property
    def is_accepted(self) -> bool:
        return self.code in ("ACCP", "ACSP", "ACSC", "ACTC", "ACWC", "ACCC")


@dataclass(frozen=True)
class Message:
    """A message, read."""

    kind: str  # "camt.054" …
    msg_id: str
    pages: tuple[Page, ...] = ()
    original: str = ""  # the MsgId of the file a pain.002 answers
    group: Status | None = None
    statuses: tuple[Status, ...] = field(default=())


# --- reading 读 ---------------------------------------------------------------------------------------

_SPACES = {
    "camt.054.001.08": ("camt", "camt_054_001_08"),
    "camt.053.001.08": ("camt", "camt_053_001_08"),
    "camt.052.001.08": ("camt", "camt_052_001_08"),
    "pain.002.001.10": ("pain", "pain_002_001_10"),
    "pacs.004.001.09": ("pacs", "pacs_004_001_09"),
}
_NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:([a-z]{4}\.\d{3}\.\d{3}\.\d{2})")


@cache
def _module(name: str) -> Any:
    family, module = _SPACES[name]
    return import_module(f"pyiso20022.{family}.{module}")


@cache
def _parser() -> XmlParser:
    strict = ParserConfig(fail_on_unknown_properties=False, fail_on_converter_warnings=True)
    # The standard library's parser: lxml's, as the library sets it, mends what is cut off or broken.
    return XmlParser(context=XmlContext(), config=strict, handler=XmlEventHandler)


def read(body: bytes) -> Message:
    """The message these bytes are. Raises Unreadable."""
    text = _checked(body)
    named = _NAMESPACE.search(text[:2000])
    if named is None or named[1] not in _SPACES:
        raise Unreadable(f"not a message we know: {named[1] if named else 'no ISO 20022 namespace'}")
    try:
        document = _parser().from_string(text, _module(named[1]).Document)
        return _READERS[named[1][:8]](document)
    except Unreadable:
        raise
    except Exception as wrong:
        raise Unreadable(f"{named[1]}: {type(wrong).__name__}") from wrong


def _checked(body: bytes) -> str:
    """The text, if it is UTF-8 of a bearable size and asks the parser for nothing from outside."""
    if len(body) > LARGEST:
        raise Unreadable("larger than we read")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("not UTF-8") from None
    if "\x00" in text or "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Unreadable("a DTD or a null character")
    declared = re.match(r"\s*<\?xml[^>]*encoding=[\"']([^\"']+)", text)
    if declared and declared[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Unreadable("not declared as UTF-8")
    return re.sub(r"^\s*<\?xml[^>]*\?>", "", text)


def _notice(document: Any) -> Message:
    told = document.bk_to_cstmr_dbt_cdt_ntfctn
    pages = tuple(Page(_number(page.acct), _lines(page.ntry)) for page in told.ntfctn if _is_ours(page.acct))
    return Message("camt.054", told.grp_hdr.msg_id, pages)


def _final(document: Any) -> Message:
    told = document.bk_to_cstmr_stmt
    pages = tuple(_statement(page, "CLBD") for page in told.stmt if _is_ours(page.acct))
    return Message("camt.053", told.grp_hdr.msg_id, pages)


def _so_far(document: Any) -> Message:
    told = document.bk_to_cstmr_acct_rpt
    pages = tuple(_statement(page, "ITBD") for page in told.rpt if _is_ours(page.acct))
    return Message("camt.052", told.grp_hdr.msg_id, pages)


def _is_ours(account: Any) -> bool:
    """Not an account that says it is kept in another currency: that one is none of our business."""
    return account.ccy in (None, CURRENCY)


def _statement(page: Any, closing: str) -> Page:
    balances = {balance.tp.cd_or_prtry.cd: balance for balance in page.bal}
    if "OPBD" not in balances or closing not in balances:
        raise Unreadable("a statement without its balances")
    end = balances[closing]
    statement = Statement(
        id=page.id, day=_day(end.dt), is_final=closing == "CLBD",
        opening=_signed(balances["OPBD"]), closing=_signed(end),
    )  # fmt: skip
    return Page(_number(page.acct), _lines(page.ntry), statement)


def _lines(entries: Sequence[Any]) -> tuple[Line, ...]:
    if len(entries) > MOST_ENTRIES:
        raise Unreadable("more entries than we read")
    return tuple(line for entry in entries if entry.sts.cd == "BOOK" for line in _entry(entry))


def _entry(entry: Any) -> Iterable[Line]:
    """The lines of one entry: one for each transaction when the bank booked several together."""
    reference = entry.acct_svcr_ref or entry.ntry_ref
    if not reference:
        raise Unreadable("an entry without the bank's reference")
    details = [detail for group in entry.ntry_dtls for detail in group.tx_dtls]
    if len(details) <= 1:
        yield _line(entry, details[0] if details else None, reference, _signed(entry))
        return
    parts = [_signed(detail) for detail in details]
    if sum(part.fen for part in parts) != _signed(entry).fen:
        raise Unreadable("a batch whose parts do not sum to its entry")
    for place, (detail, part) in enumerate(zip(details, parts, strict=True), start=1):
        own = detail.refs.acct_svcr_ref if detail.refs else None
        yield _line(entry, detail, own or f"{reference}/{place}", part)


def _line(entry: Any, detail: Any, reference: str, amount: Money) -> Line:
    day = _day(entry.bookg_dt)
    value_date = _day(entry.val_dt) if entry.val_dt else day
    if len(reference) > 60:
        raise Unreadable("a reference longer than ISO 20022 has")
    if detail is None:
        return Line(reference, amount, day, value_date)
    name, account, bank = _other_side(detail, amount.fen > 0)
    return_ = detail.rtr_inf
    family = entry.bk_tx_cd.domn.fmly.sub_fmly_cd if entry.bk_tx_cd and entry.bk_tx_cd.domn else ""
    return Line(
        bank_reference=reference, amount=amount, day=day, value_date=value_date,
        end_to_end_id=(detail.refs.end_to_end_id or "") if detail.refs else "",
        party_name=name, party_account=account, party_bank=bank, references=_references(detail, amount.fen > 0),
        note="\n".join(detail.rmt_inf.ustrd) if detail.rmt_inf else "",
        is_return=return_ is not None or family == "RRTN",
        reason=_code(return_.rsn) if return_ is not None else "",
    )  # fmt: skip


def _other_side(detail: Any, is_credit: bool) -> tuple[str, str, str]:
    """Name, account and bank of whoever stands at the other end."""
    parties, agents = detail.rltd_pties, detail.rltd_agts
    if parties is None:
        return "", "", ""
    party = parties.dbtr if is_credit else parties.cdtr
    account = parties.dbtr_acct if is_credit else parties.cdtr_acct
    agent = (agents.dbtr_agt if is_credit else agents.cdtr_agt) if agents else None
    name = party.pty.nm if party and party.pty and party.pty.nm else ""
    bank = (agent.fin_instn_id.bicfi or agent.fin_instn_id.nm or "") if agent else ""
    return name, _number(account) if account else "", bank


def _references(detail: Any, is_credit: bool) -> tuple[str, ...]:
    """Structured references, and for money that came in the (sub-)account it was sent to."""
    found = []
    for structured in detail.rmt_inf.strd if detail.rmt_inf else ():
        if structured.cdtr_ref_inf and structured.cdtr_ref_inf.ref:
            found.append(structured.cdtr_ref_inf.ref)
    parties = detail.rltd_pties
    if is_credit and parties and parties.cdtr_acct:
        found.append(_number(parties.cdtr_acct))
    return tuple(found)


def _status_report(document: Any) -> Message:
    told = document.cstmr_pmt_sts_rpt
    group = told.orgnl_grp_inf_and_sts
    whole = Status("", group.grp_sts or "", _reason(group.sts_rsn_inf))
    statuses = []
    for batch in told.orgnl_pmt_inf_and_sts:
        for one in batch.tx_inf_and_sts:
            code = one.tx_sts or batch.pmt_inf_sts or ""
            reason = _reason(one.sts_rsn_inf) or _reason(batch.sts_rsn_inf)
            statuses.append(Status(one.orgnl_end_to_end_id or "", code, reason))
    return Message("pain.002", told.grp_hdr.msg_id, original=group.orgnl_msg_id, group=whole, statuses=tuple(statuses))


def _return(document: Any) -> Message:
    told = document.pmt_rtr
    statuses = tuple(
        Status(one.orgnl_end_to_end_id or "", "RETURNED", _code(one.rtr_rsn_inf[0].rsn) if one.rtr_rsn_inf else "")
        for one in told.tx_inf
    )
    return Message("pacs.004", told.grp_hdr.msg_id, statuses=statuses)


_READERS = {
    "camt.054": _notice, "camt.053": _final, "camt.052": _so_far, "pain.002": _status_report, "pacs.004": _return,
}  # fmt: skip


def _reason(infos: Sequence[Any]) -> str:
    return next((_code(one.rsn) for one in infos if one.rsn), "")


def _code(choice: Any) -> str:
    return (choice.cd or choice.prtry or "") if choice else ""


def _number(account: Any) -> str:
    number = account.id.iban or (account.id.othr.id if account.id.othr else "") if account.id else ""
    return str(number or "")


def _signed(thing: Any) -> Money:
    """An amount with its direction, in fen."""
    if thing.amt is None or thing.amt.ccy != CURRENCY or thing.cdt_dbt_ind is None:
        raise Unreadable(f"an amount that is not {CURRENCY} with a direction")
    fen = Decimal(thing.amt.value) * 100
    if fen != int(fen) or abs(fen) >= 10**17:
        raise Unreadable("an amount that is not whole fen")
    return Money(int(fen) if thing.cdt_dbt_ind.value == "CRDT" else -int(fen))


def _day(choice: Any) -> date:
    if choice is None:
        raise Unreadable("an entry without its day")
    if isinstance(choice.dt, XmlDate):
        return choice.dt.to_date()
    if isinstance(choice.dt_tm, XmlDateTime):
        return choice.dt_tm.to_datetime().date()
    raise Unreadable("a day that is none")


# --- writing 写 ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Payment:
    """One payment to be made."""

    end_to_end_id: str
    amount: Money
    name: str
    account: str
    bank: str
    note: str


def write_payments(msg_id: str, at: datetime, debtor: str, account: str, payments: Sequence[Payment]) -> bytes:
    """A pain.001.001.09 that pays these from one account; the same arguments make the same bytes."""
    p: Any = import_module("pyiso20022.pain.pain_001_001_09")
    total = Decimal(sum(payment.amount.fen for payment in payments)) / 100
    count = str(len(payments))
    party = p.PartyIdentification135(nm=debtor)
    agent = _agent(p, "")
    header = p.GroupHeader85(
        msg_id=msg_id, cre_dt_tm=XmlDateTime.from_datetime(at.replace(microsecond=0)), nb_of_txs=count,
        ctrl_sum=total, initg_pty=party,
    )  # fmt: skip
    batch = p.PaymentInstruction30(
        pmt_inf_id=msg_id, pmt_mtd=p.PaymentMethod3Code.TRF, nb_of_txs=count, ctrl_sum=total,
        reqd_exctn_dt=p.DateAndDateTime2Choice(dt=XmlDate.from_date(at.date())),
        dbtr=party, dbtr_acct=_account(p, account), dbtr_agt=agent,
        cdt_trf_tx_inf=[_transaction(p, payment) for payment in payments],
    )  # fmt: skip
    document = p.Document(cstmr_cdt_trf_initn=p.CustomerCreditTransferInitiationV09(grp_hdr=header, pmt_inf=[batch]))
    text = XmlSerializer().render(document, ns_map={None: "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"})
    return text.encode()


def _transaction(p: Any, payment: Payment) -> Any:
    amount = p.ActiveOrHistoricCurrencyAndAmount(value=Decimal(payment.amount.fen) / 100, ccy=CURRENCY)
    return p.CreditTransferTransaction34(
        pmt_id=p.PaymentIdentification6(end_to_end_id=payment.end_to_end_id),
        amt=p.AmountType4Choice(instd_amt=amount),
        cdtr_agt=_agent(p, payment.bank) if payment.bank else None,
        cdtr=p.PartyIdentification135(nm=payment.name),
        cdtr_acct=_account(p, payment.account),
        rmt_inf=p.RemittanceInformation16(ustrd=[payment.note[:140]]),
    )


def _agent(p: Any, bank: str) -> Any:
    """A bank by its BIC, by its name, or as one that needs no naming."""
    if re.fullmatch(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?", bank):
        known = p.FinancialInstitutionIdentification18(bicfi=bank)
    elif bank:
        known = p.FinancialInstitutionIdentification18(nm=bank)
    else:
        known = p.FinancialInstitutionIdentification18(othr=p.GenericFinancialIdentification1(id="NOTPROVIDED"))
    return p.BranchAndFinancialInstitutionIdentification6(fin_instn_id=known)


def _account(p: Any, number: str) -> Any:
    choice = (
        p.AccountIdentification4Choice(iban=number)
        if is_iban(number)
        else p.AccountIdentification4Choice(othr=p.GenericAccountIdentification1(id=number))
    )
    return p.CashAccount38(id=choice)


def is_iban(number: str) -> bool:
    """Whether an account number is an IBAN with the right check digits (ISO 13616); most in China are not."""
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{1,30}", number):
        return False
    return int("".join(str(int(letter, 36)) for letter in number[4:] + number[:4])) % 97 == 1
