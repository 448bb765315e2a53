"""`fabnet teach`: a user's own encoder gets attributes, taught by the shipped encoder's readings of a store."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fabnet.encoders.baselines.registry import is_baseline
from fabnet.encoders.digest import model_digest
from fabnet.encoders.face_reader import load_face_reader, save_face_reader
from fabnet.encoders.load_encoder import load_for_reading
from fabnet.errors import InputError, ModelError
from fabnet.files.places import as_place, is_remote
from fabnet.models.find_model import find_model
from fabnet.models.hub import is_hub_name
from fabnet.models.model_folder import CONFIG_FILE, READER_FILE
from fabnet.options import takes
from fabnet.reading.attributes import ATTRIBUTES_MODEL, shipped_eyes
from fabnet.reading.canonical import Eyes
from fabnet.runtime.memory import give_back_freed_blocks
from fabnet.store.track_store import open_store
from fabnet.teaching.agreement import judge, marked
from fabnet.teaching.fit import fit_reader
from fabnet.teaching.lessons import Lessons, People, chosen_people, lessons
from fabnet.teaching.options import TeachOptions
from fabnet.weights import shipped_models

__all__ = ["TeachResult", "teach"]

MIN_FACES, MIN_HELD = 30, 10
"""Faces in range without which nothing is taught, and without which nothing is judged."""


@dataclass(frozen=True, slots=True)
class TeachResult:
    """What was taught, and how well it is read."""

    model: str
    """The encoder."""
    reader: Path
    """The file of its face reader."""
    by: str
    """The encoder that taught it."""
    version: str
    """Version of that encoder's attributes."""
    faces: int
    """Number of faces in range that taught."""
    people: int
    """Number of people whose faces these are."""
    held_faces: int
    """Number of faces of people held out that the teacher has in range."""
    held_people: int
    """Number of these people."""
    in_range: float
    """Share of these faces that the encoder has in range, too."""
    agreement: list[dict[str, Any]]
    """One per attribute: attribute, metric, value, low, high (95 % over people), n, people, and `experimental`, the
    reason if it is."""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self) | {"reader": str(self.reader)}


