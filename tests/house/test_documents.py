"""What the documents say is what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from app.cli import COMMANDS, main
from app.config import Settings

HOUSE = Path(__file__).resolve().parents[2]


def test_every_setting_is_documented_and_no_other():
    table = set(re.findall(r"^\| `([A-Z_]+)` \|", (HOUSE / "docs/operating.md").read_text(), re.M))
    known = {
        str(field.validation_alias) if field.validation_alias else f"GONGHENG_{name.upper()}"
        for name, field in Settings.model_fields.items()
    }
    assert table == known


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_helps_with_an_example(name):
    command = main.get_command(click.Context(main), name)
    told = command.get_help(click.Context(command, info_name=name))

    assert f"gongheng {name}" in told or "GONGHENG_" in told, "an example"


def test_the_readmes_commands_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (HOUSE / "Makefile").read_text(), re.M))
    for readme in ("README.md", "README.zh-CN.md"):
        text = (HOUSE / readme).read_text()
        assert set(re.findall(r"\bmake ([a-z][a-z-]*)", text)) <= targets | {"and"}, readme
        for name in re.findall(r"^gongheng ([a-z]+)", text, re.M):
            assert name in COMMANDS, name


@pytest.mark.parametrize("document", ["README.md", "README.zh-CN.md", *(
    str(file.relative_to(HOUSE)) for file in sorted((HOUSE / "docs").rglob("*.md"))
)])  # fmt: skip
def test_every_link_and_path_in_a_document_leads_somewhere(document):
    text = (HOUSE / document).read_text()
    here = (HOUSE / document).parent
    broken = [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if not (here / link).exists()]
    assert broken == []


def test_make_alone_is_help():
    told = subprocess.run(["make"], cwd=HOUSE, capture_output=True, text=True)

    assert told.returncode == 0
    assert "make demo" in told.stdout and "make test" in told.stdout


def test_a_refusal_at_the_terminal_is_one_sentence(tmp_path):
    told = subprocess.run(
        [sys.executable, "-m", "app.cli", "verify", str(tmp_path / "nothing.zip")],
        cwd=HOUSE, capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
