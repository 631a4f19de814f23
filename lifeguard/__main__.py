"""`python -m lifeguard`: the same as the command `lifeguard`."""

from __future__ import annotations

import sys

from lifeguard.cli import main

if __name__ == "__main__":
    sys.exit(main())
