"""Every no speaks: a sentence in Chinese, one in English, and a test in which it is said."""

import re
from pathlib import Path

import pytest

from app import languages, rooms
from storage.refusals import Refusal

rooms.models()
rooms.doors()
HOUSE = Path(__file__).resolve().parents[2]
OURS = [kind for kind in Refusal.kinds if kind.__module__.split(".")[0] in languages.ROOMS]
TESTS = "\n".join(file.read_text() for file in (HOUSE / "tests").rglob("*.py") if file.parent.name != "house")


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_a_refusal_says_what_to_do(kind):
    assert re.search(r"[\u4e00-\u9fff]", kind.says), "in Chinese"
    assert kind.says.rstrip().endswith("。"), "in whole sentences"


def test_every_refusal_is_raised_in_some_test():
    kinds = {kind for kind in OURS if not kind.__subclasses__()}
    silent = sorted(kind.__name__ for kind in kinds if kind.__name__ not in TESTS and _code(kind) not in TESTS)
    assert silent == []


def _code(kind) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
