"""A demo centre: one home, bundled database, web, worker, recorder, a bank and the programs of five key holders."""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import func, select

from app.centre import Centre, free_port
from app.commands import bank
from app.config import Mode, Settings
from app.demo import cast, founding
from app.demo.founding import Passes
from app.equipment import Equipment
from ca.parties import Person
from ca.tokens import ApiToken

PORT = 8000


def settings_for(home: Path, *, fixed: bool) -> Settings:
    """Settings of a demo in this home; on the usual port when `fixed` and free, else on any."""
    port = free_port(PORT if fixed else None)
    return Settings(
        mode=Mode.DEMO, home=home, port=port, recorder_port=free_port(port + 1 if fixed else None),
        recorder_loopback=True, bank_url=bank.address(free_port(bank.PORT if fixed else None)),
    )  # fmt: skip


@contextmanager
def running(settings: Settings) -> Iterator[tuple[Centre, Passes]]:
    """A demo centre that serves until the block ends."""
    centre = Centre(settings)
    try:
        centre.begin()
        equipment = Equipment.of(centre.running)
        given = founding.found(equipment)
        start_bank(centre)
        centre.serve()
        centre.wait_until_up()
        start_holders(centre, given)
        wait_for_holders(equipment)
        (settings.home / "demo" / "address").write_text(f"{settings.address}\n")
        yield centre, given
    finally:
        centre.end()


def wait_for_holders(equipment: Equipment, seconds: float = 120) -> None:
    """Return when every holder's program has logged in: who publishes counts on them within seconds."""
    logins = {player.login for player in [cast.ENTITY_HOLDER, *cast.OTHER_HOLDERS]}
    here = select(func.count(func.distinct(Person.id))).join(ApiToken, ApiToken.person_id == Person.id).where(
        Person.login.in_(logins), ApiToken.expires_at > func.gh_clock()
    )  # fmt: skip
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with equipment.sessions() as db:
            if db.scalar(here) == len(logins):
                return
        time.sleep(0.2)
    raise TimeoutError("密钥持有人的程序没有全部启动。请查看 logs 文件夹里的 holder*.log。")


def settings_of_running(home: Path, server: str) -> Settings:
    """Settings of a demo that runs already: its address, and the bank it wrote down."""
    at = urlsplit(server)
    bank_url = (home / "demo" / "bank").read_text().strip()
    return Settings(mode=Mode.DEMO, home=home, host=at.hostname or "127.0.0.1", port=at.port or 80, bank_url=bank_url)


def start_bank(centre: Centre) -> None:
    """The bank at the world's edge, with its books in the home."""
    port = bank_port(centre.settings)
    centre.add("bank", *bank.command(port, str(centre.settings.home / "bank.sqlite")))
    bank.prepare(port)
    (centre.settings.home / "demo" / "bank").write_text(f"{centre.settings.bank_url}\n")


def bank_port(settings: Settings) -> int:
    """The port of the demo's bank."""
    port = urlsplit(settings.bank_url or "").port
    assert port is not None
    return port


def start_holders(centre: Centre, given: Passes) -> None:
    """Each holder's own program, with a folder that knows the platform's key, the supervisor and the CAs."""
    for player in [cast.ENTITY_HOLDER, *cast.OTHER_HOLDERS]:
        folder = given.folder(player) / "holder"
        if not folder.exists():
            folder.mkdir(mode=0o700)
            for part in ("trust", "chain", "crl"):
                shutil.copytree(centre.settings.home / "ca" / part, folder / part)
            (folder / "supervisor").write_text(f"{cast.SUPERVISION.credit_code}\n")
        centre.add(
            player.login, sys.executable, "-m", "app.cli", "holder", "--server",
            f"http://{centre.settings.host}:{centre.settings.port}", "--folder", str(folder), "--login", player.login,
            "--password-file", str(given.password_file(player)), "--every", "0.5",
        )  # fmt: skip
