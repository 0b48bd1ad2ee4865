"""`import faelleslab` pays for no room it does not enter."""

import subprocess
import sys

import pytest

HEAVY = ("pandas", "numpy", "pyarrow", "sklearn", "matplotlib", "urllib3", "IPython", "ipykernel", "xlsxwriter")


@pytest.mark.parametrize("module", ["faelleslab", "faelleslab.data", "faelleslab.errors", "faelleslab.jobs.provenance"])
def test_import_is_light(module):
    code = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_every_public_name_of_data_is_there():
    import faelleslab.data as data

    for name in data.__all__:
        assert getattr(data, name) is not None
    with pytest.raises(AttributeError):
        _ = data.findes_ikke
