"""read_csv on the files municipalities have, and on those nobody should have."""

import contextlib
import io
import json
import time

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings

from faelleslab.data import read_csv, read_report
from faelleslab.errors import DataError


def read(text, **options):
    return read_csv(text.encode("utf-8") if isinstance(text, str) else text, **options)


def column(df, name):
    return next(one for one in read_report(df).columns if one.name == name)


# --- separators, encodings, line ends -------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp865"])
def test_every_separator_line_end_and_encoding(separator, end, encoding):
    rows = [
        ["kommunekode", "kommune", "antal"],
        ["0825", "Læsø", "1795"],
        ["0492", "Ærø", "6000"],
        ["0101", "København", "7"],
    ]
    df = read_csv(end.join(separator.join(row) for row in [*rows, []]).encode(encoding))
    assert df["kommunekode"].tolist() == ["0825", "0492", "0101"]
    assert df["kommune"].tolist() == ["Læsø", "Ærø", "København"]
    assert df["antal"].tolist() == [1795, 6000, 7]
    assert df["antal"].dtype == "int64"


def test_a_utf8_mark_on_a_windows_file_is_seen():
    df = read_csv(b"\xef\xbb\xbfnavn;n\r\n\xc6r\xf8;1\r\n")
    assert df["navn"].tolist() == ["Ærø"]
    assert not read_report(df).guesses[0].certain


def test_double_encoding_is_told():
    df = read("navn;n\nÆrø;1\n".encode().decode("cp1252").encode())
    assert any("to gange" in note for note in read_report(df).notes)


def test_every_guess_can_be_overridden():
    raw = "1.234|2;é\n5.678|3;x\n".encode("latin-1")
    df = read_csv(raw, separator="|", encoding="latin-1", header=False, text_columns=["Kolonne 1"])
    assert df.to_dict("list") == {"Kolonne 1": ["1.234", "5.678"], "Kolonne 2": ["2;é", "3;x"]}


def test_a_file_without_header_shows_no_value_as_a_name():
    df = read("0101011234;Ærøvej 1, 5970\n0202021234;x\n")
    said = str(read_report(df))
    assert "0101011234" not in said
    assert "header=False" in said
    with pytest.raises(DataError) as caught:
        read("0101011234;a\nx;x\n", number_columns=["0101011234"])
    assert "0101011234" not in str(caught.value)


def test_paths_buffers_and_open_files(tmp_path):
    path = tmp_path / "fil.csv"
    path.write_bytes(b"a;b\n1;2\n")
    for source in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), io.StringIO("a;b\n1;2\n")):
        assert read_csv(source).to_dict("list") == {"a": [1], "b": [2]}
    with path.open("rb") as file:
        assert read_report(read_csv(file)).name == "fil.csv"


# --- numbers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "expected", "ambiguous"),
    [
        (["1.234.567", "12"], [1234567, 12], False),
        (["1.234,5", "7,25"], [1234.5, 7.25], False),
        (["1.234", "2.345"], [1234, 2345], True),
        (["1.234", "12345"], [1.234, 12345.0], False),
        (["1.2345", "2.345"], [1.2345, 2.345], False),
        (["0.123", "1.234"], [0.123, 1.234], False),
        (["1,234", "5,678"], [1.234, 5.678], True),
        (["1,234,567", "1"], [1234567, 1], False),
        (["1,234.5", "2,000"], [1234.5, 2000.0], False),
        (["1 234 567", "1 234,5"], [1234567.0, 1234.5], False),
        (["1\u00a0234", "12"], [1234, 12], False),
        (["-5", "\u22127"], [-5, -7], False),
        (["1.234,50-", "2,00"], [-1234.5, 2.0], False),
        (["1,5E+10", "2"], [1.5e10, 2.0], False),
        (["+5", "3"], [5, 3], False),
        ([",5", "1,5"], [0.5, 1.5], False),
    ],
)
def test_numbers_by_evidence(cells, expected, ambiguous):
    df = read("navn;tal\n" + "".join(f"x;{cell}\n" for cell in cells))
    assert df["tal"].tolist() == expected
    assert column(df, "tal").ambiguous is ambiguous
    assert ("tal" in read_report(df).ambiguous) is ambiguous


def test_other_columns_decide_what_a_column_leaves_open():
    danish = read("a;b\n1.234;0,5\n2.345;1,5\n")
    english = read("a;b\n1.234;0.5\n2.345;1.5\n")
    assert danish["a"].tolist() == [1234, 2345]
    assert english["a"].tolist() == [1.234, 2.345]


def test_decimal_and_thousands_can_be_given():
    assert read("a;b\n1.234;x\n", decimal=".")["a"].tolist() == [1.234]
    assert read("a;b\n1.234;x\n", thousands=".")["a"].tolist() == [1234]
    assert read("a;b\n1,234;x\n", thousands=",")["a"].tolist() == [1234]


