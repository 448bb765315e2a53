"""The page's server: how long a first result takes, and many clients at once for a while.

Run: python benchmarks/serve.py EMB [--photo FILE] [--store STORE] [--clients 50] [--seconds 60]

Clients and server share the machine.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from measure import memory_mib


class Client:
    """A connection that is kept."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=120)

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """GET a path, or POST a body to it: the status and what came."""
        self._connection.request("GET" if body is None else "POST", path, body)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def latency(call: Callable[[], tuple[int, bytes]], times: int) -> str:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        status, _ = call()
        taken.append(1000 * (time.perf_counter() - began))
        assert status == 200, status
    low, high = np.percentile(taken, [50, 95])
    return f"first {taken[0]:.0f} ms, median {low:.0f} ms, 95 % under {high:.0f} ms, longest {max(taken):.0f} ms"


def load(address: str, process: int, rows: int, photo: bytes | None, clients: int, seconds: float) -> None:
    ends, answers, lock = time.monotonic() + seconds, Counter[object](), threading.Lock()
    taken: list[float] = []

    def one(seed: int) -> None:
        chance, client = random.Random(seed), Client(address)
        while time.monotonic() < ends:
            row, start = chance.randrange(rows), chance.randrange(max(1, rows - 100))
            path, body = chance.choice([
                (f"/api/v1/faces/{row}/thumbnail", None), (f"/api/v1/faces/{row}/thumbnail", None),
                (f"/api/v1/faces?start={start}", None), (f"/api/v1/faces/{row}/nearest", None),
                ("/api/v1/nearest", photo) if photo and chance.random() < 0.2 else ("/healthz", None),
            ])  # fmt: skip
            began = time.perf_counter()
            try:
                said: object = client.ask(path, body)[0]
            except (OSError, http.client.HTTPException) as error:
                said, client = type(error).__name__, Client(address)
            with lock:
                answers[said] += 1
                taken.append(1000 * (time.perf_counter() - began))

    threads = [threading.Thread(target=one, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    memory = []
    while time.monotonic() < ends:
        time.sleep(seconds / 6)
        memory.append(f"{memory_mib('now', process=process):.0f}")
    for thread in threads:
        thread.join()
    low, high = np.percentile(taken, [50, 99])
    print(f"{clients} clients, {seconds:.0f} s: {sum(answers.values()):,} requests, answers {dict(answers)}; "
          f"median {low:.0f} ms, 99 % under {high:.0f} ms")  # fmt: skip
    print(f"memory of the server meanwhile, MiB: {', '.join(memory)}; largest {memory_mib(process=process):.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    command = [sys.executable, "-m", "fabnet", "serve", str(options.data), "--port", "0"]
    command += ["--store", str(options.store)] if options.store else []
    began = time.perf_counter()
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        address = urlsplit(next(line for line in server.stderr if line.startswith("open ")).split()[1]).netloc
        client = Client(address)
        rows = json.loads(client.ask("/api/v1/dataset")[1])["rows"]
        ready_s, now_mib = time.perf_counter() - began, memory_mib("now", process=server.pid)
        print(f"{rows:,} rows; ready after {ready_s:.1f} s, {now_mib:.0f} MiB")
        chance = random.Random(0)
        print("nearest to a face:", latency(lambda: client.ask(f"/api/v1/faces/{chance.randrange(rows)}/nearest"), 100))
        print("a page of faces:", latency(lambda: client.ask(f"/api/v1/faces?start={chance.randrange(rows)}"), 100))
        print("a thumbnail:", latency(lambda: client.ask(f"/api/v1/faces/{chance.randrange(rows)}/thumbnail"), 300))
        print("the map, computed or kept:", latency(lambda: client.ask("/api/v1/map/pca"), 5))
        photo = options.photo.read_bytes() if options.photo else None
        if photo:
            print("nearest to a photo:", latency(lambda: client.ask("/api/v1/nearest", photo), 30))
        if options.clients:
            load(address, server.pid, rows, photo, options.clients, options.seconds)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
