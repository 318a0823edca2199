"""`make bench`: every measurement, one after the other, as a table and in bench/results.json.

Each is a ratio to a peer or a stated limit in the same run; absolute times mean nothing on a shared machine.
"""

import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
MEASUREMENTS = ["bench.ledger", "bench.recording"]


def main() -> None:
    """Run each in a process of its own; one that fails is named and the others still run."""
    found, failed = [], []
    for name in MEASUREMENTS:
        print(f"… {name}", file=sys.stderr)
        told = subprocess.run([sys.executable, "-m", name], cwd=HERE.parent, capture_output=True, text=True)
        if told.returncode == 0:
            found += json.loads(told.stdout)
        else:
            failed.append(name)
            print(told.stderr[-2000:], file=sys.stderr)
    table = Table("what", "value", "unit", "ratio", "limited by")
    for line in found:
        table.add_row(line["name"], str(line["value"]), line["unit"], str(line["ratio"]), str(line["limit"]))
    Console(width=160).print(table)
    (HERE / "results.json").write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
