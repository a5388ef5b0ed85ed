"""Settings: which value wins, and what becomes of one that cannot be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traitlets import TraitError
from traitlets.config import Config

from greenai_magic.footprint.place import known_place
from greenai_magic.notebook.settings import GreenAI, configured
from greenai_magic.runs.settings import (
    current_settings,
    environment_texts,
    settings_from_environment,
    use_settings,
)
from greenai_magic.runs.site import named_site


@pytest.fixture(autouse=True)
def _settings_of_before() -> Iterator[None]:
    yield
    use_settings(None)


def _config_file(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / ".codecarbon.config").write_text(text)
    return folder


def test_our_variables_come_before_codecarbon_s_and_those_before_its_files(tmp_path: Path) -> None:
    home = _config_file(tmp_path / "home", "[codecarbon]\ncountry_iso_code = ITA\npue = 1.1\n")
    here = _config_file(tmp_path / "here", "[codecarbon]\ncountry_iso_code = DEU\n")
    folders = (home, here)
    assert environment_texts({}, folders) == {"country": "DEU", "pue": "1.1"}
    theirs = {"CODECARBON_COUNTRY_ISO_CODE": "FRA", "codecarbon_pue": "1.2"}
    assert environment_texts(theirs, folders) == {"country": "FRA", "pue": "1.2"}
    ours = {"GREENAI_COUNTRY": "ESP", "GREENAI_PUE": "1.3", "GREENAI_LEDGER": "~/runs.sqlite"}
    settings = settings_from_environment(theirs | ours, folders)
    assert (settings.country, settings.pue) == ("ESP", 1.3)
    assert settings.ledger == Path.home() / "runs.sqlite"


@pytest.mark.parametrize(
    ("values", "country"),
    [
        ({"COUNTRY_ISO_CODE": "USA", "REGION": "california"}, "USA/california"),
        ({"COUNTRY_ISO_CODE": "FRA", "REGION": "bretagne"}, "FRA"),
        (
            {"COUNTRY_ISO_CODE": "FRA", "CLOUD_PROVIDER": "gcp", "CLOUD_REGION": "europe-west9"},
            "gcp/europe-west9",
        ),
        ({"COUNTRY_ISO_CODE": "FRA", "CLOUD_PROVIDER": "gcp", "CLOUD_REGION": "nowhere"}, "FRA"),
        ({"COUNTRY_ISO_CODE": "FRA", "CLOUD_PROVIDER": "aws", "CLOUD_REGION": "eu-west-3"}, "FRA"),
        ({"COUNTRY_ISO_CODE": "XYZ"}, "XYZ"),
        ({"REGION": "bretagne"}, None),
    ],
)
def test_codecarbon_s_place_is_the_closest_that_the_tables_know(
    tmp_path: Path, values: dict[str, str], country: str | None
) -> None:
    environ = {f"CODECARBON_{name}": value for name, value in values.items()}
    assert environment_texts(environ, (tmp_path,)).get("country") == country


@pytest.mark.parametrize(
    "text", ["no section at all", "[codecarbon\n", "[other]\na = 1\n", "[codecarbon]\n\x00"]
)
def test_a_file_of_codecarbon_s_that_is_broken_is_not_ours_to_complain_about(
    tmp_path: Path, text: str
) -> None:
    assert environment_texts({}, (_config_file(tmp_path / "home", text),)) == {}


@pytest.mark.parametrize("text", ["lots", "-1", "nan"])
def test_a_script_with_a_bad_pue_leaves_it_out_and_says_so(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("GREENAI_PUE", text)
    use_settings(None)
    settings = current_settings()
    assert settings.pue is None
    (problem,) = settings.problems
    assert f"PUE {text!r} is left out" in problem


def test_a_profile_is_stronger_than_the_environment() -> None:
    settings, problems = configured({"country": "FRA", "pue": "1.4"}, {"country": "DEU"})
    assert (settings.country, settings.pue, problems) == ("DEU", 1.4, [])
    assert current_settings().country == "DEU"


def test_each_bad_value_is_told_once_and_leaves_what_the_weaker_one_said() -> None:
    settings, problems = configured(
        {"country": "FRA", "pue": "lots", "ledger": "/runs.sqlite"}, {"country": "Frence", "card": "perhaps"}
    )
    assert (settings.country, settings.pue, settings.card) == ("FRA", None, True)
    assert settings.plain().ledger == Path("/runs.sqlite")
    assert [problem.split(" is left out: ")[0] for problem in problems] == [
        "The environment's pue",
        "The profile's country",
        "The profile's card",
    ]


@given(st.one_of(st.none(), st.floats(), st.integers(), st.text(), st.booleans(), st.lists(st.integers())))
def test_a_pue_is_a_number_from_1_to_5_or_none_whatever_is_given(value: Any) -> None:
    settings = GreenAI(pue=1.5)
    try:
        settings.pue = value
    except TraitError as error:
        assert "a number from 1 (a laptop) to 5" in str(error)  # noqa: PT017 - it need not be raised
        assert settings.pue == 1.5
    else:
        assert settings.pue is None or 1 <= settings.pue <= 5


def test_a_value_that_cannot_be_does_not_stay_in_the_shell_s_memory() -> None:
    settings = GreenAI(country="FRA")
    config = Config({"GreenAI": {"country": "Frence"}})
    with pytest.raises(TraitError, match="did you mean"):
        settings.update_config(config)
    assert "GreenAI" not in config
    settings.update_config(Config({"GreenAI": {"pue": 1.2}}))
    assert (settings.country, settings.pue) == ("FRA", 1.2)


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_is_nothing_said(blank: str) -> None:
    assert GreenAI(country=blank).country is None
    assert GreenAI(ledger=blank).ledger == GreenAI().ledger


def test_hardware_and_hours_are_checked_when_they_are_set(tmp_path: Path) -> None:
    csv = tmp_path / "hours.csv"
    csv.write_text("2025-01-31T14:00+00:00,20\n")
    settings, _ = configured({}, {})
    settings.hardware, settings.intensity_csv = "laptop + monitor", str(csv)
    with pytest.raises(TraitError, match="did you mean laptop"):
        settings.hardware = "labtop"
    with pytest.raises(TraitError, match=r"gone\.csv cannot be read"):
        settings.intensity_csv = str(tmp_path / "gone.csv")
    plain = current_settings()
    assert (plain.hardware, plain.intensity_csv) == ("laptop + monitor", csv)
    settings.hardware, settings.intensity_csv = " ", ""
    assert (settings.hardware, settings.intensity_csv) == (None, None)


def test_uncertainties_that_are_set_are_those_of_every_figure_from_then_on() -> None:
    settings, _ = configured({}, {})
    wide = known_place("FRA").adpe.log_sd
    settings.gsds = {"resources": 1.1, "lifetime": 1}
    assert current_settings().gsds == {"resources": 1.1, "lifetime": 1}
    assert known_place("FRA").adpe.log_sd == pytest.approx(math.log(1.1))
    assert named_site("FRA", None, "laptop").place.adpe.log_sd == pytest.approx(math.log(1.1))
    for wrong, told in (({"resorces": 1.2}, "did you mean"), ({"wue": 0.5}, "cannot be 0.5")):
        with pytest.raises(TraitError, match=told):
            settings.gsds = wrong
    assert settings.gsds == {"resources": 1.1, "lifetime": 1}
    assert known_place("FRA").adpe.log_sd == pytest.approx(math.log(1.1))
    use_settings(None)
    assert known_place("FRA").adpe.log_sd == wide > math.log(1.1)
    assert named_site("FRA", None, "laptop").place.adpe.log_sd == wide


def test_a_truth_is_no_pue() -> None:
    with pytest.raises(TraitError, match="a number from 1"):
        GreenAI(pue=True)


def test_a_ledger_stays_where_it_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = GreenAI(ledger="own.sqlite")
    monkeypatch.chdir("/")
    assert settings.plain().ledger == tmp_path / "own.sqlite"
    with pytest.raises(TraitError):
        settings.ledger = "~no-such-user/own.sqlite"
    assert settings.plain().ledger == tmp_path / "own.sqlite"


def test_what_is_set_is_in_force_at_once() -> None:
    settings, _ = configured({}, {})
    settings.country, settings.save, settings.keep_source, settings.ledger = "FRA", False, True, "~/a.sqlite"
    assert current_settings() == settings.plain()
    assert current_settings().ledger == Path.home() / "a.sqlite"
