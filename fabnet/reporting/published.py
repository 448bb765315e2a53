"""The paper's Tables 1 to 4 as printed: every method, heading and dash.

Source: Wiles, Koepke, Zisserman: Self-supervised learning of a facial attribute embedding from video, BMVC 2018,
section 5. Numbers in brackets are the paper's references.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DASH", "PUBLISHED", "PublishedGroup", "PublishedRow", "PublishedTable", "Role"]

Role = Literal["fabnet", "rotnet", "autoencoder", "splitbrain", "identity"]

DASH = "\N{EN DASH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """A method with its numbers.

    Attributes:
        method: as printed.
        numbers: as printed, one a column; `DASH` where the paper has none.
        role: what the paper's relations take it for; None: they leave it out.
    """

    method: str
    numbers: tuple[str, ...]
    role: Role | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedGroup:
    """Rows under one heading of the paper.

    Attributes:
        headings: outermost first: ("Self-supervised", "Trained on CelebA").
        rows: as printed, in the paper's order.
    """

    headings: tuple[str, ...]
    rows: tuple[PublishedRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTable:
    """One of the paper's tables.

    Attributes:
        number: the paper's.
        caption: the paper's, with its "Lower is better" or the like.
        columns: headings of the numbers.
        measure: what the numbers are.
        decimals: of a number.
        unit: printed after a number.
        is_auc: the numbers are areas under the ROC curve in per cent, higher is better; else errors.
        groups: the rows.
        relation_columns: the columns whose numbers the paper's relations compare.
        against: what FAb-Net is compared with there.
    """

    number: int
    caption: str
    columns: tuple[str, ...]
    measure: str
    decimals: int
    unit: str = ""
    is_auc: bool
    groups: tuple[PublishedGroup, ...]
    relation_columns: tuple[str, ...]
    against: tuple[Role, ...]


def _row(method: str, numbers: str, role: Role | None = None) -> PublishedRow:
    """A hyphen stands for the paper's dash."""
    return PublishedRow(method=method, numbers=tuple(numbers.replace("-", DASH).split()), role=role)


def _group(*headings: str, rows: tuple[PublishedRow, ...]) -> PublishedGroup:
    return PublishedGroup(headings=headings, rows=rows)


_LANDMARKS = PublishedTable(
    number=1,
    caption="Landmark prediction error on 300-W and MAFL datasets. Lower is better.",
    columns=("300-W", "MAFL"),
    measure="error, % of interocular distance",
    decimals=2,
    is_auc=False,
    groups=(
        _group(
            "Self-supervised",
            "Trained on VoxCeleb+",
            rows=(
                _row("FAb-Net", "6.31 3.78"),
                _row("FAb-Net w/ curric.", "5.73 3.49"),
                _row("FAb-Net w/ curric., 3 source frames", "5.71 3.44", "fabnet"),
            ),
        ),
        _group(
            "Self-supervised",
            "Trained on CelebA",
            rows=(
                _row("Jakab et al. [21] (2018)", "- 3.08"),
                _row("Zhang et al. [64] (2018)", "- 3.15"),
                _row("Thewlis et al. [51] (2017)", "9.30 6.67"),
                _row("Thewlis et al. [52] (2017)", "7.97 5.83"),
            ),
        ),
        _group(
            "Supervised",
            "Trained on CelebA",
            rows=(
                _row("MTCNN [65] (2014)", "- 5.39"),
                _row("LBF [45] (2014)", "6.32 -"),
                _row("CFSS [69] (2015)", "5.76 -"),
                _row("cGPRT [29] (2015)", "5.71 -"),
                _row("DDN [60] (2016)", "5.65 -"),
                _row("TCDCN [66] (2016)", "5.54 -"),
                _row("RAR [57] (2016)", "4.94 -"),
                _row("VGG-Face descriptor [41]", "11.16 5.92", "identity"),
            ),
        ),
    ),
    relation_columns=("300-W", "MAFL"),
    against=("identity",),
)

_POSE = PublishedTable(
    number=2,
    caption="Pose prediction error on the AFLW test set from [26]. Lower is better.",
    columns=("Roll", "Pitch", "Yaw", "MAE"),
    measure="error in degrees",
    decimals=2,
    unit="°",
    is_auc=False,
    groups=(
        _group(
            "Self-supervised",
            rows=(
                _row("FAb-Net", "5.54° 7.84° 12.93° 8.77°"),
                _row("FAb-Net w/ curric.", "5.33° 7.21° 11.34° 7.96°"),
                _row("FAb-Net w/ curric., 3 source frames", "5.14° 7.13° 10.70° 7.65°", "fabnet"),
            ),
        ),
        _group(
            "Supervised",
            rows=(
                _row("VGG-Face descriptor [41]", "8.24° 8.36° 18.35° 11.65°", "identity"),
                _row("KEPLER [26] (2017)", "8.75° 5.85° 6.45° 7.02°"),
            ),
        ),
    ),
    relation_columns=("MAE",),
    against=("identity",),
)

