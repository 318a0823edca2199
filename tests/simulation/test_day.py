"""The whole day, on a centre of its own: real database, real programs of the holders, real media; and with kills."""

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import select, text

from app.day import play
from app.demo import centre
from storage import db as rows
from storage import journal

HOUSE = Path(__file__).resolve().parents[2]


@pytest.mark.day
@pytest.mark.timeout(900)
def test_a_day_is_played_and_every_bundle_verified(tmp_path):
    played = subprocess.run(
        [sys.executable, "-m", "app.cli", "day", "--temporary", "--pace", "2", "--keep", str(tmp_path)],
        cwd=HOUSE, capture_output=True, text=True, timeout=880,
    )  # fmt: skip

    assert played.returncode == 0, played.stdout[-3000:] + played.stderr[-3000:]
    for bundle in ("tender.zip", "supermarket.zip"):
        assert (tmp_path / bundle).stat().st_size > 10_000


class Killer(threading.Thread):
    """Kills -9 a process of the centre again and again, by a seed."""

    def __init__(self, running, seed: int) -> None:
        super().__init__(daemon=True)
        self.running, self.chance, self.kills, self.over = running, random.Random(seed), 0, threading.Event()

    def victims(self) -> list[int]:
        children = [self.running.children[name].process.pid for name in ("web", "worker")]
        return [*children, self.running.server.pid]

    def run(self) -> None:
        while not self.over.wait(self.chance.uniform(3, 8)):
            try:
                os.kill(self.chance.choice(self.victims()), signal.SIGKILL)
                self.kills += 1
            except (ProcessLookupError, TypeError):
                pass  # it is being started again just now


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [20261122])
def test_a_day_survives_kills_of_web_worker_and_database(tmp_path, seed, monkeypatch):
    monkeypatch.setenv("GONGHENG_MODE", "demo")
    settings = centre.settings_for(tmp_path / "home", fixed=False)
    with centre.running(settings) as (running, given):
        killer = Killer(running, seed)
        killer.start()
        try:
            stage = play.on(running.settings, given, tmp_path, Console(), pace=4)
        finally:
            killer.over.set()
        killer.join()
        engine = rows.connect(running.server.urls().owner)
        with rows.sessions(engine)() as db:
            files = db.scalars(select(journal.Entry.file).distinct()).all()
            assert [file for file in files if not journal.is_whole(db, file).ok] == []
            assert db.scalar(text("SELECT coalesce(sum(amount), 0) FROM ledger_entry")) == 0
        engine.dispose()
    assert killer.kills >= 20, (killer.kills, stage.facts)
