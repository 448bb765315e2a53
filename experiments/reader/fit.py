"""Fits a face reader: where a face lies, whether there is one, its attributes, and how sure each is.

Everything is fitted on training people; figures on people held out are printed and written beside the reader. The map
of each attribute is linear in the embedding, and steady under other windows, brightness and framings (`linear`).

Run: python experiments/reader/fit.py MODEL --data DATA --work WORK --looks OUT --out reader.safetensors
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from certainty import distance_map, fit_spread
from faces import EXPRESSIONS, SETS, UNITS, Faces, read_faces
from linear import NUM_WAVES, Linear, Waves, auc, logistic, ridge
from looks import COVERED, LOOKS, NO_FACE
from units import fit_units

from fabnet.encoders.digest import model_digest
from fabnet.encoders.face_reader import FaceReader, Task, save_face_reader
from fabnet.encoders.load_encoder import load

VERSION = "2"
CANONICAL, NEAR, GREY, TIGHT = 0, 1, LOOKS.index("grey"), LOOKS.index("tight")
STEADY_LOOKS = (1, 2, GREY, TIGHT)
MIN_CROP_PX = 52
"""Side of a crop of a face of about 24 px: smaller faces are said to be small."""
EXPERIMENTAL_UNITS = (20, 26)
NAMES = {"happiness": "happy", "sadness": "sad"}
TURN_DEG, WAVE_PENALTY = 40.0, 1e-2
WEIGHTS = {"youtube_faces": 1.0, "clips": 1.0, "cmu_faces": 0.5, "mtfl": 1.0, "ferplus": 0.5}
"""Share of a set in the fit of pose, points and openings."""


class Looked:
    """A set with its embeddings."""

    def __init__(self, faces: Faces, folder: Path) -> None:
        content = np.load(folder / f"looks-{faces.name}.npz")
        self.faces, self.x = faces, content["embeddings"].astype(np.float64)
        self.boxes = content["boxes"].astype(np.float64)

    def changes(self) -> np.ndarray:
        """(M, D) differences of embeddings of training faces between looks that show the same."""
        x = self.x[self.faces.is_train]
        return np.asarray((x[:, STEADY_LOOKS] - x[:, :1]).reshape(-1, x.shape[2]))


Target = Callable[[Looked, int], np.ndarray]
"""Gives the targets of a set's faces in the look of this index."""


def stacked(
    sets: dict[str, Looked], names: list[str], target: Target, looks: tuple[int, ...]
) -> tuple[np.ndarray, ...]:
    """Embeddings, targets and weights of training faces of some sets at some looks."""
    x, y, weights = [], [], []
    for name in names:
        own = sets[name]
        train = own.faces.is_train
        for index in looks:
            x.append(own.x[train][:, index])
            y.append(target(own, index)[train])
            weights.append(np.full(train.sum(), WEIGHTS[name] / train.sum() / len(looks)))
    return np.concatenate(x), np.concatenate(y), np.concatenate(weights)


def fit_waves(
    sets: dict[str, Looked], names: list[str], target: Target, looks: tuple[int, ...], waves: Waves, *, steady: float
) -> Linear:
    """Fit a map of embeddings and cosines; turned heads, which are few, count more."""
    x, y, weights = stacked(sets, names, target, looks)
    turns = np.concatenate([
        np.tile(sets[name].faces.heads.pose_deg[sets[name].faces.is_train][:, 2], len(looks)) for name in names
    ])  # fmt: skip
    own = [sets[name] for name in names]
    shown = [each.x[each.faces.is_train][::2] for each in own]
    changes = np.concatenate([
        waves.features(each[:, look]) - waves.features(each[:, 0]) for each in shown for look in STEADY_LOOKS
    ])  # fmt: skip
    scale = y.std(axis=0)
    fitted = ridge(waves.features(x), y / scale, weights * (1 + np.square(turns / TURN_DEG)), penalty=WAVE_PENALTY,
                   changes=changes, steady=steady)  # fmt: skip
    made = waves.unfolded(fitted)
    assert made.wave_coef is not None
    return Linear(made.coef * scale, made.intercept * scale, made.wave_coef * scale)


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
    to_labels = ridge(given, truth.reshape(len(at), -1) - given, np.ones(len(at)), penalty=1e-2,
                      changes=np.zeros((1, given.shape[1])), steady=0.0)  # fmt: skip
    made = {}
    for name, each in sets.items():
        every = np.arange(len(each.faces.names))
        values = normal(each.faces, every)
        values = (values + to_labels(values)).reshape(len(every), 68, 2)
        made[name] = values * each.faces.heads.windows[:, None, 2:] + each.faces.heads.windows[:, None, :2]
    return made


