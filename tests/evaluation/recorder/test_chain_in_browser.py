"""Two judges, one verdict: `chain.js` and `evaluation.evidence` name the same first bad item."""

import copy
import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from evaluation import evidence
from tests.evaluation.test_evidence import KEY, made

CHAIN = Path(__file__).parents[3] / "app" / "static" / "evaluation" / "chain.js"
SCRIPT = """
import { readFileSync } from "node:fs";
const { judge } = await import(process.argv[2]);
const { key, recordings } = JSON.parse(readFileSync(0));
const told = [];
for (const recording of recordings) told.push(await judge(recording, { key }));
console.log(JSON.stringify(told));
"""


def changed(recording: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The recording with one thing wrong in it."""
    wrong = copy.deepcopy(recording)
    items, leaves = wrong["items"], wrong["leaves"]
    n = chance.randrange(len(items))
    match chance.randrange(6):
        case 0:
            key = chance.choice(sorted(items[n]))
            items[n][key] = chance.choice(["x", 7, [], "评标"])
        case 1:
            del items[n]
        case 2:
            del items[n:], leaves[n:]
        case 3:
            other = chance.randrange(len(items))
            items[n], items[other] = items[other], items[n]
        case 4:
            del items[n], leaves[n]
        case 5:
            items.insert(n, copy.deepcopy(items[n]))
            leaves.insert(n, leaves[n])
    return wrong


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed; the replay test covers the part too")
def test_both_judges_name_the_same_item(tmp_path):
    chance = random.Random(20261122)
    lines, kept, _ = made()
    whole = evidence.manifest("7", lines)
    recordings = [whole, *(changed(whole, chance) for _ in range(150))]
    script = tmp_path / "judge.mjs"
    script.write_text(SCRIPT)
    asked = json.dumps({"key": KEY.public.hex(), "recordings": recordings})

    ran = subprocess.run(
        ["node", str(script), str(CHAIN)], input=asked, capture_output=True, text=True, timeout=60, check=False
    )

    assert ran.returncode == 0, ran.stderr
    for recording, theirs in zip(recordings, json.loads(ran.stdout), strict=True):
        ours = evidence.verify_recording(recording, kept.get, key=KEY.public).bad
        assert (ours and (ours.n, ours.fault)) == (theirs["bad"] and (theirs["bad"]["n"], theirs["bad"]["fault"]))
