"""Fits a face reader of the pupil's embedding to the teacher's readings.

Everything that has to hold for other people is chosen on folds of people that a fit leaves out: the penalties, the
steepness of probabilities, the half-widths and the distance beyond which a face is unlike.

Letters: N faces, D numbers of an embedding, K outputs of the tasks, P half-widths.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from fabnet.encoders.face_reader import LANDMARKS, FaceReader, ReaderTask
from fabnet.encoders.readings import softmax
from fabnet.teaching.certainty import half_widths, whitening
from fabnet.teaching.lessons import BESIDE, FAR, NEAR, Lessons
from fabnet.teaching.waves import NUM_WAVES, Linear, Moments, Waves

__all__ = ["fit_reader", "output_slices"]

FOLDS = 4
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
PENALTY = 1e-2
"""Of the maps that say where the face lies, whether there is one, and whether it is covered."""
READ_LOOK = 1
"""The look at which readings are judged: near the canonical window, as reading leaves it."""
TURN_DEG = 40.0
"""Turned heads, which are few, count more: twice at this yaw."""
FAR_QUANTILE = 0.99
FACE_LOGIT = 8.0
"""Log-odds of a face where the map of shown and other windows, 1 and -1, gives 1: about what the shipped readers give,
so that what surely is a face for them (`canonical.SURE`) is for pupils, too."""
STEEPNESS = (0.5, 4.0)
"""Least and largest factor of log-odds."""


class _Cross(NamedTuple):
    """What is known of faces that a fit left out.

    Attributes:
        outputs: (N, K) of the tasks at `READ_LOOK`, by maps fitted on other people.
        distance: (N,) from the other people's embeddings.
        penalties: by task, the best penalty.
    """

    outputs: np.ndarray
    distance: np.ndarray
    penalties: list[float]


def output_slices(tasks: tuple[ReaderTask, ...]) -> dict[str, slice]:
    """The outputs of each task among those of all tasks."""
    ends = np.cumsum([0, *(len(task.columns) for task in tasks)]).tolist()
    return {task.name: slice(*ends[number : number + 2]) for number, task in enumerate(tasks)}


def fit_reader(
    learned: Lessons, person: np.ndarray, teacher: FaceReader, *, digest: str, taught: dict[str, Any]
) -> FaceReader:
    """Fit a face reader.

    Args:
        learned: from `lessons`; faces out of range teach only whether a face is covered.
        person: (N,) who each face is, two people or more.
        teacher: whose readings are learned.
        digest: of the pupil.
        taught: as in `FaceReader`.
    """
    use = learned.out_of_range == ""
    covered = use | (learned.out_of_range == "covered")
    own, who = learned.at(np.flatnonzero(use)), person[use]
    waves = Waves.like(own.x[:, 0].astype(np.float64))
    outputs_of = output_slices(teacher.tasks)
    yaw = own.targets[:, outputs_of["pose"]][:, list(_task(teacher, "pose").columns).index("pose_yaw_deg")]
    weights = 1 + np.square(yaw / TURN_DEG)
    weights /= weights.sum()
    cross, moments, scale = _crossed(own, who, teacher, waves, weights)
    tasks = _joined([_scaled(moments.solved(waves, penalty), scale).part(outputs_of[task.name])
                     for task, penalty in zip(teacher.tasks, cross.penalties, strict=True)])  # fmt: skip
    factor, shift = _steepness(cross.outputs, _targets(own, READ_LOOK, outputs_of), teacher, weights)
    tasks = Linear(tasks.coef * factor, tasks.intercept * factor + shift, tasks.weights_of_waves(0) * factor)
    maps = _joined([*_placing(own, waves), _covering(learned.at(np.flatnonzero(covered)), waves), tasks])
    shown = own.x[:, : READ_LOOK + 1].reshape(-1, own.x.shape[2]).astype(np.float64)
    mean, whiten = whitening(shown, np.full(len(shown), 1 / len(shown)))
    off = cross.outputs - _targets(own, READ_LOOK, outputs_of)
    at, wider = outputs_of[LANDMARKS], float(np.median(own.sides(0) / own.teacher_sides))
    off[:, at] *= own.sides(READ_LOOK)[:, None] / 2
    arrays = {
        "coef": maps.coef, "waves": waves.directions, "phases": waves.phases,
        "wave_coef": maps.weights_of_waves(NUM_WAVES), "intercept": maps.intercept, "mean": mean, "whiten": whiten,
        "limits": np.array([np.quantile(cross.distance, FAR_QUANTILE), teacher.limits[1] * wider]),
        **half_widths(teacher, own.seen, cross.distance, off, own.half_widths, wider),
    }  # fmt: skip
    arrays = {name: np.ascontiguousarray(values, np.float32) for name, values in arrays.items()}
    version = hashlib.sha256(b"".join(values.tobytes() for values in arrays.values())).hexdigest()[:8]
    return FaceReader(teacher.tasks, digest, f"taught-{version}", **arrays, taught=taught, errors={})


def _task(reader: FaceReader, name: str) -> ReaderTask:
    return next(task for task in reader.tasks if task.name == name)


def _targets(own: Lessons, look: int, outputs_of: dict[str, slice]) -> np.ndarray:
    """(N, K) targets in a look: points in half sides of its window, from its middle."""
    targets, at = own.targets.copy(), outputs_of[LANDMARKS]
    box = own.boxes[:, look].astype(np.float64)
    middle, sides = (box[:, :2] + box[:, 2:]) / 2, box[:, 2] - box[:, 0]
    points = (targets[:, at].reshape(len(box), -1, 2) - middle[:, None]) / sides[:, None, None] * 2
    targets[:, at] = points.reshape(len(box), -1)
    return targets


def _crossed(
    own: Lessons, person: np.ndarray, teacher: FaceReader, waves: Waves, weights: np.ndarray
) -> tuple[_Cross, Moments, np.ndarray]:
    """Read faces by maps fitted on other people; also the sums over all, and the (K,) scale of the targets in them."""
    names, codes = np.unique(person.astype(str), return_inverse=True)
    fold = codes % min(FOLDS, len(names))
    outputs_of = output_slices(teacher.tasks)
    looked = {look: _targets(own, look, outputs_of) for look in NEAR}
    scale = np.maximum(np.concatenate(list(looked.values())).std(axis=0), 1e-6)
    parts = []
    for number in range(fold.max() + 1):
        at = fold == number
        of_looks = [Moments.of(waves, own.x[at, look], targets[at] / scale, weights[at])
                    for look, targets in looked.items()]  # fmt: skip
        parts.append(sum(of_looks[1:], of_looks[0]))
    total = sum(parts[1:], parts[0])
    outputs = np.empty((len(PENALTIES), *own.targets.shape))
    distance = np.empty(len(person))
    for number, part in enumerate(parts):
        at = fold == number
        x = own.x[:, READ_LOOK].astype(np.float64)
        for index, penalty in enumerate(PENALTIES):
            outputs[index, at] = _scaled((total - part).solved(waves, penalty), scale).with_waves(x[at], waves)
        rest = own.x[~at][:, : READ_LOOK + 1].reshape(-1, x.shape[1]).astype(np.float64)
        mean, whiten = whitening(rest, np.full(len(rest), 1 / len(rest)))
        distance[at] = np.linalg.norm((x[at] - mean) @ whiten, axis=1)
    wrong = np.einsum("pnk,n->pk", np.square((outputs - looked[READ_LOOK]) / scale), weights)
    best = [int(wrong[:, outputs_of[task.name]].mean(axis=1).argmin()) for task in teacher.tasks]
    chosen = [outputs[index][:, outputs_of[task.name]] for index, task in zip(best, teacher.tasks, strict=True)]
    return _Cross(np.concatenate(chosen, axis=1), distance, [PENALTIES[index] for index in best]), total, scale


def _scaled(fitted: Linear, scale: np.ndarray) -> Linear:
    return Linear(fitted.coef * scale, fitted.intercept * scale, fitted.weights_of_waves(0) * scale)


def _joined(maps: list[Linear]) -> Linear:
    """One map to the outputs of several."""
    return Linear(
        np.concatenate([each.coef for each in maps], axis=1),
        np.concatenate([each.intercept for each in maps]),
        np.concatenate([each.weights_of_waves(NUM_WAVES) for each in maps], axis=1),
    )


def _placing(own: Lessons, waves: Waves) -> list[Linear]:
    """Where the face lies, and whether there is one."""
    window = own.boxes[:, 0].astype(np.float64)
    sums, face = [], []
    ones = np.ones(len(window))
    for look in FAR:
        box = own.boxes[:, look].astype(np.float64)
        sides = box[:, 2] - box[:, 0]
        shift = ((window[:, :2] + window[:, 2:]) - (box[:, :2] + box[:, 2:])) / 2 / sides[:, None]
        target = np.concatenate([shift, np.log((window[:, 2] - window[:, 0]) / sides)[:, None]], axis=1)
        sums.append(Moments.of(waves, own.x[:, look], target, ones))
        face.append(Moments.of(waves, own.x[:, look], ones[:, None], ones))
    face.append(Moments.of(waves, own.x[:, BESIDE], -ones[:, None], ones * len(FAR)))
    index = sum(sums[1:], sums[0]).solved(waves, PENALTY)
    return [index, _scaled(sum(face[1:], face[0]).solved(waves, PENALTY), np.array([FACE_LOGIT]))]


def _covering(known: Lessons, waves: Waves) -> Linear:
    """Whether the face is covered: as many faces as the teacher says, those that look most so."""
    sums = [Moments.of(waves, known.x[:, look], known.covered[:, None], np.ones(len(known.rows))) for look in NEAR]
    made = sum(sums[1:], sums[0]).solved(waves, PENALTY)
    share = float((known.covered > 0).mean())
    given = np.sort(made.with_waves(known.x[:, READ_LOOK].astype(np.float64), waves)[:, 0])
    limit = given[-1] + given.std() if not share else np.quantile(given, 1 - share)
    return Linear(made.coef, made.intercept - limit, made.wave_coef)


def _steepness(
    outputs: np.ndarray, targets: np.ndarray, teacher: FaceReader, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(K,) factors and shifts with which probabilities of other people are as the teacher's."""
    factor, shift = np.ones(outputs.shape[1]), np.zeros(outputs.shape[1])
    for task, at in zip(teacher.tasks, output_slices(teacher.tasks).values(), strict=True):
        if task.kind == "classes":
            truth = softmax(targets[:, at])
            tried = np.geomspace(*STEEPNESS, 25)
            losses = [-(weights @ (truth * np.log(softmax(each * outputs[:, at]) + 1e-12)).sum(axis=1))
                      for each in tried]  # fmt: skip
            factor[at] = tried[int(np.argmin(losses))]
        elif task.kind == "probabilities":
            for index in range(at.start, at.stop):
                truth = 1 / (1 + np.exp(-targets[:, index]))
                factor[index], shift[index] = _logistic(outputs[:, index], truth, weights)
    return factor, shift


def _logistic(x: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Factor and shift of (N,) log-odds that bring them nearest to (N,) probabilities."""
    inputs = np.stack([x, np.ones(len(x))], axis=1)
    solution = np.array([1.0, 0.0])
    for _ in range(30):
        given = 1 / (1 + np.exp(-np.clip(inputs @ solution, -30, 30)))
        slope = inputs.T @ (weights * (given - truth)) + 1e-4 * (solution - [1.0, 0.0])
        curve = (inputs * (weights * np.maximum(given * (1 - given), 1e-6))[:, None]).T @ inputs + 1e-4 * np.eye(2)
        solution -= np.linalg.solve(curve, slope)
        solution[0] = np.clip(solution[0], *STEEPNESS)
    return float(solution[0]), float(solution[1])