_UNITS = PublishedTable(
    number=3,
    caption=(
        "Expression classification results for state-of-the-art self-supervised and supervised methods on EmotioNet "
        "[6] for multiple facial action units (AUs). Higher is better for AUC."
    ),
    columns=("1", "2", "4", "5", "6", "9", "12", "17", "20", "25", "26", "avg."),
    measure="AUC for different AUs",
    decimals=1,
    is_auc=True,
    groups=(
        _group(
            "Self-supervised",
            rows=(
                _row("FAb-Net", "72.0 68.9 73.2 69.4 88.2 78.6 89.5 71.0 75.9 81.4 72.0 76.4"),
                _row("FAb-Net w/ curriculum", "73.4 71.8 75.3 67.8 90.4 78.8 91.9 72.4 74.5 83.7 73.3 77.6"),
                _row(
                    "FAb-Net w/ curriculum, 3 source frames",
                    "74.1 72.3 75.8 68.8 90.7 81.8 92.5 73.7 77.2 83.6 73.6 78.6",
                    "fabnet",
                ),
                _row("Gidaris et al. [19]", "68.6 64.0 72.8 70.0 83.9 78.1 83.8 68.4 72.6 73.1 67.2 72.9", "rotnet"),
                _row("SplitBrain [63]", "65.5 59.8 66.7 60.8 71.8 65.8 73.3 64.5 57.4 68.1 61.1 65.0", "splitbrain"),
                _row("Autoencoder", "67.2 60.5 70.1 65.1 79.6 70.4 80.1 68.3 66.5 70.5 64.1 69.3", "autoencoder"),
            ),
        ),
        _group(
            "Supervised",
            rows=(
                _row("VGG-Face descriptor [41]", "81.8 83.0 83.5 81.8 92.0 90.9 95.7 80.6 85.2 86.5 73.0 84.9"),
                _row("VGG-11 (from scratch)", "74.7 77.2 85.8 83.7 93.8 89.7 97.5 78.3 86.9 96.4 81.5 86.0"),
            ),
        ),
    ),
    relation_columns=("avg.",),
    against=("rotnet", "autoencoder", "splitbrain"),
)

_EXPRESSIONS = PublishedTable(
    number=4,
    caption=(
        "Expression classification results for state-of-the-art self-supervised and supervised methods on AffectNet "
        "[35]. Higher is better for AUC."
    ),
    columns=("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "Contempt", "avg."),
    measure="AUC",
    decimals=1,
    is_auc=True,
    groups=(
        _group(
            "Self-supervised",
            rows=(
                _row("FAb-Net", "70.0 87.6 68.8 75.5 76.5 70.0 73.2 71.2 74.2"),
                _row("FAb-Net w/ curric.", "71.5 90.0 70.8 78.2 77.4 72.2 75.7 72.1 76.0"),
                _row("FAb-Net w/ curric., 3 source frames", "72.3 90.4 70.9 78.6 77.8 72.5 76.4 72.2 76.4", "fabnet"),
                _row("Gidaris et al. [19]", "67.8 84.9 69.0 73.9 75.7 69.8 71.5 68.7 72.7", "rotnet"),
                _row("SplitBrain [63]", "63.9 74.7 64.2 61.3 68.3 58.6 68.2 62.8 65.3", "splitbrain"),
                _row("Autoencoder", "65.8 80.0 64.7 66.1 70.6 63.4 68.3 65.0 68.0", "autoencoder"),
            ),
        ),
        _group(
            "Supervised",
            rows=(
                _row("VGG-Face descriptor [41]", "75.9 92.2 80.5 81.4 82.3 81.4 81.2 77.1 81.5"),
                _row("AlexNet [35]", "- - - - - - - - 82"),
            ),
        ),
    ),
    relation_columns=("avg.",),
    against=("rotnet", "autoencoder", "splitbrain"),
)

PUBLISHED: dict[int, PublishedTable] = {each.number: each for each in (_LANDMARKS, _POSE, _UNITS, _EXPRESSIONS)}
