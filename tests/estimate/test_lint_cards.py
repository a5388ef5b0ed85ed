"""Claims in text: cards, tables and sentences of the kinds that are published."""

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenai_magic.errors import ImportFileError
from greenai_magic.estimate import lint_card

CASES = Path(__file__).parent / "cases"


def published(table, status="consistent"):
    with (CASES / f"{table}.csv").open(encoding="utf-8", newline="") as lines:
        return [row for row in csv.DictReader(lines) if row.get("status", status) == status]


def each(table, status="consistent"):
    found = published(table, status)
    assert found, table
    return pytest.mark.parametrize("row", found, ids=[row["case_id"] for row in found])


def wrong(text):
    return [finding.code for finding in lint_card(text) if finding.inconsistent]


def codes(text):
    return {finding.code for finding in lint_card(text)}


def calculator_card(row):
    provider, _, region = row["region"].partition(" ")
    return (
        "# Environmental Impact\n\nEstimated with the Machine Learning Impact calculator.\n\n"
        f"- **Hardware Type:** {row['hardware']}\n- **Hours used:** {row['device_hours_entered']}\n"
        f"- **Cloud Provider:** {provider}\n- **Compute Region:** {region}\n"
        "- **Carbon Emitted (Power consumption x Time x Carbon produced based on location of power grid):** "
        f"{row['published_kg']} kg CO2 eq.\n"
    )


def llama_sentence(row):
    return (
        f"Training took {float(row['gpu_hours']):,.0f} GPU hours at {row['W_per_gpu']} W with a PUE of {row['pue']} "
        f"and {row['ci_kg_per_kwh']} kg CO2e/kWh, and emitted {row['expected_tco2e_location']} tCO2eq."
    )


def llama_table(rows, total=()):
    head = "| | Time (GPU hours) | Power Consumption (W) | Carbon Emitted(tCO<sub>2</sub>eq) |\n|---|---|---|---|\n"
    body = [
        f"| {row['case_id']} | {float(row['gpu_hours']):.0f} | {row['W_per_gpu']} | {row['expected_tco2e_location']} |"
        for row in rows
    ]
    return head + "\n".join([*body, *total])


@each("mlco2_published_cards")
def test_a_card_of_the_calculator_closes(row):
    assert wrong(calculator_card(row)) == []


@each("mlco2_published_cards", "INCONSISTENT")
def test_a_region_that_is_not_that_of_the_total_is_found(row):
    assert wrong(calculator_card(row)) == ["region-factor"]
    sentence = (
        f"Trained for {row['device_hours_entered']} hours on {row['hardware']} in {row['region']}, "
        f"emitting {row['published_kg']} kg CO2eq."
    )
    assert wrong(sentence) == ["region-factor"]


def test_a_slice_of_several_chips_counted_as_one_is_named():
    (row,) = [row for row in published("mlco2_published_cards") if "v3-8" in row["hardware"]]
    assert "device-count" in codes(calculator_card(row))
    four = {**row, "published_kg": str(4 * float(row["published_kg"]))}
    assert "device-count" not in codes(calculator_card(four))


@each("llama_family")
def test_a_llama_row_closes_as_sentence_and_table(row):
    assert wrong(llama_sentence(row)) == []
    assert wrong(llama_table([row])) == []


@each("llama_family", "INCONSISTENT")
def test_a_total_of_rows_that_are_not_printed_is_found(row):
    assert wrong(llama_sentence(row)) == ["co2e"]


@pytest.mark.parametrize(("dropped", "found"), [((), []), (("34B",), ["total", "total"])])
def test_a_table_adds_up_to_its_total_or_not(dropped, found):
    rows = [row for row in published("llama_family") if row["case_id"].startswith("llama2/")]
    hours = sum(float(row["gpu_hours"]) for row in rows)
    tonnes = sum(float(row["expected_tco2e_location"]) for row in rows)
    kept = [row for row in rows if not row["case_id"].endswith(dropped or ("nothing",))]
    table = llama_table(kept, [f"| Total | {hours:.0f} | | {tonnes:.2f} |"])
    assert wrong(table) == found
    cells = "".join(
        f"<tr>{''.join(f'<td>{cell}</td>' for cell in line.strip('|').split('|'))}</tr>\n"
        for line in table.splitlines()
        if "---" not in line
    )
    assert wrong(f"<table>\n{cells}</table>") == found


@each("bloom2022", "INCONSISTENT")
def test_a_row_of_bloom_that_does_not_follow_is_found(row):
    mwh, factor = re.findall(r"[\d.]+", row["inputs"])
    printed, followed = row["expected"], round(float(row["recomputed"]))
    assert wrong(f"GPT-3 used {mwh} MWh at {factor} kg CO2e/kWh, which is {printed} tonnes of CO2e.") == [
        "co2e"
    ]
    assert wrong(f"GPT-3 used {mwh} MWh at {factor} kg CO2e/kWh, which is {followed} tonnes of CO2e.") == []
    head = "| Model | PUE | Carbon intensity | Power consumption | CO2eq emissions |\n|-|-|-|-|-|\n"
    grams = float(factor) * 1000
    assert wrong(f"{head}| GPT-3 | 1.1 | {grams:g} gCO2eq/kWh | {mwh} MWh | {printed} tonnes |") == ["pue"]
    assert wrong(f"{head}| GPT-3 | 1.1 | {grams:g} gCO2eq/kWh | {mwh} MWh | {followed} tonnes |") == []


