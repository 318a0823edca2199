"""What every store of files must do, run on each of them alike."""

import hashlib
import io
import threading
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from storage import clock
from storage.objects import (
    Absent,
    BadKey,
    BadRange,
    FolderStore,
    KeyTaken,
    PartDamaged,
    PartsMissing,
    Retained,
    RetentionShortened,
)
from storage.objects.store import CHUNK

WORD = "公衡".encode()
LONG = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(CHUNK // 32 * 3)) + b"end"


def soon(seconds=60):
    return (clock.now() + timedelta(seconds=seconds)).replace(microsecond=0)


def read(store, key, **options):
    with store.open(key, **options) as file:
        return file.read()


def digest(content):
    return hashlib.sha256(content).hexdigest()


class Slow(io.RawIOBase):
    """A source like a browser's upload: short reads, no length, no seek."""

    def __init__(self, content):
        self.file = io.BytesIO(content)

    def read(self, size=-1):
        return self.file.read(min(size, 70_001) if size > 0 else size)


@pytest.mark.parametrize("content", [b"", WORD, LONG[:CHUNK], LONG])
def test_what_is_put_is_read_and_known(store, content):
    put = store.put("notices/12/text.pdf", content, media_type="application/pdf")

    assert (put.key, put.bytes, put.sha256) == ("notices/12/text.pdf", len(content), digest(content))
    assert (put.media_type, put.retain_until, put.legal_hold) == ("application/pdf", None, False)
    assert store.stat("notices/12/text.pdf") == put
    assert read(store, "notices/12/text.pdf") == content


def test_a_source_may_be_a_stream_of_unknown_length(store):
    assert store.put("a", Slow(LONG)).sha256 == digest(LONG)
    assert read(store, "a") == LONG


def test_a_file_larger_than_one_request_is_one_file(store):
    content = LONG * 12  # more than 8 MiB
    put = store.put("large", Slow(content), retain_until=soon())

    assert store.stat("large") == put
    assert put.sha256 == digest(content)
    with pytest.raises(KeyTaken):
        store.put("large", Slow(content))
    with store.open("large") as file:
        file.seek(-5, io.SEEK_END)
        assert file.read() == content[-5:]


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 1), (1, 0), (CHUNK - 1, 2), (CHUNK, CHUNK), (5, None), (len(LONG), None), (len(LONG) - 2, 10), (0, None)],
)
def test_a_range_is_just_that(store, start, length):
    store.put("a", LONG)

    assert read(store, "a", start=start, length=length) == LONG[start:][:length]


@pytest.mark.parametrize(("start", "length"), [(-1, None), (len(LONG) + 1, None), (0, -1)])
def test_a_range_outside_is_refused(store, start, length):
    store.put("a", LONG)

    with pytest.raises(BadRange):
        store.open("a", start=start, length=length)


def test_an_open_file_can_be_read_anywhere(store):
    store.put("a", LONG)

    with store.open("a", start=100) as file:
        for place in (CHUNK * 2, 0, CHUNK - 3, 17):
            assert file.seek(place) == place
            assert file.read(9) == LONG[100 + place :][:9]
        assert file.seek(0, io.SEEK_END) == len(LONG) - 100


def test_a_name_is_given_once(store):
    store.put("a/b", WORD)

    with pytest.raises(KeyTaken):
        store.put("a/b", WORD)
    assert read(store, "a/b") == WORD


def test_of_many_who_want_one_name_one_gets_it(store):
    store.put("first", WORD)  # so that the store is ready
    outcome = []

    def put(number):
        try:
            outcome.append(store.put("wanted", b"%d" % number))
        except KeyTaken:
            outcome.append(None)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(outcome) == 12
    (winner,) = filter(None, outcome)
    assert digest(read(store, "wanted")) == winner.sha256


def test_what_is_not_there_is_absent(store):
    for attempt in (
        lambda: store.stat("no"), lambda: store.open("no"), lambda: store.delete("no"),
        lambda: store.hold("no", True), lambda: store.retain("no", soon()), lambda: store.link("no", timedelta(1)),
        lambda: store.parts("0" * 32), lambda: store.put_part("0" * 32, 1, b"", digest(b"")),
        lambda: store.finish_parts("../../../x"), lambda: store.drop_parts("f" * 32),
    ):
        with pytest.raises(Absent):
            attempt()


