"""Input and output of an engine: a function and tasks in; one outcome per task out, as each ends."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from fabnet.errors import FabnetError, OutputError, first_line

__all__ = ["Engine", "Outcome", "Work", "attempt", "while_writable"]

Work = Callable[[Any, Callable[[float], None]], Any]
"""`work(task, report)`: a function at the top level of a module; `report(amount)` reports progress."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a task."""

    task: Any
    """The task as given."""
    result: Any = None
    """The return value of the work; None if it failed."""
    error: FabnetError | None = None
    """The reason of the failure; None if it succeeded."""


class Engine(Protocol):
    """A function that decides where and when tasks run."""

    def __call__(
        self, work: Work, tasks: Sequence[Any], *, on_progress: Callable[[float], None] | None = None
    ) -> Iterator[Outcome]:
        """Run `work(task, report)` for every task; yield one outcome per task, in the order in which they end."""


def attempt(work: Work, task: Any, report: Callable[[float], None]) -> tuple[Any, FabnetError | None]:
    """Run a task; return its result, or the error that ended it."""
    try:
        return work(task, report), None
    except FabnetError as error:
        return None, error
    except BrokenPipeError:
        raise
    except MemoryError:
        return None, FabnetError("it needs more memory than there is")
    except Exception as error:  # a decoder may raise anything on a corrupt file, and the other inputs must go on
        return None, FabnetError(f"{type(error).__name__}: {first_line(error)}")


def while_writable(outcomes: Generator[Outcome, None, None]) -> Iterator[Outcome]:
    """Pass outcomes on.

    Raises:
        OutputError: a worker could not write (e.g. the disk is full), so the other tasks would fail, too.
    """
    with closing(outcomes):  # ends the workers now; otherwise the error's traceback would keep them alive
        for outcome in outcomes:
            if isinstance(outcome.error, OutputError):
                raise outcome.error
            yield outcome
