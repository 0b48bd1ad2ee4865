"""The clients of StatBank and Energi Data Service against a real server that behaves well, badly and not at all."""

import json
import socket

import pandas as pd
import pytest
from tests.unit.kit.data.theatre import Play

from faelleslab.data import Energi, StatBank, provenance_of, source_of
from faelleslab.data.answers import Cache
from faelleslab.errors import DataError

pytestmark = pytest.mark.slow

INFO = {
    "id": "T1",
    "suppressedDataValue": "0",
    "variables": [
        {"id": "OMRÅDE", "text": "område", "elimination": True, "time": False,
         "values": [{"id": "000", "text": "Hele landet"}, {"id": "101", "text": "København"},
                    {"id": "492", "text": "Ærø"}]},
        {"id": "KØN", "text": "køn", "elimination": True, "time": False,
         "values": [{"id": "TOT", "text": "I alt"}, {"id": "M", "text": "Mænd"}]},
        {"id": "Tid", "text": "tid", "elimination": False, "time": True,
         "values": [{"id": "2019K4", "text": "2019K4"}, {"id": "2020K1", "text": "2020K1"}]},
    ],
}  # fmt: skip
CSV = "\ufeffOMRÅDE;TID;INDHOLD\r\n101;2020K1;632340\r\n492;2020K1;..\r\n".encode()


def bank(theatre, **options):
    options = {"retries": 3, "backoff_s": 0.001, "timeout_s": 5} | options
    return StatBank(theatre.address, **options)


def energi(theatre, **options):
    options = {"retries": 3, "backoff_s": 0.001, "timeout_s": 5} | options
    return Energi(theatre.address, **options)


def statbank_plays(theatre, body=CSV, info=INFO):
    def answer(asked):
        if asked["path"] == "/tableinfo":
            return Play(json.dumps(info).encode())
        return Play(body, kind="text/csv")

    theatre.answer = answer


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


# --- StatBank -------------------------------------------------------------------------------------------------------


def test_a_table_with_codes_texts_period_and_source(theatre):
    statbank_plays(theatre)
    df = bank(theatre).table("t1", OMRÅDE=["0101", "492"], tid="(1)", values="both", municipality_codes=True)
    assert list(df.columns) == ["kommunekode", "OMRÅDE_KODE", "OMRÅDE", "TID", "PERIODE", "INDHOLD"]
    assert df["kommunekode"].tolist() == ["0101", "0492"]
    assert df["OMRÅDE"].tolist() == ["København", "Ærø"]
    assert df["PERIODE"].tolist() == [pd.Timestamp("2020-01-01")] * 2
    assert df["INDHOLD"].isna().tolist() == [False, True]
    asked = theatre.asked[-1]
    assert asked["format"] == "CSV"
    assert asked["variables"] == [{"code": "OMRÅDE", "values": ["101", "492"]}, {"code": "Tid", "values": ["(1)"]}]
    assert source_of(df) == "Kilde: Danmarks Statistik (Statistikbanken), CC BY 4.0"
    assert [one.label for one in provenance_of(df)] == ["direkte"]


def test_the_newest_period_is_taken_when_none_is_given(theatre):
    statbank_plays(theatre)
    bank(theatre).table("T1", OMRÅDE="*")
    assert theatre.asked[-1]["variables"][-1] == {"code": "Tid", "values": ["(1)"]}


def test_over_a_million_cells_is_asked_as_bulk_and_zeros_are_put_back(theatre):
    values = [{"id": f"{n:04}", "text": f"navn {n}"} for n in range(1000)]
    info = json.loads(json.dumps(INFO))
    info["variables"][0] |= {"id": "VARE", "values": values}
    info["variables"][1] |= {"id": "LAND", "values": values}
    body = b"LAND;VARE;TID;INDHOLD\n0003;0004;2020K1;7\n"
    statbank_plays(theatre, body, info)
    with pytest.raises(DataError, match="VARE") as caught:
        bank(theatre).table("T1", LAND="*", Tid=["2019K4"] * 1, **{"KØN": "*"})
    assert caught.value.code == "FL-D023"
    df = bank(theatre).table("T1", LAND="*", VARE="*", Tid="2020K1", values="code")
    assert theatre.asked[-1]["format"] == "BULK"
    assert len(df) == 1_000_000
    assert df["INDHOLD"].sum() == 7
    assert df["INDHOLD"].dtype == "int64"


