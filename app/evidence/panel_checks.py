"""The panel's part of a bundle: its draw, its scores computed again, its signatures, and its recording."""

from datetime import datetime
from typing import Any

from app.evidence.chains import Chain, Wrong
from app.evidence.checking import Check, draw, expect
from ca import canonical, ecdsa
from ca.tagged import H
from evaluation import report as reports
from evaluation.evidence import verify_recording
from evaluation.methods import recompute

AFTER_THE_CLOSE = ("recording.closed", "document.issued", "document.voided")


def panels(check: Check, bids: dict[str, Any]) -> dict[str, Any] | None:
    """Every session's items; the answer is the result of the one that finished."""
    found = None
    for file in [file for file in check.chains if file.startswith("session/")]:
        chain, number = check.chains[file], file.rpartition("/")[2]
        planned = chain.all("evaluation_session.planned")[0]
        expect(chain.item, "tender", planned.facts["tender"], check.project["number"])
        state = chain.state("evaluation_session")
        _draws(check, chain, number)
        if chain.all("evaluation_session.signing"):
            told = _report(check, chain, number, bids)
            found = told if state == "finished" else found
        _recording(check, chain, number)
    return found


# --- the draw ----------------------------------------------------------------------------------------------


def _draws(check: Check, chain: Chain, number: str) -> None:
    paths = [path for path in check.under(f"evaluation/{number}") if "/draw-" in path]
    seated = chain.all("evaluation_session.seated")
    if len(paths) != len(seated):
        raise Wrong(chain.item, f"{len(seated)} draws, and {len(paths)} in the bundle")
    for path, line in zip(paths, seated, strict=True):
        outcome = draw(check, path, check.project["number"])
        expect(path, "digest", outcome.sha256, line.facts["bundle"])
        expect(path, "seed", outcome.seed, line.facts["seed"])
        drawing = chain.last("evaluation_session.drawing")
        [winners] = outcome.winners.values()
        expect(path, "places", len(winners), drawing.facts["places"])
        check.good(path, f"{len(winners)} experts drawn")


# --- the report --------------------------------------------------------------------------------------------


def _report(check: Check, chain: Chain, number: str, bids: dict[str, Any]) -> dict[str, Any]:
    path = f"evaluation/{number}/report.json"
    told = check.json(path, {"sheet", "result", "sha256", "signatures"})
    sheet, result = told["sheet"], told["result"]
    try:
        again = reports.plain(recompute(sheet))
    except ValueError as error:
        raise Wrong(path, f"cannot be computed: {error}") from None
    _same_result(path, result, again)
    expect(path, "digest", reports.digest(sheet, result), told["sha256"])
    expect(path, "digest in the journal", told["sha256"], chain.last("evaluation_session.signing").facts["report"])
    expect(path, "tender", sheet["tender"], check.project["number"])
    for bid in sheet["bids"]:
        if bid["id"] not in bids:
            raise Wrong(path, f"the bid {bid['id']} was not opened")
        price = bids[bid["id"]].get("price")
        if bid["id"] not in sheet["rejected"] or price is not None:
            expect(path, f"price of {bid['id']}", bid["price"], price)
    _changes(path, chain, sheet)
    signed = _signatures(check, path, chain, told, number)
    check.good(path, f"{len(result['ranking'])} bids ranked again, {signed} signatures")
    return {"sha256": told["sha256"], "ranking": result["ranking"]}


def _same_result(path: str, told: dict[str, Any], again: dict[str, Any]) -> None:
    """Name the line that differs, not only that something does."""
    for line, wanted in zip(told["ranking"], again["ranking"], strict=False):
        for name in sorted(set(line) | set(wanted)):
            expect(path, f"{name} of {wanted['bid']}", line.get(name), wanted.get(name))
    expect(path, "result", told, again)


