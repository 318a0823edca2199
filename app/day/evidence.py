"""Evening: the supervisor finds and checks the recording, and both projects' bundles are verified offline."""

import time
from pathlib import Path

import httpx

from app.commands.calling import Refused
from app.day import tender
from app.day.stage import Stage, StepFailed
from app.demo import cast
from ca.draws.verify import verify as verify_draw
from evaluation.evidence import verify_recording
from evaluation.methods import recompute


def watch(stage: Stage) -> None:
    """The supervisor finds the session by name and replays it: manifest, segments, and whether they are whole."""
    supervisor = stage.as_(cast.SUPERVISOR_1)
    with stage.step("监督人员按项目名称检索并核验录像 the supervisor finds and checks the recording"):
        at = f"/supervision/recordings/{stage.facts['session']}"
        manifest = stage.wait_for("录像归档 the archive", lambda: _there(stage, f"{at}/manifest.json"), 90)
        found = supervisor.get("/supervision/recordings?q=示例大道")
        assert stage.facts["session"] in [one["id"] for one in next(iter(found.values()))], found
        verdict = verify_recording(manifest, lambda name: _bytes(stage, f"{at}/{name}"))
        assert verdict.bad is None, verdict.bad
        assert verdict.segments >= 5, verdict
    with stage.step("重算评标结果 the result is recomputed"):
        report = stage.facts["report"]
        assert recompute(report["sheet"]) == report["result"]


def bundles(stage: Stage) -> None:
    """One bundle for each project: anybody downloads it and verifies it with nothing but the file.

    A single flipped bit is found.
    """
    with stage.step("下载证据包并离线核验 evidence bundles are downloaded and verified offline"):
        for kind, number in (("supermarket", stage.facts["project"]), ("tender", stage.facts["tender"])):
            file = stage.folder / f"{kind}.zip"
            address = f"{stage.settings.address}/evidence/{kind}/{number}.zip"
            content = stage.wait_for(f"{kind} 证据包 bundle", lambda address=address: _ready(address), 90)
            file.write_bytes(content)
            tender.gongheng("verify", file)
            spoiled = bytearray(content)
            spoiled[len(spoiled) // 2] ^= 1
            bad = stage.folder / f"{kind}-spoiled.zip"
            bad.write_bytes(spoiled)
            assert _refused(bad), "a spoiled bundle was accepted"
        assert verify_draw((stage.folder / "draw.json").read_bytes()).ok


def _refused(file: Path) -> bool:
    """Whether our own verifier refuses a file."""
    try:
        tender.gongheng("verify", file)
    except StepFailed:
        return True
    return False


def _there(stage: Stage, path: str) -> dict | None:
    try:
        return stage.as_(cast.SUPERVISOR_1).get(path)
    except Refused as no:
        if no.status != 404:
            raise
        return None


def _bytes(stage: Stage, path: str) -> bytes | None:
    answer = stage.as_(cast.SUPERVISOR_1).call("GET", path)
    return answer.content if answer.status_code == 200 else None


def _ready(address: str) -> bytes | None:
    answer = httpx.get(address, trust_env=False, timeout=60)
    if answer.status_code in (202, 404, 409, 503):
        time.sleep(0.5)
        return None
    return answer.raise_for_status().content
