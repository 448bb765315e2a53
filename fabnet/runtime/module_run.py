"""`python -m fabnet` without the working folder on the path; imports only what Python has loaded at its start."""

import os
import sys

__all__ = ["leave_working_folder"]


def leave_working_folder() -> None:
    """Remove the working folder from the import path, where `python -m fabnet` puts it first.

    Otherwise a `typing.py` beside the videos would be imported. If the working folder is a checkout that is not
    installed, it goes last.
    """
    given = sys.orig_argv
    is_own = "fabnet" in given and given[given.index("fabnet") - 1].endswith("m")  # `python -m`, and `python -um`
    if sys.flags.safe_path or not is_own or sys.path[:1] != [os.getcwd()]:
        return
    del sys.path[0]
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if root == os.getcwd():
        sys.path.append(root)
