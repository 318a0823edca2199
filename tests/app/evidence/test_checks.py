"""A whole bundle stands; and when the platform itself tells another story, the first item that lies is named."""

import hashlib
import json
import random

import pytest

from app.evidence import checks, container
from ca import canonical
from ca.ecdsa import Key
from evaluation import report as reports
from evaluation.methods import recompute

HEAD = "gongheng/journal/1"


def verified(kept, tmp_path, **known):
    return checks.verify(container.check(kept.told_again(tmp_path / "same.zip")), **known)


def test_a_tenders_bundle_is_whole(tender_bundle, tmp_path):
    found = verified(tender_bundle, tmp_path, platform=tender_bundle.key.public)

    assert found.ok, (found.first_wrong, found.reason)
    assert (found.kind, found.state, found.scope) == ("tender", "contracted", "supervision")
    says = dict(found.lines)
    assert says["opening/transcript.json"] == "3 bids, 3 verdicts repeated"
    assert "4 segments (every one read)" in next(says[path] for path in says if path.endswith("manifest.json"))
    assert "3 bids ranked again, 5 signatures" in next(says[path] for path in says if path.endswith("report.json"))
    assert says["papers.json"] == "4 papers"
    assert set(tender_bundle.items) == {path for path, _ in found.lines} | {
        path for path in tender_bundle.items if path.startswith(("trust/", "recording/")) and "manifest" not in path
    }


def test_everybodys_bundle_says_what_it_goes_without(contracted, made, equipment):
    bundle = container.check(made(contracted.file))
    found = checks.verify(bundle, platform=equipment.platform_key.public)

    assert found.ok, (found.first_wrong, found.reason)
    assert not any(path.startswith(("sealed/", "recording/")) and "media" in path for path in bundle.places)
    told = "\n".join(found.remarks)
    assert "not in this bundle: sealed (for_supervision)" in told
    assert "media (for_supervision)" in told
    assert "3 sealed bids are not here" in told


def test_nobodys_own_words_of_declining_are_public(room, contracted, made, tmp_path):
    public = made(contracted.file).read_bytes()
    assert b"seat.declined" not in public


def test_a_projects_bundle_is_whole(supermarket_bundle, tmp_path):
    found = verified(supermarket_bundle, tmp_path, platform=supermarket_bundle.key.public)

    assert found.ok, (found.first_wrong, found.reason)
    assert (found.kind, found.state) == ("supermarket", "notice_issued")
    assert "papers.json" in dict(found.lines)


def test_another_platform_is_found_out(tender_bundle, tmp_path):
    found = verified(tender_bundle, tmp_path, platform=Key.make().public)

    assert found.first_wrong == "manifest.json"
    assert any("compare" in remark for remark in verified(tender_bundle, tmp_path).remarks)


def test_another_key_signs_nothing_that_was_signed_before(tender_bundle, tmp_path):
    other = tender_bundle.told_again(tmp_path / "other.zip", key=Key.make())
    found = checks.verify(container.check(other))

    assert not found.ok


def test_any_flipped_byte_is_found(tender_bundle, tmp_path):
    whole = tender_bundle.told_again(tmp_path / "whole.zip").read_bytes()
    chance = random.Random(20261122)
    for place in [*range(0, 400, 7), *(chance.randrange(len(whole)) for _ in range(60))]:
        spoiled = bytearray(whole)
        spoiled[place] ^= 1 << chance.randrange(8)
        file = tmp_path / "spoiled.zip"
        file.write_bytes(spoiled)
        with pytest.raises(container.Bad):
            container.check(file)


# --- one wrong thing at a time, signed anew by the platform ------------------------------------------------


def named(items, start, end=""):
    return next(path for path in items if path.startswith(start) and path.endswith(end))


def edit(items, path, change):
    thing = canonical.decode(items[path])
    change(thing)
    items[path] = canonical.encode(thing)
    return path


def edited_line(items, path, act, change):
    """Change one entry of a chain, leaving its hash to whoever recomputes it."""
    told = canonical.decode(items[path])
    place = next(n for n, entry in enumerate(told["entries"]) if json.loads(entry["line"])["act"] == act)
    body = json.loads(told["entries"][place]["line"])
    change(body)
    told["entries"][place]["line"] = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    items[path] = canonical.encode(told)
    return place


