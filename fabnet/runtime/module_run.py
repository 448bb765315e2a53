"""`python -m fabnet` without the working folder on the path; imports nothing that Python has not at its start."""

import os
import sys

__all__ = ["leave_working_folder"]


def leave_working_folder() -> None:
    """Take the working folder off the path, where `python -m fabnet` has put it before all else.

    A `typing.py` beside the videos would be imported otherwise. A checkout that is not installed is found last.
    """
    given = sys.orig_argv
    is_own = "fabnet" in given and given[given.index("fabnet") - 1].endswith("m")  # `python -m`, and `python -um`
    if sys.flags.safe_path or not is_own or sys.path[:1] != [os.getcwd()]:
        return
    del sys.path[0]
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if root == os.getcwd():
        sys.path.append(root)
