"""The table of geometric standard deviations: where its factors come from, and how a user changes them."""

from __future__ import annotations

import math
import re
import statistics

import pytest

from greenai_magic.errors import SettingError
from greenai_magic.footprint.gsd import GSDS, gsd, use_gsds
from greenai_magic.footprint.place import known_place
from greenai_magic.quantity import Z95

EMBODIED_G_PER_GPU_HOUR = {
    "Luccioni 2022, BLOOM, 6 years at 85 %": 10.4,
    "NVIDIA's declaration in EcoLogits' server, 6 years": 16.7,
    "boaviztapi 2.5, p5, 6 years": 24.5,
    "EcoLogits 0.11, 3 years": 37.5,
}
DODGE_2022_TABLE_2 = {  # kWh measured at the GPUs, and GPUs x hours x rated power
    "BERT finetune": (3.1, 7.2),
    "BERT pretrain": (37.3, 86.4),
    "6B Transformer (13 %)": (13812.4, 19661.0),
    "DenseNet121": (0.02, 0.075),
    "DenseNet169": (0.03, 0.075),
    "DenseNet201": (0.04, 0.1),
    "ViT Tiny": (1.7, 5.7),
    "ViT Small": (2.2, 5.7),
    "ViT Large": (93.3, 108.0),
    "ViT Huge": (237.6, 259.2),
}


def spread_of(figures):
    return math.exp(statistics.stdev(map(math.log, figures)))


def both_ways(*names_or_factors):
    """Return the factor of the 95 % interval of a product."""
    factors = (gsd(f).factor if isinstance(f, str) else f for f in names_or_factors)
    return math.exp(Z95 * math.hypot(*map(math.log, factors)))


def test_making_a_gpu_is_as_unsure_as_what_was_published():
    assert gsd("embodied").factor == pytest.approx(spread_of(EMBODIED_G_PER_GPU_HOUR.values()), rel=0.002)


def test_power_at_unknown_load_is_as_unsure_as_what_was_published():
    loads = [measured / rated for measured, rated in DODGE_2022_TABLE_2.values()]
    # The published table has a row more.
    assert gsd("power at unknown load").factor == pytest.approx(spread_of(loads), rel=0.05)


def test_a_lifetime_lies_between_three_and_seven_years():
    assert gsd("lifetime").factor == pytest.approx((7 / 3) ** (1 / (2 * Z95)), rel=0.01)


def test_what_is_known_of_a_whole_footprint_follows_from_its_inputs():
    assert both_ways("power at unknown load", 1.10, "grid yearly") == pytest.approx(2.4, rel=0.01)
    assert both_ways("energy counter, short run", 1.10, "grid yearly") == pytest.approx(1.46, rel=0.005)
    assert both_ways("utilisation", "load of a training") == pytest.approx(3.1, rel=0.02)


def test_worse_data_are_less_sure():
    for better, worse in (
        ("energy counter", "energy counter, short run"),
        ("energy counter, short run", "power at unknown load"),
        ("power at unknown load", "utilisation"),
        ("pue given", "pue unknown"),
        ("wue", "ewif"),
    ):
        assert gsd(better).factor < gsd(worse).factor


def test_each_entry_tells_its_source_with_a_year_or_that_it_is_a_choice():
    for entry in GSDS.values():
        assert 1 < entry.factor < 3
        assert re.search(r"\b(19|20)\d\d\b|engineering choice", entry.basis)


@pytest.fixture
def table_again():
    yield
    use_gsds({})


@pytest.mark.usefixtures("table_again")
def test_a_user_changes_one_factor_and_nobody_elses():
    use_gsds({"pue given": 1.02, "wue": 1})
    assert gsd("pue given").factor == 1.02
    assert gsd("pue given").log_sd == math.log(1.02)
    assert "set by the user" in gsd("pue given").basis
    assert gsd("wue").log_sd == 0
    assert gsd("embodied") == GSDS["embodied"]
    assert known_place("FRA", pue=1.5).pue.spread == {"PUE FRA 1.5": pytest.approx(math.log(1.02))}
    use_gsds({})
    assert gsd("pue given") == GSDS["pue given"]


@pytest.mark.usefixtures("table_again")
def test_a_change_is_in_force_in_places_that_are_found_after_it():
    before = known_place("FRA").adpe.log_sd
    use_gsds({"resources": 3.0})
    assert known_place("FRA").adpe.log_sd == known_place("FRA").adpf.log_sd == math.log(3.0)
    use_gsds({})
    assert known_place("FRA").adpe.log_sd == before


@pytest.mark.usefixtures("table_again")
def test_a_change_that_cannot_be_changes_nothing():
    use_gsds({"wue": 1.2})
    with pytest.raises(SettingError):
        use_gsds({"ewif": 1.5, "wue": 0.5})
    assert gsd("wue").factor == 1.2
    assert gsd("ewif") == GSDS["ewif"]
    with pytest.raises(TypeError):
        GSDS["wue"] = 1.0


@pytest.mark.parametrize("factor", [0.99, 0, -1.2, math.nan, math.inf, True, "1.2", None])
def test_a_gsd_is_a_number_of_at_least_one(factor):
    with pytest.raises(SettingError, match=r"GSD of 'wue' cannot be .*: give a number from 1"):
        use_gsds({"wue": factor})


@pytest.mark.parametrize(
    ("name", "near"), [("PUE Given", "pue given"), ("embodid", "embodied"), ("grid", "grid hour")]
)
def test_an_unknown_name_gets_the_nearest_ones(name, near):
    with pytest.raises(SettingError, match=f"did you mean .*{near}"):
        gsd(name)
    with pytest.raises(SettingError, match=near):
        use_gsds({name: 1.2})


def test_a_name_like_no_other_gets_the_whole_list():
    with pytest.raises(SettingError, match=r"write one of energy counter, .*ewif"):
        gsd("zzz")
