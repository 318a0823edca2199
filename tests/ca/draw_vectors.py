"""The published vectors of the primitives: seven firms, one project, three contributions."""

from ca import canonical
from ca.draws import chance
from ca.tagged import H

PROJECT = "DZ-2026-0001"
FIRMS = [f"91510000MA000000{i}X" for i in range(1, 8)]
BODIES = [canonical.encode({"firm": firm, "kind": "register", "project": PROJECT}) for firm in FIRMS]
ENTRIES = [H("cell", body, bytes([i]) * 32) for i, body in enumerate(BODIES, 1)]
ROOT = chance.pool_root(PROJECT, dict.fromkeys(ENTRIES, "eligible"), b"\x44" * 32, 16)
PC = H("pool", canonical.encode({"project": PROJECT, "root": ROOT.hex()}))
CONTRIBUTIONS = {"owner": b"\x11" * 32, "platform": b"\x22" * 32, "supervisor": b"\x33" * 32}
SEED = chance.seed_of(PC, CONTRIBUTIONS)
COUNTED = bytes(range(32))
