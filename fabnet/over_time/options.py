"""The options of `courses` and `synchrony`."""

from __future__ import annotations

from dataclasses import dataclass

from fabnet.errors import InputError
from fabnet.options import Options

__all__ = ["CoursesOptions", "SynchronyOptions"]

PERSON = "person"


@dataclass(frozen=True, kw_only=True)
class CoursesOptions(Options):
    """The options of `courses` and `summary`."""

    smooth: bool = True
    """Smooth pose, mouth and probabilities over the window, without delay. The eyes are left alone, because filters
    flatten blinks."""
    window: float = 0.25
    """Seconds that a value is smoothed over, half of them before it and half after."""
    max_gap: float = 0.25
    """Upper bound of the seconds between two readable frames of a track that are smoothed together."""
    baseline: str | None = None
    """Add NAME_change, the difference from the person's own usual face: person takes the median over all readable
    frames of the person, START:END (in seconds, such as 0:10) over those of this stretch of each video."""

    def check(self) -> None:
        """Check the lengths and the stretch."""
        if not 0 < self.window <= 10:
            raise InputError(f"window must be above 0 and at most 10 seconds; got {self.window}")
        if not 0 < self.max_gap <= 10:
            raise InputError(f"max_gap must be above 0 and at most 10 seconds; got {self.max_gap}")
        _ = self.stretch

    @property
    def stretch(self) -> tuple[float, float] | None:
        """Start and end of the baseline's stretch in seconds; None: there is none."""
        if self.baseline in (None, PERSON):
            return None
        start, separator, end = str(self.baseline).partition(":")
        try:
            found = float(start), float(end)
        except ValueError:
            found = (0.0, 0.0)
        if not separator or not 0 <= found[0] < found[1] < float("inf"):
            raise InputError(f"baseline must be person or START:END in seconds, such as 0:10; got {self.baseline!r}")
        return found


@dataclass(frozen=True, kw_only=True)
class SynchronyOptions(Options):
    """The options of `synchrony`."""

    quantity: str = "smile"
    """Column to compare: smile, mouth_opening, pose_yaw_deg, AU12 or another."""
    span: float = 10.0
    """Seconds of a window in which two people are compared."""
    step: float = 5.0
    """Seconds from the start of a window to that of the next."""
    max_lag: float = 2.0
    """Upper bound of the seconds by which one person may follow the other."""
    rate: float = 10.0
    """Values per second that are compared."""
    shifts: int = 200
    """Number of random shifts of the second person that give the chance level."""
    seed: int = 0
    """Seed of the shifts."""

    def check(self) -> None:
        """Check the lengths and the counts."""
        for name in ("span", "step", "rate"):
            if not 0 < getattr(self, name) <= 1e6:
                raise InputError(f"{name} must be above 0; got {getattr(self, name)}")
        if not 0 <= self.max_lag <= self.span / 2:
            raise InputError(f"max_lag must be 0 to half of span ({self.span / 2}) seconds; got {self.max_lag}")
        if self.span * self.rate < 10:
            raise InputError(f"span must hold 10 values or more; {self.span} s at rate {self.rate} hold fewer")
        if not 20 <= self.shifts <= 100_000:
            raise InputError(f"shifts must be 20 to 100000; got {self.shifts}")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed must be 0 to {2**32 - 1}; got {self.seed}")
