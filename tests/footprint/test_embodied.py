"""Making of hardware: a straight line over its life, by share and by use, nothing after."""

import contextlib
import json
import math
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.errors import GreenAIError, SettingError, UnitError
from greenai_magic.estimate.hardware import find_device
from greenai_magic.footprint.embodied import (
    FREIGHT_G_PER_KG_KM,
    MONTH_S,
    PERSONAL_USE,
    Part,
    freight,
    lines_of,
    part,
    part_like,
    parts_named,
    with_transport,
)
from greenai_magic.quantity import Quantity

EQUIPMENT = [
    "laptop",
    "desktop",
    "monitor",
    "server",
    "gpu server",
    "cpu",
    "memory",
    "gpu",
    "a100 sxm",
    "H100",
]
names = st.sampled_from(EQUIPMENT)


def seconds(value):
    return Quantity(float(value), "s", name="duration")


def of(piece, value=3600.0, stage="manufacture", criterion="gwp"):
    return next(
        line.quantity
        for line in lines_of([piece], seconds(value))
        if (line.stage, line.criterion) == (stage, criterion)
    )


@given(names, st.floats(1, 1e8), st.floats(1e-3, 1e3))
def test_linear_in_the_time_used(name, time_s, factor):
    assert of(part(name), time_s * factor).value == pytest.approx(of(part(name), time_s).value * factor)


@given(names, st.floats(0.1, 1e4), st.floats(0.01, 1))
def test_linear_in_the_count_and_in_the_share(name, count, share):
    one = of(part(name)).value
    assert of(part(name, count=count)).value == pytest.approx(one * count)
    assert of(part(name, share=share)).value == pytest.approx(one * share)


@given(names, st.floats(0.01, 1), st.floats(1, 240))
def test_inverse_in_the_life_and_in_the_utilisation(name, utilisation, months):
    one = of(part(name, utilisation=1.0, life_months=1.0)).value
    assert of(part(name, utilisation=utilisation, life_months=1.0)).value == pytest.approx(one / utilisation)
    assert of(part(name, utilisation=1.0, life_months=months)).value == pytest.approx(one / months)


@given(names)
def test_all_of_the_making_is_counted_in_72_months_of_use(name):
    piece = part(name, utilisation=1.0)
    months = [of(replace(piece, age_months=float(age)), MONTH_S).value for age in range(84)]
    whole = piece.impacts["manufacture", "gwp"].value
    assert math.fsum(months) == pytest.approx(whole)
    # Scrapped at month 48, it goes on being counted until it is written off.
    assert math.fsum(months[:48]) == pytest.approx(whole * 48 / 72)
    assert months[48:72] == pytest.approx([whole / 72] * 24)
    assert months[72:] == [0.0] * 12


@pytest.mark.parametrize(("life", "age"), [(72, 72.0), (72, 100), (36, 36), (36, 60)])
def test_older_than_its_life_is_zero_and_says_why(life, age):
    old = of(part("laptop", life_months=life, age_months=age))
    assert (old.value, old.low, old.high) == (0.0, 0.0, 0.0)
    assert old.source == f"older than {life} months: all of it was counted before"
    assert (
        of(part("laptop", life_months=life, age_months=math.nextafter(age, 0) if age == life else 0)).value
        > 0
    )


def test_a_laptop_by_hand():
    # 235.873 kg over six years of which a fifth are used; the median of 226 declarations.
    expected = 235_873 * 3600 / (72 * MONTH_S * 0.2)
    assert of(part("laptop")).value == pytest.approx(expected)
    assert expected == pytest.approx(22.4, rel=0.01)


@given(names, st.floats(1, 1e7))
def test_e_waste_is_the_mass_by_the_time_share(name, time_s):
    piece = part(name)
    lines = {line.criterion: line.quantity for line in lines_of([piece], seconds(time_s))}
    mass = piece.impacts.get(("end of life", "e-waste"))
    assert ("e-waste" in lines) is (mass is not None)
    if mass is not None:
        time_share = time_s / (72 * MONTH_S * piece.utilisation.value)
        assert lines["e-waste"].value == pytest.approx(mass.value * time_share)
        assert lines["e-waste"].unit == "g"


def width(figure):
    return math.log(figure.high / figure.low)


def test_a_default_utilisation_is_less_sure_than_a_given_one():
    for name in ("laptop", "server"):
        assert width(of(part(name))) > width(of(part(name, utilisation=0.5)))
    # A card that no table has is less sure than one that it has.
    assert width(of(part_like("a card of next year"))) > width(of(part("a100 sxm")))


def test_the_formula_behind_a_share_names_its_inputs_and_sources():
    text = of(part("laptop", share=0.5)).explain()
    for word in ("lifetime", "utilisation", "share", "count", "duration", "Boavizta", "Microsoft 2021"):
        assert word in text


