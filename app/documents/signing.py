"""签章: the centre's own certificate signs every paper (PAdES), so that any PDF reader shows whether it was changed.

The key and its certificate stand in one file, `seal.pem` (or `seal.p12`) in the folder of keys. Without it
papers leave unsigned and are checked by their code alone. A demo makes itself a seal by its own CA.
"""

import os
from pathlib import Path

from app.config import Mode, Settings
from ca import keyfiles
from ca.demo_ca import DemoCas
from ca.keyfiles import Keyholder
from ca.keys import KeyKind
from ca.pdf_signatures import sign_pdf

FILES = ("seal.pem", "seal.p12")
FIELD = "Seal"
_kept: dict[Path, tuple[int, Keyholder]] = {}


def seal(pdf: bytes, settings: Settings, *, reason: str) -> bytes:
    """The paper with the centre's signature; as it is when this centre has no certificate."""
    holder = keyholder(settings)
    if holder is None:
        return pdf
    return sign_pdf(pdf, holder.key, holder.certificate, holder.chain, field=FIELD, reason=reason)


def keyholder(settings: Settings) -> Keyholder | None:
    """The centre's key and certificate, read again when the file changes."""
    for name in FILES:
        file = settings.keys_folder / name
        if file.exists():
            stamp = file.stat().st_mtime_ns
            if file not in _kept or _kept[file][0] != stamp:
                _kept[file] = stamp, keyfiles.read(file.read_bytes(), _password(settings))
            return _kept[file][1]
    if settings.mode is not Mode.PRODUCTION and (settings.home / "ca" / "private").is_dir():
        _make(settings)
        return keyholder(settings)
    return None


def _password(settings: Settings) -> bytes | None:
    file = settings.keys_folder / "seal.password"
    return file.read_bytes().strip() if file.exists() else None


def _make(settings: Settings) -> None:
    """A seal for a demo, by the RSA CA of its own: every PDF reader knows RSA."""
    from app.demo import cast

    issued = DemoCas.load(settings.home / "ca").issue(cast.CENTRE.name, cast.CENTRE.credit_code, KeyKind.RSA)
    settings.keys_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = settings.keys_folder / f".seal.{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_bytes(issued.key_pem() + issued.certificate_pem + issued.chain_pem)
    draft.replace(settings.keys_folder / FILES[0])
