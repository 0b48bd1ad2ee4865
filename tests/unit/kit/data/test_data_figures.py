"""Key figures, the shipped recordings, and workbooks."""

import datetime as dt
import hashlib
import json
import zipfile
from importlib.resources import files

import openpyxl
import pandas as pd
import pytest

from faelleslab.data import answers as shipped
from faelleslab.data import (
    key_figures,
    municipalities,
    provenance_of,
    read_csv,
    source_of,
    units_of,
    write_csv,
    write_excel,
    write_parquet,
)
from faelleslab.data.record import main as record
from faelleslab.errors import DataError

FOLDER = files("faelleslab.data") / "recorded"


def test_key_figures_of_the_98():
    df = key_figures()
    assert df.shape == (98, 9)
    assert df["kommunekode"].is_unique
    assert df["kommunekode"].str.fullmatch(r"0\d{3}").all()
    row = df.set_index("kommunekode")
    assert row.loc["0101", "kommune"] == "København"
    assert row.loc["0751", "indbyggere"] == 349_983
    assert row.loc["0147", "areal_km2"] == 8.7
    assert row.loc["0101", "beskæftigelsesgrad_pct"] == 72.2
    assert row.loc["0101", "indkomst_lvu_kr"] == 333_579
    assert df["indbyggere"].sum() == 5_822_763 - 84
    assert df["andel_gifte_pct"].between(20, 60).all()
    assert units_of(df)["indbyggere"].country == 5_822_763
    assert "lang videregående" in units_of(df)["indkomst_lvu_kr"].note
    assert source_of(df) == "Kilde: Danmarks Statistik (Statistikbanken), CC BY 4.0"
    assert {one.label for one in provenance_of(df)} == {"konstrueret"}


def test_figures_that_do_not_add_up_are_refused(monkeypatch):
    real = shipped.recorded

    def altered(request):
        answer = real(request)
        if answer and b"632340" in answer.body:
            return shipped.Answer(answer.body.replace(b"632340", b"632341"), answer.label, answer.retrieved)
        return answer

    monkeypatch.setattr("faelleslab.data.service.recorded", altered)
    with pytest.raises(DataError) as caught:
        key_figures()
    assert caught.value.code == "FL-D026"


def test_regions_are_dated():
    before, after = municipalities(dt.date(2026, 12, 31)), municipalities(dt.date(2027, 1, 1))
    assert before["region"].value_counts().to_dict() == {
        "Region Hovedstaden": 29, "Region Syddanmark": 22, "Region Midtjylland": 19, "Region Sjælland": 17,
        "Region Nordjylland": 11,
    }  # fmt: skip
    assert after["region"].value_counts()["Region Østdanmark"] == 46
    assert len(before) == len(after) == 98


def test_the_shipped_answers_are_whole_small_and_labelled():
    listed = shipped.index()
    for entry in listed:
        body = (FOLDER / entry["file"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == entry["sha256"]
        assert entry["label"] in ("optaget", "konstrueret")
        assert entry["licence"] == "CC BY 4.0"
        assert dt.date.fromisoformat(entry["retrieved"])
        assert entry["source"]
        assert entry["label"] == "optaget" or "sat" in entry["note"] or "udtræk" in entry["note"]
    assert {entry["file"] for entry in listed} | {"index.json"} == {file.name for file in FOLDER.iterdir()}
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 150_000
    keys = [shipped.Request(e["service"], e["path"], e["parameters"]).key for e in listed]
    assert len(set(keys)) == len(keys)


def test_no_contact_person_is_shipped():
    for file in FOLDER.iterdir():
        if file.name.endswith(".json") and file.name != "index.json":
            for contact in (
                (json.loads(file.read_text("utf-8")) or {}).get("contacts", []) if "info" in file.name else []
            ):
                assert set(contact.values()) == {"REDACTED"}


def test_recording_anew_keeps_what_fails(theatre, tmp_path, monkeypatch):
    from tests.unit.kit.data.theatre import Play

    for file in FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())

    def answer(asked):
        if asked["path"] == "/subjects":
            return Play(b'[{"id":"1","description":"Nyt"}]')
        if asked["path"] == "/tableinfo" and asked["lang"] == "da":
            return Play(b'{"id":"STRAF42","contacts":[{"name":"Navn Navnesen"}],"variables":[]}')
        return Play(status=404)

    theatre.answer = answer
    monkeypatch.setenv("FAELLESLAB_STATBANK_URL", theatre.address)
    monkeypatch.setenv("FAELLESLAB_ENERGI_URL", theatre.address)
    assert record(["--folder", str(tmp_path)]) == 2
    listed = {e["file"]: e for e in json.loads((tmp_path / "index.json").read_text("utf-8"))["recordings"]}
    assert "Nyt" in (tmp_path / "subjects_da.json").read_text("utf-8")
    assert listed["subjects_da.json"]["retrieved"] == dt.datetime.now(dt.UTC).date().isoformat()
    assert "Navnesen" not in (tmp_path / "STRAF42_info_da.json").read_text("utf-8")
    assert listed["STRAF42_info_en.json"]["retrieved"] == "2025-09-07"
    assert listed["FOLK1A_2020K1.csv"]["label"] == "konstrueret"
    for name, entry in listed.items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == entry["sha256"]


def test_a_changed_recording_is_refused(monkeypatch):
    entry = {**shipped.index()[0], "sha256": "0" * 64}
    monkeypatch.setattr(shipped, "index", lambda: (entry,))
    with pytest.raises(DataError) as caught:
        key_figures()
    assert caught.value.code in ("FL-D025", "FL-D020")


# --- Excel and Parquet ----------------------------------------------------------------------------------------------


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "kommunekode": ["0751", "=1+1", None],
            "dag": pd.to_datetime(["2020-02-01", None, "1850-01-01"]),
            "tid": pd.to_datetime(["2020-02-01 13:45:00"] * 3),
            "antal": pd.Series([1, None, 2**60], dtype="Int64"),
            "andel": [0.5, float("nan"), float("inf")],
            "sandt": [True, False, True],
        }
    )