def test_contradicting_marks_stay_text_and_are_told():
    df = read("a;b\n1,5;x\n2.25;x\n")
    assert df["a"].tolist() == ["1,5", "2.25"]
    assert "decimalpunkt" in column(df, "a").note


@pytest.mark.parametrize(
    "cell", ["0751", "007", "6101011234", "00", "610101-1234", "7201011234", "12345678901234567890"]
)
def test_codes_stay_text(cell):
    assert read(f"kode;n\n{cell};1\n")["kode"].tolist() == [cell]


def test_a_number_column_can_be_insisted_on():
    assert read("n;x\n007;a\n", number_columns=["n"])["n"].tolist() == [7]
    with pytest.raises(DataError, match="Se linje 3") as caught:
        read("n;x\n1;a\nhemmelig;b\n", number_columns=["n"])
    assert caught.value.code == "FL-D012"
    assert "hemmelig" not in str(caught.value)


# --- missing, hidden, totals ----------------------------------------------------------------------------------------


def test_missing_marks_in_numbers_and_text():
    df = read("t;n;d\n..;..;-\nx;1;2,5\n.;.;\n;-;..\n–;NULL;#I/T\n")
    assert df["t"].isna().tolist() == [True, False, True, True, True]
    assert df["n"].isna().tolist() == [True, False, True, True, True]
    assert df["n"].dtype == "Int64"
    assert df["d"].dtype == "float64"
    assert column(df, "n").missing == 4


def test_missing_can_be_given():
    df = read("t;n\n..;999\nx;1\n", missing=["999"])
    assert df["t"].tolist() == ["..", "x"]
    assert df["n"].isna().tolist() == [True, False]


@pytest.mark.parametrize("hidden", ["<10", "< 5", "≤3", "<=5", ">1.000", "under 5", "færre end 5"])
def test_hidden_figures_are_missing_and_flagged(hidden):
    df = read(f"k;n\na;{hidden}\nb;12\nc;..\nd;1.200\n")
    assert df["n"].isna().tolist() == [True, False, True, False]
    assert df["n"].dropna().tolist() == [12, 1200]
    assert column(df, "n").censored == 1
    assert read_report(df).censored("n").tolist() == [True, False, False, False]
    assert "skjult i kilden" in str(read_report(df))


def test_a_column_of_hidden_figures_alone_is_still_figures():
    df = read("k;n\na;<5\nb;<5\n")
    assert df["n"].isna().all()
    assert pd.api.types.is_numeric_dtype(df["n"].dtype)
    assert column(df, "n").censored == 2


def test_totals_are_reported_and_dropped_only_when_asked():
    text = "KØN;OMRÅDE;n\nI alt;Hele landet;10\nI alt;Ærø;4\nI alt;Læsø;6\n"
    assert read_report(read(text)).totals == 1
    assert len(read(text)) == 3
    dropped = read(text, drop_totals=True)
    assert dropped["OMRÅDE"].tolist() == ["Ærø", "Læsø"]
    assert read_report(dropped).totals_dropped == 1
    assert read_report(dropped).censored("n").tolist() == [False, False]


# --- dates ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["01-02-2020", "31-12-2020"], ["2020-02-01", "2020-12-31"]),
        (["1.2.2020", "31.12.2020"], ["2020-02-01", "2020-12-31"]),
        (["1/2/2020", "31/12/2020"], ["2020-02-01", "2020-12-31"]),
        (["02/01/2020", "12/31/2020"], ["2020-02-01", "2020-12-31"]),
        (["01-02-2020 03:04", "31-12-2020 23:59:58"], ["2020-02-01T03:04:00", "2020-12-31T23:59:58"]),
        (["2020-02-01", "2020-12-31"], ["2020-02-01", "2020-12-31"]),
        (["2020-02-01T07:15:00", "2020-12-31 9:00"], ["2020-02-01T07:15:00", "2020-12-31T09:00:00"]),
        (["01-02-2020 kl. 3.04", "1-2-2020 03.05"], ["2020-02-01T03:04:00", "2020-02-01T03:05:00"]),
    ],
)
def test_dates(cells, expected):
    df = read("d;n\n" + "".join(f"{cell};1\n" for cell in cells))
    assert df["d"].tolist() == [pd.Timestamp(one) for one in expected]


def test_time_zones_become_utc():
    df = read("d;n\n2020-02-01T01:00:00+01:00;1\n2020-02-01T00:00Z;2\n")
    assert df["d"].tolist() == [pd.Timestamp("2020-02-01", tz="UTC")] * 2


def test_slashes_with_both_small_are_ambiguous():
    assert column(read("d;n\n01/02/2020;1\n"), "d").ambiguous


