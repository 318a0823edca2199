"""Every planted attack on a bundle, as (kind of draw, name, first wrong item, how the file is bent).

`bend` changes the parsed bundle. An insider has the platform's key: `resign` signs pool and result again.
"""

from ca import merkle
from ca.draws import bundle, pool, registration, verify
from ca.sealing import box
from tests.ca import draw_bundles as draws
from tests.ca.seal_vectors import key


def again(parts, *, pool_too=True):
    """The insider computes root, pool, seed and order anew and signs all that the platform signs."""
    notice, fixed = parts["notice"], parts["pool"]
    fixed["notice"] = pool.notice_hash(notice).hex()
    if "pad_key" in parts:
        fixed["root"] = bundle.root_of(notice, parts["entries"], bytes.fromhex(parts["pad_key"])).hex()
    if "facts" in parts:
        fixed["facts"] = pool.facts_hash(parts["facts"]).hex()
    fixed["contributions"] = [
        [part["label"], box.box_digest(bytes.fromhex(part["box"])).hex()] for part in parts["contributions"]
    ]
    signed = pool.notice_signed(notice)
    parts["notice_signatures"] = {
        "owner": draws.OWNER.sign(signed).hex(), "platform": draws.PLATFORM.sign(signed).hex(),
    }  # fmt: skip
    if pool_too:
        parts["pool_signature"] = draws.PLATFORM.sign(pool.pool_signed(pool.commitment(fixed))).hex()
    result(parts)


def released(parts):
    """The insider even has the holders' signing keys: they sign for the new pool."""
    again(parts)
    pc = pool.commitment(parts["pool"])
    for place, seat in enumerate(parts["params"]["holders"], 1):
        if seat["id"] in parts["releases"]:
            signing = key(f"{parts['params']['opening']}/sig{place}")
            parts["releases"][seat["id"]]["signature"] = signing.sign(pool.release_signed(pc)).hex()
    result(parts)


def recomputed(parts):
    """… and seed and order are those of the new pool: only a rule can refuse it now."""
    released(parts)
    check = verify.Check(parts, None, {}, None)
    try:
        check.before_the_seed()
        parts["seed"] = check.seed.hex()
        parts["order"] = {
            name: answer if isinstance(answer, str) else [entry.hex() for entry in answer]
            for name, answer in check.order().items()
        }
    except verify.Wrong:
        pass
    result(parts)


def result(parts):
    parts["result_signature"] = draws.PLATFORM.sign(pool.result_signed(verify.unsigned_digest(parts))).hex()


def drop(parts):
    """A live one: the withdrawn are no leaves of the pool."""
    live = [place for place, entry in enumerate(parts["entries"]) if "withdrawal" not in entry]
    del parts["entries"][live[2]]


def drop_after_the_seed(parts):
    drop(parts)
    again(parts)


def add_unlogged(parts):
    body, _ = registration.register(draws.PROJECT, draws.firm(13))
    cell = registration.seal_cell(draws.DAY_KEY, body)
    path = parts["entries"][0]["path"]
    entry = bundle.logged(cell, 0, registration.log_tree([cell.raw])) | {"path": path, "status": "eligible"}
    parts["entries"] = sorted([*parts["entries"], entry], key=lambda one: one["entry"])
    recomputed(parts)


def duplicate(parts):
    parts["entries"].insert(3, parts["entries"][2])


def reorder(parts):
    parts["entries"][2], parts["entries"][3] = parts["entries"][3], parts["entries"][2]


def relabel(parts):
    parts["entries"][2]["body"]["firm"] = draws.firm(13)


def shift_winner(parts):
    order = parts["order"]["select"]
    parts["order"]["select"] = [*order[1:], order[0]]


def swap_losers(parts):
    order = parts["order"]["select"]
    order[2], order[3] = order[3], order[2]


def replay_seed(parts):
    parts["seed"] = "11" * 32


def change_pick(parts):
    parts["notice"]["purposes"][0]["pick"] = 2


def change_pick_signed(parts):
    change_pick(parts)
    result(parts)


def drop_contribution(parts):
    del parts["contributions"][0]


def drop_contribution_after(parts):
    del parts["contributions"][1]
    again(parts)


def forged_share(parts):
    parts["contributions"][0]["box"] = box.contribute(draws.draw_params(f"{draws.PROJECT}:select:1"), "owner").box.hex()


def other_project(parts):
    parts["pool"]["project"] = "DZ-2026-0008"


def holder_lies(parts):
    parts["releases"]["H1"]["key"] = key("another").scalar.hex()
    result(parts)


def holder_absent(parts):
    del parts["releases"]["H2"]
    result(parts)