def test_the_cell_limit_itself_is_still_csv(theatre, monkeypatch):
    monkeypatch.setattr("faelleslab.data.statbank.CELL_LIMIT", 12)  # rows times columns: 3 areas x 4 columns
    statbank_plays(theatre, "OMRÅDE;KØN;TID;INDHOLD\n101;M;2020K1;1\n".encode())
    assert len(bank(theatre).table("T1", OMRÅDE="*", KØN="M", Tid="2020K1")) == 1
    assert theatre.asked[-1]["format"] == "CSV"
    monkeypatch.setattr("faelleslab.data.statbank.CELL_LIMIT", 11)
    assert len(bank(theatre).table("T1", OMRÅDE="*", KØN="M", Tid="2020K1")) == 3
    assert theatre.asked[-1]["format"] == "BULK"


@pytest.mark.parametrize(
    "variables", [{"FINDES_IKKE": "1"}, {"OMRÅDE": "0999"}, {"OMRÅDE": []}, {"Tid": "2031*"}, {"Tid": "(0)"}]
)
def test_a_question_that_does_not_fit_is_stopped_before_it_is_sent(theatre, variables):
    statbank_plays(theatre)
    with pytest.raises(DataError) as caught:
        bank(theatre).table("T1", **variables)
    assert caught.value.code == "FL-D023"
    assert all(asked["path"] == "/tableinfo" for asked in theatre.asked)


@pytest.mark.parametrize(
    "body",
    [
        b"OMR\xc3\x85DE;TID\n101;2020K1\n",
        b"OMR\xc3\x85DE;TID;INDHOLD\n101;2020K1\n",
        b"OMR\xc3\x85DE;TID;INDHOLD\n101;2020K1;hemmelig\n",
        b"OMR\xc3\x85DE;TID;INDHOLD\n999;2020K1;1\n",
        b"OMR\xc3\x85DE;TID;INDHOLD\n101;2020K1;99999999999999999999\n",
        b"\xff\xfe\n",
        b'OMR\xc3\x85DE;TID;INDHOLD\n"101;2020K1;1\n',
    ],
)
def test_an_odd_answer_is_told_without_its_values(theatre, body):
    statbank_plays(theatre, body)
    with pytest.raises(DataError) as caught:
        bank(theatre).table("T1", OMRÅDE="101", Tid="2020K1")
    assert caught.value.code == "FL-D022"
    assert "hemmelig" not in str(caught.value)


def test_lists_and_info(theatre):
    theatre.plays = [Play(b'[{"id":"1","description":"Borgere"}]')]
    assert bank(theatre).subjects()["description"].tolist() == ["Borgere"]
    assert bank(theatre).tables("1")["id"].tolist() == ["1"]
    assert theatre.asked[-1]["subjects"] == ["1"]
    theatre.plays = [Play(b'{"id":"T1"}')]
    with pytest.raises(DataError, match="beskrivelse"):
        bank(theatre).table_info("T1")


# --- an unsteady service --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_service_is_asked_again(theatre, status):
    theatre.plays = [Play(status=status), Play(status=status), Play(b"[]")]
    bank(theatre).subjects()
    assert len(theatre.asked) == 3


def test_retry_after_is_honoured_and_bounded(theatre, tmp_path):
    theatre.plays = [Play(status=429, headers={"Retry-After": "1"}), Play(b"[]")]
    start = theatre.time.monotonic()
    bank(theatre).subjects()
    assert theatre.time.monotonic() - start >= 0.95
    theatre.plays = [Play(status=429, headers={"Retry-After": "86400"}), Play(b"[]")]
    start = theatre.time.monotonic()
    bank(theatre, max_wait_s=1, max_age_s=0, cache=Cache(tmp_path / "andet")).subjects("en")
    assert theatre.time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (Play(status=503), "fejl 503"),
        (Play(b'[{"id":', cut=True), "afbrudt"),
        (Play(wait=True), "ikke i tide"),
        (Play(b"<!DOCTYPE html><title>Log ind</title>", kind="text/html"), "hjemmeside"),
        (Play(b" <HTML></HTML>"), "hjemmeside"),
        (Play(b'[{"id":'), "ikke helt"),
    ],
)
def test_an_absent_service_is_told_in_one_sentence(theatre, play, words):
    theatre.plays = [play]
    with pytest.raises(DataError, match=words) as caught:
        bank(theatre, retries=1, timeout_s=0.3).tables()
    assert caught.value.code == "FL-D020"
    assert caught.value.__suppress_context__
    if play.status == 503 or play.cut or play.wait:
        assert len(theatre.asked) == 2


