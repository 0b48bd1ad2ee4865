"""The house rules that a machine can see."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def _tracked(*patterns: str) -> list[Path]:
    out = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in out.split("\0") if name and (ROOT / name).is_file()]


def _sources() -> list[Path]:
    return _tracked("kit/faelleslab/*.py", "hub/*.py", "notebooks/*.py")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def test_every_error_code_has_a_heading() -> None:
    page = _text(ROOT / "hub/docs/errors.md")
    documented = set(re.findall(r"^### (FL-[A-Z]\d{3}) ", page, re.M))
    used = {
        code
        for path in _sources() + _tracked("kit/labextension/*.js")
        for code in re.findall(r"FL-[A-Z]\d{3}", _text(path))
    }
    assert used - documented == set(), "codes without a heading in hub/docs/errors.md"
    assert documented - used == set(), "headings of codes that no code uses"


def test_an_error_code_means_one_thing() -> None:
    """A code is raised in one room only, so that support can find the place."""
    places: dict[str, set[str]] = {}
    for path in _sources():
        for node in ast.walk(ast.parse(_text(path))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                value = node.args[0].value
                if isinstance(value, str) and re.fullmatch(r"FL-[A-Z]\d{3}", value):
                    places.setdefault(value, set()).add(_room(path))
    assert {code: files for code, files in places.items() if len(files) > 1} == {}


def _room(path: Path) -> str:
    """A package within kit or hub is one room; a module at their top is a room of its own."""
    top = path.parent.name in ("faelleslab", "faelleslab_hub")
    return str((path if top else path.parent).relative_to(ROOT))


def test_the_kit_never_imports_the_hub() -> None:
    wrong = [
        str(path)
        for path in _tracked("kit/faelleslab/*.py")
        for node in ast.walk(ast.parse(_text(path)))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("faelleslab_hub"))
        or (isinstance(node, ast.Import) and any(a.name.startswith("faelleslab_hub") for a in node.names))
    ]
    assert wrong == []


@pytest.mark.parametrize("forbidden", ["utils", "helpers", "manager", "misc", "common"])
def test_no_room_without_a_name(forbidden: str) -> None:
    assert [p for p in _tracked("*.py") if p.stem == forbidden] == []


def test_modules_stay_small() -> None:
    too_large = {str(p.relative_to(ROOT)): n for p in _tracked("*.py") if (n := len(_text(p).splitlines())) > 500}
    assert too_large == {}


def test_nothing_is_committed_that_should_be_built() -> None:
    assert _tracked("*.ipynb", "uv.lock", "pylock.toml", "*.pkl", "*.joblib", "*.onnx") == []


def test_no_package_registry_is_named() -> None:
    # The names are put together here so that this file does not hold them either.
    hosts = [
        ".".join(parts)
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("registry", "npmjs", "org"),
            ("deb", "debian", "org"),
        )
    ]
    found = [f"{p.relative_to(ROOT)}: {h}" for p in _tracked() for h in hosts if h in _text(p)]
    assert found == []


def test_constraints_are_full_pins_without_addresses() -> None:
    for path in _tracked("images/constraints/*.txt"):
        for line in _text(path).splitlines():
            if line and not line.startswith("#"):
                assert re.match(r"^[A-Za-z0-9._-]+==[^ ]+( ; .+)?$", line), f"{path.name}: {line}"
        assert "rfc3987-syntax" not in _text(path)
        assert not re.search(r"^torch", _text(path), re.M)


def test_cpr_numbers_are_synthetic() -> None:
    """Ten digits that could be a CPR number must have an impossible day (day + 60)."""
    found = []
    for path in _tracked("*.py", "*.md", "*.yaml", "*.yml", "*.csv", "*.json"):
        for day, month in re.findall(r"(?<![\w.])(\d{2})(\d{2})\d{2}-\d{4}(?![\w])", _text(path)):
            if 1 <= int(day) <= 31 and 1 <= int(month) <= 12:
                found.append(str(path.relative_to(ROOT)))
    assert found == []


def test_warnings_are_errors_and_markers_strict() -> None:
    config = _text(ROOT / "pyproject.toml")
    assert 'filterwarnings = ["error"' in config.replace("[\n    ", "[")
    assert "--strict-markers" in config
