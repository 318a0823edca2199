"""The tenders' parts of pages, in node."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed; the browser tests cover the parts too")
def test_the_rescue_file_opens_in_the_browser():
    ran = subprocess.run(
        ["node", "--test", str(HERE / "unlock.test.mjs")],
        capture_output=True, text=True, timeout=120, cwd=HERE, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-4000:]


def test_the_vector_is_what_the_command_writes():
    from ca.sealing import rescue

    found = rescue.read((HERE / "rescue.json").read_bytes(), "口令 correct horse")
    assert (found.kb, found.seq) == (b"\x33" * 32, 3)
