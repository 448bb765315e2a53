"""`fabnet` and `python -m fabnet`: the command."""

import signal
import sys

__all__ = ["command"]


def command() -> int:
    """Run the command of this process, and return its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `main` handles it, Ctrl-C would end in a traceback
    from fabnet.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(command())
