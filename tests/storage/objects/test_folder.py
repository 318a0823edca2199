"""The folder store: damage is found, crashes leave whole files or none, links are signed."""

import hashlib
import os
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest

from storage import clock
from storage.objects import Absent, Corrupt, FolderStore, KeyTaken, LinkExpired, Retained, folder, from_settings
from storage.objects.store import CHUNK

ROOT = Path(__file__).resolve().parents[3]
LONG = os.urandom(CHUNK * 3 + 11)


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "objects")


def files(store, key):
    """The bytes and the note of a key's current version."""
    version = store.stat(key).version
    place = store.folder / "kept" / f"{key}!"
    return place / version, place / f"{version}.json"


def change(path, how):
    path.chmod(0o600)
    path.write_bytes(how(bytearray(path.read_bytes())))


def flip(place):
    def flipped(content):
        content[place] ^= 1
        return content

    return flipped


@pytest.mark.parametrize("place", [0, CHUNK - 1, CHUNK, CHUNK * 2 + 5, len(LONG) - 1])
def test_one_flipped_bit_is_never_given_out_whole_or_in_a_range(store, place):
    store.put("a", LONG)
    change(files(store, "a")[0], flip(place))

    with pytest.raises(Corrupt), store.open("a") as file:
        file.read()
    with pytest.raises(Corrupt), store.open("a", start=place, length=1) as file:
        file.read()
    sound = 0 if place >= CHUNK else CHUNK * 2
    with store.open("a", start=sound, length=9) as file:
        assert file.read() == LONG[sound : sound + 9]


@pytest.mark.parametrize("how", [
    lambda content: content[:-1], lambda content: content + b"!", lambda content: b"",
    lambda content: content[CHUNK : CHUNK * 2] + content[:CHUNK] + content[CHUNK * 2 :],
])
def test_cut_lengthened_or_reordered_bytes_are_found(store, how):
    store.put("a", LONG)
    change(files(store, "a")[0], how)

    with pytest.raises(Corrupt), store.open("a") as file:
        file.read()


def test_bytes_exchanged_together_with_their_sums_still_miss_the_digest(store):
    store.put("a", LONG)
    store.put("b", bytes(reversed(LONG)))
    (a, note_a), (b, note_b) = files(store, "a"), files(store, "b")
    genuine, forged = store.stat("a"), note_b.read_text()
    change(a, lambda _: b.read_bytes())
    change(note_a, lambda _: forged.replace(store.stat("b").sha256, genuine.sha256).encode())

    with pytest.raises(Corrupt, match="not what was written"), store.open("a") as file:
        file.read()


def test_missing_bytes_and_an_unreadable_note_are_corruption_not_absence(store):
    store.put("a", b"word")
    files(store, "a")[0].unlink()
    with pytest.raises(Corrupt):
        store.open("a")
    with pytest.raises(KeyTaken):
        store.put("a", b"word")

    store.put("b", b"word")
    change(files(store, "b")[1], lambda content: content[:10])
    with pytest.raises(Corrupt):
        store.stat("b")


def test_a_source_that_breaks_off_leaves_nothing(store):
    class Broken:
        left = 3

        def read(self, size):
            self.left -= 1
            if not self.left:
                raise ConnectionResetError
            return b"x" * size

    with pytest.raises(ConnectionResetError):
        store.put("a", Broken())
    upload = store.begin_parts("a")
    with pytest.raises(ConnectionResetError):
        store.put_part(upload, 1, Broken(), "0" * 64)

    assert store.list() == []
    assert list((store.folder / "aside").iterdir()) == []
    assert store.parts(upload) == []


def test_a_process_killed_at_any_moment_of_writing_leaves_whole_files_or_none(tmp_path):
    code = textwrap.dedent(f"""
        import hashlib
        from pathlib import Path
        from storage.objects import FolderStore
        store = FolderStore(Path({str(tmp_path / "objects")!r}))
        number = len(store.list())
        print("ready", flush=True)
        while True:
            content = hashlib.sha256(b"%d" % number).digest() * 20_000
            try:
                store.put(f"run/{{number:06d}}", content)
                print(number, flush=True)
            finally:
                number += 1
    """)
    written = set()
    for kill in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.05 + 0.031 * kill)
        process.kill()
        written |= {int(line) for line in process.communicate()[0].split() if line.isdecimal()}
    store = FolderStore(tmp_path / "objects")

    seen = {int(each.key[4:]) for each in store.list("run/")}
    assert len(written) > 6
    assert written <= seen  # what was told to be kept is kept
    for number in seen:
        with store.open(f"run/{number:06d}") as file:
            assert file.read() == hashlib.sha256(b"%d" % number).digest() * 20_000