def test_every_line_is_scope_3_and_none_is_in_use():
    lines = lines_of(parts_named("laptop + monitor + 8 A100 SXM + gpu server"), seconds(60))
    assert {line.scope for line in lines} == {"3"}
    assert "use" not in {line.stage for line in lines}
    assert [line.item for line in lines if line.criterion == "gwp"] == [
        "1 laptop", "1 monitor", "8 A100 SXM", "1 server for 8 GPUs, without them",
    ]  # fmt: skip


@pytest.mark.parametrize("unit", ["h", "J", "1"])
def test_hardware_is_used_for_seconds(unit):
    with pytest.raises(UnitError, match="seconds"):
        lines_of([part("laptop")], Quantity(1.0, unit))


# On its way here


@pytest.mark.parametrize(
    ("mass_kg", "km", "mode", "kg"),
    # GPU calculator of ADEME and Hubblo, 2026.
    [(1.56, 9908, "air", 32.6), (1.56, 19_000, "sea", 0.39)],
)
def test_the_way_here_by_air_and_by_sea(mass_kg, km, mode, kg):
    grams = freight(mass_kg, km, mode)
    assert grams.value / 1000 == pytest.approx(kg, rel=0.01)
    lines = lines_of([with_transport(part("laptop", utilisation=1.0), grams)], seconds(72 * MONTH_S))
    (moved,) = (line.quantity for line in lines if line.stage == "transport")
    assert moved.value == pytest.approx(grams.value)


@pytest.mark.parametrize(
    "args", [(1, 1, "train"), (0, 1, "air"), (1, -1, "sea"), (math.nan, 1, "air"), (True, 1, "air")]
)
def test_a_way_that_cannot_be_is_refused(args):
    with pytest.raises(SettingError):
        freight(*args)
    assert set(FREIGHT_G_PER_KG_KM) == {"air", "sea"}


# By name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("laptop", [(1, "laptop")]),
        (" Laptop+MONITOR ", [(1, "laptop"), (1, "monitor")]),
        ("2 monitor", [(2, "monitor")]),
        ("8\tA100\n SXM", [(8, "A100 SXM")]),
        ("NVIDIA A100-PCIe", [(1, "A100 PCIe")]),
        ("8 gpu + gpu server", [(8, "GPU of another kind"), (1, "server for 8 GPUs, without them")]),
    ],
)
def test_equipment_that_a_text_lists(text, expected):
    assert [(piece.count, piece.name) for piece in parts_named(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "+", "laptop +", "+ laptop", "8", "-1 laptop", "0 laptop", "1.5 laptop", "1e3 laptop", "² laptop",
        "laptop; drop table", "laptop\x00", "🦔", "a" * 100_000, "9" * 400 + " laptop", "9" * 5000 + " laptop",
    ],
)  # fmt: skip
def test_a_text_that_lists_no_equipment_is_one_short_error(text):
    with pytest.raises(SettingError) as error:
        parts_named(text)
    assert len(str(error.value)) < 400


@given(st.text())
def test_no_text_at_all_gives_any_other_error(text):
    found = []
    with contextlib.suppress(GreenAIError):
        found = parts_named(text)
    assert all(isinstance(piece, Part) for piece in found)


def test_a_name_that_is_nearly_known_is_suggested():
    with pytest.raises(SettingError, match="did you mean laptop"):
        part("laptob")


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("H100 SXM", "H100"), ("A100 SXM4 80GB", "A100 SXM"), ("A100 PCIe 40GB", "A100 PCIe"), ("L4", "L4"),
        ("L40S", "GPU of another kind"), ("GTX 1080 Ti", "GTX 1080 Ti"), ("GTX 1080", "GPU of another kind"),
    ],
)  # fmt: skip
def test_the_card_that_a_device_is(device, name):
    assert part_like(find_device(device).name).name == name


# What cannot be


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 0}, {"count": -1}, {"count": math.nan}, {"count": math.inf}, {"share": 0}, {"share": 1.5},
        {"share": math.nan}, {"utilisation": 0}, {"utilisation": 1.01}, {"utilisation": True},
        {"life_months": 0}, {"life_months": -1}, {"life_months": math.inf}, {"age_months": -1},
        {"age_months": math.nan}, {"count": True}, {"share": True}, {"age_months": True}, {"count": "8"},
        {"age_months": "new"}, {"count": 10**400},
    ],
)  # fmt: skip
def test_a_figure_that_cannot_be_is_refused(wrong):
    with pytest.raises(SettingError):
        part("laptop", **wrong)


def test_a_part_can_be_pickled_and_its_use_is_the_declared_default():
    piece = parts_named("laptop")[0]
    assert pickle.loads(pickle.dumps(piece)) == piece
    assert (piece.utilisation.value, piece.utilisation.basis) == (PERSONAL_USE, "default")
    assert json.loads(json.dumps(piece.utilisation.to_dict()))["basis"] == "default"
