"""`whip.js` keeps a connection up: again after each fall, later after each failure, never against a refusal."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

WHIP = Path(__file__).parents[3] / "app" / "static" / "evaluation" / "whip.js"
SCRIPT = """
const { keepUp, Refused } = await import(process.argv[2]);
const settle = () => new Promise((done) => setImmediate(done));

class Line extends EventTarget {
  connectionState = "new";
  become(state) { this.connectionState = state; this.dispatchEvent(new Event("connectionstatechange")); }
}

async function scene(play) {
  const seen = { states: [], pauses: [], made: 0, ended: 0 };
  const lines = [], timers = [];
  let refuse = null;
  const make = async () => {
    if (refuse) throw refuse;
    seen.made += 1;
    const connection = new Line();
    lines.push(connection);
    return { connection, end: () => { seen.ended += 1; } };
  };
  const end = keepUp(make, {
    told: (state) => seen.states.push(state),
    later: (act, ms) => { seen.pauses.push(ms); timers.push(act); },
  });
  await settle();
  await play({ lines, end, refused: (problem) => { refuse = problem; }, next: async () => { timers.shift()(); await settle(); } });
  return seen;
}

const told = {
  fall: await scene(async ({ lines, next }) => {
    lines[0].become("connected");
    lines[0].become("failed");
    await next();
    lines[1].become("connected");
  }),
  quiet: await scene(async ({ lines, next }) => {
    lines[0].become("connected");
    lines[0].become("disconnected");
    await next();
    await next();
  }),
  recovers: await scene(async ({ lines, next }) => {
    lines[0].become("disconnected");
    lines[0].become("connected");
    await next();
  }),
  away: await scene(async ({ lines, refused, next }) => {
    lines[0].become("connected");
    refused(new TypeError("no network"));
    lines[0].become("failed");
    for (let turn = 0; turn < 6; turn += 1) await next();
  }),
  later: await scene(async ({ lines, refused, next }) => {
    refused(new Refused(409, 7));
    lines[0].become("failed");
    await next();
  }),
  refused: await scene(async ({ lines, refused, next }) => {
    refused(new Refused(403, 0));
    lines[0].become("failed");
    await next();
  }),
  left: await scene(async ({ lines, end }) => {
    lines[0].become("connected");
    end();
    lines[0].become("closed");
  }),
};
console.log(JSON.stringify(told));
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict:
    if shutil.which("node") is None:
        pytest.skip("node is not installed; the browser test covers the part too")
    script = tmp_path_factory.mktemp("whip") / "scene.mjs"
    script.write_text(SCRIPT)
    ran = subprocess.run(["node", str(script), str(WHIP)], capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_after_a_fall_it_connects_again(told):
    assert told["fall"]["made"] == 2
    assert told["fall"]["states"] == ["connecting", "connected", "waiting", "connecting", "connected"]


def test_three_seconds_without_a_sign_are_a_fall(told):
    assert told["quiet"]["pauses"][0] == 3000
    assert (told["quiet"]["made"], told["quiet"]["ended"]) == (2, 1)


def test_a_line_that_recovers_is_kept(told):
    assert (told["recovers"]["made"], told["recovers"]["ended"]) == (1, 0)


def test_each_failure_waits_longer_up_to_ten_seconds(told):
    assert told["away"]["pauses"] == [1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]


def test_the_recorder_says_when_to_come_again(told):
    assert told["later"]["pauses"] == [1000, 7000]


def test_a_refusal_is_final(told):
    assert told["refused"]["states"][-1] == "refused"
    assert len(told["refused"]["pauses"]) == 1


def test_who_leaves_stays_away(told):
    assert (told["left"]["made"], told["left"]["ended"], told["left"]["pauses"]) == (1, 1, [])