def chained(items, path, keep=lambda body: True, change=lambda body: None):
    """A chain told anew from its first entry: hashes fit again, and the head in project.json too."""
    told, prev, entries = canonical.decode(items[path]), "0" * 64, []
    for entry in told["entries"]:
        body = json.loads(entry["line"])
        if not keep(body):
            continue
        change(body)
        body["number"], body["prev"] = len(entries) + 1, prev
        line = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        prev = hashlib.sha256(HEAD.encode() + b"\0" + line.encode()).hexdigest()
        entries.append({"line": line})
    items[path] = canonical.encode({"file": told["file"], "entries": entries})
    edit(items, "project.json", lambda project: project["journals"].__setitem__(told["file"], prev))
    return path


def tender_chain(items):
    return named(items, "journal/tender-")


def session_chain(items):
    return named(items, "journal/session-")


def a_score(items):
    path = named(items, "evaluation/", "report.json")

    def change(told):
        bid, member = sorted(told["sheet"]["scores"])[0], "member-1"
        told["sheet"]["scores"][bid][member]["record"] = "20"

    return edit(items, path, change)


def a_score_and_the_result(items):
    path = a_score(items)

    def change(told):
        told["result"] = reports.plain(recompute(told["sheet"]))
        told["sha256"] = reports.digest(told["sheet"], told["result"])

    return edit(items, path, change)


def a_score_the_result_and_the_journal(items):
    path = a_score_and_the_result(items)
    digest = canonical.decode(items[path])["sha256"]

    def change(body):
        if "report" in body["facts"]:
            body["facts"]["report"] = digest

    chained(items, session_chain(items), change=change)
    return path  # the members signed another report


def a_change_without_consent(items):
    chained(items, session_chain(items), keep=lambda body: body["act"] != "score_change.asked")
    return session_chain(items)


def a_place_in_the_ranking(items):
    path = named(items, "evaluation/", "report.json")
    return edit(items, path, lambda told: told["result"]["ranking"].reverse())


def a_missing_signature(items):
    return edit(items, named(items, "evaluation/", "report.json"), lambda told: told["signatures"].pop())


def a_dissent_that_is_hidden(items):
    path = named(items, "evaluation/", "report.json")

    def change(told):
        for one in told["signatures"]:
            one["statement"] = one["statement"].replace("价格分偏高", "")

    return edit(items, path, change)


def an_entry_changed(items):
    path = tender_chain(items)
    place = edited_line(items, path, "tender.frozen", lambda body: body["facts"]["bids"].pop())
    assert place
    return path


def an_entry_dropped(items):
    path = tender_chain(items)
    return edit(items, path, lambda told: told["entries"].pop(5))


def two_entries_swapped(items):
    def swap(told):
        entries = told["entries"]
        entries[3], entries[4] = entries[4], entries[3]

    return edit(items, tender_chain(items), swap)


def the_tail_cut(items):
    return chained(items, tender_chain(items), keep=lambda body: body["act"] != "tender.contracted")


def a_step_left_out(items):
    return chained(items, tender_chain(items), keep=lambda body: body["act"] != "tender.unlocks_frozen")


def a_chain_dropped(items):
    path = named(items, "journal/bid-")
    del items[path]
    return path


def a_price_read_out(items):
    def change(told):
        told["opening_record"]["lines"][0]["price"] = "1.00"

    return edit(items, "opening/record.json", change)


def a_price_everywhere_in_the_record(items):
    def change(told):
        told["opening_record"]["lines"][0]["price"] = "1.00"
        for bid in told["bids"]:
            if bid["digest"] == told["opening_record"]["lines"][0]["digest"]:
                bid["price"] = "1.00"

    return edit(items, "opening/record.json", change)


def a_price_in_record_and_journal(items):
    a_price_everywhere_in_the_record(items)
    record = canonical.decode(items["opening/record.json"])
    digest = record["opening_record"]["lines"][0]["digest"]

    def change(body):
        for line in body["facts"].get("bids", []) if body["act"] == "tender.opened" else []:
            if line["digest"] == digest:
                line["price"] = "1.00"

    chained(items, tender_chain(items), change=change)
    bid = next(bid["id"] for bid in record["bids"] if bid["digest"] == digest)
    return f"journal/bid-{bid}.json"  # its own chain still tells the price