@takes(TeachOptions)
def teach(model: str | Path, data: str | Path, options: TeachOptions | None = None, **changes: Any) -> TeachResult:
    """Give an encoder of your own a face reader, so that `read` and `embed --attributes` read its own attributes.

    The shipped encoder reads the faces of a store; a map of your encoder's embedding to these readings is fitted on the
    people of the split train, and compared with them on those of val and test. What agrees poorly there is marked
    experimental.

    Args:
        model: a run, a checkpoint or a model folder of your own; the face reader is written into it.
        data: a store of face-tracks of several people.
        options: all options as one object; or give them by name.

    Returns:
        How well each attribute agrees, with 95 % intervals by bootstrap over people.

    Raises:
        InputError: the model ships with fabnet, is not a folder here or has a face reader of another kind; or the store
            has too few usable faces, or shows too few people.
        ModelError: the model is missing or corrupt.
        StoreError: the store is missing or corrupt.
        OutputError: the file cannot be written.
    """
    options = TeachOptions.of(options, changes)
    folder = _own_folder(model)  # of a run that trains on, another checkpoint may soon be the best
    data = as_place(data)
    store = open_store(data)
    learn = chosen_people(store, ("train",), options.faces)
    held = _held_out(chosen_people(store, ("val", "test"), max(options.faces // 3, 1)), learn, data)
    pupil, digest, teacher = load_for_reading(folder, device=options.device), model_digest(folder), shipped_eyes()
    give_back_freed_blocks()
    learned = lessons(store, learn.rows, teacher, pupil, num_threads=options.num_threads)
    names = dict(zip(learn.rows.tolist(), learn.person, strict=True))
    person = np.array([names[row] for row in learned.rows.tolist()], dtype=object)
    use = learned.out_of_range == ""
    _check_usable(learned, int(use.sum()), len(learn.rows), data)
    people = len(set(person[use]))
    if people < 2:
        raise InputError(f"{data}: the usable faces of its split train are all of one person; give a store of several")
    taught = {
        "by": ATTRIBUTES_MODEL, "digest": teacher.reader.model, "version": teacher.reader.version, "store": data.name,
        "faces": int(use.sum()), "people": people,
    }  # fmt: skip
    reader = fit_reader(learned, person, teacher.reader, digest=digest, taught=taught)
    judged = judge(store, held, teacher, Eyes(pupil, reader), num_threads=options.num_threads)
    if judged.faces < MIN_HELD:
        raise InputError(
            f"{data}: {judged.faces} of {len(held.rows)} faces of people held out (val and test) are in range; "
            f"expected {MIN_HELD} or more, to judge by"
        )
    taught |= {"in_range": round(judged.in_range, 4), "agreement": judged.rows}
    if not (folder / CONFIG_FILE).is_file():
        raise ModelError(f"{folder} was removed while it was taught, as by a run that goes on: teach again")
    file = folder / READER_FILE
    save_face_reader(marked(reader, judged.rows), file)
    return TeachResult(
        str(model), file, ATTRIBUTES_MODEL, teacher.reader.version, int(use.sum()), people, judged.faces,
        judged.people, round(judged.in_range, 4), judged.rows,
    )  # fmt: skip


def _own_folder(model: str | Path) -> Path:
    """The folder of a user's own model.

    Raises:
        InputError: it cannot have a face reader that is taught.
        ModelError: there is no such model.
    """
    expected = "expected a run, a checkpoint or a model folder of your own"
    ships = shipped_models()
    if str(model) in ships:
        raise InputError(f"{model} ships with fabnet, whose attributes come from {ATTRIBUTES_MODEL}; {expected}")
    if is_hub_name(model) or (isinstance(model, str) and is_baseline(model)) or is_remote(as_place(model)):
        raise InputError(f"{model} is not a folder on this machine; {expected}")
    folder = find_model(model)
    if not folder.is_dir():
        raise InputError(f"{model} is a single file; {expected}")
    if any(folder.resolve() == each.resolve() for each in ships.values()):
        raise InputError(f"{model} ships with fabnet, whose attributes come from {ATTRIBUTES_MODEL}; {expected}")
    file = folder / READER_FILE
    if file.is_file() and load_face_reader(file).taught is None:
        raise InputError(f"{file} was fitted to labels and would be replaced; {expected}, or move it away")
    return folder


def _held_out(held: People, learn: People, store: Path) -> People:
    """The faces of people who teach nothing.

    Raises:
        InputError: there are none, or nobody teaches.
    """
    if not len(learn.rows):
        raise InputError(f"{store} has no faces in its split train, on which attributes are learned")
    names = set(learn.person)
    use = np.array([name not in names for name in held.person], dtype=bool)
    if use.any():
        return People(held.rows[use], held.person[use])
    one = f" It shows one person, {learn.person[0]}." if len(names) == 1 else ""
    raise InputError(
        f"{store} has no people in val or test who are not in train, so how well attributes agree on other people "
        f"could not be told.{one} Expected a store of several people, split by person"
    )


def _check_usable(learned: Lessons, usable: int, chosen: int, store: Path) -> None:
    if usable >= MIN_FACES:
        return
    reasons = Counter(word for words in learned.out_of_range for word in words.split(", ") if word)
    if corrupt := chosen - len(learned.rows):
        reasons["corrupt"] = corrupt
    why = "; ".join(f"{count} {word}" for word, count in reasons.most_common(3))
    raise InputError(
        f"{store}: {usable} of {chosen} faces of its split train are in range{f' ({why})' if why else ''}; expected "
        f"{MIN_FACES} or more, in crops as fabnet track makes them"
    )