@pytest.mark.parametrize("key", [
    "", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "a/.hidden", "a\\b", "a\0b", "a b", "公衡", "a\nb",
    "a%2e%2e", "a!", "a!/b", "~a", "x" * 201, "/".join(["x" * 100] * 10), "a\u202eb", "e\u0301",
])
def test_a_bad_name_is_refused_by_every_act(store, key):
    for attempt in (
        lambda: store.put(key, WORD), lambda: store.stat(key), lambda: store.open(key), lambda: store.delete(key),
        lambda: store.hold(key, True), lambda: store.retain(key, soon()), lambda: store.begin_parts(key),
        lambda: store.link(key, timedelta(1)),
    ):
        with pytest.raises(BadKey):
            attempt()


def test_names_are_listed_in_order_and_in_pages(store):
    names = ["a", "b/1", "b/1-x", "b/1.x", "b/10", "b/2/deep", "b/2-", "b2", "c", "b/Z"]
    for name in names:
        store.put(name, name.encode())

    assert [(each.key, each.bytes) for each in store.list()] == [(name, len(name)) for name in sorted(names)]
    assert [each.key for each in store.list("b/")] == sorted(name for name in names if name.startswith("b/"))
    assert [each.key for each in store.list("b/1")] == ["b/1", "b/1-x", "b/1.x", "b/10"]
    assert store.list("no") == []

    seen, after = [], None
    for _ in range(20):
        page = store.list("b", after=after, limit=3)
        if not page:
            break
        seen += [each.key for each in page]
        after = page[-1].key
    assert seen == sorted(name for name in names if name.startswith("b"))


def test_a_deleted_file_is_hidden_and_its_version_stays_until_it_is_destroyed(store):
    first = store.put("a", b"first")
    store.delete("a")
    for attempt in (lambda: store.stat("a"), lambda: store.open("a"), lambda: store.delete("a")):
        with pytest.raises(Absent):
            attempt()
    assert store.list() == []
    assert read(store, "a", version=first.version) == b"first"

    second = store.put("a", b"second")
    assert read(store, "a") == b"second"
    assert second.version != first.version

    store.delete("a", version=first.version)
    with pytest.raises(Absent):
        store.open("a", version=first.version)
    assert read(store, "a") == b"second"


def test_a_version_that_never_was_is_absent(store):
    store.put("a", WORD)
    for version in ("0" * 32, "../a", "", "x.json"):
        with pytest.raises(Absent):
            store.stat("a", version=version)


# Write once, read many: each attack must be refused and leave the file as it was.


@pytest.fixture
def kept(store):
    return store.put("evidence", LONG, retain_until=soon())


def still_whole(store, kept):
    return store.stat("evidence", version=kept.version).sha256 == kept.sha256 and read(store, "evidence") == LONG


def test_the_moment_of_retention_is_kept_to_the_second_and_never_early(store):
    moment = datetime.now(UTC).replace(microsecond=1) + timedelta(minutes=3)

    put = store.put("a", WORD, retain_until=moment)

    assert put.retain_until == moment.replace(microsecond=0) + timedelta(seconds=1)
    assert store.stat("a").retain_until == put.retain_until


def test_a_retained_file_cannot_be_deleted_hidden_or_written_over(store, kept):
    with pytest.raises(Retained):
        store.delete("evidence")
    with pytest.raises(Retained):
        store.delete("evidence", version=kept.version)
    with pytest.raises(KeyTaken):
        store.put("evidence", WORD)
    upload = store.begin_parts("evidence")
    store.put_part(upload, 1, WORD, digest(WORD))
    with pytest.raises(KeyTaken):
        store.finish_parts(upload)
    assert still_whole(store, kept)


def test_retention_can_be_lengthened_but_never_shortened(store, kept):
    longer = soon(500)
    store.retain("evidence", longer)
    assert store.stat("evidence").retain_until == longer

    for shorter in (soon(1), soon(-1000), longer - timedelta(seconds=1)):
        with pytest.raises(RetentionShortened):
            store.retain("evidence", shorter)
    assert store.stat("evidence").retain_until == longer
    assert still_whole(store, kept)


def test_a_legal_hold_keeps_a_file_without_retention_until_it_ends(store):
    put = store.put("a", WORD)
    store.hold("a", True)
    assert store.stat("a").legal_hold
    with pytest.raises(Retained):
        store.delete("a", version=put.version)
    with pytest.raises(Retained):
        store.delete("a")

    store.hold("a", False)
    store.delete("a", version=put.version)
    with pytest.raises(Absent):
        store.stat("a")


def test_a_hold_does_not_shorten_retention_nor_its_end_open_it(store, kept):
    store.hold("evidence", True)
    store.hold("evidence", False)

    assert store.stat("evidence") == kept
    with pytest.raises(Retained):
        store.delete("evidence", version=kept.version)


