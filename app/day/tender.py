"""Noon: a tender from its notice to the reading of prices, with bids of three kinds of certificate."""

import base64
import contextlib
import io
import json
from pathlib import Path

import click

from app.cli import main
from app.commands import bid_upload
from app.day.stage import Stage, StepFailed
from app.demo import cast
from ca.keyfiles import read as read_key
from ca.sealing import rescue
from ca.sealing.params import Params
from ca.signing import sign_detached

TO_DEADLINE, TO_UNLOCK, TO_RELEASE = 45, 60, 180  # seconds from now
PRICES = {"bidder1": "4860000.00", "bidder2": "4795000.00", "bidder3": "4912000.00", "bidder4": "4780000.00"}
PASSPHRASE = "demo-passphrase"  # noqa: S105 – of rescue files that live as long as the day
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    b"trailer<</Root 1 0 R>>\n"
)


def publish(stage: Stage) -> None:
    """The procuring entity drafts, adds its documents and publishes; the notice waits for five holders."""
    buyer = stage.as_(cast.ENTITY_1)
    with stage.step("招标人发布招标公告 the procuring entity publishes a tender"):
        holders = sorted(buyer.get("/tenders/holders")["holders"], key=lambda one: (not one["is_own"], one["id"]))
        tender = buyer.post("/tenders", {
            "name": "示例大道改造工程施工", "description": "路面改造 2.4 公里，工期 180 日历天。",
            "budget": "5200000.00", "ceiling_price": "5000000.00", "deposit_amount": "80000.00",
            "submission_deadline": stage.moment(TO_DEADLINE), "unlock_until": stage.moment(TO_UNLOCK),
            "release_until": stage.moment(TO_RELEASE), "holders": [one["id"] for one in holders[:5]], "threshold": 3,
            "method": "comprehensive", "evaluation": cast.EVALUATION,
        })  # fmt: skip
        stage.facts["tender"] = tender["id"]
        buyer.upload(f"{path(stage)}/documents?name=招标文件.pdf", PDF)
        buyer.post(f"{path(stage)}/publication", {})
        stage.facts["published"] = stage.state_is(cast.ENTITY_1, path(stage), "published")


def register(stage: Stage) -> None:
    """Bidders register; each learns the sub-account for its deposit."""
    with stage.step("投标人登记，取得保证金子账号 bidders register"):
        stage.facts["registrations"] = {
            player.login: stage.as_(player).post(f"{path(stage)}/registration", {}) for player in cast.BIDDERS
        }


def submit(stage: Stage) -> None:
    """Each bidder makes, seals and signs on its own machine and uploads; RSA, ECDSA and SM2 certificates."""
    with stage.step("投标人制作、加密、签名、递交并取得回执 bids are made, sealed, signed, uploaded, receipted"):
        stage.facts["bids"] = {player.login: _submit(stage, player) for player in cast.BIDDERS}


def _submit(stage: Stage, player: cast.Player) -> str:
    own, keys = stage.folder / player.login, stage.passes.folder(player)
    documents = own / "documents"
    documents.mkdir(parents=True)
    (documents / "技术标.pdf").write_bytes(PDF)
    (own / "params.json").write_text(stage.facts["published"]["params"])
    (own / "passphrase").write_text(PASSPHRASE)
    held = stage.facts["registrations"][player.login]
    signer = ["--key", keys / "key.pem", "--cert", keys / "certificate.pem", "--cert", keys / "chain.pem"]
    gongheng(
        "bid", "make", documents, "-o", own / "bid.asice", "--opening", held["opening"],
        "--price", PRICES[player.login], "--bidder", held["bidder"], *signer,
    )  # fmt: skip
    gongheng(
        "bid", "seal", own / "bid.asice", "-o", own / "bid.sealed", "--params", own / "params.json", "--params-hash",
        stage.facts["published"]["params_hash"], "--bidder", held["bidder"], "--passphrase-file", own / "passphrase",
    )  # fmt: skip
    gongheng("bid", "sign", own / "bid.sealed", "-o", own / "bid.p7s", *signer)
    told = bid_upload.hand_in(
        stage.as_(player), stage.facts["tender"], own / "bid.sealed", (own / "bid.p7s").read_bytes()
    )
    assert told["state"] == "sealed", told
    (own / "receipt.json").write_text(json.dumps(told["receipt"], ensure_ascii=False))
    return str(told["id"])


