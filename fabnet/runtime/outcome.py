"""What an engine takes and gives: a function and tasks in, an outcome a task out, as they end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from fabnet.errors import FabnetError, OutputError, first_line

__all__ = ["Engine", "Outcome", "Work", "attempt", "while_writable"]

Work = Callable[[Any, Callable[[float], None]], Any]
"""`work(task, report)`: a function at the top of a module; `report(amount)` tells how far it has come."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task."""

    task: Any
    """The task as given."""
    result: Any = None
    """What the work returned; None where it failed."""
    error: FabnetError | None = None
    """Why it failed."""


class Engine(Protocol):
    """Where and when tasks are done."""

    def __call__(
        self, work: Work, tasks: Sequence[Any], *, on_progress: Callable[[float], None] | None = None
    ) -> Iterator[Outcome]:
        """Do `work(task, report)` for every task, and yield an outcome a task in the order they end."""


def attempt(work: Work, task: Any, report: Callable[[float], None]) -> tuple[Any, FabnetError | None]:
    """Do a task: its result, or why there is none."""
    try:
        return work(task, report), None
    except FabnetError as error:
        return None, error
    except BrokenPipeError:
        raise
    except MemoryError:
        return None, FabnetError("it needs more memory than there is")
    except Exception as error:  # whatever a damaged file does to a decoder, the other inputs go on
        return None, FabnetError(f"{type(error).__name__}: {first_line(error)}")


def while_writable(outcomes: Generator[Outcome, None, None]) -> Iterator[Outcome]:
    """Pass outcomes on.

    Raises:
        OutputError: a worker could not write: the disk is full, and no other task would fare better.
    """
    with closing(outcomes):  # ends the workers now: the error would keep them until it is forgotten
        for outcome in outcomes:
            if isinstance(outcome.error, OutputError):
                raise outcome.error
            yield outcome
