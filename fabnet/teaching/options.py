"""The options of `teach`."""

from __future__ import annotations

from dataclasses import dataclass

from fabnet.errors import InputError
from fabnet.options import Options

__all__ = ["TeachOptions"]


@dataclass(frozen=True, kw_only=True)
class TeachOptions(Options):
    """The options of `teach`."""

    faces: int = 6000
    """Upper bound of the faces that teach, spread evenly over the people of the split train; a third as many, of the
    people of val and test, are judged on."""
    device: str = "auto"
    """For models that run on torch: auto, cpu, cuda or cuda:N."""
    num_threads: int | None = None
    """Threads that read; by default one per core. The result does not depend on it."""

    def check(self) -> None:
        """Check the counts."""
        if self.faces < 1:
            raise InputError(f"faces must be 1 or more; got {self.faces}")
        if self.num_threads is not None and self.num_threads < 1:
            raise InputError(f"num_threads must be 1 or more; got {self.num_threads}")