def test_everything_is_retained_by_default_if_the_setting_says_so(kind, make_store):
    store = make_store(kind, "kept", retain_days=2)

    put = store.put("a", WORD)

    assert timedelta(days=1, hours=23) < put.retain_until - clock.now() <= timedelta(days=2, seconds=1)
    with pytest.raises(Retained):
        store.delete("a", version=put.version)
    assert store.put("b", WORD, retain_until=soon(86_400 * 30)).retain_until > soon(86_400 * 29)


# Uploads in parts


def test_parts_in_any_order_become_the_file(store):
    pieces = [LONG, b"middle", LONG[:1000]]
    until = soon(99)
    upload = store.begin_parts("big", media_type="video/mp4", retain_until=until)
    for number in (3, 1, 2):
        store.put_part(upload, number, Slow(pieces[number - 1]), digest(pieces[number - 1]))
    assert [(part.number, part.bytes) for part in store.parts(upload)] == [(1, len(LONG)), (2, 6), (3, 1000)]
    with pytest.raises(Absent):
        store.stat("big")

    stored = store.finish_parts(upload)

    assert stored == store.stat("big")
    assert (stored.media_type, stored.retain_until) == ("video/mp4", until)
    assert stored.sha256 == digest(b"".join(pieces))
    assert read(store, "big") == b"".join(pieces)
    with pytest.raises(Absent):
        store.parts(upload)


def test_an_upload_goes_on_in_another_process(kind, make_store):
    upload = make_store(kind).begin_parts("big")
    make_store(kind).put_part(upload, 1, WORD, digest(WORD))

    other = make_store(kind)
    assert [part.number for part in other.parts(upload)] == [1]
    other.put_part(upload, 2, LONG, digest(LONG))
    assert read(make_store(kind), other.finish_parts(upload).key) == WORD + LONG


def test_a_damaged_part_is_refused_and_may_be_sent_again(store):
    upload = store.begin_parts("big")
    with pytest.raises(PartDamaged):
        store.put_part(upload, 1, WORD + b"!", digest(WORD))
    assert store.parts(upload) == []

    store.put_part(upload, 1, LONG, digest(LONG))
    store.put_part(upload, 1, WORD, digest(WORD))  # the bidder chose another file
    assert [part.sha256 for part in store.parts(upload)] == [digest(WORD)]
    store.finish_parts(upload)
    assert read(store, "big") == WORD


@pytest.mark.parametrize(("number", "sha256"), [(0, digest(WORD)), (10_001, digest(WORD)), (1, "A" * 64), (1, "../x")])
def test_a_part_without_proper_number_or_digest_is_refused(store, number, sha256):
    upload = store.begin_parts("big")
    with pytest.raises(PartDamaged):
        store.put_part(upload, number, WORD, sha256)


def test_a_gap_is_named(store):
    upload = store.begin_parts("big")
    with pytest.raises(PartsMissing) as nothing:
        store.finish_parts(upload)
    store.put_part(upload, 1, WORD, digest(WORD))
    store.put_part(upload, 3, WORD, digest(WORD))
    with pytest.raises(PartsMissing) as gap:
        store.finish_parts(upload)

    assert (nothing.value.facts, gap.value.facts) == ({"number": 1}, {"number": 2})
    with pytest.raises(Absent):
        store.stat("big")


def test_a_dropped_upload_is_gone(store):
    upload = store.begin_parts("big")
    store.put_part(upload, 1, WORD, digest(WORD))
    assert list(store.uploads_before(soon(3600))) == [upload]
    assert list(store.uploads_before(soon(-3600))) == []

    store.drop_parts(upload)

    assert list(store.uploads_before(soon(3600))) == []
    with pytest.raises(Absent):
        store.finish_parts(upload)


def test_two_who_finish_the_same_upload_make_one_file(store):
    upload = store.begin_parts("big")
    store.put_part(upload, 1, LONG, digest(LONG))
    outcome = []

    def finish():
        try:
            outcome.append(store.finish_parts(upload).sha256)
        except (Absent, KeyTaken) as refusal:
            outcome.append(refusal.code)

    threads = [threading.Thread(target=finish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    counted = Counter(outcome)
    assert counted[digest(LONG)] >= 1
    assert sum(counted.values()) == 4
    assert read(store, "big") == LONG


# Links


def test_a_link_opens_one_file_for_everybody(store):
    put = store.put("a/b", WORD)
    link = store.link("a/b", timedelta(minutes=5))

    if isinstance(store, FolderStore):  # followed by the application
        assert store.follow(link) == put
    else:
        assert urlsplit(link).query
        with urllib.request.urlopen(link, timeout=10) as answer:
            assert answer.read() == WORD
