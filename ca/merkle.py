"""Trees of digests (RFC 6962): one 32-byte root stands for a whole list, and short proofs speak for it.

An *inclusion path* shows that an item stands at a place of the list; a *consistency proof* shows that a
later list only added to an earlier one. Both checks follow RFC 9162, 2.1.3.2 and 2.1.4.2.
"""

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256().digest()


def leaf_hash(item: bytes) -> bytes:
    """SHA-256 of 0x00 ‖ item: an item can never pass for a node."""
    return hashlib.sha256(b"\0" + item).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 ‖ left ‖ right."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """The tree over a list of items, kept level by level so that many paths are cheap."""

    def __init__(self, items: Iterable[bytes]) -> None:
        self.levels: list[list[bytes]] = [[leaf_hash(item) for item in items]]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            level = [node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
            self.levels.append(level + below[len(level) * 2 :])  # a lone last node rises as it is

    @property
    def size(self) -> int:
        return len(self.levels[0])

    @property
    def root(self) -> bytes:
        return self.levels[-1][0] if self.size else EMPTY

    def path(self, index: int) -> list[bytes]:
        """The inclusion path of the item at this index, from the leaf up. Raises IndexError."""
        if not 0 <= index < self.size:
            raise IndexError(index)
        steps = []
        for level in self.levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                steps.append(level[sibling])
            index >>= 1
        return steps

    def consistency(self, old_size: int) -> list[bytes]:
        """The proof that the first `old_size` items are a beginning of this list. Raises IndexError."""
        if not 0 <= old_size <= self.size:
            raise IndexError(old_size)
        if old_size in (0, self.size):
            return []
        return self._part(old_size, 0, self.size, whole=True)

    def _part(self, old: int, start: int, size: int, *, whole: bool) -> list[bytes]:
        """SUBPROOF of RFC 9162, 2.1.4.1, over the items start … start + size."""
        if old == size:
            return [] if whole else [self._range(start, size)]
        half = _half(size)
        if old <= half:
            return [*self._part(old, start, half, whole=whole), self._range(start + half, size - half)]
        rest = self._part(old - half, start + half, size - half, whole=False)
        return [*rest, self._range(start, half)]

    def _range(self, start: int, size: int) -> bytes:
        if size & (size - 1) == 0:
            depth = size.bit_length() - 1
            return self.levels[depth][start >> depth]
        half = _half(size)
        return node_hash(self._range(start, half), self._range(start + half, size - half))


def _half(size: int) -> int:
    """The largest power of two smaller than size (≥ 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _digests(*digests: bytes) -> bool:
    return all(len(digest) == 32 for digest in digests)


def root(items: Iterable[bytes]) -> bytes:
    """The tree head of a list; of an empty list SHA-256 of nothing."""
    return Tree(items).root


def includes(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Does this path show the leaf (already `leaf_hash`ed) at index in a list of this size and root?"""
    return _digests(root) and root_by(leaf, index, size, path) == root


def root_by(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a path leads to from a leaf; None when the path does not fit index and size."""
    if not 0 <= index < size or not _digests(leaf, *path):
        return None
    place, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            found = node_hash(step, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, step)
        place, last = place >> 1, last >> 1
    return found if last == 0 else None


def extends(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Does this proof show that the list behind new_root begins with the list behind old_root?"""
    if not 0 <= old_size <= new_size or not _digests(*proof):
        return False
    if old_size == new_size:
        return not proof and old_root == new_root and (old_size > 0 or old_root == EMPTY)
    if old_size == 0 or not proof:
        return False
    steps = list(proof)
    if old_size & (old_size - 1) == 0:
        steps.insert(0, old_root)
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, step)
        place, last = place >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root
