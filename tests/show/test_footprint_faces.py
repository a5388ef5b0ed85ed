"""A footprint in words: what it says, in both faces, and what it never says."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_card import (
    HOSTILE,
    KEPT_ATTRIBUTES,
    KEPT_STYLES,
    KEPT_TAGS,
    SCIENTIFIC,
    Page,
    assert_golden,
    squeeze,
)

from greenai_magic.footprint.boundary import ASSESSABLE, Boundary
from greenai_magic.footprint.contributions import Contribution
from greenai_magic.footprint.direct import burnt
from greenai_magic.footprint.embodied import freight, lines_of, part, parts_named, with_transport
from greenai_magic.footprint.impacts import Footprint, Line, assess
from greenai_magic.footprint.place import Place
from greenai_magic.quantity import Quantity
from greenai_magic.show.card import describe, to_html, to_text
from greenai_magic.show.footprint import describe_footprint, footprint_to_html, footprint_to_text
from greenai_magic.show.words import at_least, figure

CASES = ("whole", "desk", "old")
HOURS = Quantity(6300.0, "s", name="duration")


def factor(value, unit, name):
    return Quantity(value, unit, "declared", "a table, 2025", {f"{name} there": 0.1}, name=name)


def site(**parts):
    place = Place(
        "there",
        "Somewhere",
        factor(40.0, "g CO2e/kWh", "grid intensity"),
        factor(1.2, "1", "PUE"),
        ewif=factor(3.0, "L/kWh", "EWIF"),
        adpe=factor(5e-5, "g Sb eq/kWh", "ADPe"),
        adpf=factor(9.0, "MJ/kWh", "ADPf"),
    )
    return replace(place, **parts)


@pytest.fixture
def whole(make_energy):
    cards = with_transport(part("A100 SXM", count=8), freight(30.0, 9000.0, "air"))
    return assess(
        make_energy(3.6e7, source="RAPL, 2025"),
        site(
            data_centre=True,
            wue=factor(0.2, "L/kWh", "WUE"),
            market_intensity=factor(0.0, "g CO2e/kWh", "market intensity"),
            hint="A hint.",
        ),
        lines_of([cards, *parts_named("gpu server")], HOURS),
        direct=[burnt(0.1, share=0.5)],
        boundary=Boundary(declared="Training alone."),
        contributions=[Contribution("offset", Quantity(5e3, "g CO2e", "declared"), "trees, 2024")],
        activity={"device_time": Quantity(50400.0, "s", name="device time")},
        notes=("A note.",),
    )


@pytest.fixture
def desk(make_energy):
    return assess(make_energy(500.0, "modelled", source="a model"), site())


@pytest.fixture
def old(make_place):
    """A footprint as the first version kept it."""
    gwp = Quantity(3.0, "g CO2e", "modelled", "before", {"cause": 0.1}, name="CO2e")
    return Footprint((Line("2 location-based", "use", "gwp", gwp),), ("scope 3: making",), make_place())


def rows(view, caption):
    (section,) = [s for s in (*view.impacts, *view.details) if s.caption.startswith(caption)]
    return {row.label: row for row in section.rows}


@pytest.mark.parametrize("case", CASES)
def test_both_faces_read_as_agreed(case, request):
    view = describe_footprint(request.getfixturevalue(case))
    assert_golden(f"footprint_{case}.txt", footprint_to_text(view))
    assert_golden(f"footprint_{case}.html", footprint_to_html(view))


@pytest.mark.parametrize("case", CASES)
def test_both_faces_show_the_same_words(case, request):
    view = describe_footprint(request.getfixturevalue(case))
    page, text = Page(footprint_to_html(view)).words, squeeze(footprint_to_text(view))
    sections = (*view.impacts, *view.details)
    cells = [cell for s in sections for r in s.rows for cell in (r.label, r.figure, r.basis, r.note)]
    cells += [cell for row in view.matrix for cell in row] + [
        w for s in sections for w in (s.caption, s.remark)
    ]
    for words in (view.title, view.headline, *cells, *view.points, *view.notes, *view.not_assessed):
        assert squeeze(words) in text
        assert squeeze(words) in page


def test_a_terminal_of_a_hundred_columns_holds_all_of_it(whole):
    assert max(map(len, footprint_to_text(describe_footprint(whole)).splitlines())) <= 100


def test_the_two_figures_of_scope_2_stand_apart_and_only_one_is_in_the_total(whole):
    found = rows(describe_footprint(whole), "CO2e by scope")
    assert list(found) == [
        "CO2e",
        "CO2e, scope 1",
        "CO2e, scope 2 location-based",
        "CO2e, scope 2 market-based",
        "CO2e, scope 3",
    ]
    assert found["CO2e"].note == "scope 1, scope 2 location-based, scope 3"
    assert found["CO2e"].figure == at_least(figure(whole.gwp))
    assert found["CO2e, scope 2 market-based"].figure.startswith("≥ 0 g")
    contract = replace(whole.place, market_intensity=factor(900.0, "g CO2e/kWh", "market intensity"))
    dirty = assess(whole.energy_it, contract, [x for x in whole.lines if x.scope in {"1", "3"}])
    assert rows(describe_footprint(dirty), "CO2e by scope")["CO2e"].figure == found["CO2e"].figure


def test_a_scope_that_is_whole_has_no_sign_before_it(whole):
    found = rows(describe_footprint(whole), "CO2e by scope")
    assert found["CO2e, scope 1"].figure == figure(whole.gwp_g(1))
    assert all(found[name].figure.startswith("≥ ") for name in found if name != "CO2e, scope 1")


def test_what_is_not_assessed_is_named_and_never_a_number(desk):
    view = describe_footprint(desk)
    by_scope, criteria = rows(view, "CO2e by scope"), rows(view, "Other criteria")
    for row in (by_scope["CO2e, scope 1"], by_scope["CO2e, scope 3"], criteria["Electronic waste"]):
        assert (row.figure, row.basis) == ("not assessed", "")
    assert criteria["Water on site"].figure == "not relevant"
    assert criteria["Water off site"].figure == at_least(figure(desk.of("water")))
    assert view.not_assessed == desk.not_assessed


def test_water_on_site_and_off_site_are_two_rows(whole):
    criteria = rows(describe_footprint(whole), "Other criteria")
    on_site, off_site = (line.quantity for line in whole.lines if line.criterion == "water")
    assert {criteria["Water on site"].figure, criteria["Water off site"].figure} == {
        at_least(figure(on_site)),
        at_least(figure(off_site)),
    }


def test_the_stages_add_up_to_what_was_counted(whole):
    found = rows(describe_footprint(whole), "CO2e by stage")
    assert found["Transport"].figure != "not assessed"
    assert found["End of life"].figure == "not assessed"
    assert list(found) == ["Manufacture", "Transport", "Use", "End of life"]


def test_every_source_is_told_with_its_year(whole):
    found = rows(describe_footprint(whole), "What these figures rest on")
    for name in ("PUE", "Grid, Somewhere", "Water on site per kWh", "Water off site per kWh"):
        assert found[name].note in {"a table, 2025", "as above"}
    assert found["Energy of the devices"].note == "RAPL, 2025"
    assert "US EPA" in found["CO2e, use, diesel"].note
    assert "device time" in found


def test_the_worst_cause_comes_first_and_is_what_to_measure_next(whole):
    view = describe_footprint(whole)
    (section,) = [s for s in view.details if s.caption.startswith("What each cause")]
    assert section.rows[0].label == whole.tornado()[0].cause
    assert section.remark.startswith(f"Measure next: {whole.tornado()[0].cause} makes ")


def test_contributions_stand_apart_and_change_no_other_word(whole):
    with_them, without = (describe_footprint(f) for f in (whole, replace(whole, contributions=())))
    (apart,) = set(with_them.details) - set(without.details)
    assert apart.caption == "Contributions, not part of the footprint and not deducted from it"
    assert replace(with_them, details=without.details) == without


def test_the_boundary_shows_each_cell_and_the_five_points(whole):
    view = describe_footprint(whole)
    head, *table = view.matrix
    assert head[1:] == ("1 use", "2 use", "3 manufacture", "3 transport", "3 use", "3 end of life")
    cells = {name: states for name, *states in table}
    assert cells["CO2e"][:4] == ["counted", "counted", "estimated", "estimated"]
    assert set(cells["ionising radiation"]) == {"?"}
    assert f"completeness: {whole.boundary.score()} of 5" in view.points
    assert "declared: Training alone." in view.points
    assert {"CO2e", "water", "ADPe", "ADPf", "e-waste"} <= cells.keys()
    assert len(ASSESSABLE) == 5


def test_a_footprint_of_before_there_were_boundaries_still_shows(old):
    view = describe_footprint(old)
    assert (view.matrix, view.points) == ((), ())
    assert rows(view, "CO2e by scope")["CO2e, scope 3"].figure == "not assessed"


def test_nothing_counted_is_no_number_at_all(make_place):
    view = describe_footprint(Footprint((), ("everything",), make_place()))
    assert view.headline == "not assessed"
    assert not re.search(r"\d", view.impacts[0].rows[0].figure)


@pytest.mark.parametrize("case", CASES)
def test_the_page_keeps_to_what_an_untrusted_notebook_may_show(case, request):
    page = Page(footprint_to_html(describe_footprint(request.getfixturevalue(case))))
    assert page.open == []
    for tag, attributes in page.elements:
        assert tag in KEPT_TAGS
        assert attributes.keys() <= KEPT_ATTRIBUTES["*"] | KEPT_ATTRIBUTES.get(tag, set())
        for style in filter(None, attributes.get("style", "").split(";")):
            name, value = style.split(":")
            assert re.fullmatch(KEPT_STYLES[name], value)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_from_outside_can_break_out(desk, text):
    def faces(word):
        source = Quantity(2.0, "g CO2e", "declared", word, {word: 0.1}, name="x")
        hostile = replace(
            desk,
            place=replace(desk.place, name=word, hint=word),
            lines=(*desk.lines, Line("3", "manufacture", "gwp", source, word)),
            not_assessed=(word,),
            notes=(word,),
            contributions=(Contribution("avoided", Quantity(1.0, "g CO2e", "declared"), word),),
            boundary=Boundary(declared=word),
            activity={word: source},
        )
        view = describe_footprint(hostile)
        return Page(footprint_to_html(view)), footprint_to_text(view)

    (page, text_face), (harmless, _) = faces(text), faces("word")
    assert page.open == []
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in harmless.elements]
    assert [set(a) for _, a in page.elements] == [set(a) for _, a in harmless.elements]
    assert all(line.isprintable() for line in text_face.splitlines())
    text_face.encode()


@given(joules=st.floats(1e-12, 1e18), margin=st.floats(0, 1e3))
def test_no_figure_is_ever_in_scientific_notation(make_energy, joules, margin):
    footprint = assess(
        make_energy(joules, below=margin, above=margin), site(), lines_of(parts_named("laptop"), HOURS)
    )
    assert not SCIENTIFIC.search(footprint_to_text(describe_footprint(footprint)))


def test_a_card_tells_scopes_water_and_resources_below_what_they_rest_on(make_run, whole, desk):
    card = describe(make_run(footprint=whole))
    labels = [row.label for row in card.details]
    assert labels[labels.index("PUE") + 1 :] == [
        "CO2e, scope 1",
        "CO2e, scope 2 location-based",
        "CO2e, scope 2 market-based",
        "CO2e, scope 3",
        "Water on site",
        "Water off site",
        "Metals and minerals (ADPe)",
        "Fossil resources (ADPf)",
        "Electronic waste",
    ]
    assert card.rows[3] == describe_footprint(whole).impacts[0].rows[0]
    assert card.notes[:2] == ("A hint.", "A note.")
    assert_golden("card_whole.txt", to_text(card))
    assert_golden("card_whole.html", to_html(card))
    few = [row.label for row in describe(make_run(footprint=desk)).details]
    assert few[few.index("PUE") + 1 :] == [
        "Water off site",
        "Metals and minerals (ADPe)",
        "Fossil resources (ADPf)",
    ]
