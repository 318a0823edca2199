"""The morning: an owner's job finds its intermediary by a draw that anybody recomputes."""

import httpx

from app.commands import contribute
from app.day.stage import Stage
from app.demo import cast
from ca.draws import registration
from ca.draws.verify import verify

REGISTRATION_SECONDS = 25


def publish(stage: Stage) -> None:
    """The owner publishes a job; the notice appears when the holders' programs have joined."""
    owner = stage.as_(cast.OWNER_1)
    with stage.step("业主发布中介项目 an owner publishes a job"):
        item = owner.get("/supermarket/items")["items"][0]
        project = owner.post("/supermarket/projects", {
            "item_id": item["id"], "title": "示例水库水土保持方案编制", "scope": "编制水土保持方案报告书并通过评审。",
            "budget": "180000.00", "method": "random",
        })  # fmt: skip
        stage.facts["project"] = project["id"]
        owner.post(f"{path(stage)}/publication", {"closes_at": stage.moment(REGISTRATION_SECONDS)})
        stage.state_is(cast.OWNER_1, path(stage), "registration")


def contribute_chance(stage: Stage) -> None:
    """Owner and supervisor seal their contributions before the close."""
    with stage.step("业主和监督人员密封随机数 owner and supervisor seal chance"):
        for player in (cast.OWNER_1, cast.SUPERVISOR_1):
            contribute.seal(stage.as_(player), stage.facts["project"])


def register(stage: Stage) -> None:
    """Five firms register blind; one of them twice, to show that it is safe, and one withdraws."""
    number = stage.as_(cast.OWNER_1).get(path(stage))["number"]
    with stage.step("中介机构盲选报名 intermediaries register blind"):
        for player in cast.INTERMEDIARIES[:5]:
            firm = stage.as_(player)
            body, secret = registration.register(number, player.unit.credit_code)
            first = firm.post(f"{path(stage)}/registration", {"body": body})["receipt"]
            again = firm.post(f"{path(stage)}/registration", {"body": body})["receipt"]
            assert first["entry"] == again["entry"], "registering twice is one registration"
            if player is cast.INTERMEDIARIES[4]:
                firm.post(f"{path(stage)}/registration/withdrawal", {"secret": secret.hex()})


def draw(stage: Stage) -> None:
    """The hour strikes; pool, releases, seed, order, name; and the bundle recomputes."""
    with stage.step("到点摇号 the hour strikes, one is drawn"):
        done = stage.state_is(cast.OWNER_1, path(stage), "result", "notice_issued", "failed", seconds=120)
        assert done["state"] != "failed", done["failure"]
        stage.facts["selected"] = done["selected"]
        address = f"{stage.settings.address}/api{path(stage)}/bundle"
        bundle = httpx.get(address, trust_env=False).raise_for_status().content
        (stage.folder / "draw.json").write_bytes(bundle)
        outcome = verify(bundle)
        assert outcome.ok, outcome.first_wrong


def notice(stage: Stage) -> None:
    """The objection period ends and the selection notice is issued, with a code that anybody checks."""
    with stage.step("公示期满，发中选通知书 the selection notice"):
        done = stage.state_is(cast.OWNER_1, path(stage), "notice_issued")
        assert done["selected"] == stage.facts["selected"]


def path(stage: Stage) -> str:
    """The project's place in the API."""
    return f"/supermarket/projects/{stage.facts['project']}"
