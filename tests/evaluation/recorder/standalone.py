"""A recorder as a process of its own, for tests that kill it: `python -m … SPOOL STORE KEY`; prints its port."""

import sys
from pathlib import Path

from ca import ecdsa
from evaluation.recorder import process
from storage.objects import FolderStore
from tests.evaluation.recorder.conftest import APP, tickets


def main(spool: str, store: str, key: str) -> None:
    settings = process.Settings(
        spool=Path(spool), store=FolderStore(Path(store)), authorise=tickets, signer=ecdsa.Key(bytes.fromhex(key)),
        app_bearer=APP, port=0, loopback=True,
    )  # fmt: skip
    process.run(settings, lambda port: print(port, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
