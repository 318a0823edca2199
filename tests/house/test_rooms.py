"""The house keeps its own rules: who imports whom, which words are used, how large a file grows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
ROOMS = ["app", "evaluation", "bidding", "escrow", "ca", "storage"]
CODE = sorted(file for room in ROOMS for file in (HOUSE / room).rglob("*.py"))
BANNED = {
    "tenderer": "procuring_entity or bidder",
    "tenderee": "procuring_entity",
    "vendor": "supplier, bidder or intermediary",
    "utils": "the room's own word",
    "helpers": "the room's own word",
    "manager": "what it does",
}
TOP = {"app", "bidding", "evaluation", "escrow", "ca", "storage", "tests", "docs", "bench"}


def test_a_room_knows_only_the_rooms_below_it():
    told = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=HOUSE, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stdout


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_starts_by_saying_what_it_is_for(room):
    first = (HOUSE / room / "__init__.py").read_text().lstrip()
    assert first.startswith('"""'), room


def test_every_file_opens_with_what_it_is_for():
    silent = [file.relative_to(HOUSE) for file in CODE if not re.match(r'\s*(#.*\n)*\s*"""', file.read_text())]
    assert silent == []


def test_banned_words_are_not_used_in_names():
    names = re.compile(r"\b(?:def|class)\s+(\w+)|^\s*(\w+)\s*[:=]")
    found = []
    for file in CODE:
        found += [(str(file.relative_to(HOUSE)), 0, word) for word in set(file.stem.split("_")) & set(BANNED)]
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            for match in names.finditer(line.split("#")[0]):
                words = set(re.split(r"[_.]", (match.group(1) or match.group(2)).lower()))
                found += [(str(file.relative_to(HOUSE)), number, word) for word in words & set(BANNED)]
    assert found == [], f"say instead: {BANNED}"


def test_the_top_level_is_what_it_was_agreed_to_be():
    tracked = subprocess.run(["git", "ls-files"], cwd=HOUSE, capture_output=True, text=True).stdout.split("\n")
    folders = {path.split("/")[0] for path in tracked if "/" in path and not path.startswith((".", '"'))}
    assert folders <= TOP, folders - TOP


def test_nobody_asks_the_machine_for_the_time():
    asking = re.compile(r"datetime\.(now|utcnow|today)\(|date\.today\(")
    allowed = {"storage/clock.py"}
    found = [
        str(file.relative_to(HOUSE))
        for file in CODE
        if asking.search(file.read_text()) and str(file.relative_to(HOUSE)) not in allowed
    ]
    assert found == [], "use storage.clock"


def test_chance_comes_from_committed_seeds_or_the_system_only():
    found = [str(file.relative_to(HOUSE)) for file in CODE if re.search(r"^\s*(import random|from random)", file.read_text(), re.M)]
    assert found == []


def test_the_repository_speaks_of_the_product_alone():
    tracked = subprocess.run(["git", "ls-files"], cwd=HOUSE, capture_output=True, text=True).stdout.split("\n")
    machine = re.compile(r"/work/(main|shared|notes)|/root/|/opt/pypi", re.I)
    found = []
    for path in tracked:
        file = HOUSE / path
        if path and file.suffix in {".py", ".md", ".html", ".toml", ".js", ".po", ".lock", ".mjs", ".css", ".typ"}:
            if "vendor" not in path and file != Path(__file__) and file.exists() and machine.search(file.read_text(errors="replace")):
                found.append(path)
    assert found == []