def a_bidder_renamed(items):
    return edit(items, "opening/record.json", lambda told: told["bids"][0].__setitem__("name", "另一家"))


def a_bid_hidden(items):
    return edit(items, "opening/record.json", lambda told: told["opening_record"]["lines"].pop())


def a_freeze_of_fewer(items):
    return edit(items, "opening/record.json", lambda told: told["freeze"]["content"].__setitem__("count", 2))


def a_confirmation_invented(items):
    def change(told):
        for line in told["opening_record"]["lines"]:
            line["is_confirmed"] = "true"

    return edit(items, "opening/record.json", change)


def a_verdict(items):
    raw = items["opening/transcript.json"]
    items["opening/transcript.json"] = raw.replace(b'"OPENED"', b'"DIGEST"', 1)
    return "opening/transcript.json"


def another_supervisors_close(items):
    return edit(items, "opening/record.json", lambda told: told["close"].__setitem__("signature", "00" * 40))


def no_ca_that_knows_the_supervisor(items):
    for path in [path for path in items if path.startswith("trust/") and "/crl/" not in path]:
        items[path] = items[named(items, "trust/trust/rsa")] if path.endswith(".pem") else b'kinds = ["rsa"]\n'
    return "opening/transcript.json"


def a_sealed_bid(items):
    path = named(items, "sealed/")
    items[path] = items[path][:-1] + bytes([items[path][-1] ^ 1])
    return path


def a_segment_swapped(items):
    one, other = [path for path in items if "/media/member-1" in path]
    items[one], items[other] = items[other], items[one]
    return one


def a_segment_dropped(items):
    path = [path for path in items if "/media/" in path][-1]
    del items[path]
    return path


def the_recording_cut(items):
    path = named(items, "recording/", "manifest.json")

    def cut(told):
        told["items"], told["leaves"] = told["items"][:-4], told["leaves"][:-4]

    return edit(items, path, cut)


def an_event_changed(items):
    path = named(items, "recording/", "manifest.json")

    def change(told):
        event = next(item for item in told["items"] if item["kind"] == "event")
        event["facts"]["entry"] = "00" * 32

    return edit(items, path, change)


def a_journal_that_the_recording_does_not_know(items):
    def change(body):
        if body["act"] == "scores.given":
            body["facts"]["criteria"] = ["record"]

    chained(items, session_chain(items), change=change)
    return named(items, "recording/", "manifest.json")


def an_expert_drawn(items):
    path = named(items, "evaluation/", "draw-1.json")

    def change(told):
        [order] = told["order"].values()
        order[0], order[1] = order[1], order[0]

    return edit(items, path, change)


def another_draw(items):
    path = named(items, "evaluation/", "draw-1.json")
    del items[path]
    return session_chain(items)


def another_winner(items):
    def change(told):
        told["award"]["name"] = "另一家"

    return edit(items, "award.json", change)


def another_ranking_handed_over(items):
    return edit(items, "award.json", lambda told: told["ranking"][0].__setitem__("score", "99.99"))


def the_award_hidden(items):
    return edit(items, "award.json", lambda told: told.pop("award"))


def a_dearer_contract(items):
    return edit(items, "award.json", lambda told: told["contract"].__setitem__("price", "999999.00"))


def a_standstill_cut_short(items):
    def change(told):
        told["standstill_until"] = "2020-01-01T00:00:00+00:00"

    return edit(items, "award.json", change)


def a_sum_of_money(items):
    return edit(items, "deposits.json", lambda told: told.__setitem__("refunded", "1.00"))


def a_deadline(items):
    def change(told):
        told["submission_deadline"] = "2020-01-01T00:00:00+00:00"

    return edit(items, "notice.json", change)


def a_holder(items):
    return edit(items, "notice.json", lambda told: told["params"].__setitem__("m", 2))


def a_bidding_document(items):
    path = named(items, "documents/")
    items[path] = b"%PDF-1.7 other terms"
    return path


def a_bidding_document_dropped(items):
    path = named(items, "documents/")
    del items[path]
    return path


def a_bidding_document_unlisted(items):
    del items[named(items, "documents/")]
    return edit(items, "notice.json", lambda told: told["documents"].clear())


def a_paper(items):
    path = named(items, "papers/", ".pdf")
    items[path] = items[path] + b"\n%"
    return path


