"""Fits a face reader: where a face lies, whether there is one, its attributes, and how sure each is.

Everything is fitted on training people; figures on people held out are printed and written beside the reader. The map
of each attribute is linear in the embedding, and steady under other windows, brightness and framings (`linear`).

Run: python experiments/reader/fit.py MODEL --data DATA --work WORK --looks OUT --out reader.safetensors
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from calibration import platt, rescaled, temperature
from certainty import distance_map, fit_spread
from faces import EXPRESSIONS, Faces, arguments
from judge import judged
from linear import NUM_WAVES, Linear, Waves, logistic, ridge
from looks import COVERED, LOOKS, NO_FACE, TILTED, TURNED
from smile import said, smile_target
from sums import CANONICAL, GREY, NEAR, TIGHT, WEIGHTS, Looked, Sums, Target, changing, read_looks, waves_like
from units import fit_units

from fabnet.encoders.digest import model_digest
from fabnet.encoders.face_reader import FaceReader, ReaderTask, save_face_reader
from fabnet.encoders.load_encoder import load
from fabnet.faces.units import UNIT_COLUMNS, UNITS

VERSION = "5"
MIN_CROP_PX = 52
"""Side of a crop of a face of about 24 px: smaller faces are said to be small."""
SHOWN_LOOKS = (CANONICAL, NEAR, LOOKS.index("far"), GREY, TIGHT)
"""Looks that show what a face is."""
EXPERIMENTAL_UNITS = (20, 26)
NAMES = {"happiness": "happy", "sadness": "sad"}


def place_target(own: Looked, index: int) -> np.ndarray:
    """(N, 3) where the canonical window lies in a look: shift over its side, logarithm of the scale."""
    box, window = own.boxes[:, index], own.faces.heads.windows
    side = box[:, 2] - box[:, 0]
    middle = (box[:, :2] + box[:, 2:]) / 2
    return np.concatenate([(window[:, :2] - middle) / side[:, None], np.log(window[:, 2] / side)[:, None]], axis=1)


def points_target(points: dict[str, np.ndarray]) -> Target:
    """Gives (N, 136) points in half sides of a look's window, from its middle."""

    def target(own: Looked, index: int) -> np.ndarray:
        box = own.boxes[:, index]
        side, middle = box[:, 2] - box[:, 0], (box[:, :2] + box[:, 2:]) / 2
        return np.asarray(((points[own.faces.name] - middle[:, None]) / side[:, None, None] * 2).reshape(len(box), -1))

    return target


def numbers_target(own: Looked, index: int) -> np.ndarray:
    """(N, 6) pose and openings."""
    return np.concatenate([own.faces.heads.pose_deg, own.faces.heads.openings], axis=1)


def usual_points(sets: dict[str, Looked], data: Path) -> dict[str, np.ndarray]:
    """The 68 points of every face as the labels of YouTube Faces put them: a linear map of the mesh's points."""
    from fabnet.probes.protocols.youtube_faces import read_landmarks

    labels = read_landmarks(data / "youtube_faces" / "landmarks68.csv")
    own = sets["youtube_faces"].faces
    places = [i for i, name in enumerate(own.names) if name in labels and own.is_train[i]]

    def normal(faces: Faces, at: np.ndarray) -> np.ndarray:
        window = faces.heads.windows[at]
        return np.asarray(((faces.heads.points68[at] - window[:, None, :2]) / window[:, None, 2:]).reshape(len(at), -1))

    at = np.array(places)
    window = own.heads.windows[at]
    truth = (np.array([labels[str(own.names[i])] for i in places]) - window[:, None, :2]) / window[:, None, 2:]
    given = normal(own, at)
    to_labels = ridge(given, truth.reshape(len(at), -1) - given, np.ones(len(at)), penalty=1e-2)
    made = {}
    for name, each in sets.items():
        every = np.arange(len(each.faces.names))
        values = normal(each.faces, every)
        values = (values + to_labels(values)).reshape(len(every), 68, 2)
        made[name] = values * each.faces.heads.windows[:, None, 2:] + each.faces.heads.windows[:, None, :2]
    return made


Group = tuple[np.ndarray, float]
"""(N, F) embeddings or features, and the sum of their weights."""