def stranger_releases(parts):
    parts["releases"]["H9"] = parts["releases"]["H2"]
    result(parts)


def firm_twice(parts):
    """The insider logs one firm twice: everything recomputed, only the rule refuses."""
    _replace_entry(parts, draws.firm(0), draws.firm(1))


def ghost_firm(parts):
    _replace_entry(parts, draws.firm(0), "91510000MA0999999X")


def foreign_registration(parts):
    _replace_entry(parts, draws.firm(0), draws.firm(0), project="DZ-2026-0008")


def _replace_entry(parts, gone, firm, project=draws.PROJECT):
    body, _ = registration.register(project, firm)
    cell = registration.seal_cell(draws.DAY_KEY, body)
    kept = [entry for entry in parts["entries"] if entry["body"]["firm"] != gone]
    log = registration.log_tree([cell.raw])
    entry = bundle.registration_entry(cell, 0, log, "eligible")
    rebuild_log(parts, [*kept, entry])


def rebuild_log(parts, entries, withdrawals_first=False):
    """The insider owns the log as well: a new one over exactly these, at its own places."""
    leaves, places = [], []
    for entry in entries:
        both = (entry, entry.get("withdrawal"))
        for part in both[::-1] if withdrawals_first else both:
            if part is not None:
                places.append(part)
                leaves.append(registration.log_leaf(bytes.fromhex(part["entry"]), bytes.fromhex(part["rest"])))
    tree = merkle.Tree(leaves)
    for place, part in enumerate(places):
        part["cell"], part["path"] = place, [step.hex() for step in tree.path(place)]
    parts["entries"] = sorted(entries, key=lambda one: one["entry"])
    parts["log_size"] = tree.size
    parts["pool"]["log_root"] = registration.log_head(tree.size, tree.root).hex()
    recomputed(parts)


def forged_withdrawal(parts):
    """The insider withdraws a rival without his secret."""
    entries = parts["entries"]
    victim = next(entry for entry in entries if "withdrawal" not in entry)
    number = bytes.fromhex(victim["entry"])
    body = registration.withdraw(draws.PROJECT, victim["body"]["firm"], number, secret=b"\1" * 32)
    cell = registration.seal_cell(draws.DAY_KEY, body)
    victim["withdrawal"] = bundle.logged(cell, 0, registration.log_tree([cell.raw]))
    rebuild_log(parts, entries)


def withdrawal_of_another(parts):
    entries = parts["entries"]
    gone = next(entry for entry in entries if "withdrawal" in entry)
    victim = next(entry for entry in entries if "withdrawal" not in entry)
    victim["withdrawal"] = gone.pop("withdrawal")
    rebuild_log(parts, entries)


def withdrawal_before(parts):
    rebuild_log(parts, parts["entries"], withdrawals_first=True)


def withdrawal_altered(parts):
    """Its salt is another: it is not what stands in the log."""
    gone = next(entry for entry in parts["entries"] if "withdrawal" in entry)
    gone["withdrawal"]["salt"] = "00" * 32
    result(parts)


def forged_statement(parts):
    """The insider registers a firm with another key than the one in the statement."""
    body = dict(parts["entries"][0]["body"], share="22" * 32)
    salt = b"\7" * 32
    entry = parts["entries"][0] | {
        "body": body,
        "salt": salt.hex(),
        "entry": registration.entry_of(body, salt).hex(),
    }
    rebuild_log(parts, [entry, *parts["entries"][1:]])


def status_against_facts(parts):
    entry = next(one for one in parts["entries"] if one["status"] != "eligible")
    entry["status"] = "eligible"
    recomputed(parts)


def facts_changed(parts):
    parts["facts"][0][1] = "recused"


def upper_case(parts):
    parts["entries"][0]["salt"] = parts["entries"][0]["salt"].upper()
    result(parts)


def too_few(parts):
    parts["notice"]["minimum"] = 20
    recomputed(parts)


def one_outsider(parts):
    parts["notice"]["contributors"] = [
        ["owner", "outside"],
        ["platform", "platform"],
        ["supervisor", "platform"],
    ]
    recomputed(parts)


def stranger_contributes(parts):
    params = draws.draw_params(f"{draws.PROJECT}:select:1")
    raw = box.contribute(params, "zealot").box.hex()
    parts["contributions"].append({"label": "zealot", "box": raw})
    recomputed(parts)


def box_replayed(parts):
    """The supervisor's box put in the owner's place: void, and too few outsiders remain."""
    parts["contributions"][0]["box"] = parts["contributions"][2]["box"]
    recomputed(parts)


def capacity_tells(parts):
    parts["notice"]["capacity"] = 16
    recomputed(parts)


