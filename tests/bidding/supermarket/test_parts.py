"""The parts in the browser do what Python does, byte for byte; run by `node --test`."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bidding.supermarket import registration
from ca import canonical
from ca.ecdsa import Key
from ca.sealing import box
from ca.sealing.params import Params, Seat

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


def node(made: dict, tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "made.json"
    file.write_text(json.dumps(made))
    return subprocess.run(
        ["node", "--test", "--test-reporter=tap", HERE / "parts.test.mjs"],
        capture_output=True, text=True, timeout=120, env=os.environ | {"MADE": str(file)} | more,
    )  # fmt: skip


def a_box() -> dict:
    keys = [Key.make() for _ in range(3)]
    seats = tuple(Seat(f"H{place}", key.public, Key.make().public) for place, key in enumerate(keys))
    params = Params(
        "P:select:1", "draw", 2, seats, "2026-11-30T01:00:00Z", "2026-11-30T01:00:00Z", "2026-11-30T02:00:00Z"
    )
    bytes_ = [bytes(range(32)), bytes(range(32, 64))]
    given = iter(bytes_)
    made = box.contribute(params, "owner", 3, random=lambda _: next(given))
    return {
        "params": params.canon.decode(), "label": "owner", "seq": 3, "salt": bytes_[0].hex(),
        "r": bytes_[1].hex(), "box": made.box.hex(), "keys": [key.scalar.hex() for key in keys],
    }  # fmt: skip


def curve() -> list[dict]:
    found = []
    scalars = [(1).to_bytes(32), (2).to_bytes(32), *(Key.make().scalar for _ in range(4))]
    for scalar in scalars:
        key, other = Key(scalar), Key.make().public
        found.append(
            {
                "scalar": scalar.hex(),
                "point": key.public.hex(),
                "other": other.hex(),
                "x": key.shared(other).hex(),
            }
        )
    return found


def test_the_parts_agree_with_python(city, tmp_path):
    project = city.drawn()
    told = node({"curve": curve(), "box": a_box(), "bundle": city.bundle(project)}, tmp_path)

    assert told.returncode == 0, told.stdout[-4000:] + told.stderr


def test_a_registration_made_in_a_browser_is_taken(city, tmp_path):
    project = city.published()
    code = city.body(project, city.firms[0])[0]["firm"]
    script = (
        f"import {{ canonical, register }} from '{HERE.parents[2]}/app/static/supermarket/sealing.js';"
        f"const made = await register('{project.number}', '{code}');"
        "console.log(canonical(made.body)); console.log(made.secret);"
    )
    told = subprocess.run(
        ["node", "--input-type=module", "-e", script], capture_output=True, text=True, timeout=60, check=True
    )
    body, secret = told.stdout.split()
    made = canonical.decode(body.encode())

    receipt = registration.register(city.db, project, made, keys=city.keys, by=city.firms[0])

    assert receipt.cell.body == made
    registration.withdraw(city.db, project, bytes.fromhex(secret), keys=city.keys, by=city.firms[0])
