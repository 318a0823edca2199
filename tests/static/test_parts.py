"""The parts of the pages: each has its own `node --test`; here they run, and nothing they ask for is missing."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app import pages

HERE = Path(__file__).parent
STATIC = Path(pages.__file__).parent / "static"
TEMPLATES = STATIC.parent / "templates"
VENDOR = STATIC / "vendor"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed; the browser tests cover the parts too")
def test_parts_keep_their_promises():
    ran = subprocess.run(
        ["node", "--test", str(HERE)], capture_output=True, text=True, timeout=60, cwd=HERE, check=False
    )

    assert ran.returncode == 0, ran.stdout[-4000:]


def test_every_part_a_template_asks_for_is_there():
    asked = {
        name
        for page in TEMPLATES.rglob("*.html")
        for names in re.findall(r'data-part="([a-z -]+)"', page.read_text())
        for name in names.split()
    }

    assert asked >= {"countdown", "upload", "focus"}
    assert {name for name in asked if not (STATIC / "parts" / f"{name}.js").exists()} == set()


def test_bought_files_are_what_the_manifest_says():
    manifest = json.loads((VENDOR / "MANIFEST.json").read_text())
    told = {entry["file"]: entry["sha256"] for entry in manifest["files"]}
    found = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name not in {"MANIFEST.json", "fetch.mjs", "tabler.scss"}
    }

    assert found == told
    assert all(entry["licence"] and entry["version"] for entry in manifest["files"])


@pytest.mark.parametrize("sheet", sorted(STATIC.glob("**/*.css")), ids=lambda path: path.name)
def test_style_sheets_ask_for_nothing_from_outside(sheet):
    addresses = re.findall(r"url\(\"?([^)\"]+)\"?\)", sheet.read_text())

    assert [a for a in addresses if ":" in a or a.startswith("//")] == []
    assert [a for a in addresses if not (sheet.parent / a).exists()] == []
    assert "@import" not in sheet.read_text()
