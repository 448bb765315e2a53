"""Writes the tables of pages and cards that are copies of results anew, from `docs/results`.

The first line of a table stays, and so does the text around it. `docs/experiments.md` is a log: its tables stay as they
were written.

Run: python experiments/pages.py
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
READING, RESULTS, FAULTS, README = "docs/reading.md", "docs/results.md", "docs/faults.md", "README.md"
CARD, SMALL_CARD = "fabnet/weights/base/README.md", "fabnet/weights/small/README.md"

Rows = list[list[str]]


def result(name: str) -> Any:
    """What `docs/results/NAME.json` holds."""
    return json.loads((ROOT / "docs" / "results" / f"{name}.json").read_text(encoding="utf-8"))


def percent(share: float, digits: int = 0) -> str:
    """A share as, say, "7 %"."""
    return f"{100 * share:.{digits}f} %"


def in_degrees(values: list[float], digits: int) -> str:
    """An angle with its interval, as "1.84° [1.73, 1.93]"."""
    return with_interval(values, digits).replace(" ", "° ", 1)


def with_interval(values: list[float], digits: int, sign: str = "") -> str:
    """A figure with its interval, as "5.4 [5.1, 5.7]"."""
    value, low, high = (f"{each:{sign}.{digits}f}" for each in values[:3])
    return f"{value} [{low}, {high}]"


# What `read` gives

SHARE = "points, share of the eyes' distance"


def leaning() -> Rows:
    """Leaning heads, without and with windows that turn."""
    found, rows = result("leaning"), []
    for angle in (0, 15, 30, 45, 60, 90, 135, 180):
        row = [f"{angle}°"]
        for name in ("youtube_faces", "mtfl"):
            now, never = found[f"{name}, {angle} degrees"], found[f"{name}, {angle} degrees, never turned"]
            for key in ("yaw", "roll, mean error in degrees"):
                row.append(f"{never[key][0]:.1f}° to {now[key][0]:.1f}°")
            row.append(f"{100 * never[SHARE][0]:.1f} to {100 * now[SHARE][0]:.1f}")
            row.append(
                f"{percent(now['in range'][0])}, {percent(now['in range and points off by more than a fifth'][0])}"
            )
        rows.append(row)
    return rows


def clips() -> Rows:
    """The clips held out, by how far the yaw moves."""
    found, rows = result("read"), []
    end = "range (5 to 95 %), correlation, spread of the error, best lag in frames of 0.1 s, error with mouth, eyes"
    names = [key.split()[1].removesuffix(".mp4:") for key in found if key.endswith(f"pose_yaw_deg: {end}")]
    for name in sorted(names, key=lambda each: -found[f"clip {each}.mp4: pose_yaw_deg: {end}"][0]):
        row = [name]
        for angle in ("yaw", "pitch"):
            moved, correlation, spread = found[f"clip {name}.mp4: pose_{angle}_deg: {end}"][:3]
            row += [f"{moved:.1f}°", f"{correlation:.2f}", f"{spread:.1f}°"]
        rows.append(row)
    return rows


def held_out() -> Rows:
    """What is measured on people held out."""
    found = result("read")
    names = ("mouth_opening", "eyes_opening", "pose_yaw_deg", "pose_pitch_deg")
    inside = [with_interval(found[f"clips, correlation inside, median: {name}"], 2) for name in names]
    smile, spread = found["cmu_faces, smile, AUC, n"], found["cmu_faces, pitch of straight heads, spread, n"]
    straight = found["cmu_faces, smile of straight heads, AUC, n"]
    errors = found["aflw2000, yaw to 60 degrees: median error of yaw, pitch, roll, n"]
    stored = found["video and store: pitch apart in degrees, units that flip, n"]
    photo = found["photo and video: pitch apart in degrees, units that flip, n"]
    moved = found["photo and the picture moved down by 4 %: pitch apart in degrees, units that flip, n"]
    apart = [f"{pitch:.2f}°, {percent(flip, 1)}" for pitch, flip, _ in (stored, photo, moved)]
    cells = {
        "inside 8 clips, median correlation with MediaPipe's curves: mouth opening": inside[0],
        "eye opening": inside[1],
        "yaw": inside[2],
        "pitch": inside[3],
        "action units called present, neutral stretches of 6 clips": in_percent(
            found["clips, units present on neutral stretches"]
        ),
        "the same, cmu_faces' neutral faces with open eyes": in_percent(
            found["cmu_faces, units present on neutral faces"]
        ),
        "smile, AUC on cmu_faces (32 faces of 5 people, most of them turned)": with_interval(smile, 2),
        "the same, the 10 of them that look straight ahead": f"{straight[0]:.2f}",
        "standard deviation of pitch over cmu_faces' 20 straight heads": in_degrees(spread, 1),
        "cmu_faces, faces found (half are turned or look up)": percent(found["cmu_faces, faces found, in range"][0]),
        "AFLW2000-3D, median error of yaw, pitch, roll": ", ".join(f"{each:.1f}°" for each in errors[:3]),
        "AFLW2000-3D, share of the errors inside the half-widths": percent(
            found["aflw2000, share of errors inside the half-widths"]
        ),
        "a frame in a video and in a store: pitch apart, units that flip (499 frames of 6 clips)": apart[0],
        "a frame as a photo, and in a video": apart[1],
        "a photo, and moved down by 4 % of the crop": apart[2],
    }
    return [list(each) for each in cells.items()]


def in_percent(values: list[float]) -> str:
    """Shares as "7 % [1, 17]"."""
    low, high = (f"{100 * each:.0f}" for each in values[1:3])
    return f"{percent(values[0])} [{low}, {high}]"


def changed() -> Rows:
    """Readings of changed pictures against those of the pictures themselves."""
    words = {"JPEG, quality": "JPEG at quality", "motion of": "motion over", "blur of": "Gaussian blur of"}
    rows = []
    for name, found in result("changed_faces").items():
        title = f"{name} levels" if name.endswith("noise of 3") else name
        for said, better in words.items():
            title = title.replace(said, better)
        if name != "faces":
            rows.append(
                [
                    title,
                    f"{found['found']}; {found['in range']}",
                    f"{found['yaw, mean in degrees']:.1f}°",
                    percent(found["all angles inside"]),
                    f"{100 * found[SHARE]:.1f}",
                    percent(found["far off"]),
                ]
            )
    return rows


# The face reader

POINTS = ": points: error over the eyes' distance, inside, inside of all rows"


def by_set() -> Rows:
    """Errors of the face reader on people held out of each set."""
    found, rows = result("reader"), []
    titles = {"youtube_faces": "YouTube Faces", "clips": "clips", "mtfl": "MTFL", "cmu_faces": "cmu_faces"}
    end = "mean error, inside, median half-width, correlation, inside of all rows"
    for name, title in titles.items():
        row = [title]
        for angle in ("yaw", "pitch"):
            error, inside, half = found[f"{name}: pose_{angle}_deg: {end}"][:3]
            row.append(f"{error:.1f}°, {percent(inside)}, {half:.1f}°")
        row.append(f"{found[f'{name}: mouth_opening: {end}'][3]:.2f}")
        row.append(f"{100 * found[name + POINTS][0]:.1f}")
        rows.append(row)
    return rows


def half_widths() -> Rows:
    """How many errors lie inside the half-widths, by yaw and by size."""
    found, rows = result("reader"), []
    kinds = {f"yaw {span}": f"yaw {span} degrees" for span in ("0 to 15", "15 to 30", "30 to 45", "45 to 65")}
    kinds |= {f"window's side in px {span}": f"a window of {span} px" for span in ("0 to 36", "36 to 64", "64 to 128")}
    kinds["window's side in px 128 to 4000"] = "a window of 128 and more px"
    names = ("pose_yaw_deg", "pose_pitch_deg", "pose_roll_deg", "mouth_opening", "eyes_opening", "points")
    for kind, title in kinds.items():
        own = [found[f"inside, {kind}: {name}"] for name in names]
        cells = [f"{'-' if not inside[2] else f'{100 * inside[0]:.0f}'} ({100 * inside[1]:.0f})" for inside in own]
        rows.append([title, *cells, f"{own[0][2]:,}, {own[0][3]:,}"])
    return rows


def units() -> Rows:
    """Action units on people of CK+ held out."""
    found, rows = result("reader"), []
    end = "recall, false alarms, on neutral faces; a probe on CK+ alone: the same, AUC"
    for key in found:
        if key.startswith("AU") and key.endswith(f": {end}"):
            unit = key[:4]
            recall, alarms, neutral, probe_recall, _, probe_neutral, probe_auc = found[key]
            rows.append(
                [
                    unit,
                    with_interval(found[f"{unit}: AUC"], 2),
                    percent(recall),
                    percent(alarms),
                    percent(neutral, 1),
                    f"{probe_auc:.2f}, {percent(probe_recall)}, {percent(probe_neutral)}",
                ]
            )
    return rows


def groups(of: str, *, is_card: bool) -> Rows:
    """Errors of a face reader by group; on a card the number of faces has its own column."""
    rows, angle = [], with_interval if is_card else in_degrees
    for name, errors in result(of)["errors by group"].items():
        yaw, pitch = (angle(errors[each], 2) for each in ("yaw_deg", "pitch_deg"))
        smile = with_interval(errors["smile_auc"], 2) if "smile_auc" in errors else ""
        title, count = name.replace("128 to 4000 px", "128 px and more"), f"{errors['faces']:,}"
        if not is_card and name == "window of 0 to 36 px":
            title += ", all out of range"
        named = [title, count] if is_card else [f"{title} ({count})"]
        rows.append([*named, yaw, pitch, with_interval(errors["points_percent"], 1), smile])
    return rows


# The encoder


def compared(task: str, digits: int) -> tuple[str, str, str]:
    """`base`, `small` and the untrained encoder on a task, on test people, by the closed-form probe."""
    own = [row for row in result("base-test") if row["task"] == task and row["probe"] in ("ridge", "logistic")]
    rows = {row["method"]: row for row in own}
    cells = [with_interval([rows["base"]["value"], *rows["base"]["interval"]], digits)]
    for other in ("small", "untrained"):
        less = [rows[other]["base_minus_this"], *rows[other]["base_minus_this_interval"]]
        cells.append(f"{rows[other]['value']:.{digits}f} ({with_interval(less, digits, '+')})")
    return cells[0], cells[1], cells[2]


def on_test_people() -> Rows:
    """`base` beside `small` and the untrained encoder."""
    tasks = {
        "68 points, error % of the outer-eye distance": ("landmarks68",),
        "head pose, degrees": ("pose",),
        "mouth; eyes, correlation": ("mouth", "eyes"),
        "5 points (MTFL), error % of the eye distance": ("landmarks5",),
        "pose (MTFL), AUC": ("pose5",),
        "smile (MTFL), AUC": ("smile",),
        "glasses (MTFL), AUC": ("glasses",),
        "six expressions (FER+), AUC": ("expression",),
        "11 action units (CK+), AUC": ("units",),
    }
    rows = []
    for title, names in tasks.items():
        own = [compared(name, 2 if len(names) > 1 else 1) for name in names]
        rows.append([title, *("; ".join(cells) for cells in zip(*own, strict=True))])
    return rows


def on_the_card() -> Rows:
    """The same, shorter."""
    tasks = {
        "68 points, % of the outer-eye distance": ("landmarks68", 2),
        "head pose, degrees": ("pose", 2),
        "smile (MTFL), AUC": ("smile", 1),
        "six expressions (FER+), AUC": ("expression", 1),
        "11 action units (CK+), AUC": ("units", 1),
    }
    return [
        [title, small.split()[0], base, untrained.split()[0]]
        for title, (name, digits) in tasks.items()
        for base, small, untrained in [compared(name, digits)]
    ]


VALIDATION = {
    "68 points": "68 points, % of the outer-eye distance",
    "expressions": "six expressions: AUC, mean",
    "smile": "smile from 160 labels: AUC",
    **{name: f"in clips: {name}, correlation" for name in ("mouth", "eyes", "yaw", "pitch")},
}
"""Rows of `second_table.py`."""


def on_validation_people(name: str, digits: int, *, is_card: bool) -> tuple[str, str, str]:
    """`small`, `base` and the untrained encoder."""
    rows = {row["model"]: row for row in result("base") if row["metric"] == VALIDATION[name]}
    small, base, untrained = (rows[model] for model in ("small", "base", "random"))
    if is_card:
        own = with_interval([base["value"], *base["interval"]], digits)
        return f"{small['value']:.{digits}f}", own, f"{untrained['value']:.{digits}f}"
    less = [base["minus_first"], *base["minus_first_interval"]]
    first = with_interval([small["value"], *small["interval"]], digits)
    return first, f"{base['value']:.{digits}f} ({with_interval(less, digits, '+')})", f"{untrained['value']:.{digits}f}"


def chosen_by() -> Rows:
    """Validation people, on whom the encoder was selected."""
    titles = {
        "68 points, error % of the outer-eye distance": ("68 points",),
        "six expressions (FER+), AUC": ("expressions",),
        "smile from 160 labels (MTFL), AUC": ("smile",),
        "inside clips, correlation: mouth; eyes": ("mouth", "eyes"),
        "yaw; pitch": ("yaw", "pitch"),
    }
    rows = []
    for title, names in titles.items():
        own = [on_validation_people(name, 2 if len(names) > 1 else 1, is_card=False) for name in names]
        if len(names) > 1:
            own = [(small.split()[0], base, untrained) for small, base, untrained in own]
        rows.append([title, *("; ".join(cells) for cells in zip(*own, strict=True))])
    return rows


def chosen_by_on_the_card() -> Rows:
    """The same, with intervals of `base`."""
    titles = {
        "68 points, % of the outer-eye distance": ("68 points", 2),
        "six expressions, AUC": ("expressions", 1),
        "smile from 160 labels, AUC": ("smile", 1),
        "inside clips, correlation: mouth": ("mouth", 2),
        "eyes": ("eyes", 2),
        "yaw": ("yaw", 2),
        "pitch": ("pitch", 2),
    }
    return [[title, *on_validation_people(name, digits, is_card=True)] for title, (name, digits) in titles.items()]


def few_labels() -> Rows:
    """The table of the README."""
    found = {(row["model"], row["task"], row["labels"]): row for row in result("few_labels-base")}
    tasks = {
        "68 landmarks, error in % of the distance between the outer eye corners": ("landmarks68", 50),
        "six expressions (FER+), AUC": ("expression", 200),
    }
    rows = []
    for title, (task, few) in tasks.items():
        most = max(labels for _, name, labels in found if name == task)
        for labels in (few, most):
            own = [found[model, task, labels] for model in ("base", "untrained")]
            cells = [with_interval([each["value"], each["low"], each["high"]], 1) for each in own]
            rows.append([title if labels == few else "", f"{labels:,}", *cells])
    return rows


class Table(NamedTuple):
    """A table that is a copy of results."""

    page: str
    start: str
    """How its first line begins."""
    rows: Callable[[], Rows]
    """Its rows; with `column`, a row is a name and the cell in that column."""
    which: int = 0
    """Its number among the page's tables that begin so."""
    column: int | None = None