def unlock(stage: Stage) -> None:
    """The deadline freezes the list; bidders send the keys of their own locks."""
    with stage.step("投标截止，名单冻结 the deadline, the list is frozen"):
        stage.state_is(cast.ENTITY_1, path(stage), "unlocking", "failed", seconds=90)
    with stage.step("投标人解密 bidders unlock"):
        params = Params.read(stage.facts["published"]["params"].encode())
        for player in cast.BIDDERS:
            kept = rescue.read((stage.folder / player.login / "bid.sealed.rescue").read_bytes(), PASSPHRASE)
            assert kept.params == params.digest
            bid = stage.facts["bids"][player.login]
            told = stage.as_(player).post(f"/tenders/bids/{bid}/unlock", {"kb": kept.kb.hex()})
            assert told["state"] == "unlocked", told


def close(stage: Stage) -> None:
    """The supervisor signs both roots; the holders release; all bids open together and prices are read out."""
    supervisor, keys = stage.as_(cast.SUPERVISOR_1), stage.passes.folder(cast.SUPERVISOR_1)
    with stage.step("监督人员签署解密关闭 the supervisor signs the close"):
        stage.state_is(cast.ENTITY_1, path(stage), "unlocks_frozen", seconds=90)
        signer = read_key(
            (keys / "key.pem").read_bytes(), None,
            more=(keys / "certificate.pem").read_bytes() + (keys / "chain.pem").read_bytes(),
        )  # fmt: skip
        asked = supervisor.get(f"{path(stage)}/close")
        message = io.BytesIO(bytes.fromhex(asked["message"]))
        signature = base64.b64encode(sign_detached(message, signer.key, signer.certificate, signer.chain)).decode()
        stage.wait_for("异议时间过去 objection time", lambda: stage.now().isoformat() >= asked["sign_from"])
        supervisor.post(f"{path(stage)}/close", {"signature": signature})
    with stage.step("密钥持有人释放，同时开标唱价 holders release, prices are read out"):
        stage.state_is(cast.ENTITY_1, path(stage), "opened", seconds=120)
        lines = stage.as_(cast.ENTITY_1).get(f"{path(stage)}/hall")["lines"]
        read_out = sorted(line["price"] for line in lines)
        assert read_out == sorted(PRICES.values()), read_out


def award(stage: Stage) -> None:
    """Candidates, standstill, award, contract; the deposits then go home by themselves."""
    buyer = stage.as_(cast.ENTITY_1)
    with stage.step("公示中标候选人 candidates are published"):
        stage.state_is(cast.ENTITY_1, path(stage), "evaluated")
        candidates = buyer.post(f"{path(stage)}/candidates", {})["candidates"]
        winner = candidates[0]
    with stage.step("定标 the award"):
        until = candidates and buyer.get(f"{path(stage)}/candidates")["standstill_until"]
        stage.wait_for("公示期 standstill", lambda: stage.now().isoformat() >= until)
        buyer.post(f"{path(stage)}/award", {"bid": winner["bid"]})
    with stage.step("双方签订合同 both sign the contract"):
        buyer.post(f"{path(stage)}/contract", {})
        buyer.post(f"{path(stage)}/contract/signature", {})
        [player] = [one for one in cast.BIDDERS if one.unit.credit_code == winner["credit_code"]]
        signed = stage.as_(player).post(f"{path(stage)}/contract/signature", {})
        assert signed["state"] == "signed", signed
        stage.facts["winner"] = player.login


def path(stage: Stage) -> str:
    """The tender's place in the API."""
    return f"/tenders/{stage.facts['tender']}"


def gongheng(*words: str | Path) -> None:
    """Run a command of ours, as at a terminal but in this process; the step fails when it does."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main([str(word) for word in words], standalone_mode=False)
    except (click.ClickException, click.exceptions.Exit) as no:
        raise StepFailed(f"gongheng {words[0]} {words[1]}: {no} {said.getvalue()}") from no
