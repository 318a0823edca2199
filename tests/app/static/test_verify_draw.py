"""The script that anybody downloads and the product's own check agree: on good files and on every bad one."""

import ast
import importlib.util
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ca import ecdsa
from ca.draws import verify
from tests.ca import draw_attacks
from tests.ca import draw_bundles as draws
from tests.ca.seal_vectors import key

SCRIPT = Path(__file__).resolve().parents[3] / "app" / "static" / "verify_draw.py"
FLIPS = int(os.environ.get("GONGHENG_FLIPS", "2000"))


def load():
    spec = importlib.util.spec_from_file_location("verify_draw", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load()


def judge(raw):
    """(first wrong item or None, the lines told)."""
    try:
        return None, list(script.verify(script.read(raw)))
    except script.Wrong as wrong:
        return str(wrong), []
    except script.ERRORS:
        return "fields", []


def test_it_is_short_and_stands_alone():
    text = SCRIPT.read_text()
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {name.name for node in imports for name in node.names}

    assert len(text.splitlines()) <= 250
    assert all(isinstance(node, ast.Import) for node in imports)
    assert names <= sys.stdlib_module_names


@pytest.mark.parametrize("kind", draws.DRAWS)
def test_both_find_the_same_in_a_good_file(kind):
    raw = draws.raw_bundle(kind)
    first_wrong, lines = judge(raw)
    outcome = verify.verify(raw)

    assert first_wrong is None
    for purpose, winners in outcome.winners.items():
        assert f"{purpose}: {winners if isinstance(winners, str) else ' '.join(winners)}" in lines


@pytest.mark.parametrize(
    ("kind", "attack", "expected"), draw_attacks.ATTACKS, ids=lambda part: getattr(part, "__name__", "")
)
def test_both_name_the_same_first_wrong_item(kind, attack, expected):
    raw = draws.bent(kind, attack)
    first_wrong, _ = judge(raw)

    assert first_wrong is not None
    if expected is not None:
        assert first_wrong == verify.verify(raw).first_wrong


def test_every_single_bit_counts():
    """2,000 random single-bit changes; GONGHENG_FLIPS=10000 for more."""
    chance, kinds = random.Random(draws.PROJECT), list(draws.DRAWS)
    for number in range(FLIPS):
        kind = kinds[number % len(kinds)]
        raw = bytearray(draws.raw_bundle(kind))
        bit = chance.randrange(8 * len(raw))
        raw[bit // 8] ^= 1 << bit % 8
        assert judge(bytes(raw))[0] is not None, (kind, bit)
        assert not verify.verify(bytes(raw)).ok, (kind, bit)


def test_its_curve_is_the_curve():
    for name in ("a", "b", "c"):
        made, other = key(name), key(name + "2")
        assert script.flat(script.times(int.from_bytes(made.scalar), script.G)) == made.public.hex()
        shared = script.times(int.from_bytes(made.scalar), other.public.hex())[0]
        assert shared.to_bytes(32) == made.shared(other.public)
        signature = made.sign(b"hello")
        assert script.signed(made.public.hex(), b"hello", signature.hex())
        assert not script.signed(made.public.hex(), b"hellO", signature.hex())
        assert not script.signed(other.public.hex(), b"hello", signature.hex())
    assert script.plus(script.point(script.G), None) == script.point(script.G)
    assert script.times(script.Q, script.G) is None
    assert script.point("04" + script.G[2:]) is None
    for x in range(20):
        text = "03" + x.to_bytes(32).hex()
        assert bool(script.point(text)) is ecdsa.is_point(bytes.fromhex(text))


def run(*arguments):
    """As a citizen runs it: isolated, without the product on its path."""
    return subprocess.run([sys.executable, "-I", str(SCRIPT), *arguments], capture_output=True, text=True, timeout=60)


def test_exit_codes_and_what_it_prints(tmp_path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_bytes(draws.raw_bundle("registration"))
    bad.write_bytes(draws.bent("registration", draw_attacks.shift_winner))

    told = run(str(good))
    assert told.returncode == 0
    assert "select: 91510000MA0" in told.stdout
    refused = run(str(bad))
    assert (refused.returncode, refused.stdout) == (1, "wrong 有误: order[0]\n")
    assert run(str(tmp_path / "absent")).returncode == 2
    assert run().returncode == 2


def test_a_terminal_without_chinese(tmp_path):
    file = tmp_path / "good.json"
    file.write_bytes(draws.raw_bundle("tie"))
    plain = {"PYTHONIOENCODING": "ascii", "PATH": os.environ["PATH"]}
    told = subprocess.run([sys.executable, str(SCRIPT), str(file)], capture_output=True, env=plain, timeout=60)
    assert told.returncode == 0
    assert told.stdout.startswith(b"good ")


def test_a_void_contribution_is_told(tmp_path):
    made = draws.registration_draw()
    made.notice = draws.notice_of(made.params, contributors=draws.CONTRIBUTORS | {"witness": "outside"})
    made.boxes["witness"] = made.boxes["owner"]
    file = tmp_path / "bundle.json"
    file.write_bytes(made.bundle())
    told = run(str(file))
    assert told.returncode == 0
    assert "void 无效: contribution of witness" in told.stdout


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"1", b"\xff", b'{"notice":{}}', b'{"notice":1}', b"[" * 50000])
def test_garbage_is_refused(raw):
    assert judge(raw)[0] is not None