TABLES = (
    Table(READING, "| lean | YouTube Faces: yaw, mean error |", leaning),
    Table(READING, "| measured | before | now |", held_out, column=2),
    Table(READING, "| clip | yaw moves by (5 to 95 %) |", clips),
    Table(READING, "| set | yaw: mean error, inside, median half-width |", by_set),
    Table(READING, "| faces with | yaw | pitch | roll |", half_widths),
    Table(READING, "| unit | AUC | recall |", units),
    Table(READING, "| faces | yaw, mean error |", lambda: groups("reader", is_card=False)),
    Table(FAULTS, "| change | found; in range |", changed),
    Table(RESULTS, "| | `base` | `small` | untrained |", on_test_people),
    Table(RESULTS, "| | `small` | `base` | untrained |", chosen_by),
    Table(README, "| probe | labelled faces | `base` | untrained |", few_labels),
    Table(CARD, "| | `small` | `base` | untrained |", on_the_card),
    Table(CARD, "| | `small` | `base` | untrained |", chosen_by_on_the_card, which=1),
    Table(CARD, "| faces | number |", lambda: groups("reader", is_card=True)),
    Table(SMALL_CARD, "| faces | number |", lambda: groups("reader-small", is_card=True)),
)


def with_rows(page: str, table: Table) -> str:
    """The text of a page with the rows of a table made anew."""
    lines = page.splitlines()
    first = [place for place, line in enumerate(lines) if line.startswith(table.start)][table.which] + 2
    end = next(place for place, line in enumerate([*lines[first:], ""], first) if not line.startswith("|"))
    rows = table.rows()
    if table.column is not None:
        cells, former = dict(rows), [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[first:end]]
        known = [row[: table.column] + [cells.pop(row[0])] + row[table.column + 1 :] for row in former]
        assert not cells, cells
        rows = known
    made = [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows]
    return "\n".join([*lines[:first], *made, *lines[end:]]) + "\n"


def pages() -> dict[Path, str]:
    """Each page with copies of results, and what it should hold."""
    texts: dict[Path, str] = {}
    for table in TABLES:
        path = ROOT / table.page
        texts[path] = with_rows(texts.get(path) or path.read_text(encoding="utf-8"), table)
    return texts


def main() -> None:
    for path, text in pages().items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
