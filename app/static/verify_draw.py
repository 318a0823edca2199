#!/usr/bin/env python3
# ruff: noqa
# fmt: off
"""Check a draw yourself 自己复核摇号: python3 verify_draw.py BUNDLE

Needs Python 3.8 or later, nothing else, and no network. It recomputes everything in the file: who could be drawn,
that the pool was fixed first and the key holders gave their keys for this pool only, the seed, and the order.
Exit 0 and the result; exit 1 and the first wrong item; exit 2 when the file cannot be read.
"""
import hashlib, hmac, itertools, json, math, re, sys
from functools import lru_cache

class Wrong(Exception):
    """The first wrong item, by its name."""
def need(fine, item):
    if not fine:
        raise Wrong(item)

# 1. The exact fields of every object ("?": may be absent), and the one way to write them down
FORMS = {
    "notice": "v project opening rule method kind purposes weights minimum capacity close mode signers params? contributors? "
              "delay? lottery?", "rank": "purpose pick", "value": "purpose values", "release": "signature key",
    "pool": "project notice contributions log_root? facts? root? inputs? previous?", "box": "v params lot bidder seq salt cc E teams",
    "params": "v opening mode suite m holders deadline unlock_until release_until", "holder": "id pk sig", "join": "join ready",
    "registration": "entry salt rest cell path body status withdrawal?", "withdrawal": "entry salt rest cell path body",
    "register": "kind project firm cert? account? w share quote? statement_sig", "expert": "entry person salt status",
    "withdraw": "kind project firm entry w? sig? account?", "bid": "entry bid status", "contribution": "label box",
    "bundle": "notice notice_signatures pool pool_signature order result_signature", "rfc3797": "figures", "none": "",
    "sealed": "params joins releases contributions seed"}
POOLS = {"registration": {"log_root", "facts", "root"}, "expert": {"facts", "root"}, "bid": {"root"}, "none": set()}
PARTS = {"registration": {"facts", "log_size", "entries", "pad_key"}, "expert": {"facts", "groups", "entries", "pad_key"},
         "bid": {"entries", "pad_key"}, "none": set()}
def like(thing, form):
    names = FORMS[form].split() if isinstance(thing, dict) else ["no object"]
    return {name for name in names if name[-1] != "?"} <= set(thing) <= {name.rstrip("?") for name in names}
def plain(thing, depth=0):
    """Only objects with ASCII keys, arrays, strings and integers 0 … 2^53 − 1, at most 16 deep."""
    if isinstance(thing, dict):
        return depth < 17 and all(re.fullmatch("[!-~][ -~]*", key) and plain(thing[key], depth + 1) for key in thing)
    number = type(thing) is int and 0 <= thing < 2**53
    return depth < 17 and (all(plain(t, depth + 1) for t in thing) if isinstance(thing, list) else number or isinstance(thing, str))
def read(raw):
    """What canonical bytes say, or None."""
    try:
        thing = json.loads(raw.decode())
        return thing if plain(thing) and canon(thing) == raw else None
    except (ValueError, RecursionError):
        return None

