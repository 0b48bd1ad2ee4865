"""The command line and the folder: one sentence and an exit code for every mistake, and nothing lost."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from faelleslab import cli
from faelleslab.errors import ParameterError
from faelleslab.jobs.memory_events import group_kills, machine_kills
from faelleslab.jobs.provenance import VARIABLE, read_records, record_data
from faelleslab.jobs.result import RefusedRunError, from_json
from faelleslab.jobs.runner import default_output, run_notebook

BOOK = '# %% tags=["parameters"]\nkommune: str = "0751"  # Kommune\naar: int = 2025\n# %%\nprint(repr(kommune), aar)\n'


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "min bog æøå.py"
    path.write_text(BOOK, encoding="utf-8")
    return path


def left_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def shown(folder: Path) -> str:
    (path,) = folder.glob("*.ipynb")
    return json.loads(path.read_text())["cells"][-1]["outputs"][0]["text"]


@pytest.mark.parametrize(
    ("value", "text"),
    [("0461", "'0461'"), ("-x", "'-x'"), ("--output", "'--output'"), ("a'b\"c=\n", "'a\\'b\"c=\\n'"), ("", "''")],
)
def test_values_reach_the_notebook(book: Path, tmp_path: Path, capfd, value: str, text: str) -> None:
    folder = tmp_path / "ud"
    assert cli.main(["run", str(book), "-p", "kommune", value, "-p", "aar", "-3", "--output", str(folder)]) == 0
    assert shown(folder) == f"{text} -3\n"
    words = capfd.readouterr()
    assert words.out == ""
    assert "Celle 3 af 3" in words.err
    assert "Rapport: " in words.err


def test_a_file_of_parameters_and_p_before_it(book: Path, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"kommune": "0101", "aar": 1}')
    command = ["run", str(book), "--parameters", str(tmp_path / "p.json"), "-p", "aar", "2"]
    assert cli.main([*command, "--output", str(tmp_path / "ud")]) == 0
    assert shown(tmp_path / "ud") == "'0101' 2\n"


def test_the_default_folder_lies_beside_the_notebook(book: Path) -> None:
    assert cli.main(["run", str(book)]) == 0
    (folder,) = book.parent.glob("min bog æøå-koersel-*")
    assert "result.json" in left_in(folder)
    taken = default_output(book)
    taken.mkdir()
    assert default_output(book) != taken


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], "FL-R007"),
        (["findes-ikke"], "FL-R007"),
        (["run"], "FL-R007"),
        (["run", "{book}", "--ukendt"], "FL-R007"),
        (["run", "{book}", "--timeout", "x"], "FL-R007"),
        (["run", "{book}", "--timeout", "0"], "FL-R005"),
        (["run", "{book}", "--timeout", "nan"], "FL-R005"),
        (["run", "{book}", "--timeout", "inf"], "FL-R005"),
        (["run", "væk.ipynb"], "FL-R001"),
        (["run", "{book}", "-p", "aar"], "FL-P004"),
        (["run", "{book}", "-p", "aar", "1", "-p", "aar", "2"], "FL-P004"),
        (["run", "{book}", "-p", "aar", "x"], "FL-P002"),
        (["run", "{book}", "-p", "aarr", "1"], "FL-P002"),
        (["run", "{book}", "--parameters", "væk.json"], "FL-P003"),
        (["parameters", "væk.py"], "FL-R001"),
        (["parameters", "{book}", "-p", "a", "b"], "FL-R007"),
        (["run", "{book}", "--output", "/proc/nej"], "FL-R006"),
        (["run", "{book}", "--output", "{book}"], "FL-R006"),
    ],
)
def test_a_mistake_is_one_sentence(book: Path, capfd, arguments: list[str], code: str) -> None:
    assert cli.main([a.replace("{book}", str(book)) for a in arguments]) == 2
    words = capfd.readouterr().err
    assert words.count("\n") == 1
    assert f"({code})" in words
    assert left_in(book.parent) == [book.name]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"aar": 1, "aar": 2}', "[" * 100_000, "\ud800"])
def test_a_broken_parameter_file(book: Path, tmp_path: Path, capfd, text: str) -> None:
    (tmp_path / "p.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert cli.main(["run", str(book), "--parameters", str(tmp_path / "p.json")]) == 2
    assert "FL-P003" in capfd.readouterr().err


def test_an_inner_fault_shows_no_stack_trace(book: Path, capfd, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("hemmelig")

    monkeypatch.setattr(cli, "_from_file", broken)
    assert cli.main(["run", str(book)]) == 70
    words = capfd.readouterr().err
    assert "FL-R008" in words
    assert "hemmelig" not in words
    assert "Traceback" not in words


def test_parameters_version_and_help(book: Path, capfd) -> None:
    assert cli.main(["parameters", str(book)]) == 0
    assert [p["name"] for p in json.loads(capfd.readouterr().out)] == ["kommune", "aar"]
    for arguments in (["--version"], ["--help"], ["run", "--help"]):
        with pytest.raises(SystemExit) as left:
            cli.main(arguments)
        assert left.value.code == 0
    assert "usage" not in capfd.readouterr().out


def test_it_is_a_module_and_light() -> None:
    heavy = ("IPython", "pandas", "nh3", "mistune", "asyncio")
    probe = f"import sys, faelleslab.cli, faelleslab.jobs.runner; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", probe], text=True) == "[]\n"
    done = subprocess.run([sys.executable, "-m", "faelleslab", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip()


def test_a_run_never_overwrites_another(book: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ud"
    first = run_notebook(book, {}, folder)
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    with pytest.raises(RefusedRunError, match="FL-R004"):
        run_notebook(book, {}, folder)
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before
    assert from_json((folder / "result.json").read_text()) == first


def test_a_refusal_is_left_in_a_folder_that_was_there(book: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ud"
    folder.mkdir()
    with pytest.raises(ParameterError):
        run_notebook(book, {"aar": "hemmelig"}, folder)
    result = from_json((folder / "result.json").read_text())
    assert (result.state, result.reason, result.exit_code, result.code) == ("FAILED", "REFUSED", 2, "FL-P002")
    assert "hemmelig" not in (folder / "result.json").read_text()


def test_what_lies_in_the_folder_is_hashed_without_following(run) -> None:
    ran = run(
        "import os, pathlib\nd = pathlib.Path(os.environ['FAELLESLAB_OUTPUT'])",
        "(d / 'a.csv').write_text('x'); os.symlink('/etc/passwd', d / 'b'); os.mkfifo(d / 'c'); os.mkdir(d / 'd')",
        "open(os.fsencode(d) + b'/\\xff', 'w').close()",
    )
    found = {o["path"]: o for o in ran.result.outputs}
    assert set(found) == {"bog.ipynb", "bog.html", "files/a.csv", "files/\\udcff"}
    assert found["files/a.csv"]["sha256"].startswith("2d711642b726b044")


def test_a_notebook_cannot_write_its_own_verdict(run) -> None:
    ran = run(
        "import os, pathlib\nd = pathlib.Path(os.environ['FAELLESLAB_OUTPUT']).parent\n"
        "(d / 'result.json').write_text('{}'); (d / 'bog.html').symlink_to('/etc/hostname'); os._exit(0)",
    )
    assert ran.result.reason == "KERNEL_DIED"
    assert not (ran.folder / "bog.html").is_symlink()


@pytest.mark.parametrize(
    "change",
    [{"state": "SUCCEEDED"}, {"reason": None}, {"exit_code": 0}, {"schema_version": 2}, {"reason": "X"}, {"cells": 1}],
)
def test_a_result_whose_parts_disagree_is_refused(run, change: dict) -> None:
    raw = {**json.loads(run("1/0").result.as_json()), **change}
    with pytest.raises(RefusedRunError, match="FL-R009"):
        from_json(json.dumps(raw))


def test_hashes_and_provenance(run, monkeypatch) -> None:
    monkeypatch.setenv("FAELLESLAB_IMAGE", "sha256:abc")
    cell = "from faelleslab.jobs.provenance import record_data\nfor c in 'ab': record_data('folk1a', c * 64)"
    book = ('# %% tags=["parameters"]\nx = 1', cell)
    one, two = run(*book, parameters={"x": 1}).result.hashes, run(*book, parameters={"x": "2"}).result.hashes
    assert one["data"] == {"folk1a": "a" * 64, "folk1a#2": "b" * 64}
    assert one["image"] == "sha256:abc"
    assert one["notebook"] == two["notebook"]
    assert one["parameters"] != two["parameters"]


def test_provenance_outside_a_run_and_broken_lines(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    record_data("x", "0" * 64)
    with pytest.raises(ValueError, match="sha256"):
        record_data("x", "0")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "p"))
    record_data("æ\n" + "x" * 1000, "0" * 64)
    with (tmp_path / "p").open("ab") as file:
        file.write(b'{"name": 1}\n[]\n\xff\n{"name": "y", "sha256": "kort"}\n')
    (name,) = read_records(tmp_path / "p")
    assert name.startswith("æ\n")
    assert len(name) == 500
    assert stat.S_IMODE((tmp_path / "p").stat().st_mode) == 0o600
    assert read_records(tmp_path / "væk") == {}


def test_modules_beside_the_notebook_and_not_beside_the_caller(run, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "json.py").write_text("raise RuntimeError('skygge')")
    monkeypatch.chdir(tmp_path)
    assert run("import json; json.dumps(1)").result.succeeded


def test_nothing_is_written_in_the_home_folder(run, tmp_path: Path, monkeypatch) -> None:
    home = tmp_path / "hjem"
    home.mkdir(mode=0o555)
    monkeypatch.setenv("HOME", str(home))
    assert run("1").result.succeeded
    assert os.listdir(home) == []  # noqa: PTH208


def test_counters_of_both_kinds_of_control_group(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("9:name=systemd:/\n4:memory:/docker/abc\n0::/\n")
    assert group_kills(tmp_path, own) == 0
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert group_kills(tmp_path, own) == 3
    own.write_text("0::/a/b\n")
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/memory.events").write_text("low 0\noom 2\noom_kill 2\noom_group_kill 0\n")
    assert group_kills(tmp_path, own) == 2
    (tmp_path / "a/b/memory.events").write_text("oom_kill x\n")
    assert group_kills(tmp_path, own) == 0
    assert group_kills(tmp_path, tmp_path / "væk") == 0
    assert machine_kills() >= 0
    assert machine_kills(tmp_path / "væk") == 0
