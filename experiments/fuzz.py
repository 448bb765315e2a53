"""Bad input never crashes: mutated files go through the functions behind the verbs, in a process with limits.

Each file is a valid one with some bytes (or cells, or values) changed; the case number and the seed determine how.
Success or an error of `fabnet.errors` is allowed. Anything else is a finding: another exception, a dead process, more
than 1 GiB of memory, more than a minute. Findings are kept in RUNS with the file that caused them. The same command
resumes after an interrupt, also with a larger count.

Run: python experiments/fuzz.py --count 10000 --kind all --runs RUNS
One case again: python experiments/fuzz.py --kind video --runs RUNS --again 4711
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from fuzzing.samples import KINDS, write_samples
from fuzzing.workers import Outcome, Worker, chosen

from fabnet.files.output import written_whole
from fabnet.runtime.progress import progress

ALLOWED = ("done", "refused")
SAVED_EVERY = 100


def fuzz(kind: str, count: int, runs: Path, seed: int) -> dict[str, Any]:
    """Run the cases of a kind that have not run yet.

    Returns:
        The result so far, as in `RUNS/KIND.json`.
    """
    file, samples = runs / f"{kind}.json", runs / "samples" / kind
    result: dict[str, Any] = {"kind": kind, "seed": seed, "done": 0, "seconds": 0.0, "outcomes": {}, "findings": []}
    if file.is_file():
        result = json.loads(file.read_text())
        if result["seed"] != seed:
            raise SystemExit(f"{file} is of seed {result['seed']}: give that seed, or another --runs")
    write_samples(kind, samples)
    outcomes = Counter(result["outcomes"])
    began, before_s = time.monotonic(), result["seconds"]

    def save() -> None:
        result.update(outcomes=dict(outcomes), seconds=round(before_s + time.monotonic() - began, 1))
        with written_whole(file) as partial:
            partial.write_text(json.dumps(result, indent=1) + "\n")

    with tempfile.TemporaryDirectory() as place, Worker(kind, samples, Path(place), seed) as worker:
        for number in range(len(list(samples.iterdir()))):
            outcome = worker.run(-1 - number)
            assert outcome["outcome"] == "done", f"a valid sample is refused: {outcome}"
        with progress(f"fuzzing {kind}", total=count, unit="files") as bar:
            for number in range(result["done"], count):
                outcome = worker.run(number)
                outcomes[outcome["outcome"]] += 1
                if outcome["outcome"] not in ALLOWED:
                    result["findings"].append(outcome)
                    _keep(kind, outcome, runs, seed)
                result["done"] = number + 1
                bar.update(completed=number + 1, note=f"{len(result['findings'])} findings")
                if result["done"] % SAVED_EVERY == 0:
                    save()
    save()
    return result


def _keep(kind: str, outcome: Outcome, runs: Path, seed: int) -> None:
    _, file, data = chosen(kind, runs / "samples" / kind, outcome["number"], seed)
    place = runs / "findings" / kind
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{outcome['number']}-{file.name}").write_bytes(data)


def show(results: list[dict[str, Any]]) -> None:
    """Print a table of the outcomes, and the distinct findings."""
    print("| kind | files | taken | refused in one line | findings | files/s |\n|---|---|---|---|---|---|")
    for each in results:
        done, refused = (each["outcomes"].get(name, 0) for name in ALLOWED)
        rate = each["done"] / max(each["seconds"], 1e-9)
        print(f"| {each['kind']} | {each['done']:,} | {done:,} | {refused:,} | {len(each['findings'])} | {rate:.1f} |")
    for each in results:
        kinds = Counter((found["outcome"], found["what"].split(": ")[0]) for found in each["findings"])
        for (outcome, what), times in kinds.most_common():
            first = next(found for found in each["findings"] if found["what"].split(": ")[0] == what)
            print(f"{each['kind']}: {times} x {outcome}, as {first['number']} ({first['file']}): {first['what']}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=["all", *KINDS], default="all")
    parser.add_argument("--count", type=int, default=10_000, help="files of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, required=True, help="folder of results, samples and findings")
    parser.add_argument(
        "--again", type=int, nargs="+", metavar="CASE", help="do only these cases, and say how they end"
    )
    options = parser.parse_args()
    os.environ["MALLOC_ARENA_MAX"] = "2"  # of the processes to come: each arena would reserve address space
    kinds = list(KINDS) if options.kind == "all" else [options.kind]
    if options.again:
        samples = options.runs / "samples" / kinds[0]
        write_samples(kinds[0], samples)
        with tempfile.TemporaryDirectory() as place, Worker(kinds[0], samples, Path(place), options.seed) as worker:
            outcomes = [worker.run(number) for number in options.again]
        print(json.dumps(outcomes, indent=1))
        return int(any(outcome["outcome"] not in ALLOWED for outcome in outcomes))
    results = [fuzz(kind, options.count, options.runs, options.seed) for kind in kinds]
    show(results)
    return int(any(result["findings"] for result in results))


if __name__ == "__main__":
    raise SystemExit(main())
