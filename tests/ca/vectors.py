"""Where data made by others lies: beside the repository, or nowhere; then the tests that need it skip."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = ROOT.parent / "shared" / "vectors"


def outside(name: str) -> Path:
    path = OUTSIDE / name
    if not path.exists():
        pytest.skip(f"{name} is not beside this repository (looked in {OUTSIDE})", allow_module_level=True)
    return path
