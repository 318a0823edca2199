"""The banks this process speaks with: those connected by hand, and the one the settings name."""

from sqlalchemy.orm import Session

from escrow.banks import mailbox
from escrow.banks.bank import Bank, NoSuchBank

_connected: dict[str, Bank] = {}
_by_setting: dict[str, Bank] = {}


def connect(bank: Bank) -> Bank:
    """Let this process speak with a bank."""
    _connected[bank.name] = bank
    return bank


def disconnect(name: str) -> None:
    """Speak with it no more."""
    _connected.pop(name, None)


def named(db: Session, name: str) -> Bank:
    """The bank of this name."""
    for bank in banks(db):
        if bank.name == name:
            return bank
    raise NoSuchBank(name=name)


def banks(db: Session) -> list[Bank]:
    """Every bank this process speaks with: `GONGHENG_BANK_URL` names one, in the equipment the session carries."""
    equipment = db.info.get("equipment")
    url = equipment.settings.bank_url if equipment is not None else None
    if url and url not in _by_setting:
        _by_setting[url] = mailbox.from_url(url)
    known = {bank.name: bank for bank in ([_by_setting[url]] if url else [])} | _connected
    return list(known.values())
