"""Figures of a face reader on the people held out of the sets that it was fitted to.

Intervals are of 95 %, by bootstrap over people (over pictures in MTFL and FER+, whose people are unnamed).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from calibration import reliability
from certainty import SETS, seen_of
from faces import EXPRESSIONS
from geometry import Heads
from linear import auc, logistic
from looks import COVERED, NO_FACE, TILTED, TURNED
from smile import said
from sums import CANONICAL, NEAR, Looked
from units import neutral

from fabnet.encoders.face_reader import COVERED as COVERED_OUTPUT
from fabnet.encoders.face_reader import FACE, FaceReader

VALUES = ("pose_roll_deg", "pose_pitch_deg", "pose_yaw_deg", "mouth_opening", "mouth_width", "eyes_opening")
RESAMPLES = 300
ALONE_PENALTY = 0.3
"""Penalty of the probes on CK+ alone: the best of 3e-4 to 0.3 on the training folds."""
TURNS = (0, 15, 30, 45, 65, 180)
"""Bounds of bins of yaw in degrees; by the labels, so that a reading that is wrong cannot choose its bin."""
SIDES = (0, 36, 64, 128, 4000)
"""Bounds of bins of the window's side in pixels."""
LEAST = 15
"""Bins of fewer faces are left out."""


class Held:
    """The people held out of a set, as the reader reads them."""

    def __init__(self, reader: FaceReader, own: Looked, points: np.ndarray, use: np.ndarray | None = None) -> None:
        self.use = ~own.faces.is_train if use is None else use
        self.own, self.people = own, own.faces.people[self.use]
        seen = seen_of(own, self.use)
        self.read, self.sides = reader.columns(seen), seen.boxes_px[:, 2] - seen.boxes_px[:, 0]
        self.brightness = seen.brightness
        heads: Heads = own.faces.heads
        truth = np.concatenate([heads.pose_deg, heads.openings], axis=1)[self.use]
        self.yaw = np.abs(truth[:, 2])
        self.errors = {name: np.abs(self.read[name] - truth[:, place]) for place, name in enumerate(VALUES)}
        self.inside = {name: self.errors[name] <= self.read[f"{name}_pm"] for name in VALUES}
        self.truth = truth
        far = np.linalg.norm(self.read["landmarks68_px"].reshape(-1, 68, 2) - points[self.use], axis=2).mean(axis=1)
        self.inside["points"] = far <= self.read["landmarks68_pm_px"]
        self.points = far / np.linalg.norm(points[self.use][:, 36] - points[self.use][:, 45], axis=1)


def interval(people: np.ndarray, value: Callable[[np.ndarray], float]) -> list[float]:
    """A figure of rows, and its interval by drawing people.

    Args:
        people: (N,) who each row shows.
        value: the figure of the rows at some indices.
    """
    names, own = np.unique(people, return_inverse=True)
    rows = np.argsort(own, kind="stable")
    starts = np.searchsorted(own[rows], np.arange(len(names) + 1))
    rng, drawn = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        chosen = rng.integers(0, len(names), len(names))
        drawn.append(value(np.concatenate([rows[starts[each] : starts[each + 1]] for each in chosen])))
    figures = (value(np.arange(len(people))), *np.nanquantile(drawn, (0.025, 0.975)))
    return [round(float(each), 4) for each in figures]


def mean_interval(people: np.ndarray, values: np.ndarray) -> list[float]:
    """Mean with its interval."""
    return interval(people, lambda at: float(values[at].mean()))


