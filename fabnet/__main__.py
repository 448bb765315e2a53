"""`python -m fabnet`: the command, where it is not on the PATH."""

import sys

from fabnet.cli import main

if __name__ == "__main__":
    sys.exit(main())