@each("patterson2021_training")
def test_patterson_closes(row):
    assert (
        wrong(
            f"It ran on {row['n_devices']} {row['device']} for {row['days']} days at {row['W_per_device_measured']} W "
            f"with PUE {row['pue']}: {row['expected_mwh']} MWh, {row['expected_tco2e_gross']} tCO2e at "
            f"{row['ci_gross_kg_per_kwh']} kg CO2e/kWh."
        )
        == []
    )


@each("strubell2019_training")
def test_strubell_closes(row):
    assert (
        wrong(
            f"| Model | Hardware | Power (W) | Hours | kWh·PUE | CO2e (lbs) |\n|-|-|-|-|-|-|\n| {row['model']} | "
            f"P100x8 | {row['total_power_W']} | {row['hours']} | {row['expected_kwh_with_pue']} | "
            f"{row['expected_co2e_lb']} |"
        )
        == []
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("---\nco2_eq_emissions:\n  emissions: 11250\n---\nTraining used 37,500 kWh.", ["grams"]),
        ("---\nco2_eq_emissions:\n  emissions: 11250000\n---\nTraining used 37,500 kWh.", []),
        ("---\nco2_eq_emissions: 417.03\n---\nTraining used 2 kWh.", []),
        ("---\nco2_eq_emissions: 0.417\n---\nTraining used 2 kWh.", ["grams"]),
        ("---\nco2_eq_emissions: 12\n---\nThe footprint is 12 kg CO2e.", ["grams"]),
        ("co2_eq_emissions:\n  emissions: 12 kg\n", ["grams"]),
        ("co2_eq_emissions:\n  emissions: 1.2e-05\n", ["scientific-notation"]),
        ("We used 100 kWh, emitting 40 t of CO2e.", ["implied-factor"]),
        ("We used 100 kWh, emitting 40 kg of CO2e.", []),
        ("10 A100 PCIe 40GB ran for 1000 hours, emitting 1.2 g CO2e.", ["implied-factor"]),
        ("7.0M GPU hours on H100-80GB (TDP of 700W), **12.9** tons CO2eq.", ["implied-factor"]),
        ("Dynamic: 24.7 tCO2eq, idle adds 14.6 tCO2eq and embodied 11.2 tCO2eq, 50.5 in total; 433 MWh.", []),
        ("A: 31 tCO2eq, B: 62 tCO2eq, C: 291 tCO2eq; in total 539 tCO2eq.", ["total"]),
        ("- A: 31 tCO2eq\n- B: 62 tCO2eq\n- Total: 93 tCO2eq", []),
    ],
)
def test_units_and_totals(text, found):
    assert wrong(text) == found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The market-based emissions were 0 tons CO2eq.", "market-zero"),
        ("Our training was net zero.", "market-zero"),
        ("| Run | MWh | tCO2e |\n|-|-|-|\n| A | 135 | 0 |\n| B | 104 | 60 |", "market-zero"),
        ("A carbon neutral model.", "neutrality"),
        ("Un modèle neutre en carbone.", "neutrality"),
        ("Emissions after offsets are 3 kg CO2e.", "offset-deducted"),
        ("CO2 equivalent to planting 30 trees.", "trees"),
        ("It emitted 11,390 tons CO2eq.", "false-precision"),
    ],
)
def test_words_that_mislead_are_found(text, code):
    (finding,) = [finding for finding in lint_card(text) if finding.code == code]
    assert finding.quote.strip() in text
    assert text.splitlines()[finding.line - 1].strip("| ") == finding.quote
    assert finding.better


@pytest.mark.parametrize(
    "text",
    [
        "Location-based emissions were 11,400 tons CO2eq; market-based emissions were 0 tons CO2eq.",
        "We never call a model “carbon neutral”.",
        "A random forest is equivalent to 100 decision trees.",
        "It ran 150,123 hours and used 37,512 kWh.",
        "",
    ],
)
def test_words_that_do_not_are_not(text):
    assert lint_card(text) == []


def test_a_file_is_read_and_what_is_none_refused_in_one_sentence(tmp_path):
    card = tmp_path / "README.md"
    card.write_text("# Card\n\nWe used 100 kWh, emitting 40 t of CO2e.\n", encoding="utf-8")
    assert [finding.line for finding in lint_card(card)] == [3]
    assert lint_card(str(card)) == lint_card(card)
    binary = tmp_path / "card.bin"
    binary.write_bytes(b"\xff\x00\xfe")
    for path in (tmp_path, tmp_path / "missing.md", str(tmp_path / "missing.md"), binary):
        with pytest.raises(ImportFileError) as error:
            lint_card(path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "1,111",
        "1 kg CO2e ",
        "|",
        "<td",
        "<",
        "a-",
        "8 x A100-80GB ",
        "1 a b c d ",
        "*",
        "1 kWh, 2 kg CO2e.\n",
        "co2_eq_emissions:\n",
        "aws us-east-1 ",
        "' ",
        ". ",
        "# a\n",
        "- Region: x\n",
        "|total|1|\n|-|-|\n",
        "PUE ",
    ],
)
def test_a_megabyte_of_hostile_text_is_read_to_its_end(piece):
    # Anything worse than linear would not end within the life of the test run.
    assert len(lint_card(piece * (1_000_000 // len(piece)))) <= 200


@settings(max_examples=60)
@given(st.text(max_size=300))
def test_any_text_is_read(text):
    lint_card(f"{text}\n")
