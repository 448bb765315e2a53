"""The typed configuration of a training run, and the presets."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from fabnet.errors import InputError
from fabnet.files.fields import LARGEST, read_fields
from fabnet.objectives.fabnet import FabNet
from fabnet.objectives.options import ObjectiveOptions
from fabnet.objectives.registry import objective_named
from fabnet.training.curriculum import SHIFTS

__all__ = ["PRESETS", "TrainConfig", "paper", "preset", "small"]


LIMITS = {
    "width": 512, "embedding_dim": 8192, "sources": 64, "batch_size": 65_536, "num_val_pairs": 1_048_576,
    "num_workers": 256, "jitter_scale_max": 10, "round_passes": 1000,
}  # fmt: skip
"""Maximum values; a larger one is a typing error and would exhaust the memory."""
LEAST = {
    0: (
        "warmup_steps", "seed", "num_workers", "curriculum_patience", "plateau_patience", "plateau_drops",
        "jitter_shift", "round_passes", "curriculum_start",
    ),
    1: (
        "width", "embedding_dim", "sources", "batch_size", "max_steps", "validate_every", "num_val_pairs",
        "keep_checkpoints",
    ),
}  # fmt: skip
"""Minimum values of the fields that are not None."""

MAX_PAIR_GAP_S = 86_400
DEFAULT_NEAR_SHARE = 0.5


@dataclass(kw_only=True, slots=True, frozen=True)
class TrainConfig:
    """Every choice of a training run, as stored in the run's `config.json`."""

    objective: str = "fabnet"
    """Objective: fabnet, or a baseline of the paper with the same encoder: autoencoder, rotnet or splitbrain."""
    options: ObjectiveOptions = field(default_factory=FabNet.Options)
    """Options of the objective."""
    size: int = 64
    """Side of what the encoder sees in pixels, a power of two."""
    width: int = 32
    """Channels after the encoder's first convolution."""
    embedding_dim: int = 256
    """Length of the embedding."""

    sources: int = 1
    """Source frames per target; from 2 on a confidence decoder weighs them, pixel by pixel."""
    init: str | None = None
    """Run (its best checkpoint), checkpoint or model to take initial weights from, as far as it has them."""
    freeze: tuple[str, ...] | None = None
    """Parts of the network that stay as --init gave them, including batch-norm statistics. Default: the flow decoder if
    a run with several sources starts from a single-source run (the paper's fine-tuning), otherwise nothing."""

    curriculum: bool = False
    """Whether to learn from a window of each batch's losses that moves from the easier half to the harder."""
    curriculum_patience: int = 5
    """Validation rounds without improvement that are tolerated; the next such round moves the window."""
    curriculum_start: int | None = None
    """Position of the window at the start, 0 (the easier half) to 4 (40 to 90 %). Default: where it was in the
    checkpoint that --init takes, otherwise 0."""
    curriculum_forward: Literal["once", "twice"] = "once"
    """once: batch-norm sees the whole batch; twice: the selected samples are forwarded again without the others."""

    batch_size: int = 64
    """Samples (a target with its sources) per step, over all processes."""
    optimizer: Literal["sgd", "adam"] = "adam"
    """Optimiser: SGD with momentum 0.9, or Adam with betas 0.9 and 0.999."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    schedule: Literal["cosine", "plateau"] = "cosine"
    """Learning rate over time. cosine: falls to zero; plateau: divided by ten whenever validation stops improving."""
    warmup_steps: int = 0
    """Steps over which the learning rate rises from zero."""
    plateau_patience: int = 5
    """Validation rounds without improvement that are tolerated; the next such round drops the learning rate (schedule
    plateau)."""
    plateau_drops: int = 2
    """Drops of the learning rate before the run ends (schedule plateau)."""
    min_gain: float = 0.0
    """Smallest improvement of the validation loss that counts, as a share of the best one."""
    precision: Literal["auto", "bf16", "float32"] = "auto"
    """Precision of convolutions. auto: bf16 if the processor supports it, otherwise float32."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether to compile the network with torch.compile. auto: on CUDA in a single process, if Triton is installed,
    because small kernels follow each other there faster than Python can queue them; not on a CPU."""

    window_centre_x: float = 0.5
    """Horizontal centre of the inner window that the network sees, in fractions of the stored crop's side."""
    window_centre_y: float | None = None
    """Vertical centre of the inner window, in fractions of the crop's side; by default the store's, which is 0.5, and
    0.402 for VoxCeleb's own crops, whose faces lie high."""
    window_side: float = 190 / 256
    """Side of the inner window, in fractions of the crop's side."""
    jitter_scale_min: float = 1.0
    """Smallest scale of the window in training."""
    jitter_scale_max: float = 1.0
    """Largest scale of the window in training."""
    jitter_shift: float | None = 0.0
    """Largest shift of the window, in fractions of its side; None: as far as it stays inside the unmoved window."""
    flip: bool = False
    """Whether to mirror half of the pairs, source and target together."""
    recolour: float = 0.0
    """Strength, 0 to 0.99, of random colour changes in the encoder's input, and probability that colour is removed; the
    loss uses the original colours. Not in the paper."""

    occlude: float = 0.0
    """Probability, 0 to 1, that the encoder's input is framed tightly, and independently that a box of it is erased;
    the loss uses the whole face. Not in the paper."""

    draw: Literal["track", "person", "frame"] = "track"
    """track: each track is as likely as any other; person: each person is as likely as any other, then each of their
    tracks, so that people with many tracks do not count for more; frame: each frame is as likely as any other, so that
    long tracks count for more."""
    pair_gap: float | None = None
    """Draw some pairs near in time: a target and its sources are at most this many seconds apart, so that little but
    the expression differs. By default sources come from anywhere in the track. Not in the paper."""
    near_share: float = DEFAULT_NEAR_SHARE
    """Share, 0 to 1, of the targets that pair_gap applies to. The others, and those with too few frames within
    pair_gap, have sources from anywhere in the track. The run's metrics.csv has the share that came out."""

    max_steps: int | None = None
    """Total number of steps."""
    max_minutes: float | None = None
    """Time budget; it becomes a number of steps once, after a steady minute (or a fifth of a shorter budget)."""
    validate_every: int = 500
    """Steps between validation rounds; each is followed by a checkpoint."""
    round_passes: float = 0.0
    """Passes over the training tracks (a sample per track each) between validation rounds, where these are more than
    validate_every steps."""
    num_val_pairs: int = 1024
    """Pairs per validation, always the same."""
    keep_checkpoints: int = 2
    """Number of latest checkpoints that are kept, beside the best one."""
    num_workers: int | None = None
    """Worker processes that decode and crop frames, for each process of the run; 0: the trainer's process does it.
    Default: on a CPU one for every ten cores; on CUDA one for every core of the process but one, 16 at most. Processes
    of a run on one machine share its cores."""
    decoded_gb: float = 4.0
    """Size in GB, of all machines in all, up to which images are decoded once on each machine, into a file in the run
    folder, which is removed at the end; a store that needs more is decoded anew at every use. 0: never a file. The
    results are the same."""
    seed: int = 0
    """Seed of the weights and of the sampler."""

    def __post_init__(self) -> None:
        """Check the ranges of the fields."""
        for name, value in self.to_json().items():
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"{name} must be a finite number; got {value}")
            if isinstance(value, int | float) and value > LARGEST:  # config.json could not be read again
                raise InputError(f"{name} must be {LARGEST} or less; got {value}")
        for least, names in LEAST.items():
            for name in names:
                value = getattr(self, name)
                if value is not None and value < least:
                    raise InputError(f"{name} must be {least} or more; got {value}")
        if self.decoded_gb < 0:
            raise InputError(f"decoded_gb must be 0 or more; got {self.decoded_gb}")
        if self.max_minutes is not None and self.max_minutes <= 0:
            raise InputError(f"max_minutes must be more than 0; got {self.max_minutes}")
        if not 16 <= self.size <= 1024 or self.size & (self.size - 1):
            raise InputError(f"size must be a power of two, 16 to 1024; got {self.size}")
        for name, most in LIMITS.items():
            value = getattr(self, name)
            if value is not None and value > most:
                raise InputError(f"{name} must be {most} or less; got {value}")
        if not 0 < self.learning_rate < 10:
            raise InputError(f"learning_rate must lie between 0 and 10; got {self.learning_rate}")
        for name in ("window_centre_x", "window_centre_y"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must lie in 0 to 1; got {getattr(self, name)}")
        if not 0 < self.window_side <= 2 or not 0 < self.jitter_scale_min <= self.jitter_scale_max:
            raise InputError(
                "window_side must lie in (0, 2], and jitter_scale_min in (0, jitter_scale_max]; got "
                f"{self.window_side}, {self.jitter_scale_min} and {self.jitter_scale_max}"
            )
        self._check_objective()
        self._check_pairs()
        self._check_curriculum()
        if self.freeze and self.init is None:
            raise InputError("freeze keeps parts as --init gave them; give --init RUN, or leave it out")
        if self.schedule == "cosine" and self.max_steps is None and self.max_minutes is None:
            raise InputError("schedule cosine needs an end: give max_steps or max_minutes")

    def _check_curriculum(self) -> None:
        """Check the choices that depend on the curriculum, and what counts as an improvement."""
        if self.curriculum_forward == "twice" and not self.curriculum:
            raise InputError("curriculum_forward twice needs a curriculum: give curriculum, or leave it out")
        if self.curriculum_start is not None and self.curriculum_start > SHIFTS:
            raise InputError(f"curriculum_start must lie in 0 to {SHIFTS}; got {self.curriculum_start}")
        if self.curriculum_start is not None and not self.curriculum:
            raise InputError("curriculum_start needs a curriculum: give curriculum, or leave it out")
        if not 0 <= self.min_gain < 1:
            raise InputError(f"min_gain must be 0 or more and less than 1; got {self.min_gain}")

    def _check_pairs(self) -> None:
        """Check the choice of pairs."""
        if self.pair_gap is not None and not 0.001 <= self.pair_gap <= MAX_PAIR_GAP_S:
            raise InputError(f"pair_gap must lie in 0.001 to {MAX_PAIR_GAP_S} seconds; got {self.pair_gap}")
        if not 0 <= self.near_share <= 1:
            raise InputError(f"near_share must lie in 0 to 1; got {self.near_share}")
        if self.pair_gap is None and self.near_share != DEFAULT_NEAR_SHARE:
            raise InputError("near_share says how often pair_gap applies: give pair_gap too, or leave near_share out")

    def _check_objective(self) -> None:
        """Check the choices that depend on the objective."""
        cls = objective_named(self.objective)
        if type(self.options) is not cls.Options:
            raise InputError(f"the options belong to another objective than {self.objective}")
        if self.sources > 1 and not cls.takes_sources:
            raise InputError(f"{self.objective} takes one source per target; got {self.sources}: leave sources out")
        if self.curriculum and not cls.is_per_sample:
            raise InputError(f"{self.objective} has one loss per batch, which a curriculum cannot rank: leave it out")
        for name, largest in (("recolour", 0.99), ("occlude", 1.0)):
            value = getattr(self, name)
            if not 0 <= value <= largest:
                raise InputError(f"{name} must lie in 0 to {largest}; got {value}")
            if value and not cls.takes_views:
                raise InputError(f"{self.objective} takes no {name}; got {value}: leave it out")
        try:
            self.options.check(self.sources)
        except ValueError as error:
            raise InputError(str(error)) from None

    def with_changes(self, changes: dict[str, Any]) -> TrainConfig:
        """Return a copy with some fields, or options of the objective, changed by name.

        A new objective starts from its own defaults.

        Raises:
            InputError: a field is unknown (the message suggests the nearest name), or a value is out of range.
        """
        objective = changes.get("objective", self.objective)
        cls = objective_named(objective)
        known = [*_FIELDS, *cls.Options.names()]
        for name in changes:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise InputError(f"training with the objective {objective} has no option {name!r}{hint}")
        if changes.get("max_steps") is not None and changes.get("max_minutes") is not None:
            raise InputError("give max_steps or max_minutes, not both")
        if changes.get("max_steps") is not None and "max_minutes" not in changes:
            changes = {**changes, "max_minutes": None}
        if changes.get("max_minutes") is not None and "max_steps" not in changes:
            changes = {**changes, "max_steps": None}
        own = {name: value for name, value in changes.items() if name in _FIELDS}
        options = self.options if objective == self.objective else cls.Options()
        given = {name: value for name, value in changes.items() if name not in _FIELDS}
        return dataclasses.replace(self, **own, options=dataclasses.replace(options, **given))

    @property
    def pairs_a_step(self) -> int:
        """Source-target pairs per step, over all processes; a pair that is warped both ways counts once."""
        return self.batch_size * self.sources

    @property
    def input_size(self) -> int:
        """Side of the network's input in pixels."""
        return self.options.input_size(self.size)

    def to_json(self) -> dict[str, Any]:
        """The fields and the objective's options as one flat JSON object."""
        values = {name: getattr(self, name) for name in _FIELDS}
        return values | dataclasses.asdict(self.options)

    @classmethod
    def from_json(cls, content: Any) -> TrainConfig:
        """Read the result of `to_json`; missing fields get their defaults.

        Raises:
            ValueError: it is not an object, a field is unknown, or a value has the wrong type.
            InputError: a value is out of range.
        """
        if not isinstance(content, dict):
            raise ValueError(f"expected an object, found {str(content)[:40]!r}")
        objective = content.get("objective", "fabnet")
        names = objective_named(objective).Options if isinstance(objective, str) else ObjectiveOptions
        given = {name: value for name, value in content.items() if name in names.names()}
        rest = {name: value for name, value in content.items() if name not in given and name not in _FORMER}
        values = read_fields(cls, {name: value for name, value in rest.items() if name != "options"})
        if values.get("freeze") is not None:
            values["freeze"] = tuple(values["freeze"])
        return cls(**values, options=names(**read_fields(names, given)))


_FIELDS = tuple(field.name for field in dataclasses.fields(TrainConfig) if field.name != "options")
_FORMER = ("near_zero_start", "confidence_bound", "both_ways", "ssim")
"""Options of FAb-Net that every run's `config.json` used to contain; other objectives ignore them."""


def paper(*, curriculum: bool = False) -> TrainConfig:
    """The paper's training: 256 px, SGD at 1e-3, batch 8 (32 with curriculum), rate divided by ten on each plateau.

    The window and its jitter are those of the authors' code: 170 to 189 of the inner 190 of 256 pixels. A round is a
    quarter of a pass over the tracks, or 500 steps on a small store: the rate drops after more than 15 rounds without a
    new best loss, 4 passes, and the curriculum's window moves after more than 3, a pass. docs/reproducing.md gives the
    reasons.
    """
    return TrainConfig(
        size=256,
        curriculum=curriculum,
        batch_size=32 if curriculum else 8,
        optimizer="sgd",
        schedule="plateau",
        plateau_patience=15,
        curriculum_patience=3,
        min_gain=1e-3,
        round_passes=1 / 4,
        num_val_pairs=8192,
        jitter_scale_min=170 / 190,
        jitter_scale_max=189 / 190,
        jitter_shift=None,
    )


def small(*, curriculum: bool = False) -> TrainConfig:
    """Training for half an hour on two cores: 64 px, Adam with warm-up and cosine, batch 64, 270,000 pairs."""
    return TrainConfig(
        curriculum=curriculum,
        options=FabNet.Options(near_zero_start=True),
        warmup_steps=200,
        window_side=176 / 256,
        jitter_scale_min=0.92,
        jitter_scale_max=1.08,
        jitter_shift=0.086,
        flip=True,
        max_steps=4219,
    )


PRESETS: dict[str, Callable[..., TrainConfig]] = {"paper": paper, "small": small}


def preset(name: str, *, curriculum: bool = False) -> TrainConfig:
    """Return a preset by name, with or without the curriculum.

    Raises:
        InputError: the name is unknown.
    """
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name](curriculum=curriculum)
