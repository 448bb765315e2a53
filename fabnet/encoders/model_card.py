"""The model card: a model folder's `README.md`, in the form of the Hugging Face Hub.

After Mitchell et al., Model cards for model reporting, FAccT 2019. Facts on the network and its training come from
`config.json`, and scores from `experiments/model_card.py`; without scores the card says that there are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fabnet.models.model_folder import ModelCard

__all__ = ["model_card"]


def model_card(
    name: str,
    card: ModelCard,
    *,
    notice: str | None = None,
    measured: Mapping[str, Any] | None = None,
    has_onnx: bool = True,
    has_reader: bool = False,
) -> str:
    """Write a model's card.

    Args:
        name: name of the model.
        card: its `config.json`.
        notice: terms of its weights in Markdown, stored beside it as `NOTICE.md`; None: the card states no terms.
        measured: result of `measure` in `experiments/model_card.py`; None: no scores.
        has_onnx: whether the folder contains the encoder as ONNX.
        has_reader: whether it contains a face reader.

    Returns:
        Markdown that starts with the hub's YAML.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fabnet.encoders", "."), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters["interval"] = _with_interval
    return environment.get_template("model_card.md").render(
        name=name, card=card, training=card.training, notice=notice and _without_title(notice), measured=measured,
        has_onnx=has_onnx, has_reader=has_reader,
    )  # fmt: skip


def _without_title(text: str) -> str:
    first, _, rest = text.strip().partition("\n")
    return rest.strip() if first.startswith("# ") else text.strip()


def _with_interval(figure: Mapping[str, Any]) -> str:
    """Format a score as `7.41 [6.70, 8.05]`."""
    value, low, high = ("-" if figure[key] is None else f"{figure[key]:.2f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
