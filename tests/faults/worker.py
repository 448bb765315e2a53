"""Runs a verb in a fork of itself for each line that it reads, so that slow imports happen only once.

Only the forks use Lance, because Lance is not safe to fork once it has been used.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import cv2  # noqa: F401
import lance  # noqa: F401
import numpy as np  # noqa: F401
import torch

import fabnet
from fabnet.errors import FabnetError
from fabnet.ingest import import_folder, track  # noqa: F401
from fabnet.reading import embed  # noqa: F401
from fabnet.retrieval.search import search
from fabnet.training import train  # noqa: F401
from fabnet.upkeep import compact, remove  # noqa: F401


def work(verb: str, place: Path, given: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    if verb == "track":
        fabnet.track(given["videos"], place, fps=5.0, link_fps=10.0, size=64, num_workers=0)
    elif verb == "import":
        fabnet.import_folder(given["frames"], place, layout="identity/video", splits=given["splits"], num_workers=0)
    elif verb == "embed":
        fabnet.embed([given["store"]], place, model=given["run"], device="cpu", thumbnails=True)
    elif verb == "compact":
        fabnet.compact(place)
    elif verb == "remove":
        fabnet.remove(place, ["person1"])
    elif verb == "index":
        search(place, given["id"], index=True)
    else:
        fabnet.train(given["store"], place, resume=True, max_steps=14, device="cpu")


def main() -> None:
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        verb, place, given = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            said = ""
            try:
                with open(os.devnull, "w") as nowhere:  # the driver uses stdout for its protocol
                    os.dup2(nowhere.fileno(), 1)
                work(verb, Path(place), given)
            except FabnetError as error:
                said = f"{type(error).__name__}: {error}"
            except BaseException:
                said = "traceback: " + traceback.format_exc()
            os.write(writing, said.encode()[:60000])
            os._exit(1 if said else 0)
        os.close(writing)
        print(json.dumps(child), flush=True)
        with os.fdopen(reading, "rb") as pipe:
            text = pipe.read().decode()
        _, status = os.waitpid(child, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), text]), flush=True)


if __name__ == "__main__":
    main()
