"""Keys 密钥: what the supermarket signs with, and the day keys that open the cells of registrations.

All are files in a folder outside database, object store and backups. A project uses the day key 日密钥 of
the day on which it was published; destroying that file after the audit makes its cells unreadable for good.
An owner who has brought no key of its own signs notices with the key of its account, kept here for it.
"""

import os
import secrets
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from ca.ecdsa import Key, PlatformKey
from storage.forms import BEIJING
from storage.refusals import NotNow


class KeyGone(NotNow):
    says = "这一天的日密钥不在，报名记录无法读取。请联系交易中心。"


@dataclass(frozen=True)
class DayKeys:
    """The folder with the day keys. Its repr and its errors show no key."""

    folder: Path

    def prepare(self, published_at: datetime) -> None:
        """Make the key of the day of this moment in Beijing, if there is none yet; processes agree on it."""
        file = self._file(published_at.astimezone(BEIJING).date())
        if not file.exists():
            self._make(file)

    def of(self, published_at: datetime) -> bytes:
        """The key of the day of this moment. Raises KeyGone: a new one would only hide that cells are lost."""
        try:
            return bytes.fromhex(self._file(published_at.astimezone(BEIJING).date()).read_text().strip())
        except FileNotFoundError:
            raise KeyGone from None

    def _file(self, day: date) -> Path:
        return self.folder / f"{day.isoformat()}.key"

    def destroy(self, day: date) -> None:
        """Overwrite and remove the key of a day. Safe to repeat."""
        file = self._file(day)
        if file.exists():
            file.write_text("0" * 64 + "\n")
            file.unlink()

    def _make(self, file: Path) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_hex(32) + "\n")
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            pass  # another process was first; its key stands
        finally:
            draft.unlink()


@dataclass(frozen=True)
class Keys:
    """Every key the supermarket's acts may use."""

    days: DayKeys
    platform: Key
    accounts: Path

    @classmethod
    def at(cls, folder: Path, platform: Key) -> "Keys":
        """The keys kept in the platform's key folder."""
        return cls(DayKeys(folder / "days"), platform, folder / "accounts")

    def of_account(self, credit_code: str) -> Key:
        """The signing key of an organisation's account 账号签名密钥, made at its first use."""
        return PlatformKey.at(self.accounts, credit_code)