def other_params(parts):
    parts["params"]["release_until"] = "2026-12-01T00:00:00Z"
    result(parts)


def join_of_another(parts):
    parts["joins"][0] = parts["joins"][1]
    result(parts)


def notice_by_another_owner(parts):
    parts["notice_signatures"]["owner"] = parts["notice_signatures"]["platform"]
    result(parts)


def weights_changed(parts):
    parts["weights"][0][1] += 1
    result(parts)


def live_changed(parts):
    parts["live"]["list"][0][1] = "00" * 32
    result(parts)


def delay_shortened(parts):
    parts["delay"][5] = "00" * 32
    result(parts)


def figures_changed(parts):
    parts["figures"][1][0] += 1
    result(parts)


def figures_missing(parts):
    parts["figures"].pop()
    result(parts)


def contributions_beside_the_lottery(parts):
    parts["pool"]["contributions"] = [["owner", "00" * 32]]
    pc = pool.commitment(parts["pool"])
    parts["pool_signature"] = draws.PLATFORM.sign(pool.pool_signed(pc)).hex()
    result(parts)


def live_twice(parts):
    parts["live"]["list"].append(["supervisor 监督", "ff" * 32])
    result(parts)


def live_unsigned(parts):
    parts["live"]["signatures"] = []
    result(parts)


def groups_changed(parts):
    parts["groups"].pop()
    result(parts)


def another_value(parts):
    values = parts["notice"]["purposes"][0]["values"]
    parts["order"]["float-point"] = next(value for value in values if value != parts["order"]["float-point"])
    result(parts)


def another_bid(parts):
    parts["entries"][0]["bid"] = "00" * 32
    result(parts)


ATTACKS = [
    ("registration", drop, "pool.root"),
    ("registration", drop_after_the_seed, "releases.H1: holder did not release for this pool"),
    ("registration", add_unlogged, "entries[*]: not in the log before the close"),
    ("registration", duplicate, "entries[3]: order or duplicate"),
    ("registration", reorder, "entries[3]: order or duplicate"),
    ("registration", relabel, "entries[2]: entry"),
    ("registration", shift_winner, "order[0]"),
    ("registration", swap_losers, "order[2]"),
    ("registration", replay_seed, "seed"),
    ("registration", change_pick, "pool.notice"),
    ("registration", change_pick_signed, "pool.notice"),
    ("registration", drop_contribution, "contributions: labels"),
    ("registration", drop_contribution_after, "releases.H1: holder did not release for this pool"),
    ("registration", forged_share, "contributions.owner: box"),
    ("registration", other_project, "pool.project"),
    ("registration", holder_lies, "releases.H1: holder lies"),
    ("registration", holder_absent, "releases: fewer than m"),
    ("registration", stranger_releases, "releases.H9: no holder"),
    ("registration", firm_twice, "entries[*].firm: twice"),
    ("registration", ghost_firm, "entries[*].firm: not in the library"),
    ("registration", foreign_registration, "entries[*].project"),
    ("registration", forged_withdrawal, "entries[*].withdrawal: secret does not match"),
    ("registration", withdrawal_of_another, "entries[*].withdrawal: not for this entry"),
    ("registration", withdrawal_before, "entries[*].withdrawal: not for this entry"),
    ("registration", withdrawal_altered, "entries[*].withdrawal: not for this entry"),
    ("registration", forged_statement, "entries[*].statement_sig"),
    ("registration", status_against_facts, "entries[*].status"),
    ("registration", facts_changed, "facts"),
    ("registration", upper_case, None),
    ("registration", too_few, "entries: fewer than the minimum"),
    ("registration", one_outsider, "notice.contributors"),
    ("registration", stranger_contributes, "contributions.zealot: no contributor"),
    ("registration", box_replayed, "contributions: fewer than two from outside"),
    ("registration", capacity_tells, "notice.capacity"),
    ("registration", other_params, "params"),
    ("registration", join_of_another, "joins.H1"),
    ("registration", notice_by_another_owner, "notice_signatures.owner"),
    ("weighted", weights_changed, "weights"),
    ("high stake", live_changed, "live.signatures.*"),
    ("high stake", delay_shortened, "delay"),
    ("lottery", figures_changed, "order[*]"),
    ("lottery", figures_missing, "figures"),
    ("lottery", contributions_beside_the_lottery, "contributions: labels"),
    ("high stake", live_twice, "live"),
    ("high stake", live_unsigned, "live"),
    ("expert", groups_changed, "groups"),
    ("float point", another_value, "order"),
    ("tie", another_bid, "entries[0]: entry"),
]
