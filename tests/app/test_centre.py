"""A centre of processes: watched, restarted, and gone with the one that started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.centre import Centre, free_port
from app.config import Mode, Settings

HOUSE = Path(__file__).resolve().parents[2]


@pytest.fixture
def centre(tmp_path):
    (tmp_path / "logs").mkdir()
    centre = Centre(Settings(mode=Mode.TEST, home=tmp_path))
    yield centre
    centre.end()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not is_alive(pid)


def test_a_child_that_dies_is_started_again(centre):
    child = centre.add("sleeper", sys.executable, "-c", "import time; time.sleep(60)")
    first = child.process.pid
    os.kill(first, signal.SIGKILL)
    assert gone(first)
    now = time.monotonic()
    child.watch(now)
    child.watch(now + 1)

    assert child.process.pid != first
    assert child.deaths == 1


def test_children_go_with_the_centre(centre):
    child = centre.add("sleeper", sys.executable, "-c", "import time; time.sleep(60)")
    centre.end()

    assert gone(child.process.pid)


def test_children_go_even_when_the_centre_is_killed(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from app.centre import Centre; from app.config import Settings\n"
        f"home = Path({str(tmp_path)!r}); (home / 'logs').mkdir()\n"
        "c = Centre(Settings(mode='test', home=home))\n"
        "print(c.add('sleeper', sys.executable, '-c', 'import time; time.sleep(60)').process.pid, flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=HOUSE, stdout=subprocess.PIPE, text=True) as centre:
        child = int(centre.stdout.readline())
        centre.kill()

    assert gone(child)


def test_settings_reach_a_child_as_variables(centre):
    environment = centre.environment()

    assert environment["GONGHENG_MODE"] == "test"
    assert environment["GONGHENG_HOME"] == str(centre.settings.home)


def test_a_free_port_is_the_preferred_one_when_nobody_has_it():
    port = free_port()
    assert free_port(port) == port