def _changes(path: str, chain: Chain, sheet: dict[str, Any]) -> None:
    """A score that was changed with consent is, in the sheet, what it was changed to last."""
    asked = {line.facts["change"]: line.facts for line in chain.all("score_change.asked")}
    final: dict[tuple[str, str, str], str] = {}
    for line in chain.all("score_change.approved"):
        request = asked.get(line.facts["change"])
        if request is None or line.facts["decided_by"] == request["seat"]:
            raise Wrong(chain.item, f"entry {line.number}: a change that nobody asked for, or decided alone")
        final[request["seat"], request["bid"], request["criterion"]] = line.facts["to_score"]
    for (seat, bid, criterion), score in final.items():
        if bid not in sheet["rejected"]:
            expect(path, f"{criterion} of {bid} by {seat}", sheet["scores"][bid][seat][criterion], score)


def _signatures(check: Check, path: str, chain: Chain, told: dict[str, Any], number: str) -> int:
    signed = {}
    for one in told["signatures"]:
        statement = one["statement"].encode()
        if not ecdsa.verify(check.key, H("report", statement), bytes.fromhex(one["signature"])):
            raise Wrong(path, "a signature does not hold")
        said = canonical.decode(statement)
        expect(path, "report signed", said["report"], told["sha256"])
        expect(path, "session signed", said["session"], f"session-{number}")
        signed[said["member"]] = said["dissent"]
    journal = {line.facts["seat"]: line.facts["dissents"] for line in chain.all("report.signed")}
    expect(path, "members who signed", sorted(signed), sorted(journal))
    expect(path, "dissents", {member for member in signed if signed[member]}, {m for m in journal if journal[m]})
    if chain.state("evaluation_session") == "finished":
        expect(path, "members who signed", sorted(signed), sorted(told["sheet"]["members"]))
    return len(signed)


# --- the recording -----------------------------------------------------------------------------------------


def _recording(check: Check, chain: Chain, number: str) -> None:
    path, media = f"recording/{number}/manifest.json", f"recording/{number}/media"
    if not check.has(path):
        if chain.all("recording.closed") and not check.left_out(f"recording/{number}"):
            raise Wrong(path, "missing")
        return
    manifest = check.json(path)
    expect(path, "session", manifest["session"], f"session-{number}")
    has_media = not check.left_out(media)

    def segment(name: str) -> bytes | None:
        return check.read(f"{media}/{name}") if check.has(f"{media}/{name}") else None

    verdict = verify_recording(manifest, segment if has_media else None, key=check.key)
    if not verdict.whole:
        assert verdict.bad is not None
        where = f"{media}/{verdict.bad.what}"
        raise Wrong(where if check.has(where) or "/" in verdict.bad.what else path, str(verdict.bad))
    _same_events(path, chain, manifest)
    expect(path, "zero of the session's clock", manifest["items"][0]["zero"], _zero_ms(chain))
    held = "every one read" if has_media else "their bytes are not in this bundle"
    gaps = f", {verdict.gaps} gaps told" if verdict.gaps else ""
    check.good(path, f"{verdict.items} items, {verdict.segments} segments ({held}){gaps}")


def _zero_ms(chain: Chain) -> int:
    line = next(line for line in chain.all("evaluation_session.running") if "zero" in line.facts)
    return int(datetime.fromisoformat(line.facts["zero"]).timestamp() * 1000)


def _same_events(path: str, chain: Chain, manifest: dict[str, Any]) -> None:
    """The recording tells the journal's entries, all of them up to its end, in their order."""
    recorded = [item["facts"]["entry"] for item in manifest["items"] if item["kind"] == "event"]
    if chain.hashes[: len(recorded)] != recorded:
        pairs = zip(recorded, [*chain.hashes, None], strict=False)
        first = next(n for n, pair in enumerate(pairs) if pair[0] != pair[1])
        raise Wrong(path, f"event {first + 1} is not entry {first + 1} of {chain.item}")
    told = {line.number: line for line in chain.lines}
    for number in range(len(recorded) + 1, len(chain.hashes) + 1):
        if number in told and told[number].act not in AFTER_THE_CLOSE:
            raise Wrong(path, f"entry {number} of {chain.item} ({told[number].act}) is not in the recording")
