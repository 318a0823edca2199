#!/usr/bin/env python3
# ruff: noqa
# fmt: off
"""Check a draw yourself 自己复核摇号: python3 verify_draw.py BUNDLE

Needs Python 3.8 or later, nothing else, and no network. It recomputes everything in the file: who could be drawn,
that the pool was fixed first and the key holders gave their keys for this pool only, the seed, and the order.
Exit 0 and the result; exit 1 and the first wrong item; exit 2 when the file cannot be read."""
import functools, hashlib, hmac, itertools, json, math, re, sys

class Wrong(Exception): pass
ERRORS = Wrong, ArithmeticError, AttributeError, LookupError, TypeError, ValueError
def need(fine, item):
    if not fine: raise Wrong(item)

# 1. The one way to write a thing down: objects, arrays, strings and integers 0 … 2^53 − 1, keys sorted, no spaces
canon = lambda thing: json.dumps(thing, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
def read(raw):
    try:
        thing, bare = json.loads(raw.decode()), re.sub(r'"(?:[^"\\]|\\.)*"', "", raw.decode())
        fine = canon(thing) == raw and re.fullmatch(r"[][{}:,0-9]*", bare)
        return thing if fine and all(int(number) < 2**53 for number in re.findall("[0-9]+", bare)) else None
    except (ValueError, RecursionError):
        return None

# 2. Bytes, digests, trees
D, num, u32 = b"gh-seal/2 ", lambda raw: int.from_bytes(raw, "big"), lambda number: number.to_bytes(4, "big")
sha = lambda *parts: hashlib.sha256(b"".join(parts)).digest()
hm = lambda key, message: hmac.new(key, message, "sha256").digest()
H = lambda tag, *parts: sha(framed(tag, parts))
mac = lambda seed, tag, *parts: hm(seed, framed(tag, parts))
ascending = lambda items: all(a < b for a, b in zip(items, items[1:]))
def unhex(text):
    need(re.fullmatch("([0-9a-f]{2})*", text), "fields")
    return bytes.fromhex(text)
def framed(tag, parts):
    raws = [p if isinstance(p, bytes) else p.encode() if isinstance(p, str) else u32(p) for p in parts]
    name = b"gongheng/1/" + tag.encode()
    return len(name).to_bytes(2, "big") + name + b"".join(len(raw).to_bytes(8, "big") + raw for raw in raws)
def kdf(secret, salt, info, size=32):
    first = hm(hm(salt, secret), D + info + b"\1")
    return (first + hm(hm(salt, secret), first + D + info + b"\2"))[:size]
def tree(nodes):
    half = 1 << (len(nodes) - 1).bit_length() - 1 if len(nodes) > 1 else 0
    return sha(b"\1", tree(nodes[:half]), tree(nodes[half:])) if half else nodes[0]
def climb(leaf, place, size, path, at):
    """The root to which an inclusion path leads (RFC 6962, 2.1.1)."""
    need(place < size and (size > 1) == bool(path), at)
    half = 1 << (size - 1).bit_length() - 1 if size > 1 else 0
    if place < half: return sha(b"\1", climb(leaf, place, half, path[:-1], at), path[-1])
    return sha(b"\1", path[-1], climb(leaf, place - half, size - half, path[:-1], at)) if half else leaf

# 3. The curve P-256: points (x, y), None for infinity. Not in constant time: every scalar here is public by now.
P, Q = 2**256 - 2**224 + 2**192 + 2**96 - 1, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B, G = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B, "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
def point(text):
    sign, x = unhex(text)[0], num(unhex(text)[1:])
    y = pow(x**3 - 3 * x + B, (P + 1) // 4, P)
    if len(text) != 66 or sign not in (2, 3) or x >= P or (y * y - x**3 + 3 * x - B) % P: return None
    return x, y if y % 2 == sign % 2 else P - y
def plus(one, two):
    if not one or not two or (one[0] == two[0] and one != two): return None if one and two else one or two
    over, under = (3 * one[0]**2 - 3, 2 * one[1]) if one == two else (two[1] - one[1], two[0] - one[0])
    slope = over * pow(under, -1, P) % P
    x = (slope**2 - one[0] - two[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P
@functools.lru_cache(maxsize=4096)
def times(scalar, text):
    total, base = None, point(text)
    for bit in bin(scalar)[2:]:
        total = plus(plus(total, total), base if bit == "1" else None)
    return total
flat = lambda spot: spot and f"{2 + spot[1] % 2:02x}{spot[0]:064x}"
@functools.lru_cache(maxsize=4096)
def signed(key, message, signature):
    """Is this an ECDSA-SHA256 signature r‖s (hex) by this key (hex) over these bytes?"""
    r, s = num(unhex(signature)[:32]), num(unhex(signature)[32:])
    if len(signature) != 128 or not point(key) or not (0 < r < Q and 0 < s < Q): return False
    spot = plus(times(num(sha(message)) * pow(s, -1, Q) % Q, G), times(r * pow(s, -1, Q) % Q, key))
    return spot is not None and spot[0] % Q == r

# 4. The boxes of the contributors: lock C of gh-seal/2
def open_box(raw, params, digest, label, scalars):  # the 32 bytes inside; fails when it is not exactly as it must be
    box, seats = read(raw), params["holders"]
    teams = list(itertools.combinations(range(len(seats)), params["m"]))
    fields = (box["v"], box["params"], box["lot"], box["bidder"], *(len(box[name]) for name in ("salt", "cc", "E", "teams")))
    need(len(box) == 9 and fields == (2, digest, "draw", label, 64, 64, 66, 64 * len(teams)) and box["seq"] >= 1, "fields")
    ctx = sha(D, b"ctx\0", canon({name: box[name] for name in ("bidder", "lot", "params", "salt", "seq", "v")}))
    def envelope(kc, team, shared):
        z = [kdf(shared(j)[0].to_bytes(32, "big"), ctx, b"holder\0" + bytes([j]) + unhex(box["E"] + seats[j]["pk"])) for j in team]
        return bytes(a ^ b for a, b in zip(kc, kdf(b"".join(z), ctx, b"team\0" + bytes(team))))
    team = tuple(sorted(scalars)[:params["m"]])
    kc = envelope(unhex(box["teams"])[32 * teams.index(team):], team, lambda j: times(scalars[j], box["E"]))
    own = num(kdf(kc, ctx, b"eph\0", 48)) % (Q - 1) + 1
    again = b"".join(envelope(kc, team, lambda j: times(own, seats[j]["pk"])) for team in teams)
    need((sha(D, b"kc\0", ctx, kc).hex(), flat(times(own, G)), again.hex()) == (box["cc"], box["E"], box["teams"]), "lock")
    return kc

# 5. The steps, in order; each names what is wrong. The notice says which there are.
def check_notice(n):
    questions, places, sides = n["purposes"], n["capacity"], n.get("contributors", [])
    names, ranks, delay = {q["purpose"] for q in questions}, [q for q in questions if "pick" in q], n.get("delay", 0)
    need(n["opening"].startswith(n["project"].replace("/", "-") + ":"), "notice.opening")
    words = {"outside", "platform"} >= {side for _, side in sides} and n["mode"] in ("default", "high-stake", "rfc3797")
    words = words and n["kind"] in ("registration", "expert", "bid", "none") and n["weights"] in ("equal", "listed")
    need(words and n["v"] == 1, "notice: fields")
    bad = [q for q in questions if not re.fullmatch(r"(((0|[1-9][0-9]*)(\.[0-9]+)?),)+", ",".join([*q.get("values", "0"), ""]))]
    need(0 < len(names) == len(questions) and not bad and not (ranks and n["kind"] == "none"), "notice.purposes")
    need(places == 0 if n["kind"] == "none" else 2 <= places <= 2**20 and places & (places - 1) == 0, "notice.capacity")
    need((delay > 0) == (n["mode"] == "high-stake") and delay % 64 == 0 and delay <= 2**36, "notice.delay")
    fair = n["mode"] == "rfc3797" or (ascending([s[0] for s in sides]) and [s[1] for s in sides].count("outside") > 1)
    need(fair, "notice.contributors")
def check_holders(b, n):
    p, seats = b["params"], b["params"]["holders"]
    keys, ids = {seat[name] for seat in seats for name in ("pk", "sig")}, [seat["id"] for seat in seats]
    need(p["v"] == 2 <= p["m"] < len(seats) == len(set(ids)) == len(keys) / 2 < 10 and all(map(point, keys)) and p["mode"] == "draw"
         and p["suite"] == "P256-SHA256-A256GCM" and p["deadline"] == p["unlock_until"] < p["release_until"], "params: fields")
    need(sha(canon(p)).hex() == n["params"], "params")
    need((p["opening"], p["deadline"]) == (n["opening"], n["close"]), "params.opening")
    base = sha(D, b"base\0", canon({**p, "holders": ids}))
    for s, j in zip(seats, b["joins"] if len(b["joins"]) == len(seats) else need(0, "joins: fields")):
        join = D + b"join\0" + base + unhex(s["pk"] + s["sig"])
        need(signed(s["sig"], join, j["join"]) and signed(s["pk"], D + b"ready\0" + base, j["ready"]), f"joins.{s['id']}")
def check_logged(b, e, at):
    leaf, at = sha(b"\0", H("log", unhex(e["entry"]), unhex(e["rest"]))), f"{at}: not in the log before the close"
    root = climb(leaf, e["cell"], b["log_size"], [unhex(step) for step in e["path"]], at)
    need(b["log_size"] < 2**32 and H("log-head", b["log_size"], root).hex() == b["pool"]["log_root"], at)
    return H("cell", canon(e["body"]), unhex(e["salt"])).hex()
def check_withdrawal(b, e, at):
    w, body, was = e["withdrawal"], e["withdrawal"]["body"], e["body"]
    told, meant = [body[name] for name in ("kind", "project", "firm", "entry")], ["withdraw", was["project"], was["firm"], e["entry"]]
    need(check_logged(b, w, at) == w["entry"] and w["cell"] > e["cell"] and told == meant, f"{at}: not for this entry")
    right = H("w", unhex(body["w"])).hex() == was["w"] if "w" in body else "account" in body or "cert" in was
    need(right and len({"w", "sig", "account"} & set(body)) == 1, f"{at}: secret does not match")
def check_entries(b, n):  # entry → label of all that may be drawn
    live, last, kind, free = {}, "", n["kind"], n["kind"] in ("bid", "none")
    facts = {} if free else dict(b["facts"])
    need(free or (H("facts", canon(b["facts"])).hex() == b["pool"]["facts"] and ascending([f for f, _ in b["facts"]])), "facts")
    need(n["capacity"] >= 2 * len(facts), "notice.capacity")
    for i, e in enumerate(b["entries"] if kind != "none" else []):
        at, label = f"entries[{i}]", e["body"]["firm"] if kind == "registration" else e["person" if kind == "expert" else "bid"]
        number = (check_logged(b, e, at) if kind == "registration" else H("tie", unhex(label)).hex() if kind == "bid" else
                  H("expert", n["project"], label, unhex(e["salt"])).hex())
        need(number == e["entry"], f"{at}: entry")
        need(number > last, f"{at}: order or duplicate")
        if kind == "registration":
            body, statement = e["body"], H("statement", canon({k: v for k, v in e["body"].items() if k != "statement_sig"}))
            need(body["project"] == n["project"], f"{at}.project")
            need(body["kind"] == "register" and ("cert" in body) != ("account" in body), f"{at}.body: fields")
            need("cert" in body or signed(body["account"], statement, body["statement_sig"]), f"{at}.statement_sig")
        last, gone, who = number, "withdrawal" in e, f"{at}.{'firm' if kind == 'registration' else 'person'}"
        need(free or label in facts, f"{who}: not in the library")
        if gone: check_withdrawal(b, e, f"{at}.withdrawal")
        need(gone or label not in [one for one, _ in live.values()], f"{who}: twice")
        need(e["status"] == facts.get(label, "eligible"), f"{at}.status")
        live.update({} if gone else {number: (label, e["status"])})
    if kind != "none":
        leaves = [H("leaf", unhex(entry), status) for entry, (_, status) in live.items()]
        pads = [H("pad", n["project"], unhex(b["pad_key"]), i) for i in range(n["capacity"] - len(leaves))]
        need(pads and tree([sha(b"\0", leaf) for leaf in sorted(leaves + pads)]).hex() == b["pool"]["root"], "pool.root")
    eligible = {entry: label for entry, (label, status) in live.items() if status == "eligible"}
    need(kind == "none" or len(eligible) >= max(1, n["minimum"]), "entries: fewer than the minimum")
    for name in ["weights"] * (n["weights"] == "listed") + ["groups"] * (kind == "expert"):
        whole = name == "groups" or [w for w, _ in b[name]] == sorted(eligible.values() if free else facts)
        sound = whole and ascending(b[name]) and sum(w for _, w in b[name] if name == "weights") <= 10**6
        need(sound and H(name, canon(b[name])).hex() in b["pool"]["inputs"], name)
    return eligible
def open_contributions(b, n, pc):  # label → 32 bytes of every contribution that is not void, after the releases
    seats, sides = {seat["id"]: (i, seat) for i, seat in enumerate(b["params"]["holders"])}, dict(n["contributors"])
    scalars, good, boxes = {}, {}, [(c["label"], unhex(c["box"])) for c in b["contributions"]]
    for name, release in sorted(b["releases"].items()):
        key, (place, seat) = num(unhex(release["key"])), seats.get(name, (0, None))
        need(seat, f"releases.{name}: no holder")
        need(signed(seat["sig"], H("release", pc), release["signature"]), f"releases.{name}: holder did not release for this pool")
        need(0 < key < Q and flat(times(key, G)) == seat["pk"], f"releases.{name}: holder lies")
        scalars[place] = key
    need(len(scalars) >= b["params"]["m"], "releases: fewer than m")
    listed, labels = dict(b["pool"]["contributions"]), [label for label, _ in boxes]
    need(ascending(labels) and labels == [label for label, _ in b["pool"]["contributions"]], "contributions: labels")
    for label, box in boxes:
        need(label in sides, f"contributions.{label}: no contributor")
        need(H("box", box).hex() == listed[label], f"contributions.{label}: box")
        try: good[label] = open_box(box, b["params"], n["params"], label, scalars)
        except ERRORS: print(f"void 无效: contribution of {label}")
    need(sum(sides[label] == "outside" for label in good) > 1, "contributions: fewer than two from outside")
    return good
def find_seed(b, n, pc):
    seed = H("seed", pc, *itertools.chain(*sorted(open_contributions(b, n, pc).items())))
    if n["mode"] == "high-stake":
        names, listing, signatures = dict(b["live"]["list"]), canon(b["live"]["list"]), b["live"]["signatures"]
        need(signatures and 0 < len(names) == len(b["live"]["list"]) and ascending(b["live"]["list"]) and ascending(signatures), "live")
        for name, key, sig in signatures: need(name in names and signed(key, H("live", pc, listing), sig), f"live.signatures.{name}")
        seed = H("live", pc, seed, listing)
        for i in range(64):
            seed = hashlib.pbkdf2_hmac("sha256", seed, b"gongheng/1/delay" + u32(i), n["delay"] // 64, 32)
            need(seed.hex() == b["delay"][i] and len(b["delay"]) == 64, "delay")
    return seed if seed.hex() == b["seed"] else need(0, "seed")
def find_answer(b, n, seed, eligible, q):
    name, weights = q["purpose"], dict(b["weights"]) if n["weights"] == "listed" else {}
    if "values" in q:
        tries = (num(mac(seed, "int", name, c)) >> 256 - (len(q["values"]) - 1).bit_length() for c in itertools.count())
        return next(q["values"][number] for number in tries if number < len(q["values"]))
    grouped = n["kind"] == "expert" and name.startswith("expert/")
    entries = sorted(e for e in eligible if not grouped or [eligible[e], name[7:]] in b["groups"])
    need(entries, f"order.{name}: nothing to draw from")
    if n["mode"] == "rfc3797":
        bits, figures = (math.comb(len(entries), q["pick"]) - 1).bit_length() + 16, b["figures"]
        need(len(n["lottery"]) == len(figures) > 0 and all(figures), "figures")
        need(len(entries) < 2**16 and bits <= sum(source[2] for source in n["lottery"]), "notice.lottery")
        key = "".join("".join(f"{x}." for x in sorted(source)) + "/" for source in figures).encode()
        spots = [num(hashlib.md5(u32(i)[2:] + key + u32(i)[2:]).digest()) for i in range(len(entries))]
        return [entries.pop(spot % len(entries)) for spot in spots]
    tickets = lambda e: [mac(seed, "ticket", name, unhex(e), t) for t in range(weights[eligible[e]])]
    return sorted(entries, key=lambda e: (min(tickets(e)) if weights else mac(seed, "rank", name, unhex(e)), e))
def verify(b):  # the lines to print for a good bundle
    need(b, "canonical form")
    n, p, pc, keys, taken = b["notice"], b["pool"], H("pool", canon(b["pool"])), b["notice"]["signers"], set()
    check_notice(n)
    need([unhex(digest) for digest in p.get("inputs", [])] or n["kind"] != "none", "pool.inputs")
    need(p["project"] == n["project"], "pool.project")
    need(p["notice"] == H("notice", canon(n)).hex(), "pool.notice")
    need(signed(keys["platform"], H("pool-sig", pc), b["pool_signature"]), "pool_signature")
    for name in ("owner", "platform"):
        need(signed(keys[name], H("notice-sig", unhex(p["notice"])), b["notice_signatures"][name]), f"notice_signatures.{name}")
    need(not p["contributions"], "contributions: labels") if n["mode"] == "rfc3797" else check_holders(b, n)
    eligible, seed = check_entries(b, n), find_seed(b, n, pc) if n["mode"] != "rfc3797" else None
    need(set(b["order"]) == {q["purpose"] for q in n["purposes"]}, "order")
    for q in n["purposes"]:
        answer, claimed = find_answer(b, n, seed, eligible, q), b["order"][q["purpose"]]
        at = "order" if len(b["order"]) == 1 else f"order.{q['purpose']}"
        need(type(answer) is type(claimed) and ("pick" in q or answer == claimed), at)
        for i, (one, two) in enumerate(itertools.zip_longest(answer, claimed)): need(one == two, f"{at}[{i}]")
        picked = [eligible[e] for e in answer if eligible[e] not in taken][:q["pick"]] if "pick" in q else [answer]
        taken.update(picked)
        yield f"{q['purpose']}: {' '.join(picked)}"
    unsigned = canon({name: part for name, part in b.items() if name != "result_signature"})
    need(signed(keys["platform"], H("result", sha(unsigned)), b["result_signature"]), "result_signature")
    yield f"project {n['project']}, platform key {keys['platform']}"
def main(path):
    try:
        raw = open(path, "rb").read()
        lines = list(verify(read(raw)))
    except OSError as error:
        return print(error) or 2
    except ERRORS as error:
        return print(f"wrong 有误: {error if isinstance(error, Wrong) else 'fields'}") or 1
    return print("good 无误", *lines, f"SHA-256 {hashlib.sha256(raw).hexdigest()}", sep="\n") or 0
if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal without Chinese
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else print(__doc__) or 2)
