"""Reads results of `fabnet probe --json` for the tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

from fabnet.errors import InputError
from fabnet.files.fields import LARGEST
from fabnet.files.limits import MAX_JSON_BYTES
from fabnet.files.places import as_place, fetched
from fabnet.files.unicode_text import read_unicode
from fabnet.paper.published import Role

__all__ = ["PLACES", "Place", "RunResult", "Score", "read_result"]


class Place(NamedTuple):
    """The place of a protocol's results in the tables.

    Attributes:
        table: number of the paper's table.
        data_set: name of the data set.
        task: task whose results are shown there; empty: any.
        stands_for: the paper's data set that this open one replaces; else empty.
    """

    table: int
    data_set: str
    task: str
    stands_for: str = ""


PLACES: dict[str, tuple[Place, ...]] = {
    "300w": (Place(1, "300-W", "landmarks68"),),
    "mafl": (Place(1, "MAFL", "landmarks5"),),
    "youtube-faces": (
        Place(1, "YouTube Faces", "landmarks68", "300-W"),
        Place(2, "YouTube Faces", "pose", "AFLW"),
    ),
    "mtfl": (Place(1, "MTFL", "landmarks5", "MAFL"),),
    "aflw": (Place(2, "AFLW", "pose"),),
    "aflw2000": (Place(2, "AFLW2000-3D", "pose", "AFLW"),),
    "biwi": (Place(2, "BIWI", "pose", "AFLW"),),
    "emotionet": (Place(3, "EmotioNet", ""),),
    "ckplus": (Place(3, "CK+", "", "EmotioNet"),),
    "affectnet": (Place(4, "AffectNet", ""),),
    "affectnet-all": (Place(4, "AffectNet, both halves", ""),),
    "ferplus": (Place(4, "FER+", "", "AffectNet"),),
    "rafdb": (Place(4, "RAF-DB", "", "AffectNet"),),
}

_IDENTITY_MODELS = ("vgg-face", "dlib-identity")
_TEXTS = ("protocol", "split", "model", "date", "fabnet")
_TEXTS_OR_NONE = ("objective", "data", "commit")
_COUNTS_OR_NONE = ("embedding_dim", "seeds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One number of a probe.

    Attributes:
        task: "landmarks68", "pose".
        metric: "error in degrees, yaw".
        value: the number; None if the metric is undefined, as the AUC of a class without faces.
        low: lower end of the 95 % interval; None if unknown.
        high: upper end of the 95 % interval; None if unknown.
        n: number of faces scored.
        people: number of people scored; None if unnamed.
        probe: "paper" or "ridge".
        headline: whether it is the task's headline figure.
    """

    task: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    people: int | None
    probe: str
    headline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One model on one protocol.

    Attributes:
        protocol: a key of `PLACES`.
        split: split that was scored.
        model: name of the model.
        embedding_dim: D; None if unknown.
        objective: training objective; None for a baseline that fabnet did not train.
        data: data that was scored, as named by the user.
        date: date of the run.
        commit: commit of the code; None if unknown.
        fabnet: version of fabnet.
        seeds: number of seeds averaged over.
        scores: the numbers.
    """

    protocol: str
    split: str
    model: str
    embedding_dim: int | None
    objective: str | None
    data: str | None
    date: str
    commit: str | None
    fabnet: str
    seeds: int | None
    scores: tuple[Score, ...]

    @property
    def role(self) -> Role | None:
        """The model's role in the paper's relations; None: none."""
        if self.objective in get_args(Role):
            return cast(Role, self.objective)
        return "identity" if self.model.startswith(_IDENTITY_MODELS) else None


def read_result(file: str | Path) -> RunResult:
    """Read a results file of `fabnet probe --json`. NaN counts as a missing number.

    Raises:
        InputError: the file is missing or not a JSON object, a key is missing or has another type, a number is too
            large, or the protocol is not in the paper's tables.
    """
    file = fetched(as_place(file))
    try:
        found = json.loads(read_unicode(file, MAX_JSON_BYTES), parse_constant=lambda _: None)
    except OSError as error:
        raise InputError(
            f"cannot read the results file {file}: {error.strerror}; write one with fabnet probe --json > FILE"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON ({error}); write one with fabnet probe --json > FILE") from None
    wanted = {
        **dict.fromkeys(_TEXTS, (str,)),
        **dict.fromkeys(_TEXTS_OR_NONE, (str, type(None))),
        **dict.fromkeys(_COUNTS_OR_NONE, (int, type(None))),
        "results": (list,),
    }
    _check(found, wanted, str(file))
    scores = [_score(each, f"{file}, result {number}") for number, each in enumerate(found["results"], start=1)]
    return RunResult(**{name: found[name] for name in wanted if name != "results"}, scores=tuple(scores))


def _score(found: Any, where: str) -> Score:
    number = (int, float, type(None))
    wanted: dict[str, tuple[type, ...]] = {
        "task": (str,),
        "metric": (str,),
        "value": number,
        "low": number,
        "high": number,
        "n": (int,),
        "people": (int, type(None)),
        "probe": (str,),
        "headline": (bool,),
    }
    _check(found, wanted, where)
    is_mean = found["metric"].lower() in ("auc, mean", "auc")
    if is_mean and found["value"] is not None and not 1 < found["value"] <= 100:
        raise InputError(f"{where}: AUC {found['value']}; expected per cent: 50 is chance, 100 is perfect")
    return Score(**{name: found[name] for name in wanted})


def _check(found: Any, wanted: dict[str, tuple[type, ...]], where: str) -> None:
    if not isinstance(found, dict):
        raise InputError(f"{where} is not a JSON object; expected the output of fabnet probe --json")
    for name, types in wanted.items():
        if name not in found:
            raise InputError(f"{where} lacks {name!r}; expected the output of fabnet probe --json")
        is_wrong_bool = isinstance(found[name], bool) and bool not in types
        if is_wrong_bool or not isinstance(found[name], types):
            names = " or ".join("null" if each is type(None) else each.__name__ for each in types)
            raise InputError(f"{where}: {name!r} is {json.dumps(found[name])}; expected {names}")
        if isinstance(found[name], int | float) and abs(found[name]) > LARGEST:
            raise InputError(f"{where}: {name!r} is {str(found[name])[:20]}...; expected numbers up to 2^53")
