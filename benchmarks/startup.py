"""How long it takes until something happens: the help, the import, the first face.

Each runs in a process of its own; what an empty Python takes stands first.

Run: python benchmarks/startup.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from measure import interleaved

FIRST_FACE = """
import numpy as np
import fabnet
fabnet.load("small").embed(np.zeros((1, 256, 256, 3), dtype=np.uint8))
"""
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import fabnet": [sys.executable, "-c", "import fabnet"],
    "fabnet --help": [sys.executable, "-m", "fabnet", "--help"],
    'fabnet.load("small"), one face': [sys.executable, "-c", FIRST_FACE],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()

    def run(command: list[str]) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    work = {name: lambda command=command: run(command) for name, command in COMMANDS.items()}
    print("| what | seconds, median [range] | beyond an empty Python |\n|---|---|---|")
    timings = interleaved(work, rounds=options.rounds, warm_up=1, at_least_s=0)
    for name, timing in timings.items():
        low, high = min(timing.seconds), max(timing.seconds)
        beyond = timing.median - timings["python -c pass"].median
        print(f"| {name} | {timing.median:.3f} [{low:.3f}, {high:.3f}] | {beyond:.3f} |")


if __name__ == "__main__":
    main()