def auc_interval(people: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> list[float]:
    """AUC with its interval."""

    def value(at: np.ndarray) -> float:
        return auc(labels[at], scores[at]) if 0 < labels[at].sum() < len(at) else float("nan")

    return interval(people, value)


def judged(
    reader: FaceReader, sets: dict[str, Looked], others: dict[str, np.ndarray], points: dict[str, np.ndarray],
    common: dict[str, float],
) -> dict[str, Any]:  # fmt: skip
    """All figures; the share of faces in which each unit is present, as its probability assumes, is given."""
    held = {name: Held(reader, own, points[name]) for name, own in sets.items()}
    figures: dict[str, Any] = {}
    for name in SETS:
        figures |= by_set(name, held[name])
    figures |= by_bins([held[name] for name in SETS])
    figures |= faces_or_not(reader, held, others)
    figures |= smiles(held)
    figures |= units(held, sets, common)
    figures |= straight_heads(held["cmu_faces"])
    figures["errors by group"] = by_group(held["mtfl"], [held[name] for name in SETS])
    return figures


def by_set(name: str, own: Held) -> dict[str, Any]:
    """Errors, and shares inside the half-widths, on rows in range; shares inside on all rows."""
    use = own.read["in_range"]
    figures: dict[str, Any] = {f"{name}: in range": round(float(use.mean()), 3)}
    for place, value in enumerate(VALUES):
        key = f"{name}: {value}: mean error, inside, median half-width, correlation, inside of all rows"
        figures[key] = [
            round(float(each), 3)
            for each in (own.errors[value][use].mean(), own.inside[value][use].mean(),
                         np.median(own.read[f"{value}_pm"][use]),
                         np.corrcoef(own.read[value], own.truth[:, place])[0, 1], own.inside[value].mean())
        ]  # fmt: skip
    figures[f"{name}: points: error over the eyes' distance, inside, inside of all rows"] = [
        round(float(each), 4)
        for each in (own.points[use].mean(), own.inside["points"][use].mean(), own.inside["points"].mean())
    ]
    return figures


def by_bins(held: list[Held]) -> dict[str, Any]:
    """Share inside the half-widths by turn and size: rows in range, all rows, faces in range, all faces."""
    figures: dict[str, Any] = {}
    yaw, sides = (np.concatenate([getattr(own, name) for own in held]) for name in ("yaw", "sides"))
    use = np.concatenate([own.read["in_range"] for own in held])
    for kind, values, bounds in (("yaw", yaw, TURNS), ("window's side in px", sides, SIDES)):
        for low, high in pairwise(bounds):
            own = (values >= low) & (values < high)
            if own.sum() < LEAST:
                continue
            for name in (*VALUES[:3], "mouth_opening", "eyes_opening", "points"):
                inside = np.concatenate([each.inside[name] for each in held])
                figures[f"inside, {kind} {low} to {high}: {name}"] = [
                    None if (own & use).sum() < LEAST else round(float(inside[own & use].mean()), 3),
                    round(float(inside[own].mean()), 3), int((own & use).sum()), int(own.sum()),
                ]  # fmt: skip
    small = np.concatenate([own.read["pose_yaw_deg_pm"] for own in held])[use]
    figures["half-widths of yaw in range: share under 15 degrees"] = round(float((small < 15).mean()), 3)
    return figures


def faces_or_not(reader: FaceReader, held: dict[str, Held], others: dict[str, np.ndarray]) -> dict[str, Any]:
    """Whether faces are told from other windows, and covered ones from whole ones."""
    use = ~others["is_train"]
    outputs, labels = reader.outputs(others["embeddings"][use]), others["labels"][use]
    shown = np.concatenate([
        reader.outputs(held[name].own.x[held[name].use][:, CANONICAL]) for name in ("youtube_faces", "clips")
    ])  # fmt: skip
    return {
        "face: shown faces taken for one": float((shown[:, FACE] > 0).mean()),
        "face: other windows taken for one": float((outputs[labels == NO_FACE, FACE] > 0).mean()),
        "face: tilted faces taken for one": float((outputs[labels == TILTED, FACE] > 0).mean()),
        "face: faces on their side or upside down taken for one": float((outputs[labels == TURNED, FACE] > 0).mean()),
        "covered: covered faces said to be": float((outputs[labels == COVERED, COVERED_OUTPUT] > 0).mean()),
        "covered: plain faces said to be": float((shown[:, COVERED_OUTPUT] > 0).mean()),
    }


def straight_heads(cmu: Held) -> dict[str, Any]:
    """Spread of pitch over people who were told to look straight ahead: by the mesh, and as read."""
    labels = cmu.own.faces.labels
    at = np.flatnonzero(((labels["turn"] == "straight") & (labels["eyes"] == "open"))[cmu.use])
    figures = {}
    for name, pitch in (("by the mesh", cmu.truth[at, 1]), ("as read", cmu.read["pose_pitch_deg"][at])):

        def spread(rows: np.ndarray, pitch: np.ndarray = pitch) -> float:
            return float(pitch[rows].std())

        figures[f"cmu_faces, pitch of {len(at)} straight heads, spread, {name}"] = interval(cmu.people[at], spread)
    return figures


def smiles(held: dict[str, Held]) -> dict[str, Any]:
    """AUC and calibration of smile, and calibration of the likeliest expression."""
    figures: dict[str, Any] = {}
    for name in ("mtfl", "cmu_faces", "ferplus"):
        own = held[name]
        label = said(own.own)[own.use]
        at = label != 0
        figures[f"smile: AUC, {name}"] = auc_interval(own.people[at], label[at] > 0, own.read["smile"][at])
        figures[f"smile: reliability, {name}"] = reliability(label[at] > 0, own.read["smile"][at])
    fer = held["ferplus"]
    classes = fer.own.faces.labels["expression"][fer.use]
    shares = np.stack([fer.read[name] for name in fer.read if name.startswith("expression_")], axis=1)
    assert shares.shape[1] == len(EXPRESSIONS)
    figures["expression: share right, ferplus"] = mean_interval(fer.people, shares.argmax(axis=1) == classes)
    figures["expression: reliability of the likeliest, ferplus"] = reliability(
        shares.argmax(axis=1) == classes, shares.max(axis=1)
    )
    return figures


def units(held: dict[str, Held], sets: dict[str, Looked], common: dict[str, float]) -> dict[str, Any]:
    """AUC, recall and false alarms of each unit on CK+'s people held out, beside a probe on CK+ alone; calibration."""
    figures: dict[str, Any] = {}
    ck, quiet = held["ckplus48"], neutral(sets, is_train=False)
    resting = [(own, use[held[own.faces.name].use], use) for own, use in quiet]
    size = ck.own.x.shape[2]
    recalls, alone, pairs = [], [], []
    for name in sorted(common):
        labels = ck.own.faces.labels[f"unit{int(name[2:])}"]
        label, now = labels[ck.use], ck.read[name]
        train = ~ck.use
        share = labels[train].mean()
        weights = np.where(labels[train] == 1, 0.5 / share, 0.5 / (1 - share))
        old = logistic(ck.own.x[train][:, CANONICAL], labels[train], weights, penalty=ALONE_PENALTY,
                       changing=np.zeros((size, size)), steady=0.0)  # fmt: skip
        before = old(ck.own.x[ck.use][:, NEAR])[:, 0]
        calm = [held[own.faces.name].read[name][at] for own, at, _ in resting]
        calm_before = [float((old(own.x[use][:, NEAR]) >= 0).mean()) for own, _, use in resting]
        recalls.append((now >= 0.5)[label == 1].mean())
        alone.append((before >= 0)[label == 1].mean())
        figures[f"{name}: AUC"] = auc_interval(ck.people, label, now)
        figures[f"{name}: recall, false alarms, on neutral faces; a probe on CK+ alone: the same, AUC"] = [
            round(float(each), 3)
            for each in (recalls[-1], (now >= 0.5)[label == 0].mean(), np.mean([(each >= 0.5).mean() for each in calm]),
                         alone[-1], (before >= 0)[label == 0].mean(), np.mean(calm_before), auc(label, before))
        ]  # fmt: skip
        said_all, is_shown = np.concatenate([now, *calm]), np.concatenate([label, *map(np.zeros_like, calm)])
        mix = np.concatenate([np.full(len(now), 1 / len(now)),
                              *(np.full(len(each), 1 / len(each) / len(calm)) for each in calm)])  # fmt: skip
        usual = np.average(is_shown, weights=mix)
        mix *= np.where(is_shown == 1, common[name] / usual, (1 - common[name]) / (1 - usual))
        pairs.append((is_shown, said_all, mix / mix.sum()))
    means = [round(float(np.mean(each)), 3) for each in (recalls, alone)]
    figures["units: mean recall; of a probe on CK+ alone"] = means
    figures["units: reliability"] = reliability(*(np.concatenate(each) for each in zip(*pairs, strict=True)))
    for own, at, _ in resting:
        read, people = held[own.faces.name].read, held[own.faces.name].people[at]
        present = np.mean([read[name][at] >= 0.5 for name in common], axis=0)
        figures[f"units present on neutral faces, {own.faces.name}"] = mean_interval(people, present)
    return figures


def by_group(mtfl: Held, held: list[Held]) -> dict[str, Any]:
    """Errors by sex (MTFL), brightness (MTFL) and size (all sets): mean with interval, and the number of faces."""
    sex = mtfl.own.faces.labels["sex"][mtfl.use]
    thirds = np.digitize(mtfl.brightness, np.quantile(mtfl.brightness, (1 / 3, 2 / 3)))
    groups = {"men": sex == "1", "women": sex == "2"}
    groups |= {name: thirds == place for place, name in enumerate(("darkest third", "middle third", "brightest third"))}
    label = said(mtfl.own)[mtfl.use]
    figures: dict[str, Any] = {}
    for name, use in groups.items():
        at = np.flatnonzero(use & (label != 0))
        figures[f"MTFL, {name}"] = errors_of([mtfl], [use]) | {
            "smile_auc": auc_interval(mtfl.people[at], label[at] > 0, mtfl.read["smile"][at])
        }
    for low, high in pairwise(SIDES):
        uses = [(own.sides >= low) & (own.sides < high) for own in held]
        if sum(use.sum() for use in uses) >= LEAST:
            figures[f"window of {low} to {high} px"] = errors_of(held, uses)
    return figures


def errors_of(held: list[Held], uses: list[np.ndarray]) -> dict[str, Any]:
    """Mean errors of some rows, with their intervals."""

    def joined(values: list[np.ndarray]) -> np.ndarray:
        return np.concatenate([each[use] for each, use in zip(values, uses, strict=True)])

    people = joined([own.people for own in held])
    values = {"yaw_deg": [own.errors["pose_yaw_deg"] for own in held],
              "pitch_deg": [own.errors["pose_pitch_deg"] for own in held],
              "points_percent": [100 * own.points for own in held]}  # fmt: skip
    made: dict[str, Any] = {"faces": len(people)}
    for name, each in values.items():
        made[name] = mean_interval(people, joined(each))
    return made
