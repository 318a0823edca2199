"""文件库: files that are kept whole, under a name that is given once.

One interface, two stores with the same meaning, proved by one suite of tests: a folder (the default)
and S3 with object lock. A name is taken once; what is retained can be neither changed nor removed before
its day; every byte read is checked against what was written.
"""

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from storage.objects.folder import FolderStore
from storage.objects.store import (
    Absent,
    BadKey,
    BadRange,
    Corrupt,
    KeyTaken,
    LinkExpired,
    Listed,
    OutOfReach,
    Part,
    PartDamaged,
    PartsMissing,
    Retained,
    RetentionShortened,
    Store,
    Stored,
)

__all__ = [
    "Absent", "BadKey", "BadRange", "Corrupt", "FolderStore", "KeyTaken", "LinkExpired", "Listed", "OutOfReach",
    "Part", "PartDamaged", "PartsMissing", "Retained", "RetentionShortened", "Store", "Stored", "from_settings",
]


def from_settings(url: str, home: Path) -> Store:
    """The store that a setting names: `folder:PATH` or `s3://KEY:SECRET@HOST:PORT/BUCKET?secure=0`.

    Both take `?retain_days=N`, for how long everything is retained that says nothing itself. A PATH that
    is not absolute lies in `home`, and so do half-received files.
    """
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    retain_days = int(options.pop("retain_days", 0)) or None
    if parts.scheme == "folder":
        _nothing_else(options)
        return FolderStore(home / unquote(parts.path), retain_days=retain_days)
    if parts.scheme == "s3" and parts.hostname and parts.username and parts.password and parts.path.strip("/"):
        from storage.objects.s3 import S3Store

        secure = options.pop("secure", "1") != "0"
        region = options.pop("region", None)
        _nothing_else(options)
        return S3Store(
            parts.netloc.rpartition("@")[2], unquote(parts.username), unquote(parts.password),
            parts.path.strip("/"), secure=secure, region=region, retain_days=retain_days, spool=home / "spool",
        )
    raise ValueError("objects: expected folder:PATH or s3://KEY:SECRET@HOST:PORT/BUCKET?secure=0")


def _nothing_else(options: dict[str, str]) -> None:
    if options:
        raise ValueError(f"objects: unknown options {', '.join(sorted(options))}")
