import base64
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca import merkle
from tests.ca.vectors import outside

ITEMS = [b"", b"\0", b"\x10", b" !", b"01", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno"]  # RFC 6962's own eight


def test_root_of_eight_and_of_none():
    assert merkle.root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert base64.b64encode(merkle.root(ITEMS)) == b"XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg="


def cases(kind):
    with tarfile.open(outside("rfc6962/merkle-testdata.tgz")) as archive:
        for member in archive:
            if member.isfile() and member.name.startswith(f"testdata/{kind}/"):
                yield member.name, json.load(archive.extractfile(member))


def raw(text):
    return base64.b64decode(text or "")


def test_every_inclusion_case_of_others():
    found = 0
    for name, case in cases("inclusion"):
        path = [raw(step) for step in case["proof"] or []]
        ok = merkle.includes(raw(case["leafHash"]), case["leafIdx"], case["treeSize"], path, raw(case["root"]))
        assert ok is not case["wantErr"], name
        found += 1
    assert found > 50


def test_every_consistency_case_of_others():
    found = 0
    for name, case in cases("consistency"):
        proof = [raw(step) for step in case["proof"] or []]
        ok = merkle.extends(case["size1"], case["size2"], proof, raw(case["root1"]), raw(case["root2"]))
        assert ok is not case["wantErr"], name
        found += 1
    assert found > 50


@pytest.mark.parametrize("size", range(1, 34))
def test_every_path_holds_and_holds_nowhere_else(size):
    tree = merkle.Tree(str(i).encode() for i in range(size))
    for index in range(size):
        leaf, path = tree.levels[0][index], tree.path(index)
        assert merkle.includes(leaf, index, size, path, tree.root)
        assert not merkle.includes(leaf, index + 1, size, path, tree.root)
        assert not merkle.includes(leaf, index, size, [*path, bytes(32)], tree.root)


@pytest.mark.parametrize("size", range(1, 34))
def test_every_beginning_is_consistent_and_a_changed_one_is_not(size):
    items = [str(i).encode() for i in range(size)]
    tree = merkle.Tree(items)
    for old in range(1, size + 1):
        proof, old_root = tree.consistency(old), merkle.root(items[:old])
        assert merkle.extends(old, size, proof, old_root, tree.root)
        if old < size:
            other = merkle.root([b"other", *items[1:old]])
            assert not merkle.extends(old, size, proof, other, tree.root)
            assert not merkle.extends(old, size, proof[:-1], old_root, tree.root)


@given(st.integers(-3, 40), st.integers(-3, 40), st.lists(st.binary(min_size=32, max_size=32), max_size=7))
def test_garbage_proofs_are_refused_without_error(first, second, proof):
    assert not merkle.includes(bytes(32), first, second, proof, b"x" * 32)
    if first != second:
        assert not merkle.extends(first, second, proof, b"x" * 32, b"y" * 32)


def test_places_outside_the_tree_are_an_error():
    tree = merkle.Tree(ITEMS)
    with pytest.raises(IndexError):
        tree.path(8)
    with pytest.raises(IndexError):
        tree.consistency(9)
    assert tree.consistency(0) == []
