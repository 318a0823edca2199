"""Afternoon: five experts are drawn, meet on video under recording, score, and sign their report."""

import asyncio
import threading
from typing import Any

import httpx

from app.commands import contribute
from app.day.stage import Stage, StepFailed
from app.demo import cast
from ca.sealing import box
from evaluation.recorder import rtc
from evaluation.recorder.client import Participant

DRAW_SECONDS = 20
PLACES = 5


def draw_experts(stage: Stage) -> None:
    """The centre convenes; the panel is drawn with recusal by the engine that drew the intermediary."""
    staff = stage.as_(cast.STAFF_1)
    with stage.step("安排评标会，抽取专家 a session is convened, experts are drawn"):
        session = staff.post("/evaluation/sessions", {
            "tender_id": stage.facts["tender"], "places": PLACES, "planned_at": stage.moment(30),
            "main_venue": "第一评标室",
        })  # fmt: skip
        stage.facts["session"] = session["id"]
        wish = {"specialities": ["道路工程"], "closes_at": stage.moment(DRAW_SECONDS)}
        draw = staff.post(f"{path(stage)}/draw", wish)
        place = f"/evaluation/draws/{draw['id']}"
        draw = stage.wait_for("抽取公告 the draw's notice", lambda: noticed(staff.get(place)))
        for player in (cast.ENTITY_1, cast.SUPERVISOR_1):
            own = stage.as_(player).get(place)
            params = contribute.checked(own["params"], own["notice"], own["notice_signatures"])
            sealed = box.contribute(params, own["label"], own["seq"]).box.hex()
            stage.as_(player).post(f"{place}/contributions", {"box": sealed})
        stage.state_is(cast.STAFF_1, path(stage), "seated", seconds=120)


def noticed(draw: dict[str, Any]) -> dict[str, Any] | None:
    """A draw whose notice is out."""
    return draw if draw["notice"] else None


def check_in(stage: Stage) -> None:
    """Whoever was drawn finds the invitation, accepts, checks in; the members elect a leader, who opens."""
    with stage.step("专家签到，推选组长，开始评标 check-in, election, opening"):
        for player in cast.EXPERTS:
            if stage.as_(player).get("/evaluation/sessions")["sessions"]:
                stage.facts.setdefault("panel", []).append(player)
        panel = stage.facts["panel"]
        assert len(panel) == PLACES, [player.login for player in panel]
        for number, player in enumerate(panel):
            stage.as_(player).post(f"{path(stage)}/accept", {"venue": ["第一评标室", "县分评标室"][number % 2]})
            stage.as_(player).post(f"{path(stage)}/check-in", {"undertakes": True})
        for player in panel[:3]:
            stage.as_(player).post(f"{path(stage)}/leader", {"number": 1})
        stage.facts["leader"] = next(player for player in panel if own_number(stage, player) == 1)
        stage.as_(stage.facts["leader"]).post(f"{path(stage)}/open", {})


def own_number(stage: Stage, player: cast.Player) -> int:
    """The number of a member's seat."""
    number: int = stage.as_(player).get(path(stage))["me"]
    return number


class Media:
    """Five participants' picture and sound, in a thread of their own."""

    def __init__(self, tickets: list[dict[str, Any]]) -> None:
        self._tickets = tickets
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="media", daemon=True)
        self.participants: list[Participant] = []
        self.seen: list[Any] = []

    def begin(self) -> None:
        """Everybody sends; each sees and hears the next."""
        rtc.listen_on_loopback()
        self._thread.start()
        self._run(self._join())

    def end(self) -> None:
        """Everybody leaves."""
        self._run(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=90)

    async def _join(self) -> None:
        for number, ticket in enumerate(self._tickets):
            participant = Participant(ticket["recorder"], ticket["session"], ticket["token"])
            self.participants.append(participant)
            await participant.publish(tint=number * 40)
        await asyncio.sleep(2)
        for number, participant in enumerate(self.participants):
            following = self._tickets[(number + 1) % len(self._tickets)]
            self.seen.append(await participant.watch(following["participant"]))

    async def _leave(self) -> None:
        for participant in self.participants:
            await participant.leave()


