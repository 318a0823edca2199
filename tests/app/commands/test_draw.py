import json

import pytest
from click.testing import CliRunner

from app.commands.draw import draw
from tests.ca import draw_attacks
from tests.ca import draw_bundles as draws
from tests.ca.seal_vectors import key


def run(*arguments):
    return CliRunner().invoke(draw, [str(part) for part in arguments])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "bundle.json"
    path.write_bytes(draws.raw_bundle("registration"))
    return path


def test_a_good_bundle(file):
    told = run("verify", file)
    assert told.exit_code == 0
    assert "good 无误" in told.output
    assert "select: 91510000MA0" in told.output


def test_everything_as_json(file):
    told = json.loads(run("verify", file, "--json").output)
    assert told["ok"] is True
    assert told["winners"]["select"] == [told["winner"]]
    assert len(told["order"]["select"]) == 9


def test_the_first_wrong_item_and_exit_1(file):
    file.write_bytes(draws.bent("registration", draw_attacks.shift_winner))
    told = run("verify", file)
    assert told.exit_code == 1
    assert "wrong 有误: order[0]" in told.output
    assert json.loads(run("verify", file, "--json").output)["first_wrong"] == "order[0]"


def test_another_platforms_key(file):
    assert run("verify", file, "--platform-key", draws.PLATFORM.public.hex()).exit_code == 0
    told = run("verify", file, "--platform-key", key("stranger").public.hex())
    assert told.exit_code == 1
    assert run("verify", file, "--platform-key", "00").exit_code == 2


def test_a_file_that_cannot_be_read_is_exit_2(tmp_path):
    assert run("verify", tmp_path / "absent").exit_code == 2
    assert run("verify", tmp_path).exit_code == 2


def test_rfc3797_prints_positions_in_order():
    told = run("rfc3797", "--pool", 25, "--pick", 16, "9319", "2 5 12 8 10", "9 18 26 34 41 45")
    assert told.exit_code == 0
    assert told.output == "17\n7\n2\n16\n25\n23\n8\n24\n19\n13\n22\n5\n18\n9\n1\n4\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--pool", 25, "--pick", 16, "7"),
        ("--pool", 25, "--pick", 16, "--bits", 20, "9319", "2 5 12 8 10", "9 18 26 34 41 45"),
        ("--pool", 25, "--pick", 26, "9319"),
        ("--pool", 25, "--pick", 1, "x"),
    ],
)
def test_rfc3797_refuses_too_little_chance(arguments):
    told = run("rfc3797", *arguments)
    assert told.exit_code == 1
    assert told.output.startswith("Error: ")


@pytest.mark.parametrize("command", [(), ("verify",), ("rfc3797",)])
def test_help_has_an_example(command):
    assert "gongheng draw" in run(*command, "--help").output
