"""Rows through where, unnest and a SQL join, without a model: time and memory as their number grows.

    python benchmarks/rows.py [ROWS ...]

Each number of rows (25,000, 100,000 and 400,000 if none are given) is a JSON Lines file of about 250 bytes a row, run
by `extract run` in a process of its own. Memory is that process's greatest; it should not grow with the rows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PIPELINE = """
name: rows
documents: {rows: rows.jsonl}
steps:
  - where: n % 10 != 0
  - unnest: lines
  - sql: >
      select f.town, r.company, count(*) as parts, sum(r.price) as spent
      from rows r join firms f on f.firm = r.company group by all order by all
    tables: {firms: firms.csv}
  - where: parts > 10
write: [out/towns.parquet]
"""


def make(folder: Path, rows: int) -> None:
    with (folder / "rows.jsonl").open("w") as file:
        for n in range(rows):
            lines = [{"name": f"part {i}", "price": i + 0.25} for i in range(n % 4)]
            file.write(json.dumps({"n": n, "company": f"firm {n % 997}", "lines": lines, "pad": "x" * 120}) + "\n")
    (folder / "firms.csv").write_text("firm,town\n" + "".join(f"firm {i},town {i % 50}\n" for i in range(997)))
    (folder / "rows.yaml").write_text(PIPELINE)


def measure(rows: int) -> tuple[float, float, float, dict[str, int]]:
    """Seconds by the clock and of processor time, the greatest memory in MB, and the last step's counts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, rows)
        began = time.perf_counter()
        command = [sys.executable, "-m", "extract", "run", "rows.yaml", "--run", "r", "--quiet"]
        process = subprocess.Popen(command, cwd=folder)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        account = json.loads((folder / "r" / "run.json").read_text())
        assert process.returncode == 0, account["stopped"]
        return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, account["steps"][-1]


def main() -> None:
    print("| rows | seconds | processor time a row | memory | rows at the end |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for rows in map(int, sys.argv[1:] or (25_000, 100_000, 400_000)):
        seconds, processor, memory, last = measure(rows)
        print(f"| {rows:,} | {seconds:.1f} | {1e6 * processor / rows:.0f} µs | {memory:.0f} MB | {last['out']:,} |")


if __name__ == "__main__":
    main()