def test_a_day_that_does_not_exist_leaves_text_and_a_note():
    df = read("d;n\n31-02-2020;1\n")
    assert df["d"].tolist() == ["31-02-2020"]
    assert "kalenderen" in column(df, "d").note
    with pytest.raises(DataError):
        read("d;n\n31-02-2020;1\n", date_columns=["d"])


# --- lines ----------------------------------------------------------------------------------------------------------


def test_titles_above_notes_below_and_blank_lines():
    text = (
        "Folketal pr. 1. januar\nUdtrukket 01-02-2020\n\nkommune;n\nÆrø;1\n\nLæsø;2\n\nKilde: Statistikbanken\nNote\n"
    )
    df = read(text)
    assert df.to_dict("list") == {"kommune": ["Ærø", "Læsø"], "n": [1, 2]}
    report = read_report(df)
    assert (report.lines_above, report.lines_below) == (2, 2)


def test_a_title_that_excel_padded():
    df = read("Folketal;;\n;;\nkommune;n;m\nÆrø;1;2\n")
    assert list(df.columns) == ["kommune", "n", "m"]


def test_a_given_header_line():
    df = read("a;b\nkommune;n\nÆrø;1\n", header_line=2)
    assert list(df.columns) == ["kommune", "n"]
    with pytest.raises(DataError) as caught:
        read("a;b\n1;2\n", header_line=7)
    assert caught.value.code == "FL-D008"


def test_empty_and_doubled_names():
    df = read("a;;a;a (2);\n1;2;3;4;5\n")
    assert len(set(df.columns)) == 5
    assert list(df.columns)[:2] == ["a", "Kolonne 2"]
    assert df.iloc[0].tolist() == [1, 2, 3, 4, 5]


def test_separators_at_the_end_of_each_row():
    df = read("a;b\n1;2;\n3;4;\n5;6;\n")
    assert df.to_dict("list") == {"a": [1, 3, 5], "b": [2, 4, 6]}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a;b;c\n1;2;3\n4;5\n6;7;8\n", 3),
        ('a;b\n"x\ny";1\n1;2;3\n', 4),
        ("a;b\n\n1;2\n\n3;4;5\n6;7\n", 5),
        ("a;b\n1;2\n3", 3),
    ],
)
def test_ragged_lines_are_named(text, line):
    with pytest.raises(DataError, match=f"Linje {line} har") as caught:
        read(text)
    assert caught.value.code == "FL-D007"


def test_quoted_separators_newlines_and_doubled_marks():
    df = read('t;n\n"a;b";1\n"l1\r\nl2";2\n"sagde ""hej""";3\n"";4\n')
    assert df["t"].tolist() == ["a;b", "l1\r\nl2", 'sagde "hej"', ""]


def test_marks_inside_a_cell_are_text():
    df = read('t;n\n3/4" rør;1\n"x;y";2\n')
    assert df["t"].tolist() == ['3/4" rør', "x;y"]


def test_an_unclosed_mark_is_named_and_can_be_read_as_text():
    with pytest.raises(DataError, match="Linje 2") as caught:
        read('t;n\n"aaa;1\nb;2\n')
    assert caught.value.code == "FL-D005"
    assert read('t;n\n"aaa;1\nb;2\n', quote=None)["t"].tolist() == ['"aaa', "b"]


def test_quoted_digits_are_text_unless_everything_is_quoted():
    assert read('k;n\n"751";1\n')["k"].tolist() == ["751"]
    everything = read('"k";"n"\n"751";"1,5"\n')
    assert everything["k"].tolist() == [751]
    assert everything["n"].tolist() == [1.5]


def test_padding_and_hard_spaces_are_taken_off():
    df = read(" k ;\u00a0n\u00a0\n 0751 ; 12 \n")
    assert df.to_dict("list") == {"k": ["0751"], "n": [12]}


# --- the report -----------------------------------------------------------------------------------------------------


def test_the_report_is_danish_and_travels_with_the_table(tmp_path, capsys):
    df = read("kommune;n\nÆrø;1,5\n", report=True, name="tal.csv")
    said = capsys.readouterr().out
    assert said.startswith("tal.csv: 1 rækker og 2 kolonner er læst.")
    assert "Skilletegn: semikolon" in said
    assert "decimaltal (decimalkomma)" in said
    assert str(read_report(df[df["n"] > 0].copy())) + "\n" == said
    df.to_parquet(tmp_path / "t.parquet")  # pandas writes attrs as JSON
    json.dumps(df.attrs)
    with pytest.raises(DataError):
        read_report(pd.DataFrame())


def test_reading_is_told_to_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("FAELLESLAB_PROVENANCE", str(tmp_path / "p"))
    read("a;b\n1;2\n", name="x.csv")
    assert json.loads((tmp_path / "p").read_text())["name"] == "x.csv"