def told_apart(positive: Sequence[Group], negative: Sequence[Group], *, penalty: float) -> Linear:
    """Log-odds of being of the positive groups."""
    groups = [*positive, *negative]
    x = np.concatenate([each for each, _ in groups])
    y = np.concatenate([np.full(len(each), float(i < len(positive))) for i, (each, _) in enumerate(groups)])
    weights = np.concatenate([np.full(len(each), share / len(each)) for each, share in groups])
    return logistic(x, y, weights, penalty=penalty, changing=np.zeros((x.shape[1],) * 2), steady=0.0)


def fit_face(sets: dict[str, Looked], others: dict[str, np.ndarray], waves: Waves) -> Linear:
    """Log-odds of a face that is not on its side or upside down; with waves, since a turned face looks like a face."""
    shown = np.concatenate([sets[name].x[sets[name].faces.is_train][:, SHOWN_LOOKS] for name in WEIGHTS])
    is_face = [
        (shown.reshape(-1, shown.shape[2]), 1.0),
        (of_kind(others, COVERED), 0.3),
        (of_kind(others, TILTED), 0.3),
    ]
    is_none = [(of_kind(others, NO_FACE), 1.0), (of_kind(others, TURNED), 0.3)]
    positive, negative = ([(waves.features(x), share) for x, share in groups] for groups in (is_face, is_none))
    return waves.unfolded(told_apart(positive, negative, penalty=1e-3))


def fit_covered(sets: dict[str, Looked], others: dict[str, np.ndarray]) -> Linear:
    """Log-odds of a covered face, less than zero for all but two in a thousand of the plain ones."""
    cmu = sets["cmu_faces"]
    shades = cmu.x[cmu.faces.is_train & (cmu.faces.labels["eyes"] == "sunglasses")][:, CANONICAL]
    eyed = cmu.x[cmu.faces.is_train & (cmu.faces.labels["eyes"] == "open")]
    usual = [sets[name].x[sets[name].faces.is_train] for name in ("youtube_faces", "clips", "mtfl")]
    plain, eyed = (x[:, (CANONICAL, NEAR, GREY)].reshape(-1, x.shape[2]) for x in (np.concatenate(usual), eyed))
    profiles = [
        each.x[each.faces.is_train & (np.abs(each.faces.heads.pose_deg[:, 2]) > 30)][:, CANONICAL]
        for each in (sets["mtfl"], sets["youtube_faces"])
    ]
    is_covered = [(of_kind(others, COVERED), 1.0), (shades, 0.5)]
    over = told_apart(is_covered, [(plain, 1.5), (eyed, 0.7), (np.concatenate(profiles), 0.7)], penalty=1e-4)
    scores = np.concatenate([over(plain)[:, 0], over(eyed)[:, 0]])
    return Linear(over.coef, over.intercept - np.quantile(scores, 0.998))


def of_kind(others: dict[str, np.ndarray], label: int) -> np.ndarray:
    """(N, D) embeddings of the other windows of training people with this label."""
    return np.asarray(others["embeddings"][others["is_train"] & (others["labels"] == label)], np.float64)


def fit_smile(sets: dict[str, Looked], sums: Sums) -> Linear:
    """Log-odds of a smile, calibrated on MTFL's training faces by maps that have not seen them."""
    mtfl = sets["mtfl"]
    label = said(mtfl)
    use = mtfl.faces.is_train & (label != 0)
    scores = sums.unseen("smile", mtfl, NEAR)[use, 0]
    return rescaled(sums.fit("smile"), *platt(scores, label[use], np.ones(use.sum())))


def fit_expression(fer: Looked) -> Linear:
    """Logits of FER+'s eight classes, as common as there, calibrated on a fold that the map has not seen."""
    from sklearn.linear_model import LogisticRegression

    train = fer.faces.is_train & (fer.faces.labels["agreement"] >= 0.4)
    classes = fer.faces.labels["expression"]

    def fit(use: np.ndarray) -> Linear:
        x = np.concatenate([fer.x[use][:, index] for index in (CANONICAL, NEAR)])
        scale = x.std(axis=0).mean()
        model = LogisticRegression(C=0.3, max_iter=300, tol=1e-3)
        model.fit((x - x.mean(axis=0)) / scale, np.tile(classes[use], 2))
        coef = model.coef_.T / scale
        return Linear(coef, model.intercept_ - x.mean(axis=0) @ coef)

    unseen = fer.faces.is_train & (fer.folds == 0)
    logits = fit(train & (fer.folds != 0))(fer.x[unseen][:, NEAR])
    return rescaled(fit(train), temperature(logits, classes[unseen]))


