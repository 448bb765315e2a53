"""`python -m fabnet`, for torchrun and the like."""

import sys

from fabnet.cli import main

if __name__ == "__main__":
    sys.exit(main())