def fit_face(sets: dict[str, Looked], others: dict[str, np.ndarray], changes: np.ndarray) -> tuple[Linear, Linear]:
    """Log-odds of a face, and of one that is covered."""
    shown = np.concatenate([sets[name].x[sets[name].faces.is_train].reshape(-1, changes.shape[1]) for name in WEIGHTS])
    train, labels, hidden = others["is_train"], others["labels"], others["embeddings"].astype(np.float64)
    nothing, covered = hidden[train & (labels == NO_FACE)], hidden[train & (labels == COVERED)]
    cmu = sets["cmu_faces"]
    shades = cmu.x[cmu.faces.is_train & (cmu.faces.labels["eyes"] == "sunglasses")][:, CANONICAL]
    usual = [sets[name].x[sets[name].faces.is_train] for name in ("youtube_faces", "clips", "mtfl")]
    plain = np.concatenate([x[:, (CANONICAL, NEAR, GREY)].reshape(-1, x.shape[2]) for x in usual])

    def fit(positive: list[tuple[np.ndarray, float]], negative: list[tuple[np.ndarray, float]]) -> Linear:
        x = np.concatenate([each for each, _ in positive + negative])
        y = np.concatenate(
            [np.full(len(each), 1.0) for each, _ in positive] + [np.zeros(len(each)) for each, _ in negative]
        )
        weights = np.concatenate([np.full(len(each), share / len(each)) for each, share in positive + negative])
        return logistic(x, y, weights, penalty=1e-4, changes=changes, steady=0.0)

    face = fit([(shown, 1.0), (covered, 0.3)], [(nothing, 1.0)])
    eyed = cmu.x[cmu.faces.is_train & (cmu.faces.labels["eyes"] == "open")][:, (CANONICAL, NEAR, GREY)]
    eyed = eyed.reshape(-1, eyed.shape[2])
    turned = [each.x[each.faces.is_train & (np.abs(each.faces.heads.pose_deg[:, 2]) > 30)][:, CANONICAL]
              for each in (sets["mtfl"], sets["youtube_faces"])]  # fmt: skip
    over = fit([(covered, 1.0), (shades, 0.5)], [(plain, 1.5), (eyed, 0.7), (np.concatenate(turned), 0.7)])
    scores = np.concatenate([over(plain)[:, 0], over(eyed)[:, 0]])
    return face, Linear(over.coef, over.intercept - np.quantile(scores, 0.998))


def fit_smile(sets: dict[str, Looked], changes: np.ndarray) -> Linear:
    """Log-odds of a smile: MTFL's label, FER+'s happy and neutral faces, cmu_faces' happy and neutral ones."""
    mtfl, fer, cmu = sets["mtfl"], sets["ferplus"], sets["cmu_faces"]
    sure = fer.faces.labels["agreement"] >= 0.6
    parts = [
        (mtfl, mtfl.faces.labels["smile"], np.isfinite(mtfl.faces.labels["smile"]), 1.0),
        (fer, (fer.faces.labels["expression"] == 1).astype(float), sure & (fer.faces.labels["expression"] <= 1), 0.4),
        (cmu, (cmu.faces.labels["acted"] == "happy").astype(float),
         np.isin(cmu.faces.labels["acted"], ("happy", "neutral")), 0.2),
    ]  # fmt: skip
    x, y, weights = [], [], []
    for own, label, use, share in parts:
        use = use & own.faces.is_train
        for index in (CANONICAL, NEAR, TIGHT):
            positive = label[use].mean()
            x.append(own.x[use][:, index])
            y.append(label[use])
            weights.append(share / use.sum() * np.where(label[use] == 1, 0.5 / positive, 0.5 / (1 - positive)))
    return logistic(
        np.concatenate(x), np.concatenate(y), np.concatenate(weights), penalty=3e-5, changes=changes, steady=0.1
    )


def fit_expression(fer: Looked) -> Linear:
    """Logits of FER+'s eight classes, as common as there."""
    from sklearn.linear_model import LogisticRegression

    train = fer.faces.is_train & (fer.faces.labels["agreement"] >= 0.4)
    x = np.concatenate([fer.x[train][:, index] for index in (CANONICAL, NEAR)])
    scale = x.std(axis=0).mean()
    model = LogisticRegression(C=0.3, max_iter=300)
    model.fit((x - x.mean(axis=0)) / scale, np.tile(fer.faces.labels["expression"][train], 2))
    coef = model.coef_.T / scale
    return Linear(coef, model.intercept_ - x.mean(axis=0) @ coef)


