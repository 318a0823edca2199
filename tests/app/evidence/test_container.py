"""Every byte of a bundle is determined: any flip is found, and the first item it touches is named."""

import random
import subprocess
import zipfile

import pytest

from app.evidence.container import END, Bad, Item, check, write
from ca.ecdsa import PlatformKey

ITEMS = [Item.of("journal/tender-1.json", b'{"a":1}'), Item.of("空/empty.txt", b""), Item.of("big.bin", bytes(300_000))]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    file = tmp_path_factory.mktemp("bundle") / "evidence.zip"
    key = PlatformKey.at(file.parent)
    with file.open("wb") as out:
        write(out, ITEMS, project="TD-2026-0001", made_at="2026-11-22T01:00:00Z", key=key)
    return file


def test_a_good_bundle_is_whole(bundle):
    found = check(bundle)

    assert found.project == "TD-2026-0001"
    assert found.read("journal/tender-1.json") == b'{"a":1}'
    assert list(found.places) == [item.path for item in ITEMS]


def test_the_same_contents_give_the_same_bytes_but_for_the_signature(bundle, tmp_path):
    other = tmp_path / "again.zip"
    with other.open("wb") as out:
        write(out, ITEMS, project="TD-2026-0001", made_at="2026-11-22T01:00:00Z", key=PlatformKey.at(bundle.parent))

    assert len(other.read_bytes()) == len(bundle.read_bytes())


def test_ordinary_programs_open_it(bundle):
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        assert archive.read("journal/tender-1.json") == b'{"a":1}'
    assert subprocess.run(["unzip", "-tq", bundle], capture_output=True).returncode == 0


def test_every_flipped_byte_is_found(bundle, tmp_path):
    """All bytes but those of the large middle, and a sample of those."""
    whole = bundle.read_bytes()
    chance = random.Random(20261122)
    places = [*range(1200), *range(len(whole) - 800, len(whole)), *(chance.randrange(len(whole)) for _ in range(200))]
    for place in places:
        spoiled = bytearray(whole)
        spoiled[place] ^= 1 << chance.randrange(8)
        file = tmp_path / "spoiled.zip"
        file.write_bytes(spoiled)
        with pytest.raises(Bad):
            check(file)


@pytest.mark.parametrize(("find", "item"), [
    (b'{"a":1}', "journal/tender-1.json"),
    (b"\0" * 1000, "big.bin"),
    (b'"project"', "manifest.json"),
    (b"PK\x01\x02", END),
])  # fmt: skip
def test_the_first_bad_item_is_named(bundle, tmp_path, find, item):
    whole = bytearray(bundle.read_bytes())
    whole[whole.index(find) + 1] ^= 1
    file = tmp_path / "spoiled.zip"
    file.write_bytes(whole)

    with pytest.raises(Bad) as bad:
        check(file)
    assert bad.value.item == item


@pytest.mark.parametrize("keep", [0, 10, 500, -1])
def test_a_cut_bundle_is_refused(bundle, tmp_path, keep):
    file = tmp_path / "cut.zip"
    file.write_bytes(bundle.read_bytes()[:keep])

    with pytest.raises(Bad):
        check(file)


def test_something_added_at_the_end_is_refused(bundle, tmp_path):
    file = tmp_path / "longer.zip"
    file.write_bytes(bundle.read_bytes() + b"\0")

    with pytest.raises(Bad) as bad:
        check(file)
    assert bad.value.item == END
