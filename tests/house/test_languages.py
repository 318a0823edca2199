"""Chinese is the source; English is complete."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from app import languages, rooms
from ca.rights import ROLE_NAMES
from storage import lifecycle
from storage.forms import OTHERWISE, SENTENCES
from storage.refusals import Refusal

HOUSE = Path(__file__).resolve().parents[2]
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def catalogue() -> dict[str, str]:
    found = {}
    for file in languages.catalogue_files():
        with file.open("rb") as source:
            found |= {str(message.id): message.string for message in read_po(source) if message.id}
    return found


def said() -> dict[str, str]:
    """Every sentence that people may see, and where it stands."""
    rooms.models()
    rooms.doors()
    found = {}
    for room in languages.ROOMS:
        for file in (HOUSE / room).rglob("*"):
            if file.suffix in (".html", ".py"):
                method = "jinja2.ext:babel_extract" if file.suffix == ".html" else "python"
                options = {"extensions": "jinja2.ext.i18n", "trimmed": "true"} if file.suffix == ".html" else {}
                for line, message, _, _ in extract_from_file(method, file, options=options):
                    for text in message if isinstance(message, tuple) else (message,):
                        if isinstance(text, str):
                            found[text] = f"{file.relative_to(HOUSE)}:{line}"
    for kind in Refusal.kinds:
        if kind.__module__.split(".")[0] in languages.ROOMS:
            found[kind.says] = kind.__qualname__
    for kind in lifecycle.lives():
        found |= {name: kind.__name__ for name in kind.STATE_NAMES.values()} | {kind.called: kind.__name__}
    found |= {name: "Role" for name in ROLE_NAMES.values()}
    return found | dict.fromkeys([*SENTENCES.values(), OTHERWISE], "forms")


def test_english_is_complete():
    english = catalogue()
    missing = {text: where for text, where in said().items() if CHINESE.search(text) and not english.get(text)}
    assert missing == {}


def test_a_translation_has_the_same_places_to_fill():
    places = re.compile(r"\{\w+[^}]*\}|%\(\w+\)[sd]")
    wrong = {
        source: told for source, told in catalogue().items()
        if sorted(re.sub(r":[^}]*", "", place) for place in places.findall(source))
        != sorted(re.sub(r":[^}]*", "", place) for place in places.findall(str(told)))
    }  # fmt: skip
    assert wrong == {}


@pytest.mark.parametrize("room", languages.ROOMS)
def test_templates_hold_no_untranslated_text(room):
    bare = re.compile(r">[^<>{}]*[\u4e00-\u9fff][^<>{}]*<")
    found = []
    for file in (HOUSE / room).rglob("*.html"):
        text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", file.read_text(), flags=re.S)
        found += [(file.name, match.strip()) for match in bare.findall(text)]
    assert found == []