def test_crumbs_of_killed_processes_are_swept_after_a_day(store):
    old, new = store.folder / "aside/old", store.folder / "aside/new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 100_000,) * 2)

    FolderStore(store.folder)

    assert [path.name for path in (store.folder / "aside").iterdir()] == ["new"]


def test_every_file_and_every_name_is_synced_before_put_returns(store, monkeypatch):
    synced, real = [], os.fsync

    def noted(number):
        synced.append(os.readlink(f"/proc/self/fd/{number}"))
        real(number)

    monkeypatch.setattr(folder.os, "fsync", noted)

    version = store.put("new/steps/a", b"x").version

    kept = store.folder / "kept"
    names = [path.removeprefix(str(store.folder)).split("/")[1] for path in synced]
    assert names[0] == "aside"  # the bytes, before they get their name
    for place in (kept, kept / "new", kept / "new/steps", kept / "new/steps/a!"):
        assert str(place) in synced, place
    assert synced[-1] == str(kept / "new/steps/a!")
    assert version


def test_versions_follow_each_other_even_when_the_clock_goes_back(store, monkeypatch):
    versions = []
    for moment in (5_000, 1_000, 1_000, 0):
        monkeypatch.setattr(folder.time, "time_ns", lambda moment=moment: moment)
        versions.append(store.put("a", b"x").version)
        store.delete("a")

    assert versions == sorted(set(versions))


def test_retention_ends_by_the_clock(store):
    put = store.put("a", b"x", retain_until=clock.now() + timedelta(minutes=5))
    clock.set_to(clock.now() + timedelta(minutes=4))
    with pytest.raises(Retained):
        store.delete("a", version=put.version)

    clock.set_to(clock.now() + timedelta(minutes=2))
    store.delete("a", version=put.version)
    clock.real()
    with pytest.raises(Absent):
        store.stat("a", version=put.version)


def test_a_link_is_refused_when_anything_in_it_was_changed_and_after_its_time(store):
    for key in ("a", "b"):
        store.put(key, b"x")
    link = store.link("a", timedelta(minutes=5))
    version = store.stat("a").version
    expires = link.split("expires=")[1].split("&")[0]

    for forged in (
        link.replace("/a?", "/b?"), link.replace(version, store.stat("b").version),
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        link.replace(expires, str(int(expires) + 1)), link.replace(expires, "x"), link.replace(expires, "٣"),
        link.split("&signature")[0], link.split("?")[0], "/objects/link/../link.key", "",
    ):
        with pytest.raises(Absent):
            store.follow(forged)
    other = FolderStore(store.folder.parent / "other")
    other.put("a", b"x")
    with pytest.raises(Absent):
        other.follow(link)

    clock.set_to(clock.now() + timedelta(minutes=6))
    with pytest.raises(LinkExpired):
        store.follow(link)


def test_all_processes_sign_links_with_one_key(store):
    store.put("a", b"x")
    again = [FolderStore(store.folder) for _ in range(8)]
    links = []
    threads = [threading.Thread(target=lambda s=s: links.append(s.link("a", timedelta(1)))) for s in again]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(links) == 8
    for link in links:
        assert store.follow(link).key == "a"
    assert (store.folder / "link.key").stat().st_mode & 0o077 == 0


def test_memory_stays_flat_however_large_the_file(store):
    class Endless:
        left = 64 * 1024 * 1024

        def read(self, size):
            size = min(size, self.left)
            self.left -= size
            return b"\0" * size

    tracemalloc.start()
    try:
        store.put("large", Endless())
        with store.open("large") as file:
            while file.read(CHUNK):
                pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 4 * 1024 * 1024


def test_only_the_owner_may_look_into_the_folder(store):
    store.put("a/b", b"x")
    for name in ("kept", "aside", "uploads", "kept/a", "kept/a/b!"):
        assert (store.folder / name).stat().st_mode & 0o077 == 0, name


@pytest.mark.parametrize("url", [
    "", "/objects", "ftp://x", "s3://host/bucket", "s3://a:b@host", "folder:x?retain=3", "s3://a:b@host/bucket?sure=1",
])
def test_a_setting_that_is_not_understood_is_refused_at_the_start(url, tmp_path):
    with pytest.raises(ValueError, match="objects: "):
        from_settings(url, tmp_path)


def test_a_setting_may_name_a_place_in_the_home_or_anywhere(tmp_path):
    assert from_settings("folder:files", tmp_path).folder == tmp_path / "files"
    assert from_settings(f"folder:{tmp_path}/other%20place", Path("/nowhere")).folder == tmp_path / "other place"
