"""``python -m faelleslab``: the same as the command ``faelleslab``."""

import sys

from faelleslab.cli import main

sys.exit(main())