def a_paper_dropped(items):
    path = named(items, "papers/", ".pdf")
    code = path.removeprefix("papers/").removesuffix(".pdf")
    del items[path]

    def change(told):
        told["papers"] = [one for one in told["papers"] if one["code"] != code]

    return edit(items, "papers.json", change)


def a_paper_never_issued(items):
    def change(told):
        told["papers"].append(told["papers"][0] | {"code": "AAAA-BBBB-CCCC"})

    edit(items, "papers.json", change)
    return "papers/AAAA-BBBB-CCCC.pdf"


def something_else_along(items):
    items["readme.exe"] = b"MZ"
    return "readme.exe"


def another_state(items):
    edit(items, "project.json", lambda told: told.__setitem__("state", "failed"))
    return tender_chain(items)


def another_name(items):
    edit(items, "project.json", lambda told: told.__setitem__("name", "另一个项目"))
    return "notice.json"


def not_canonical(items):
    items["award.json"] = items["award.json"].replace(b":", b": ", 1)
    return "award.json"


def nonsense(items):
    items["award.json"] = b"[1,2,3]"
    return "award.json"


LIES = [
    a_score, a_score_and_the_result, a_score_the_result_and_the_journal, a_change_without_consent,
    a_place_in_the_ranking, a_missing_signature, a_dissent_that_is_hidden, an_entry_changed, an_entry_dropped,
    two_entries_swapped, the_tail_cut, a_step_left_out, a_chain_dropped, a_price_read_out,
    a_price_everywhere_in_the_record, a_price_in_record_and_journal, a_bidder_renamed, a_bid_hidden,
    a_freeze_of_fewer, a_confirmation_invented, a_verdict, another_supervisors_close,
    no_ca_that_knows_the_supervisor, a_sealed_bid, a_segment_swapped, a_segment_dropped, the_recording_cut,
    an_event_changed, a_journal_that_the_recording_does_not_know, an_expert_drawn, another_draw, another_winner,
    another_ranking_handed_over, the_award_hidden, a_dearer_contract, a_standstill_cut_short, a_sum_of_money,
    a_deadline, a_holder, a_bidding_document, a_bidding_document_dropped, a_bidding_document_unlisted, a_paper,
    a_paper_dropped, a_paper_never_issued, something_else_along, another_state, another_name, not_canonical,
    nonsense,
]  # fmt: skip


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_another_story_is_found_out_though_signed_anew(tender_bundle, tmp_path, lie):
    items = dict(tender_bundle.items)
    expected = lie(items)

    found = tender_bundle.judged(tmp_path / "lie.zip", items)

    assert found.first_wrong == expected, found.reason


def other_firm(items):
    path = named(items, "journal/supermarket-")

    def change(body):
        if body["act"] == "supermarket_project.result":
            body["facts"]["firm"] = "91510000MA0000000X"

    return chained(items, path, change=change)


def other_order(items):
    def change(told):
        [order] = told["order"].values()
        order.reverse()

    return edit(items, named(items, "draws/"), change)


def other_code(items):
    return edit(items, "project.json", lambda told: told.__setitem__("code", "AAAABBBBCCCC"))


def no_draw(items):
    del items[named(items, "draws/")]
    return "project.json"


def other_selected(items):
    return edit(items, "project.json", lambda told: told.__setitem__("selected", "91510000MA0000000X"))


@pytest.mark.parametrize(
    "lie", [other_firm, other_order, other_code, no_draw, other_selected], ids=lambda lie: lie.__name__
)
def test_another_drawn_firm_is_found_out(supermarket_bundle, tmp_path, lie):
    items = dict(supermarket_bundle.items)
    expected = lie(items)

    found = supermarket_bundle.judged(tmp_path / "lie.zip", items)

    assert found.first_wrong == expected, found.reason


def test_the_supervisor_is_judged_by_ones_own_cas(tender_bundle, tmp_path):
    """The bundle's CAs are only a help; with a folder of one's own that knows nobody, nothing holds."""
    for part in ("trust", "chain", "crl"):
        (tmp_path / "mine" / part).mkdir(parents=True)
    bundle = container.check(tender_bundle.told_again(tmp_path / "same.zip"))

    found = checks.verify(bundle, platform=tender_bundle.key.public, trust=tmp_path / "mine")

    assert found.first_wrong == "opening/transcript.json"