def test_nobody_at_the_address(theatre):
    nowhere = StatBank(f"http://127.0.0.1:{free_port()}", retries=1, backoff_s=0.001)
    with pytest.raises(DataError, match="ingen forbindelse") as caught:
        nowhere.tables()
    assert caught.value.code == "FL-D020"


def test_a_refusal_is_not_repeated(theatre):
    theatre.plays = [Play(b'{"errorTypeCode":"EXTRACT-NOTFOUND","message":"Table not found"}', status=400)]
    with pytest.raises(DataError, match="Table not found") as caught:
        bank(theatre).table_info("NIX")
    assert caught.value.code == "FL-D021"
    assert len(theatre.asked) == 1


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://x", "statbank", "http://"])
def test_only_web_addresses(address):
    with pytest.raises(DataError) as caught:
        StatBank(address)
    assert caught.value.code == "FL-D024"


def test_the_address_comes_from_the_environment(theatre, monkeypatch):
    monkeypatch.setenv("FAELLESLAB_STATBANK_URL", theatre.address + "/v9/")
    theatre.plays = [Play(b"[]")]
    StatBank().subjects()
    assert theatre.asked[0]["path"] == "/v9/subjects"


# --- cache and recordings -------------------------------------------------------------------------------------------


def test_the_same_question_is_asked_once(theatre):
    theatre.plays = [Play(b'[{"id":"1"}]')]
    first, second = bank(theatre).subjects(), bank(theatre).subjects()
    assert len(theatre.asked) == 1
    assert [provenance_of(df)[0].label for df in (first, second)] == ["direkte", "mellemlager"]
    bank(theatre, max_age_s=0).subjects()
    assert len(theatre.asked) == 2


def test_a_damaged_cache_counts_as_none(theatre, tmp_path):
    theatre.plays = [Play(b'[{"id":"1"}]')]
    bank(theatre).subjects()
    (kept,) = (tmp_path / "cache").iterdir()
    for damage in (kept.read_bytes().replace(b'"1"', b'"2"'), b"", b"{}\n[]", b"\xff"):
        kept.write_bytes(damage)
        assert bank(theatre).subjects()["id"].tolist() == ["1"]
    assert len(theatre.asked) == 5


def test_a_cache_that_cannot_be_written_is_no_error(theatre, tmp_path, monkeypatch):
    (tmp_path / "fil").write_text("")
    monkeypatch.setenv("FAELLESLAB_CACHE", str(tmp_path / "fil" / "cache"))
    theatre.plays = [Play(b'[{"id":"1"}]')]
    assert len(bank(theatre).subjects()) == 1


def test_an_old_answer_is_used_and_announced_when_the_service_is_away(theatre, capsys):
    theatre.plays = [Play(b'[{"id":"1"}]'), Play(status=503)]
    bank(theatre).subjects()
    df = bank(theatre, max_age_s=0, retries=0).subjects()
    assert df["id"].tolist() == ["1"]
    said = capsys.readouterr().err
    assert said.startswith("Bemærk: Statistikbanken svarer ikke")
    assert said.count("\n") == 1


def test_a_shipped_answer_is_used_and_announced_when_the_service_is_away(theatre, capsys):
    theatre.plays = [Play(status=503)]
    df = bank(theatre, retries=0).table("STRAF42", HERKOMST1="00", Tid="2023")
    assert df["INDHOLD"].tolist() == [233454]
    said = capsys.readouterr().err
    assert "optaget svar fra 2025-09-07" in said
    assert "konstrueret svar fra" in said
    assert {one.label for one in provenance_of(df)} == {"optaget", "konstrueret"}
    assert "konstrueret svar" in source_of(df, details=True)


