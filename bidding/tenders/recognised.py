"""认可的CA: whose certificates count for bids, and their revocation lists, as one thing to hand on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from ca import signatures
from ca.certificates import read_all
from ca.revocation import RevocationList, read_lists
from ca.trust import TrustList


@dataclass(frozen=True)
class Recognised:
    """The CAs that count and what they revoked."""

    trust: TrustList
    crls: tuple[RevocationList, ...] = ()

    def verify(
        self, signature: bytes, content: BinaryIO | Mapping[str, bytes], *, at: datetime
    ) -> signatures.Verdict:  # fmt: skip
        """What a check of a detached signature finds as of a moment. Raises Unreadable."""
        return signatures.verify_detached(signature, content, trust=self.trust, at=at, crls=self.crls)


_kept: dict[Path, tuple[tuple[tuple[str, int], ...], Recognised]] = {}


def at(folder: Path) -> Recognised:
    """From a folder with `trust/` (anchors and their policies), `chain/` and `crl/`; read again when it changes."""
    files = sorted(file for part in ("trust", "chain", "crl") for file in (folder / part).glob("*") if file.is_file())
    stamp = tuple((str(file), file.stat().st_mtime_ns) for file in files)
    kept = _kept.get(folder)
    if kept is not None and kept[0] == stamp:
        return kept[1]
    found = Recognised(_trust(folder), _lists(folder / "crl"))
    _kept[folder] = (stamp, found)
    return found


def _trust(folder: Path) -> TrustList:
    anchors = TrustList.from_folder(folder / "trust") if (folder / "trust").is_dir() else TrustList(())
    chain = [file for file in sorted((folder / "chain").glob("*")) if file.is_file()]
    return TrustList(anchors.anchors, tuple(link for file in chain for link in read_all(file.read_bytes())))


def _lists(folder: Path) -> tuple[RevocationList, ...]:
    return tuple(one for file in sorted(folder.glob("*")) if file.is_file() for one in read_lists(file.read_bytes()))