# --- promises -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "FL-D002"),
        (b"\n\n  \n", "FL-D002"),
        (b"\xef\xbb\xbf", "FL-D002"),
        (b"PK\x03\x04rest", "FL-D003"),
        (b"%PDF-1.4", "FL-D003"),
        (b"a;b\n\x00\x01;2\n", "FL-D003"),
        (b"\xff\xfea", "FL-D004"),
        (b";" * 20000, "FL-D006"),
    ],
)
def test_what_is_no_table_is_refused(raw, code):
    with pytest.raises(DataError) as caught:
        read_csv(raw)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "options",
    [
        {"separator": ";;"}, {"separator": "a"}, {"separator": ""}, {"decimal": "x"},
        {"thousands": ",", "decimal": ","},
        {"encoding": "findes-ikke"}, {"encoding": "ascii"}, {"encoding": "base64"}, {"text_columns": ["x"]},
        {"quote": "''"},
    ],
)  # fmt: skip
def test_a_choice_that_does_not_fit_is_told(options):
    with pytest.raises(DataError):
        read("å;b\n1;2\n", **options)


def test_missing_files_and_folders(tmp_path):
    for source in (tmp_path / "ingen.csv", tmp_path, "a\x00b", str(tmp_path / ("x" * 300)), 7):
        with pytest.raises(DataError) as caught:
            read_csv(source)
        assert caught.value.code == "FL-D001"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(st.sampled_from(';,\t|"\r\n.-0159 æ<'), max_size=60).map(str.encode))
@example(b'"";""\n"')
@example(b"\xff\xfe\x00\xd8")
@example(b"a\r;")
def test_any_bytes_end_in_a_table_or_a_clear_error(raw):
    try:
        df = read_csv(raw)
    except DataError:
        return
    assert isinstance(df, pd.DataFrame)
    str(read_report(df))


_secret = st.text(st.sampled_from("QZXqzx"), min_size=5, max_size=8).map(lambda s: "Ω" + s)


@settings(max_examples=200, deadline=None)
@given(_secret, st.integers(0, 7))
def test_no_error_or_report_holds_a_cell(secret, case):
    bodies = [
        (f"a;b\n{secret};1\n1;2;3\n", {}),
        (f'a;b\n"{secret};1\n', {}),
        (f"a;b\n{secret};1\n", {"number_columns": ["a"]}),
        (f"a;b\n{secret};1\n", {"date_columns": ["a"]}),
        (f"a;b\n{secret};1\n", {"encoding": "ascii"}),
        (f"a;b\n{secret};1\n5;5\n7;7\n8;8\n9;9\n10;10\n11;11\n", {}),
        (f"Titel {secret}\n\na;b\n1;1\n\nNote {secret}\n", {}),
        (f"a;b\n{secret}\x00;1\n", {}),
    ]
    text, options = bodies[case]
    try:
        said = str(read_report(read(text, **options)))
    except DataError as caught:
        error = caught
    else:
        error = None
    if error is not None:
        said = str(error) + repr(error.__cause__)
        assert error.__suppress_context__ or error.__context__ is None
    assert secret not in said
    assert secret[1:] not in said


@pytest.mark.parametrize(
    "piece",
    [b"1234567890", b'"', b'""', b'"a;', b"\n", b"\r", b"1;2\n", b"a,", b'x"y;\n', b"<5\n", b"1.234\n", b"\xc3\xa6"],
)
def test_the_time_is_linear(piece):
    def seconds(size):
        raw = b"a;b\n" + piece * (size // len(piece))
        start = time.process_time()
        with contextlib.suppress(DataError):
            read_csv(raw)
        return time.process_time() - start

    seconds(100_000)
    small, large = seconds(500_000), seconds(2_000_000)
    assert large < max(0.5, small * 4 * 4), (small, large)


def test_the_slow_cutter_agrees_with_the_fast_one():
    from faelleslab.data.tokens import _cut_arrays, _cut_slowly

    rng = np.random.default_rng(7)
    pieces = ["a", "ø", ";", "\n", "\r\n", "\r", '"x;y"', '"a""b"', '"l\nm"', '""', "1,5"]
    compared = 0
    for _ in range(2000):
        text = "".join(rng.choice(pieces, size=rng.integers(1, 12)))
        fast = _cut_arrays(np.frombuffer(text.encode(), np.uint8), ord(";"), ord('"'))
        if fast is None:
            continue
        slow = _cut_slowly(text, ";", '"')
        assert fast.text.to_pylist() == slow.text.to_pylist(), text
        for name in ("quoted", "first", "counts", "lines"):
            assert getattr(fast, name).tolist() == getattr(slow, name).tolist(), (name, text)
        compared += 1
    assert compared > 300
