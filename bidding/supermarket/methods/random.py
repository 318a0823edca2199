"""随机选取 Random selection: the order of the draw is the order of the firms.

Each eligible registrant is as likely as any other to stand at any place; the draw is fixed by the notice and
recomputed by anybody from the bundle (`draws.md`, 4).
"""

from collections.abc import Mapping
from typing import Any

PURPOSE = "select"


def order(told: Mapping[str, Any], firms: Mapping[str, str]) -> list[str]:
    """Credit codes in the order drawn. told: the bundle; firms: entry → credit code."""
    return [firms[entry] for entry in told["order"][PURPOSE]]