def meet(stage: Stage) -> None:
    """The five join the room; the recorder records every track from the opening on."""
    with stage.step("五名专家进入评标室，全程录音录像 five experts meet, every track is recorded"):
        tickets = [stage.as_(player).get(f"{path(stage)}/ticket") for player in stage.facts["panel"]]
        media = Media(tickets)
        stage.wait_for("录制开始 the recording", lambda: recording(stage))
        media.begin()
        stage.facts["media"] = media


def recording(stage: Stage) -> bool:
    """Whether the recorder has been told of the session (it answers members' tickets then)."""
    ticket = stage.as_(stage.facts["leader"]).get(f"{path(stage)}/ticket")
    answer = httpx.post(
        f"{ticket['recorder']}/whip/{ticket['session']}", content=b"v=0", trust_env=False,
        headers={"Authorization": f"Bearer {ticket['token']}", "Content-Type": "application/sdp"},
    )  # fmt: skip
    return answer.status_code != 409


def score(stage: Stage) -> None:
    """Each member reviews and scores for himself and hands in; one score is changed with the leader's consent."""
    panel, leader = stage.facts["panel"], stage.facts["leader"]
    with stage.step("独立评审、打分、提交 each reviews, scores, hands in"):
        for number, player in enumerate(panel):
            member = stage.as_(player)
            bids = sorted(member.get(f"{path(stage)}/bids")["bids"], key=lambda bid: bid["price"])
            stage.facts["opened"] = bids
            for place, bid in enumerate(bids):
                at = f"{path(stage)}/bids/{identity(bid)}"
                member.post(f"{at}/review", {"passes": True, "reason": ""})
                member.post(f"{at}/scores", {"values": {
                    "plan": f"{36 - place - number % 3}.5", "team": str(17 - (place + number) % 3), "record": "8",
                }})  # fmt: skip
            member.post(f"{path(stage)}/hand-in", {})
    with stage.step("一处评分修改，经组长同意 one score is changed with the leader's consent"):
        asker = next(player for player in panel if player is not leader)
        asked = stage.as_(asker).post(f"{path(stage)}/changes", {
            "bid_id": identity(stage.facts["opened"][0]), "criterion": "record", "to": "9", "ground": "objective",
            "reason": "业绩证明材料第 3 页漏计一项。",
        })  # fmt: skip
        decided = stage.as_(leader).post(f"{path(stage)}/changes/{asked['id']}/decision", {"consent": True})
        assert decided["state"] == "approved", decided


def sign(stage: Stage) -> None:
    """The leader has the report compiled; everybody signs; the ranking goes to the procuring entity."""
    with stage.step("汇总评标报告，全体签字 the report is compiled and signed by all"):
        leader = stage.as_(stage.facts["leader"])
        leader.post(f"{path(stage)}/report", {})
        stage.facts["report"] = leader.get(f"{path(stage)}/report")
        for player in stage.facts["panel"]:
            stage.as_(player).post(f"{path(stage)}/report/signature", {})
        stage.state_is(cast.STAFF_1, path(stage), "finished")
        media = stage.facts.pop("media")
        media.end()
        seen = [watched.frames for watched in media.seen]
        if not all(frames.get("video", 0) and frames.get("audio", 0) for frames in seen):
            raise StepFailed(f"有评委没有看到或听到其他人：{seen}")


def identity(bid: dict[str, Any]) -> str:
    """A bid's id, as the panel's doors call it."""
    return str(bid.get("bid_id") or bid["id"])


def path(stage: Stage) -> str:
    """The session's place in the API."""
    return f"/evaluation/sessions/{stage.facts['session']}"