def test_a_workbook_has_real_values(tmp_path, table):
    path = tmp_path / "t.xlsx"
    write_excel(table, path, sheet="Nøgle/tal", source="Kilde: Danmarks Statistik")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Nøgle tal", "Om data"]
    sheet = book["Nøgle tal"]
    assert [cell.value for cell in sheet[1]] == list(table.columns)
    assert [cell.value for cell in sheet[2]] == [
        "0751", dt.datetime(2020, 2, 1), dt.datetime(2020, 2, 1, 13, 45), 1, 0.5, True,
    ]  # fmt: skip
    assert sheet["A2"].data_type == "s"
    assert sheet["A3"].value == "=1+1"
    assert sheet["A3"].data_type == "s"
    assert sheet["B3"].value is None
    assert sheet["B4"].value == "1850-01-01"
    assert sheet["D4"].value == str(2**60)
    assert sheet["E4"].value is None
    assert sheet["B2"].number_format == "dd-mm-yyyy"
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:F4"
    assert "Kilde: Danmarks Statistik" in [cell.value for cell in book["Om data"]["B"]]
    assert b"<f>" not in zipfile.ZipFile(path).read("xl/worksheets/sheet1.xml")


def test_a_workbook_names_the_tables_own_source(tmp_path):
    write_excel(key_figures(), tmp_path / "t.xlsx")
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    said = [str(cell.value) for cell in book["Om data"]["B"]]
    assert "Kilde: Danmarks Statistik (Statistikbanken), CC BY 4.0" in said
    assert any("konstrueret" in line for line in said)


def test_excel_refuses_what_it_cannot_hold(tmp_path):
    with pytest.raises(DataError) as caught:
        write_excel(pd.DataFrame({"a": ["x" * 40_000]}), tmp_path / "t.xlsx")
    assert caught.value.code == "FL-D031"
    with pytest.raises(DataError):
        write_excel(pd.DataFrame({"a": range(1_048_576)}), tmp_path / "t.xlsx")
    with pytest.raises(DataError) as caught:
        write_excel(pd.DataFrame({"a": [1]}), tmp_path / "ingen" / "t.xlsx")
    assert caught.value.code == "FL-D030"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sheet", ["", "'", "x" * 50, "a:b*?[]", "Om data", "om DATA"])
def test_any_sheet_name_will_do(tmp_path, sheet):
    write_excel(pd.DataFrame({"a": ["\x01\x0bæ"]}), tmp_path / "t.xlsx", sheet=sheet)
    assert openpyxl.load_workbook(tmp_path / "t.xlsx").worksheets[0]["A2"].value == "æ"


def test_parquet_keeps_kinds_and_replaces_whole(tmp_path, table):
    path = tmp_path / "t.parquet"
    write_parquet(table, path)
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)
    with pytest.raises(DataError) as caught:
        write_parquet(pd.DataFrame({"a": [1, "x", object()]}), path)
    assert caught.value.code == "FL-D031"
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_read_and_recorded_can_be_written(tmp_path):
    df = key_figures()
    write_parquet(df, tmp_path / "t.parquet")
    write_csv(df, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv"), df, check_flags=False)
    assert (tmp_path / "t.csv").stat().st_mode & 0o600 == 0o600
