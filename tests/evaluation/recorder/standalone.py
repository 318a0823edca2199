"""A recorder as a process of its own, for tests that kill it: `python -m … SPOOL STORE KEY`; prints its port."""

import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

from ca import ecdsa
from evaluation.recorder import process
from tests.evaluation.recorder.conftest import APP, tickets


class FolderStore:
    """Objects as files; a put is whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, content: Any) -> None:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{hashlib.sha256(key.encode()).hexdigest()}")
        draft.write_bytes(content)
        draft.replace(path)

    def stat(self, key: str) -> Any:
        path = self._folder / key
        return SimpleNamespace(size=path.stat().st_size) if path.exists() else None

    def open(self, key: str) -> BinaryIO:
        return (self._folder / key).open("rb")


def main(spool: str, store: str, key: str) -> None:
    settings = process.Settings(
        spool=Path(spool), store=FolderStore(Path(store)), authorise=tickets, signer=ecdsa.Key(bytes.fromhex(key)),
        app_bearer=APP, port=0, loopback=True,
    )  # fmt: skip
    process.run(settings, lambda port: print(port, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
