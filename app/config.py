"""Settings, read from the environment once at the start and checked there.

Every setting is documented in `docs/operating.md`; a test compares the two.
"""

import contextlib
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Mode(StrEnum):
    """How this centre runs. Demo keys, demo people and shortened periods refuse to work in production."""

    DEMO = "demo"
    TEST = "test"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """What an operator may set, as `GONGHENG_…` variables."""

    model_config = SettingsConfigDict(env_prefix="GONGHENG_", frozen=True)

    mode: Mode = Field(Mode.PRODUCTION, description="production, demo or test")
    home: Path = Field(Path("var"), description="folder for the bundled database, the folder store, keys and spool")
    database_url: str | None = Field(
        None, validation_alias="DATABASE_URL", description="an external PostgreSQL; without it the bundled one runs"
    )
    objects: str | None = Field(None, description="`folder:PATH` or `s3://KEY:SECRET@HOST:PORT/BUCKET`")
    keys: Path | None = Field(None, description="folder of key files; on another volume in production")
    host: str = Field("127.0.0.1", description="address the web server listens on")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(8000, description="port the web server listens on")
    web_processes: Annotated[int, Field(ge=1, le=64)] = Field(2, description="web worker processes")
    public_url: str | None = Field(None, description="address people use, printed in QR codes")
    recorder_port: Annotated[int, Field(ge=1, le=65535)] = Field(8001, description="port of the recorder's signalling")
    recorder_loopback: bool = Field(False, description="let media run over 127.0.0.1 (a demo on one machine)")
    bank_url: str | None = Field(None, description="host-to-host address of the bank")
    smtp: str | None = Field(None, description="mail server for letters, e.g. `smtp://127.0.0.1:25`")
    mail_from: str = Field("gongheng@localhost", description="sender of letters")
    sms_url: str | None = Field(None, description="HTTP address of the SMS gateway")

    @field_validator("home")
    @classmethod
    def absolute(cls, home: Path) -> Path:
        """A relative home means the folder where the command was given."""
        return home.expanduser().absolute()

    @property
    def keys_folder(self) -> Path:
        return self.keys or self.home / "keys"

    @property
    def objects_url(self) -> str:
        return self.objects or f"folder:{self.home / 'objects'}"

    @property
    def address(self) -> str:
        """The address people use."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def recorder_address(self) -> str:
        return f"http://{self.host}:{self.recorder_port}"

    def secret(self, name: str) -> bytes:
        """A secret of 32 bytes kept in a key file, made at the first call; several processes agree on it."""
        file = self.keys_folder / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = file.with_name(f".{name}.{secrets.token_hex(4)}")
            made.touch(mode=0o600)
            made.write_text(secrets.token_hex(32))
            with contextlib.suppress(FileExistsError):  # the first of several processes wins
                file.hardlink_to(made)
            made.unlink()
        return bytes.fromhex(file.read_text().strip())