def main() -> None:
    """Fit, measure on people held out, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--looks", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    side = load(options.model).card.window[2]
    sets = {name: Looked(read_faces(name, options.data, options.work, side), options.looks) for name in SETS}
    others = dict(np.load(options.looks / "others.npz"))
    changes = np.concatenate([sets[name].changes() for name in ("youtube_faces", "clips", "mtfl", "cmu_faces")])
    names = list(WEIGHTS)
    waves = Waves.like(np.concatenate([sets[name].x[sets[name].faces.is_train][:, 0] for name in names]))
    place = fit_waves(sets, names, place_target, (0, 1, 2, 3, 4), waves, steady=0.0)
    face, covered = fit_face(sets, others, changes)
    points = usual_points(sets, options.data)
    landmarks = fit_waves(sets, names, points_target(points), (0, 1, 2), waves, steady=0.0)
    values = fit_waves(sets, names, numbers_target, (0, 1, 2, GREY, TIGHT), waves, steady=0.1)
    smile, expression = fit_smile(sets, changes), fit_expression(sets["ferplus"])
    units = fit_units(sets, changes)
    names_of_units = {unit: f"AU{unit:02d}" for unit in UNITS}
    usual = [unit for unit in UNITS if unit not in EXPERIMENTAL_UNITS]
    mesh = "MediaPipe's face mesh on training people of YouTube Faces, clips, cmu_faces, MTFL and FER+"
    tasks_maps = [
        (Task("landmarks68", "points", tuple(f"{axis}{i}" for i in range(68) for axis in "xy"), mesh), landmarks),
        (Task("pose", "values", ("pose_roll_deg", "pose_pitch_deg", "pose_yaw_deg"), mesh),
         values.part(slice(0, 3))),
        (Task("openings", "values", ("mouth_opening", "mouth_width", "eyes_opening"), mesh),
         values.part(slice(3, 6))),
        (Task("smile", "probabilities", ("smile",), "MTFL, FER+ and cmu_faces"), smile),
        (Task("expression", "classes", tuple(f"expression_{NAMES.get(name, name)}" for name in EXPRESSIONS), "FER+"),
         expression),
        (Task("units", "probabilities", tuple(names_of_units[unit] for unit in usual), "CK+, with FER+, MTFL, clips"),
         Linear(np.concatenate([units[unit].coef for unit in usual], axis=1),
                np.concatenate([units[unit].intercept for unit in usual]))),
        (Task("units_experimental", "probabilities", tuple(names_of_units[unit] for unit in EXPERIMENTAL_UNITS), "CK+",
              is_experimental=True),
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
    reader, figures = fit_spread(reader, sets, points, waves)
    figures |= measured(sets, others, face, covered, smile, units)
    save_face_reader(reader, options.out)
    options.out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def measured(
    sets: dict[str, Looked], others: dict[str, np.ndarray], face: Linear, covered: Linear, smile: Linear,
    units: dict[int, Linear],
) -> dict[str, object]:  # fmt: skip
    """Figures on faces held out."""
    figures: dict[str, object] = {}
    held = ~others["is_train"]
    x, labels = others["embeddings"].astype(np.float64)[held], others["labels"][held]
    shown = np.concatenate(
        [sets[name].x[~sets[name].faces.is_train][:, CANONICAL] for name in ("youtube_faces", "clips")]
    )
    figures["face: shown faces taken for one"] = float((face(shown) > 0).mean())
    figures["face: other windows taken for one"] = float((face(x[labels == NO_FACE]) > 0).mean())
    figures["covered: covered faces said to be"] = float((covered(x[labels == COVERED]) > 0).mean())
    figures["covered: plain faces said to be"] = float((covered(shown) > 0).mean())
    mtfl, cmu, fer = sets["mtfl"], sets["cmu_faces"], sets["ferplus"]
    use = ~mtfl.faces.is_train & np.isfinite(mtfl.faces.labels["smile"])
    figures["smile: AUC, mtfl"] = auc(mtfl.faces.labels["smile"][use], smile(mtfl.x[use][:, 0])[:, 0])
    use = ~cmu.faces.is_train & np.isin(cmu.faces.labels["acted"], ("happy", "neutral"))
    figures["smile: AUC, cmu_faces"] = auc(cmu.faces.labels["acted"][use] == "happy", smile(cmu.x[use][:, 0])[:, 0])
    sure = (fer.faces.labels["expression"] == 0) & (fer.faces.labels["agreement"] >= 0.7)
    neutral = {
        "mtfl": mtfl.x[
            ~mtfl.faces.is_train & (mtfl.faces.labels["smile"] == 0) & (mtfl.faces.heads.openings[:, 0] < 0.03)
        ],
        "cmu_faces": cmu.x[~cmu.faces.is_train & (cmu.faces.labels["acted"] == "neutral")],
        "ferplus": fer.x[~fer.faces.is_train & sure],
    }
    ck = sets["ckplus48"]
    hold = ~ck.faces.is_train
    for unit, fitted in units.items():
        scores, label = fitted(ck.x[hold][:, 0])[:, 0], ck.faces.labels[f"unit{unit}"][hold]
        figures[f"unit {unit}: AUC, recall, false alarms"] = [
            round(auc(label, scores), 3) if 0 < label.sum() < len(label) else None,
            round(float((scores[label == 1] > 0).mean()), 3), round(float((scores[label == 0] > 0).mean()), 3),
        ]  # fmt: skip
    for name, x in neutral.items():
        shares = [float((fitted(x[:, 0]) > 0).mean()) for fitted in units.values()]
        figures[f"units present on neutral faces, {name}"] = round(float(np.mean(shares)), 4)
    return figures


if __name__ == "__main__":
    main()
