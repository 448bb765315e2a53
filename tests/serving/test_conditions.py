"""Conditions of requests: what is refused, and why."""

from __future__ import annotations

import pytest

from fabnet.errors import InputError
from fabnet.serving.conditions import read_condition

NUMBERS = ["pose_yaw_deg", "smile"]
CLASSES = {"expression": ["happy", "neutral"]}


@pytest.mark.parametrize(
    ("text", "numbers", "classes", "said"),
    [
        ("pose_yaw_deg:20:", [], {}, "make the dataset with fabnet embed --attributes"),
        ("yaw:20:", NUMBERS, CLASSES, "there is pose_yaw_deg, smile, expression"),
        ("expression:hapy", NUMBERS, CLASSES, "expected COLUMN:LOW:HIGH or COLUMN:CLASS"),
        ("smile:0.5", NUMBERS, CLASSES, "expected COLUMN:LOW:HIGH or COLUMN:CLASS"),
        ("smile:0,5:", NUMBERS, CLASSES, "'0,5' is not a bound"),
    ],
)
def test_a_condition_is_refused_with_what_to_do(
    text: str, numbers: list[str], classes: dict[str, list[str]], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read_condition([text], numbers, classes)
