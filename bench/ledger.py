"""The ledger beside pgbench's TPC-B on the same PostgreSQL, in the same run: the ratio counts, not the number.

Eight clients post through the Python API, each posting a transaction of its own, in a session (as acts do) and
by itself: over many accounts, on one hot account (a bank account that every deposit touches), and in batches of
1,000. TPC-B with eight clients and prepared statements stands beside it. Prints a list of
{"name", "value", "unit", "limit", "ratio"}.

    python -m bench.ledger [--seconds 6] [--clients 8]
"""

import argparse
import json
import multiprocessing
import random
import re
import subprocess
import sys
import time
import uuid
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from escrow import ledger
from escrow.ledger import Posting
from storage import db as rows
from storage.postgres import temporary_server
from storage.postgres.binaries import find_binaries
from storage.postgres.server import Urls
from storage.values import Money

ACCOUNTS = 2_000
BATCH = 1_000
KINDS = {
    "single": (
        "ledger: one posting in a session",
        "three round trips (BEGIN, posting, COMMIT) and Python's share of each",
    ),
    "alone": ("ledger: one posting by itself", "one statement, two index-kept rows more than TPC-B; Python's share"),
    "hot": ("ledger: one hot account, in a session", "the row is locked over a round trip and the commit's fsync"),
    "hot-alone": ("ledger: one hot account, by itself", "the row is locked over the commit's fsync: no group commit"),
    "batch": ("ledger: batches of 1,000 postings", "rows and indexes written; the commit is shared by a thousand"),
}
SCALE = 10  # pgbench branches: more than clients, so that its own hot rows do not decide


def tpc_b(urls: Urls, clients: int, seconds: float) -> float:
    """Transactions a second of pgbench's TPC-B-like script."""
    name, host = re.search(r"@/(\w+)\?host=(.+)$", urls.owner).groups()  # type: ignore[union-attr]
    tool = [str(find_binaries(None).folder / "pgbench"), "--no-vacuum"]
    where = ["-h", host, "-U", "postgres", name]
    subprocess.run([*tool, "-i", "-s", str(SCALE), "-q", *where], check=True, capture_output=True)
    told = subprocess.run(
        [*tool, "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(max(1, round(seconds))), *where],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(re.search(r"tps = ([\d.]+)", told.stdout)[1])  # type: ignore[index]


def _client(url: str, kind: str, seed: int, seconds: float, answer: Any) -> None:
    """One client: post until the time is over; tell how many postings and the seconds they took."""
    chance = random.Random(seed)
    engine = rows.connect(url, pool_size=1, max_overflow=0)
    if kind.endswith("alone"):
        engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, Session(connection) as db:
        made, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            postings = _postings(kind, chance)
            if kind.endswith("alone"):
                ledger.post_alone(connection, postings[0])
            else:
                ledger.post(db, postings)
                db.commit()
            made += len(postings)
        answer.put((made, time.perf_counter() - begun))


def _postings(kind: str, chance: random.Random) -> list[Posting]:
    count = BATCH if kind == "batch" else 1
    source = "bank/hot" if kind.startswith("hot") else f"bank/{chance.randrange(ACCOUNTS)}"
    return [
        Posting(uuid.uuid4().hex, "bench", source, f"a/{chance.randrange(ACCOUNTS)}", Money(chance.randrange(1, 1000)))
        for _ in range(count)
    ]


def postings_a_second(url: str, kind: str, clients: int, seconds: float) -> float:
    """Postings a second of `clients` processes together."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["escrow.ledger", "storage.db"])
    answer = forks.Queue()
    workers = [
        forks.Process(target=_client, args=(url, kind, place, seconds, answer), daemon=True) for place in range(clients)
    ]
    for worker in workers:
        worker.start()
    told = [answer.get(timeout=seconds * 5 + 60) for _ in workers]
    for worker in workers:
        worker.join(10)
    return sum(made / took for made, took in told)


def measure(clients: int = 8, seconds: float = 6) -> list[dict[str, Any]]:
    """The table, with TPC-B measured before and after and its mean taken."""
    from app import schema  # here, so that the clients need not import the whole house

    with temporary_server(durable=True) as server:
        urls = server.create_database("bench")
        engine = rows.connect(urls.owner)
        schema.upgrade(engine)
        engine.dispose()
        _open_accounts(urls.app)
        plain = server.create_database("tpcb")
        before = tpc_b(plain, clients, seconds)
        found = {kind: postings_a_second(urls.app, kind, clients, seconds) for kind in KINDS}
        after = tpc_b(plain, clients, seconds)
        _check(urls.app)
    base = (before + after) / 2
    table = [{"name": "pgbench TPC-B, 8 clients", "value": round(base), "unit": "/s", "limit": "fsync", "ratio": 1.0}]
    for kind, (name, limit) in KINDS.items():
        table.append(
            {
                "name": name,
                "value": round(found[kind]),
                "unit": "/s",
                "limit": limit,
                "ratio": round(found[kind] / base, 2),
            }
        )
    return table


def _open_accounts(url: str) -> None:
    engine = rows.connect(url)
    with rows.sessions(engine)() as db:
        ledger.open_accounts(db, ["bank/hot", *(f"bank/{number}" for number in range(ACCOUNTS))], floor=None)
        ledger.open_accounts(db, [f"a/{number}" for number in range(ACCOUNTS)])
        db.commit()
        db.execute(text("ANALYZE ledger_account"))
        db.commit()
    engine.dispose()


def _check(url: str) -> None:
    """Fast and wrong would be worth nothing."""
    engine = rows.connect(url)
    with rows.sessions(engine)() as db:
        found = ledger.recount(db)
        assert found.good, found
    engine.dispose()


def main() -> None:
    """Print the table as JSON."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--clients", type=int, default=8)
    options.add_argument("--seconds", type=float, default=6)
    given = options.parse_args()
    json.dump(measure(given.clients, given.seconds), sys.stdout, ensure_ascii=False, indent=1)
    print()


if __name__ == "__main__":
    main()
