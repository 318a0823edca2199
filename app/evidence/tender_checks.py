"""A tender's bundle: notice, opening, evaluation, recording and award, each again and each against the others."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from app.evidence import panel_checks
from app.evidence.chains import Line, Wrong
from app.evidence.checking import Check, expect
from bidding.tenders import recognised
from ca import receipts
from ca.certificates import Unreadable
from ca.sealing import transcript
from ca.sealing.faults import ParamsWrong
from ca.sealing.params import Params, written
from storage.values import Money

TRANSCRIPT, RECORD = "opening/transcript.json", "opening/record.json"


def tender(check: Check) -> None:
    """All steps, in the order in which they happened."""
    chain = check.chain(f"tender/{check.project['id']}")
    expect(chain.item, "state", chain.state("tender"), check.project["state"])
    expect(chain.item, "number", chain.all("tender.draft")[0].facts["number"], check.project["number"])
    notice = _notice(check)
    bids: dict[str, Any] = {}
    opened = [line for line in chain.all("tender.opened") + chain.all("tender.failed") if "transcript" in line.facts]
    if opened:
        bids = _opening(check, notice, opened[-1])
    if chain.all("tender.standstill"):
        report = panel_checks.panels(check, bids)
        _award(check, bids, report)
    _money(check, notice, bool(opened))


# --- the notice --------------------------------------------------------------------------------------------


def _notice(check: Check) -> dict[str, Any]:
    path, chain = "notice.json", check.chain(f"tender/{check.project['id']}")
    notice: dict[str, Any] = check.json(path)
    published = chain.last("tender.published").facts
    for name, said in (("number", "number"), ("params_hash", "params"), ("submission_deadline", "deadline")):
        expect(path, name, notice[name], published[said])
    expect(path, "name", notice["name"], check.project["name"])
    params = _params(path, notice)
    expect(path, "params", params.digest.hex(), notice["params_hash"])
    deadline = written(datetime.fromisoformat(notice["submission_deadline"]))
    expect(path, "deadline of the params", params.deadline, deadline)
    added = [[line.facts["name"], line.facts["sha256"]] for line in chain.all("tender_document.added")]
    for document in published["documents"]:
        if document not in [[one["name"], one["sha256"]] for one in notice["documents"]]:
            raise Wrong(path, f"the document “{document[0]}” was published and is missing")
    for number, one in enumerate(notice["documents"], 1):
        if [one["name"], one["sha256"]] not in added:
            raise Wrong(path, f"the journal does not know the document “{one['name']}”")
        _document(check, f"documents/{number:02d}-{one['sha256'][:16]}", one)
    check.good(path, f"{len(notice['documents'])} documents, deadline {notice['submission_deadline']}")
    return notice


def _params(path: str, notice: dict[str, Any]) -> Params:
    try:
        return Params.of(notice["params"])
    except ParamsWrong as error:
        raise Wrong(path, f"params: {error}") from None


def _document(check: Check, path: str, one: dict[str, Any]) -> None:
    if check.has(path):
        expect(path, "digest", check.sha256(path), one["sha256"])
        check.good(path, one["name"])
    elif not check.left_out(path):
        raise Wrong(path, "missing")


# --- the opening -------------------------------------------------------------------------------------------


def _opening(check: Check, notice: dict[str, Any], opened: Line) -> dict[str, Any]:
    chain = check.chain(f"tender/{check.project['id']}")
    findings, told = _transcript(check, notice, opened)
    record = check.json(RECORD)
    frozen, unlocked, closed = (chain.last(f"tender.{act}").facts for act in ("frozen", "unlocks_frozen", "closed"))
    verdict = receipts.check(record["freeze"], platform=check.key)
    if not verdict.good:
        raise Wrong(RECORD, "the freeze is not signed by the platform")
    expect(RECORD, "root of the freeze", verdict.content["root"], frozen["root"])
    expect(RECORD, "number of bids", verdict.content["count"], len(record["frozen_list"]))
    expect(RECORD, "frozen list", record["frozen_list"], frozen["bids"])
    expect(RECORD, "frozen list", record["frozen_list"], told["freeze"])
    expect(RECORD, "freeze root", record["freeze_root"], frozen["root"])
    expect(RECORD, "unlock root", record["unlock_root"], unlocked["root"])
    expect(RECORD, "message of the close", record["close"]["message"], closed["message"])
    expect(RECORD, "signature of the close", record["close"]["signature"], told["close"])
    expect(RECORD, "leaves of the receipts", len(set(record["leaves"])), len(frozen["bids"]))
    bids = _bids(check, record, findings, opened)
    confirmed = {line.facts["bidder"] for line in chain.all("tender.line_confirmed")}
    lines = record["opening_record"]["lines"]
    expect(RECORD, "confirmed", {one["credit_code"] for one in lines if one["is_confirmed"] == "true"}, confirmed)
    check.good(RECORD, f"{len(lines)} bids read out")
    return bids


def _transcript(check: Check, notice: dict[str, Any], opened: Line) -> tuple[transcript.Findings, dict[str, Any]]:
    raw = check.read(TRANSCRIPT)
    expect(TRANSCRIPT, "digest", hashlib.sha256(raw).hexdigest(), opened.facts["transcript"])
    with ExitStack() as stack:
        files = _sealed(check, stack)
        holds = _close_holds(check, stack)
        found = transcript.verify(raw, files, platform=check.key, close_holds=holds)
    if not found.ok:
        raise Wrong(TRANSCRIPT, str(found.first_wrong))
    told: dict[str, Any] = json.loads(raw)
    expect(TRANSCRIPT, "params", told["params"], notice["params"])
    missing = [remark for remark in found.remarks if "not here" in remark]
    check.remarks += [f"{TRANSCRIPT}: {remark}" for remark in found.remarks if remark not in missing]
    if missing:
        check.remarks.append(f"{TRANSCRIPT}: {len(missing)} sealed bids are not here, so they were not opened again")
    check.remarks += [f"{TRANSCRIPT}: the holder {holder} released a false key" for holder in found.blamed]
    check.good(TRANSCRIPT, f"{len(found.bids)} bids, {len(found.bids) - len(missing)} verdicts repeated")
    return found, told


def _sealed(check: Check, stack: ExitStack) -> dict[str, Path]:
    """The sealed files, each in a file of its own as the opening wants them."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sealed-")))
    found = {}
    for path in check.under("sealed"):
        digest = path.rpartition("/")[2]
        expect(path, "digest", check.sha256(path), digest)
        with check.bundle.open(path) as source, (folder / digest).open("wb") as target:
            left = check.bundle.places[path][1]
            while left and (piece := source.read(min(1 << 20, left))):
                target.write(piece)
                left -= len(piece)
        found[digest] = folder / digest
        check.good(path, "sealed bid")
    return found


