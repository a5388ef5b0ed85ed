from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import GreenAIError, ImportFileError
from greenai_magic.estimate.importers import from_azure, from_codecarbon, from_google, from_mlflow

HEADER = "duration,emissions,energy_consumed,project_name,run_id"
READERS = [from_codecarbon, from_mlflow, from_azure, from_google]


def refused(reader, path):
    """The sentence with which a file is refused: one, short, with the name of the file."""
    with pytest.raises(ImportFileError) as error:
        reader(path)
    text = str(error.value)
    assert path.name in text
    assert "\n" not in text
    assert text.isprintable()
    assert len(text) < 400
    return text


@pytest.mark.parametrize(
    "cell",
    [
        "nan",
        "inf",
        "-inf",
        "-1",
        "1e999",
        "1e31",
        "=1+1",
        "@SUM(A1)",
        "1,5",
        "1_0",
        "٣",
        "0x10",
        "9" * 5000,
        "one",
        "--1",
    ],
)
def test_what_is_no_number_names_file_and_line(tmp_path, cell):
    path = tmp_path / "emissions.csv"
    path.write_text(f'{HEADER}\n1,1,1,p,a\n1,1,"{cell}",p,b\n', encoding="utf-8")
    assert "line 3 of emissions.csv" in refused(from_codecarbon, path)


def test_a_huge_field_names_file_and_line(tmp_path):
    path = tmp_path / "emissions.csv"
    path.write_text(f"{HEADER}\n1,1,1,{'p' * 200_000},a\n", encoding="utf-8")
    assert "Line 2 of emissions.csv" in refused(from_codecarbon, path)


def test_a_long_name_is_cut_and_steers_no_terminal(tmp_path):
    path = tmp_path / "emissions.csv"
    path.write_text(f"{HEADER}\n1,1,1,\x1b[31m{'p' * 5000},a\n", encoding="utf-8")
    (run,) = from_codecarbon(path)
    assert len(run.name) <= 200
    assert run.name.isprintable()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n\n",
        b"just a note",
        b"a,b,c\n1,2,3\n",
        "duration,emissions\n1,é\n".encode("latin-1"),
        "duration,emissions\n1,1\n".encode("utf-16"),
        b"duration\0,emissions\n",
        b'duration,emissions,energy_consumed\n1,1,"open',
        b"\x89PNG\r\n\x1a\n\x00\x00",
    ],
)
def test_a_file_of_something_else_is_refused_in_a_sentence(tmp_path, reader, raw):
    path = tmp_path / "export.csv"
    path.write_bytes(raw)
    refused(reader, path)


def test_a_wrong_encoding_names_its_line(tmp_path):
    path = tmp_path / "emissions.csv"
    path.write_bytes(f"{HEADER}\n1,1,1,p,a\n1,1,1,caf\xe9,b\n".encode("latin-1"))
    assert "Line 3" in refused(from_codecarbon, path)


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    path = tmp_path / "emissions.csv"
    path.write_text(f"{HEADER}\n1,1,1,p,a\n", encoding="utf-8-sig")
    assert len(from_codecarbon(path)) == 1


@pytest.mark.parametrize("row", ["1,1,1,p", "1,1,1,p,a,more"])
def test_a_row_of_another_length_names_its_line(tmp_path, row):
    path = tmp_path / "emissions.csv"
    path.write_text(f"{HEADER}\n1,1,1,p,a\n{row}\n", encoding="utf-8")
    assert "line 3 of emissions.csv" in refused(from_codecarbon, path)


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "emissions.csv"
    path.write_text("duration,emissions,energy_consumed,duration\n1,1,1,2\n", encoding="utf-8")
    assert "twice" in refused(from_codecarbon, path)


def test_missing_columns_are_named(tmp_path):
    path = tmp_path / "emissions.csv"
    path.write_text("duration,country_name\n1,France\n", encoding="utf-8")
    assert "emissions and energy_consumed" in refused(from_codecarbon, path)


@pytest.mark.parametrize("reader", READERS)
def test_a_file_that_is_not_there(tmp_path, reader):
    refused(reader, tmp_path / "absent.csv")
    refused(reader, tmp_path)


@pytest.mark.parametrize("reader", [from_mlflow, from_azure, from_google])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, 2]",
        "null",
        "3",
        '"text"',
        "{}",
        "[[[]]]",
        "[" * 100_000,
        '{"metrics": 3}',
        '{"value": [1]}',
        "9" * 5000,
    ],
)
def test_json_of_something_else_is_refused_in_a_sentence(tmp_path, reader, text):
    path = tmp_path / "export.json"
    path.write_text(text, encoding="utf-8")
    refused(reader, path)


@pytest.mark.parametrize("reader", [from_mlflow, from_azure, from_google])
def test_broken_json_names_its_line(tmp_path, reader):
    path = tmp_path / "export.json"
    path.write_text('{"metrics": [\n  {"key": 1},\n  {"key": }\n]}', encoding="utf-8")
    assert "Line 3" in refused(reader, path)


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-1", "true", "[]", "null", '"=1"', "1e400", "9" * 5000]
)
def test_a_json_value_that_is_no_number_is_refused(tmp_path, value):
    path = tmp_path / "history.json"
    metric = f'{{"key": "system/gpu_0_power_usage_watts", "value": {value}, "timestamp": 0}}'
    path.write_text(f'{{"metrics": [{metric}]}}', encoding="utf-8")
    assert "metric 1 of history.json" in refused(from_mlflow, path)


cells = st.one_of(
    st.text(max_size=20), st.floats().map(repr), st.sampled_from(["", "null", "1", "=A1", '"', "\n"])
)


@given(st.lists(st.lists(cells, max_size=6), max_size=6), st.sampled_from(READERS))
def test_any_table_is_read_or_refused_by_our_own_error(tmp_path_factory, rows, reader):
    path = tmp_path_factory.mktemp("tables") / "export.csv"
    headers = [
        HEADER,
        "key,value,timestamp",
        "Time,GpuEnergyJoules",
        "usage_month,carbon_footprint_kgCO2e.scope1",
    ]
    text = "\n".join([headers[READERS.index(reader)], *map(",".join, rows)])
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        runs = reader(path)
    except GreenAIError:
        return
    assert all(run.source for run in runs)


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["metrics", "value", "name", "timeseries", "data", "key", "timestamp", "usage_month", "total"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@given(values, st.sampled_from([from_mlflow, from_azure, from_google]))
def test_any_json_is_read_or_refused_by_our_own_error(tmp_path_factory, document, reader):
    path = tmp_path_factory.mktemp("documents") / "export.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    try:
        reader(path)
    except GreenAIError:
        return