def main() -> None:
    """Fit, measure on people held out, and write."""
    options = arguments(__doc__, "looks", "out")
    side = load(options.model).card.window[2]
    sets = read_looks(options.data, options.work, options.looks, side)
    others = dict(np.load(options.looks / "others.npz"))
    waves = waves_like(sets)
    points = usual_points(sets, options.data)
    targets: dict[str, Target] = {
        "place": place_target, "points": points_target(points), "numbers": numbers_target,
        "smile": smile_target(sets),
    }  # fmt: skip
    sums = Sums(sets, waves, targets)
    place, landmarks, values = (sums.fit(name) for name in ("place", "points", "numbers"))
    face, covered = fit_face(sets, others, waves), fit_covered(sets, others)
    smile, expression = fit_smile(sets, sums), fit_expression(sets["ferplus"])
    changes = changing(sets)
    units, figures, common = fit_units(sets, changes)
    names_of_units = dict(zip(UNITS, UNIT_COLUMNS, strict=True))
    usual = [unit for unit in UNITS if unit not in EXPERIMENTAL_UNITS]
    mesh = "MediaPipe's face mesh on training people of YouTube Faces, clips, cmu_faces, MTFL and FER+"
    tasks_maps = [
        (ReaderTask("landmarks68", "points", tuple(f"{axis}{i}" for i in range(68) for axis in "xy"), mesh), landmarks),
        (ReaderTask("pose", "values", ("pose_roll_deg", "pose_pitch_deg", "pose_yaw_deg"), mesh),
         values.part(slice(0, 3))),
        (ReaderTask("openings", "values", ("mouth_opening", "mouth_width", "eyes_opening"), mesh),
         values.part(slice(3, 6))),
        (ReaderTask("smile", "probabilities", ("smile",), "MTFL, FER+ and cmu_faces"), smile),
        (ReaderTask("expression", "classes", tuple(f"expression_{NAMES.get(name, name)}" for name in EXPRESSIONS),
                    "FER+"), expression),
        (ReaderTask("units", "probabilities", tuple(names_of_units[unit] for unit in usual),
                    "CK+, with FER+, MTFL, clips"),
         Linear(np.concatenate([units[unit].coef for unit in usual], axis=1),
                np.concatenate([units[unit].intercept for unit in usual]))),
        (ReaderTask("units_experimental", "probabilities", tuple(names_of_units[unit] for unit in EXPERIMENTAL_UNITS),
                    "CK+", is_experimental=True),
         Linear(np.concatenate([units[unit].coef for unit in EXPERIMENTAL_UNITS], axis=1),
                np.concatenate([units[unit].intercept for unit in EXPERIMENTAL_UNITS]))),
    ]  # fmt: skip
    maps = [place, face, covered, *(each for _, each in tasks_maps)]
    mean, whiten, far = distance_map(sets)
    reader = FaceReader(
        tuple(task for task, _ in tasks_maps), model_digest(options.model), VERSION,
        coef=np.concatenate([each.coef for each in maps], axis=1).astype(np.float32),
        waves=waves.directions.astype(np.float32), phases=waves.phases.astype(np.float32),
        wave_coef=np.concatenate([each.weights_of_waves(NUM_WAVES) for each in maps], axis=1).astype(np.float32),
        intercept=np.concatenate([each.intercept for each in maps]).astype(np.float32),
        mean=mean.astype(np.float32), whiten=whiten.astype(np.float32),
        limits=np.array([far, MIN_CROP_PX * side], np.float32),
        signs_mean=np.zeros(8, np.float32), signs_scale=np.ones(8, np.float32), spread=np.zeros((9, 7), np.float32),
    )  # fmt: skip
    reader = fit_spread(reader, sets, targets, sums, waves)
    figures |= judged(reader, sets, others, points, common)
    reader = replace(reader, errors=figures["errors by group"])
    save_face_reader(reader, options.out)
    options.out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
