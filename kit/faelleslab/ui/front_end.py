"""Whether a user sits in front of the notebook: its form tells the kernel so.

Neither papermill nor a production run announces itself, so silence means that nobody will press a button.
"""

import os

OUTPUT_VARIABLE = "FAELLESLAB_OUTPUT"
_announced = False


def announce() -> None:
    """Note that the form is open in front of this kernel."""
    global _announced
    _announced = True


def is_live() -> bool:
    """Return whether buttons make sense here; never in a production run."""
    return _announced and not os.environ.get(OUTPUT_VARIABLE)