# 2. Bytes, digests, trees
D, num, u32 = b"gh-seal/2 ", lambda raw: int.from_bytes(raw, "big"), lambda number: number.to_bytes(4, "big")
canon = lambda thing: json.dumps(thing, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
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
    if place < half:
        return sha(b"\1", climb(leaf, place, half, path[:-1], at), path[-1])
    return sha(b"\1", path[-1], climb(leaf, place - half, size - half, path[:-1], at)) if half else leaf

# 3. The curve P-256: points (x, y), None for infinity. Not in constant time: every scalar here is public by now.
P, Q = 2**256 - 2**224 + 2**192 + 2**96 - 1, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
def point(text):
    sign, x = unhex(text)[0], num(unhex(text)[1:])
    y = pow(x**3 - 3 * x + B, (P + 1) // 4, P)
    on_curve = len(text) == 66 and sign in (2, 3) and x < P and (y * y - x**3 + 3 * x - B) % P == 0
    return (x, y if y % 2 == sign % 2 else P - y) if on_curve else None
def plus(one, two):
    if not one or not two or (one[0] == two[0] and one != two):
        return None if one and two else one or two
    over, under = (3 * one[0]**2 - 3, 2 * one[1]) if one == two else (two[1] - one[1], two[0] - one[0])
    slope = over * pow(under, -1, P) % P
    x = (slope**2 - one[0] - two[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P
@lru_cache(maxsize=4096)
def times(scalar, text):
    total, base = None, point(text)
    for bit in bin(scalar)[2:]:
        total = plus(plus(total, total), base if bit == "1" else None)
    return total
flat = lambda spot: spot and f"{2 + spot[1] % 2:02x}{spot[0]:064x}"
@lru_cache(maxsize=4096)
def signed(key, message, signature):
    """Is this an ECDSA-SHA256 signature r‖s (hex) by this key (hex) over these bytes?"""
    r, s = num(unhex(signature)[:32]), num(unhex(signature)[32:])
    if len(signature) != 128 or not point(key) or not (0 < r < Q and 0 < s < Q):
        return False
    spot = plus(times(num(sha(message)) * pow(s, -1, Q) % Q, G), times(r * pow(s, -1, Q) % Q, key))
    return spot is not None and spot[0] % Q == r

# 4. The boxes of the contributors: lock C of gh-seal/2
def open_box(raw, params, digest, label, scalars):
    """The 32 bytes inside; None when the box is not exactly as it must be."""
    box, seats = read(raw), params["holders"]
    teams = list(itertools.combinations(range(len(seats)), params["m"]))
    if not like(box, "box") or (box["v"], box["params"], box["lot"], box["bidder"]) != (2, digest, "draw", label) or (
            [len(box[name]) for name in ("salt", "cc", "E", "teams")] != [64, 64, 66, 64 * len(teams)]) or box["seq"] < 1:
        return None
    ctx = sha(D, b"ctx\0", canon({name: box[name] for name in ("bidder", "lot", "params", "salt", "seq", "v")}))
    def envelope(kc, team, shared):
        z = [kdf(shared(j)[0].to_bytes(32, "big"), ctx, b"holder\0" + bytes([j]) + unhex(box["E"] + seats[j]["pk"])) for j in team]
        return bytes(a ^ b for a, b in zip(kc, kdf(b"".join(z), ctx, b"team\0" + bytes(team))))
    team = tuple(sorted(scalars)[:params["m"]])
    kc = envelope(unhex(box["teams"])[32 * teams.index(team):], team, lambda j: times(scalars[j], box["E"]))
    own = num(kdf(kc, ctx, b"eph\0", 48)) % (Q - 1) + 1
    again = b"".join(envelope(kc, team, lambda j: times(own, seats[j]["pk"])) for team in teams)
    found = (sha(D, b"kc\0", ctx, kc).hex(), flat(times(own, G)), again.hex())
    return kc if found == (box["cc"], box["E"], box["teams"]) else None
def void_or_open(*box):
    try:
        return open_box(*box)
    except (Wrong, TypeError, ValueError, AttributeError, LookupError):
        return None

# 5. The steps, in order; each names what is wrong
def check_fields(b):
    need(isinstance(b, dict) and "notice" in b, "canonical form" if b is None else "fields")
    n = b["notice"]
    lottery, places, delay, sides = n["mode"] == "rfc3797", n["capacity"], n.get("delay", 0), n.get("contributors", [])
    special = {"lottery"} if lottery else {"params", "contributors"} | ({"delay"} if n["mode"] == "high-stake" else set())
    need(like(n, "notice") and set(n) & {"params", "contributors", "delay", "lottery"} == special and n["v"] == 1, "notice: fields")
    ranks, values = [q for q in n["purposes"] if like(q, "rank")], [q for q in n["purposes"] if like(q, "value") and q["values"]]
    names = {q["purpose"] for q in n["purposes"]}
    need(n["opening"].startswith(n["project"].replace("/", "-") + ":"), "notice.opening")
    need(0 < len(names) == len(n["purposes"]) == len(ranks + values) and not (ranks and n["kind"] == "none"), "notice.purposes")
    need(not lottery or (len(names) == len(ranks) == 1 and n["lottery"]), "notice.lottery")
    need(places == 0 if n["kind"] == "none" else 2 <= places <= 2**20 and places & (places - 1) == 0, "notice.capacity")
    need(delay % 64 == 0 and delay <= 2**36, "notice.delay")
    need(lottery or (ascending([s[0] for s in sides]) and [s[1] for s in sides].count("outside") > 1), "notice.contributors")
    wanted = set((FORMS["bundle"] + " " + FORMS["rfc3797" if lottery else "sealed"]).split()) | PARTS[n["kind"]]
    wanted |= {name for name in ("live", "delay") if delay} | {name for name in ("weights",) if n[name] == "listed"}
    need(wanted == set(b), f"{min(wanted ^ set(b) or [''])}: fields")
    need(like(b["pool"], "pool") and set(b["pool"]) & POOLS["registration"] == POOLS[n["kind"]], "pool: fields")
    need(n["kind"] != "none" or b["pool"].get("inputs"), "pool.inputs")
def check_holders(b, n):
    p, seats = b["params"], b["params"]["holders"]
    keys, ids = [seat[name] for seat in seats for name in ("pk", "sig")], {seat["id"] for seat in seats}
    need(like(p, "params") and (p["v"], p["mode"], p["suite"]) == (2, "draw", "P256-SHA256-A256GCM")
         and 2 <= p["m"] < len(seats) == len(ids) <= 9 and all(like(seat, "holder") for seat in seats) and all(map(point, keys))
         and len(set(keys)) == len(keys) and p["deadline"] == p["unlock_until"] < p["release_until"], "params: fields")
    need(sha(canon(p)).hex() == n["params"], "params")
    need((p["opening"], p["deadline"]) == (n["opening"], n["close"]), "params.opening")
    need(len(b["joins"]) == len(seats) and all(like(join, "join") for join in b["joins"]), "joins: fields")
    base = sha(D, b"base\0", canon({**p, "holders": [seat["id"] for seat in seats]}))
    for s, j in zip(seats, b["joins"]):
        need(signed(s["sig"], D + b"join\0" + base + unhex(s["pk"] + s["sig"]), j["join"]), f"joins.{s['id']}")
        need(signed(s["pk"], D + b"ready\0" + base, j["ready"]), f"joins.{s['id']}.ready")
def check_logged(b, e, at):
    leaf, at = sha(b"\0", H("log", unhex(e["entry"]), unhex(e["rest"]))), f"{at}: not in the log before the close"
    root = climb(leaf, e["cell"], b["log_size"], [unhex(step) for step in e["path"]], at)
    need(b["log_size"] < 2**32 and H("log-head", b["log_size"], root).hex() == b["pool"]["log_root"], at)
    return H("cell", canon(e["body"]), unhex(e["salt"])).hex()
def check_withdrawal(b, e, at):
    w, body, key = e["withdrawal"], e["withdrawal"]["body"], e["body"].get("account", "")
    fits = check_logged(b, w, at) == w["entry"] and w["cell"] > e["cell"] and like(w, "withdrawal") and like(body, "withdraw")
    meant = ("withdraw", e["body"]["project"], e["body"]["firm"], e["entry"])
    need(fits and (body["kind"], body["project"], body["firm"], body["entry"]) == meant, f"{at}: for another entry")
    need(len({"w", "sig", "account"} & set(body)) == 1, f"{at}: fields")
    need("w" not in body or H("w", unhex(body["w"])).hex() == e["body"]["w"], f"{at}: secret does not match")
    need(not key or "sig" not in body or signed(key, H("withdraw", unhex(e["entry"])), body["sig"]), f"{at}: secret does not match")
def check_registration(b, n, e, at):
    body, number = e["body"], check_logged(b, e, at)
    need(like(body, "register") and body["kind"] == "register" and ("cert" in body) != ("account" in body), f"{at}.body: fields")
    need(number == e["entry"], f"{at}: entry")
    statement = H("statement", canon({name: body[name] for name in body if name != "statement_sig"}))
    need(body["project"] == n["project"], f"{at}.project")
    need("cert" in body or signed(body["account"], statement, body["statement_sig"]), f"{at}.statement_sig")
    return body["firm"], number
def check_entries(b, n):
    """entry → label of all that were not withdrawn, and entry → status."""
    labels, statuses, last, facts = {}, {}, "", dict(b.get("facts", []))
    if "facts" in b:
        need(H("facts", canon(b["facts"])).hex() == b["pool"]["facts"] and ascending([f[0] for f in b["facts"]]), "facts")
        need(n["capacity"] >= 2 * len(facts), "notice.capacity")
    for i, e in enumerate(b.get("entries", [])):
        at, who = f"entries[{i}]", f"entries[{i}].{'firm' if n['kind'] == 'registration' else 'person'}"
        need(like(e, n["kind"]), f"{at}: fields")
        if n["kind"] == "registration":
            label, number = check_registration(b, n, e, at)
        else:
            label = e.get("person") or e["bid"]
            number = (H("expert", n["project"], label, unhex(e["salt"])) if "person" in e else H("tie", unhex(label))).hex()
        need(number == e["entry"], f"{at}: entry")
        need(number > last, f"{at}: order or duplicate")
        need("facts" not in b or label in facts, f"{who}: not in the library")
        if "withdrawal" in e:
            check_withdrawal(b, e, f"{at}.withdrawal")
        need("withdrawal" in e or label not in labels.values(), f"{who}: twice")
        need(e["status"] == (facts[label] if "facts" in b else "eligible"), f"{at}.status")
        last, live = number, [] if "withdrawal" in e else [number]
        labels.update(dict.fromkeys(live, label))
        statuses.update(dict.fromkeys(live, e["status"]))
    return labels, statuses
