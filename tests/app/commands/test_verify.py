"""`gongheng verify`: 0 for a whole bundle, 1 with the first wrong item, 2 for what is no file."""

import json

import pytest
from click.testing import CliRunner

from app.commands.verify import verify
from ca.ecdsa import Key
from tests.app.evidence.conftest import *  # noqa: F403 – the stories and their bundles


def run(*arguments):
    return CliRunner().invoke(verify, [str(argument) for argument in arguments])


@pytest.fixture
def file(supermarket_bundle, tmp_path):
    return supermarket_bundle.told_again(tmp_path / "bundle.zip")


def test_a_whole_bundle(file, supermarket_bundle):
    told = run(file, "--platform-key", supermarket_bundle.key.public.hex())

    assert told.exit_code == 0, told.output
    assert "ok  journal/supermarket-" in told.output
    assert f"good 无误: {supermarket_bundle.project}" in told.output
    assert "compare" not in told.output


def test_everything_as_json(file):
    told = run(file, "--json")

    found = json.loads(told.stdout)
    assert (told.exit_code, found["ok"], found["kind"], found["first_wrong"]) == (0, True, "supermarket", None)
    assert any("compare" in remark for remark in found["remarks"])
    assert {"item", "says"} == set(found["items"][0])


def test_a_flipped_byte_names_its_item(file):
    raw = bytearray(file.read_bytes())
    raw[raw.index(b'"supermarket_project') if b'"supermarket_project' in raw else raw.index(b"notice_issued")] ^= 1
    file.write_bytes(raw)

    told = run(file)

    assert told.exit_code == 1
    assert "wrong 有误: journal/supermarket-" in told.output


def test_a_lie_is_named(supermarket_bundle, tmp_path):
    items = dict(supermarket_bundle.items)
    items["project.json"] = items["project.json"].replace(b'"state":"notice_issued"', b'"state":"failed"')
    told = run(supermarket_bundle.told_again(tmp_path / "lie.zip", items), "--quiet")

    assert told.exit_code == 1
    assert told.stdout.startswith("wrong 有误: journal/supermarket-")
    assert "  ok  " not in told.output


def test_another_platforms_key(file):
    told = run(file, "--platform-key", Key.make().public.hex())

    assert (told.exit_code, "manifest.json" in told.output) == (1, True)


def test_what_is_no_file(tmp_path):
    assert run(tmp_path / "none.zip").exit_code == 2
    assert run(tmp_path).exit_code == 2


def test_what_is_no_bundle(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 something else")
    told = run(tmp_path / "x.zip")

    assert (told.exit_code, "manifest.json" in told.output) == (1, True)


def test_help_shows_an_example():
    assert "gongheng verify tender-12-public.zip --platform-key" in run("--help").output
