"""How long it takes until something happens: importing the package, and the command's help.

    python benchmarks/startup.py [RUNS]

Each figure is the median over fresh processes, with the smallest and the largest, in milliseconds; importing is given
over a bare interpreter. Machines differ: compare within one run.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

WHAT = {
    "python, nothing else": ["-c", "pass"],
    "import extract": ["-c", "import extract"],
    "from extract import extract": ["-c", "from extract import extract"],
    "extract --help": ["-m", "extract", "--help"],
    "import pydantic": ["-c", "import pydantic; pydantic.BaseModel"],
    "import openai": ["-c", "import openai"],
}


def seconds(args: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *args], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    times: dict[str, list[float]] = {name: [] for name in WHAT}
    for _ in range(runs):
        for name, args in WHAT.items():
            times[name].append(1000 * seconds(args))
    bare = statistics.median(times["python, nothing else"])
    for name, found in times.items():
        middle = statistics.median(found)
        spread = f"({min(found):.0f} to {max(found):.0f})"
        print(f"{name:28} {middle:7.0f} ms {spread}, {middle - bare:+5.0f} over bare Python")


if __name__ == "__main__":
    main()