def _close_holds(check: Check, stack: ExitStack) -> Callable[[bytes, bytes], bool] | None:
    """Judges the supervisor's signature by the CAs given, or by those the bundle brings along."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trust-")))
    for path in check.under("trust"):
        raw = check.read(path)
        part, _, name = path.removeprefix("trust/").partition("/")
        if part not in ("trust", "chain", "crl") or not name or "/" in name or name.startswith("."):
            raise Wrong(path, "nothing asks for this item")
        (folder / part).mkdir(exist_ok=True)
        (folder / part / name).write_bytes(raw)
    if check.trust is None and not check.under("trust"):
        return None
    known = recognised.at(check.trust or folder)
    if check.trust is None:
        check.remarks.append("the supervisor's certificate was judged by the CAs that the bundle brings along")
    at = datetime.fromisoformat(check.chain(f"tender/{check.project['id']}").last("tender.closed").at)

    def holds(message: bytes, signature: bytes) -> bool:
        try:
            return known.verify(signature, BytesIO(message), at=at).good
        except Unreadable:
            return False

    return holds


def _bids(check: Check, record: dict[str, Any], findings: transcript.Findings, opened: Line) -> dict[str, Any]:
    """Each bid, the same in transcript, record, journal and its own chain; the answer is by id."""
    verdicts = {one.digest: one for one in findings.bids}
    read_out = {one["digest"]: one for one in opened.facts["bids"]}
    lines = {one["digest"]: one for one in record["opening_record"]["lines"]}
    by_id = {one["id"]: one for one in record["bids"]}
    known = {bid["digest"] for bid in by_id.values()}
    for what, found in (("transcript", verdicts), ("opening record", lines), ("bids", known)):
        expect(RECORD, f"bids of the {what}", set(found), set(read_out))
    for bid in by_id.values():
        digest = bid["digest"]
        said, line, verdict = read_out[digest], lines[digest], verdicts[digest]
        for name in ("price", "result", "culprit", "fault"):
            expect(RECORD, f"{name} of {digest[:16]}", line.get(name), said.get(name))
        expect(RECORD, f"bidder of {digest[:16]}", line["credit_code"], said["bidder"])
        expect(RECORD, f"bidder of {digest[:16]}", (bid["bidder"], bid["name"]), (said["bidder"], said["name"]))
        expect(RECORD, f"verdict on {digest[:16]}", said["result"], verdict.verdict)
        expect(RECORD, f"price of {bid['id']}", bid.get("price"), said.get("price"))
        expect(RECORD, f"plaintext of {bid['id']}", bid.get("plaintext", ""), verdict.sha256)
        _own_chain(check, bid, said)
    return by_id


def _own_chain(check: Check, bid: dict[str, Any], said: dict[str, Any]) -> None:
    chain = check.chain(f"bid/{bid['id']}")
    last = chain.state("bid")
    if bid.get("plaintext"):
        facts = chain.last("bid.opened").facts
        expect(chain.item, "plaintext", facts["plaintext"], bid["plaintext"])
        expect(chain.item, "price", facts.get("price"), said.get("price"))
        expect(chain.item, "state", last, "opened")
    elif last == "opened":
        raise Wrong(chain.item, "opened, and yet without a plaintext")


# --- award and money ---------------------------------------------------------------------------------------


def _award(check: Check, bids: dict[str, Any], report: dict[str, Any] | None) -> None:
    path, chain = "award.json", check.chain(f"tender/{check.project['id']}")
    told = check.json(path)
    ranking, facts = told["ranking"], told["report"]
    both = json.dumps([ranking, facts], sort_keys=True, ensure_ascii=False)
    expect(path, "ranking", hashlib.sha256(both.encode()).hexdigest(), chain.last("tender.evaluated").facts["result"])
    if report is not None:
        expect(path, "report", facts["sha256"], report["sha256"])
        names = ("bid", "place", "evaluated_price", "total")
        computed = [[line.get(name) for name in names] for line in report["ranking"]]
        handed = [[line["bid_id"], line["place"], line["price"], line.get("score")] for line in ranking]
        expect(path, "ranking", handed, computed)
    standstill = chain.last("tender.standstill")
    published = standstill.facts["candidates"]
    for place, candidate in enumerate(published):
        bid = bids[ranking[place]["bid_id"]]
        listed = (candidate["place"], candidate["bidder"], candidate["name"], candidate["price"])
        wanted = (ranking[place]["place"], bid["bidder"], bid["name"], bid["price"])
        expect(chain.item, f"entry {standstill.number}: candidate {place + 1}", listed, wanted)
    expect(path, "end of the standstill", told["standstill_until"], standstill.facts["until"])
    says = f"{len(ranking)} ranked, {len(published)} candidates"
    if "award" in told:
        says += f", awarded to {_winner(check, told, bids, published)}"
    elif chain.state("tender") in ("awarded", "contracted"):
        raise Wrong(path, "the award is missing")
    check.good(path, says)


def _winner(check: Check, told: dict[str, Any], bids: dict[str, Any], published: list[dict[str, Any]]) -> str:
    path, chain = "award.json", check.chain(f"tender/{check.project['id']}")
    entry, award = chain.last("tender.awarded"), told["award"]
    bid = bids[entry.facts["bid"]]
    for name in ("bidder", "name", "price", "digest"):
        expect(path, name, award[name], bid[name])
    for name in ("bidder", "name", "price"):
        expect(chain.item, f"entry {entry.number}: {name}", entry.facts[name], award[name])
    place = next((one["place"] for one in published if one["bidder"] == award["bidder"]), None)
    if place is None or (place != 1 and not entry.facts.get("reason")):
        raise Wrong(path, "the winner is not the first candidate, and no reason was given")
    if datetime.fromisoformat(entry.at) < datetime.fromisoformat(told["standstill_until"]):
        raise Wrong(path, "awarded before the standstill was over")
    if "contract" in told:
        contract = told["contract"]
        drafted = chain.last("tender_contract.draft").facts["terms"]
        expect(path, "terms of the contract", contract["terms_sha256"], drafted)
        expect(path, "price of the contract", contract["price"], award["price"])
        for line in chain.all("tender.contracted"):
            expect(chain.item, f"entry {line.number}: price", line.facts["price"], contract["price"])
    return str(award["name"])


def _money(check: Check, notice: dict[str, Any], is_opened: bool) -> None:
    path = "deposits.json"
    amount = Money.yuan(notice["deposit_amount"])
    if not check.has(path):
        if is_opened and amount.fen:
            raise Wrong(path, "missing")
        return
    told = check.json(path)
    expect(path, "amount", told["amount"], notice["deposit_amount"])
    sums = {state: Money.yuan(text) for state, text in told["received_by_state"].items()}
    expect(path, "received", Money.yuan(told["received"]), sum(sums.values(), Money(0)))
    expect(path, "refunded", Money.yuan(told["refunded"]), sums.get("refunded", Money(0)))
    check.good(path, f"received {told['received']}, refunded {told['refunded']}")
