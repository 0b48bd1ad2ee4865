"""Fælleslab's kit: what an analyst imports in a notebook.

The package is light on purpose: `import faelleslab` loads neither pandas nor scikit-learn nor matplotlib (a test
asserts it), so that a short run does not pay for a room it never enters. Each sub-package is imported by name:
`faelleslab.data`, `faelleslab.jobs`, `faelleslab.ui`.
"""

from faelleslab.errors import FaelleslabError

__all__ = ["FaelleslabError", "__version__"]
__version__ = "0.1.0"