def test_offline_asks_nobody(theatre, monkeypatch):
    monkeypatch.setenv("FAELLESLAB_OFFLINE", "1")
    df = bank(theatre).subjects()
    assert "Borgere" in df["description"].tolist()
    assert provenance_of(df)[0].label == "optaget"
    assert provenance_of(df)[0].retrieved == "2025-09-07"
    with pytest.raises(DataError) as caught:
        bank(theatre).tables()
    assert caught.value.code == "FL-D020"
    assert theatre.asked == []


def test_what_is_read_is_told_to_the_run(theatre, tmp_path, monkeypatch):
    monkeypatch.setenv("FAELLESLAB_PROVENANCE", str(tmp_path / "p"))
    theatre.plays = [Play(b"[]")]
    bank(theatre).subjects()
    assert json.loads((tmp_path / "p").read_text())["name"] == "statbank/subjects"


# --- Energi Data Service --------------------------------------------------------------------------------------------


def energi_plays(theatre, rows, *, total=True, cap=10**9):
    def answer(asked):
        start, limit = int(asked["offset"]), min(int(asked["limit"]), cap)
        content = {"dataset": "X", "records": rows[start : start + limit]} | ({"total": len(rows)} if total else {})
        return Play(json.dumps(content).encode())

    theatre.answer = answer


ROWS = [
    {"HourUTC": f"2023-10-{1 + n // 24:02}T{n % 24:02}:00:00", "HourDK": f"2023-10-{1 + n // 24:02}T{n % 24:02}:00:00",
     "MunicipalityNo": "751", "ConsumptionkWh": n * 1.5}
    for n in range(95)
]  # fmt: skip


# Without a promised number a short page is the last one, so that a server that caps its pages must promise.
@pytest.mark.parametrize(("total", "cap"), [(True, 10**9), (False, 10**9), (True, 7)])
def test_pages_are_put_together_without_loss(theatre, total, cap):
    energi_plays(theatre, ROWS, total=total, cap=cap)
    df = energi(theatre, page_rows=30).dataset("X", start="2023-10-01T00:00", filter={"MunicipalityNo": "0751"})
    assert df["ConsumptionkWh"].tolist() == [row["ConsumptionkWh"] for row in ROWS]
    assert json.loads(theatre.asked[0]["filter"]) == {"MunicipalityNo": ["751"]}
    assert theatre.asked[0]["sort"] == "HourUTC"
    assert str(df["HourUTC"].dtype) == "datetime64[us, UTC]"
    assert str(df["HourDK"].dtype) == "datetime64[us]"


def test_limit_and_municipality_codes(theatre):
    energi_plays(theatre, ROWS)
    df = energi(theatre, page_rows=30).dataset(
        "X", limit=40, municipality_codes=True, columns=["HourUTC", "MunicipalityNo"]
    )
    assert len(df) == 40
    assert df["kommunekode"].unique().tolist() == ["0751"]
    assert theatre.asked[0]["columns"] == "HourUTC,MunicipalityNo"
    assert [asked["limit"] for asked in theatre.asked] == ["30", "10"]


def test_pages_that_dry_up_are_an_error(theatre):
    theatre.plays = [Play(b'{"total": 5, "records": []}')]
    with pytest.raises(DataError) as caught:
        energi(theatre).dataset("X")
    assert caught.value.code == "FL-D022"


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"records": 7}', b'{"records": [1]}', b"null"])
def test_an_answer_without_rows_is_told(theatre, body):
    theatre.plays = [Play(body)]
    with pytest.raises(DataError) as caught:
        energi(theatre).dataset("X")
    assert caught.value.code == "FL-D022"


def test_no_rows_at_all_is_an_empty_table(theatre):
    theatre.plays = [Play(b'{"total": 0, "records": []}')]
    assert energi(theatre).dataset("X").empty


def test_a_name_cannot_leave_its_path(theatre):
    with pytest.raises(DataError):
        energi(theatre).dataset("../secret")


def test_the_shipped_energi_answer_is_called_constructed(theatre):
    df = energi(theatre, offline=True).dataset(
        "ConsumptionDE35Hour", start="2023-03-15T00:00", end="2023-03-16T00:00", filter={"ConsumerType_DE35": "122"}
    )
    assert len(df) == 48
    assert source_of(df) == "Kilde: Energinet, Energi Data Service, CC BY 4.0"
    assert provenance_of(df)[0].label == "konstrueret"
