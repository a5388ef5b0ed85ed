import json
import os
import re
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenai_magic.footprint.impacts import Footprint, Line, assess
from greenai_magic.footprint.place import known_place
from greenai_magic.quantity import BASES, Quantity
from greenai_magic.runs.run import Status
from greenai_magic.show.card import STATUS, CardView, describe, explain, to_html, to_line, to_text
from greenai_magic.show.charts import power_curve_alt
from greenai_magic.show.words import at_least, figure

GOLDEN = Path(__file__).parent.parent / "golden"
TUTORIAL = Path(__file__).parents[2] / "notebooks" / "01_first_cell.ipynb"
LEFT_OUT = ("scope 3: networks",)
SCIENTIFIC = re.compile(r"\d[eE][+-]?\d|\bnan\b|\binf\b")
VOID = {"img"}
# What JupyterLab's sanitiser leaves of a notebook it does not trust, as far as a card needs it.
KEPT_TAGS = {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "img"}
KEPT_TAGS |= {"strong", "span", "details", "summary", "ul", "li"}
KEPT_ATTRIBUTES = {"*": {"style", "class"}, "th": {"scope"}, "img": {"src", "alt"}}
KEPT_STYLES = {
    "background": r"transparent",
    "border": r"none",
    "border-collapse": r"collapse",
    "border-left": r"3px solid",
    "cursor": r"pointer",
    "display": r"inline-block",
    "font-size": r"\d+px",
    "font-weight": r"normal",
    "line-height": r"[\d.]+",
    "margin": r"(\d+(px)? ?){1,4}",
    "max-width": r"100%",
    "opacity": r"0\.\d+",
    "padding": r"(\d+(px)? ?){1,4}",
    "table-layout": r"auto",
    "text-align": r"left",
    "vertical-align": r"top",
    "white-space": r"nowrap",
}
HOSTILE = [
    "<script>alert(1)</script>",
    "</div></table><h1>own</h1>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "&lt;b&gt; & &amp;",
    "two\nlines\r\nand\u2028more",
    "\x1b[31mred\x1b[0m \x07\x00",
    "\u202eright to left\u202c",
    "\ud800 half a surrogate",
    "{0} %s {name}",
    "n" * 5000,
]


class Page(HTMLParser):
    """Keeps the words, the elements and the styles of a page, and checks that tags are balanced."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.data = [], [], []
        self.feed(html)
        self.close()

    @property
    def words(self):
        return squeeze(" ".join(self.data))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.data.append(data)


def squeeze(text):
    return " ".join(text.split())


def assert_golden(name, text):
    path = GOLDEN / name
    if os.environ.get("GREENAI_UPDATE_GOLDEN"):
        path.write_text(text + "\n", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text + "\n"


@pytest.fixture
def full(make_run, make_energy, make_trace):
    return make_run(
        components={
            "cpu": make_energy(355.0, name="cpu", source="RAPL package counters: ±5 %"),
            "dram": make_energy(51.7, name="dram", source="RAPL memory counters: ±20 %"),
            "gpu0": make_energy(1153.0, name="gpu0", source="NVML energy counter: ±7 %"),
        },
        duration_s=12.3,
        dynamic=make_energy(1100.0, name="energy above idle"),
        attributed=make_energy(900.0, "modelled", name="energy of this kernel"),
        trace=make_trace([60, 180, 190, 110, 95], 2.46),
        stage="training",
        tags={"seed": "1", "model": "small"},
        scores={"accuracy": 0.9342},
    )


@pytest.fixture
def unsure(make_run, make_energy, make_place, make_trace):
    return make_run(
        components={"cpu": make_energy(64.0, "modelled", name="cpu", source="CPU model, 2 vCPU: no counter")},
        duration_s=2.1,
        trace=make_trace([25, 35, 32], 0.7),
        status="interrupted",
        notes=("Energy counters may not be read here: ask for the right to read powercap.",),
        place=make_place("the world", hint="No place is set: the world's average is used."),
    )


@pytest.fixture
def unseen(make_run, make_energy, make_trace):
    cpu = make_energy(0.0, name="cpu", spread={}, above=0.2, source="RAPL package counters: 1 ms ticks")
    return make_run(components={"cpu": cpu}, duration_s=0.001, trace=make_trace([0], 0.001), status="error")


@pytest.mark.parametrize("case", ["full", "unsure", "unseen"])
def test_both_faces_read_as_agreed(case, request):
    view = describe(request.getfixturevalue(case))
    assert_golden(f"card_{case}.txt", to_text(view))
    assert_golden(f"card_{case}.html", to_html(view))


@pytest.mark.parametrize("case", ["full", "unsure", "unseen"])
def test_both_faces_show_the_same_words(case, request):
    view = describe(request.getfixturevalue(case))
    page, text = Page(to_html(view)).words, squeeze(to_text(view))
    cells = [
        cell for row in (*view.rows, *view.details) for cell in (row.label, row.figure, row.basis, row.note)
    ]
    for words in (view.title, view.status, *view.labels, *cells, *view.notes, *view.not_counted):
        assert words in text
        assert words in page


def test_rows_come_in_the_order_of_their_weight(full):
    assert [row.label for row in describe(full).rows] == [
        "Energy, machine",
        "Energy above idle",
        "Energy, this kernel",
        "CO2e",
        "Mean power",
        "Duration",
        "accuracy",
    ]


def test_the_text_begins_with_the_line(full):
    view = describe(full)
    assert to_text(view).splitlines()[0] == to_line(view)
    assert to_line(view).startswith("greenai: train · 12.3 s · ")


def test_a_terminal_of_a_hundred_columns_holds_the_table(unsure):
    _, *table = to_text(describe(unsure)).splitlines()
    assert max(map(len, table)) <= 100


@pytest.mark.parametrize("status", get_args(Status))
def test_every_status_has_words_and_only_success_needs_none(make_run, status):
    view = describe(make_run(status=status))
    assert (status == "ok") == (view.status == "")
    assert view.status in Page(to_html(view)).words
    assert view.status in to_line(view)
    assert STATUS.keys() == set(get_args(Status))


def test_what_is_not_assessed_is_never_a_number(make_run):
    rows = {row.label: row for row in describe(make_run()).rows}
    for label in ("Energy above idle", "Energy, this kernel"):
        assert rows[label].figure == "not assessed"
        assert rows[label].basis == ""
        assert not re.search(r"\d", rows[label].note)
    assert rows["Energy above idle"].note == "no idle baseline yet"


def test_a_footprint_without_lines_is_not_assessed(make_run, make_place):
    view = describe(make_run(footprint=Footprint((), LEFT_OUT, make_place())))
    assert view.rows[3].figure == "not assessed"
    assert view.headline.endswith("not assessed")


def test_a_window_without_length_has_no_power(make_run):
    power = describe(make_run(duration_s=0.0)).rows[4]
    assert (power.figure, power.note) == ("not assessed", "the window has no length")


def test_co2e_is_a_lower_bound_as_long_as_something_is_not_counted(full, make_place):
    complete = Footprint(full.footprint.lines, (), make_place())
    assert describe(full).rows[3].figure == at_least(str(full.footprint.gwp))
    assert describe_with(full, footprint=complete).rows[3].figure == str(complete.gwp)


def test_nothing_seen_is_an_upper_bound_of_what_was_counted_alone(unseen):
    figure = describe(unseen).rows[3].figure
    assert figure == f"{unseen.footprint.gwp} counted"
    assert figure.startswith("< ")


def test_a_window_too_short_to_tell_has_bounds_alone(make_run, make_energy):
    view = describe(make_run(components={"cpu": make_energy(0.4, "modelled", below=0.4, above=1.0)}))
    machine, co2e, power = view.rows[0], view.rows[3], view.rows[4]
    assert [row.figure[:2] for row in (machine, co2e, power)] == ["< "] * 3


def test_a_footprint_at_the_end_of_a_cell_is_one_short_line(full, make_place):
    assert repr(full.footprint) == f"<Footprint in France: gwp {full.footprint.gwp}>"
    assert repr(Footprint((), LEFT_OUT, make_place())) == "<Footprint in France: nothing counted>"


def test_co2e_says_which_scopes_were_counted_and_never_the_market_based_one(full):
    gwp = Quantity(1.0, "g CO2e", name="CO2e")
    lines = (
        *full.footprint.lines,
        Line("3", "manufacture", "gwp", gwp),
        Line("2 market-based", "use", "gwp", gwp),
    )
    view = describe_with(full, footprint=Footprint(lines, LEFT_OUT, full.footprint.place))
    assert view.rows[3].note == "scope 2 location-based, scope 3"


@pytest.mark.parametrize("basis", BASES)
def test_every_figure_tells_its_basis_in_words(make_run, make_energy, basis):
    cpu = make_energy(500.0, basis, name="cpu")
    view = describe(make_run(components={"cpu": cpu}))
    assert (view.details[0].figure, view.details[0].basis) == (figure(cpu), basis)
    assert f"{figure(cpu)} {basis}" in Page(to_html(view)).words


def test_each_component_grid_and_pue_tell_their_source(full):
    assert [(row.label, row.note) for row in describe(full).details] == [
        ("cpu", "RAPL package counters"),
        ("dram", "RAPL memory counters"),
        ("gpu0", "NVML energy counter"),
        ("Grid, France", "Ember 2024"),
        ("PUE", "a survey 2024"),
    ]


def test_the_source_of_a_factor_keeps_its_year(make_run, make_place):
    place = make_place(source="Ember, Our World in Data: France 2024")
    assert describe(make_run(place=place)).details[-2].note == "Ember, Our World in Data: France 2024"


def test_hints_and_notes_are_not_folded_away(unsure):
    html = to_html(describe(unsure))
    for note in describe(unsure).notes:
        assert note in Page(html[: html.index("<details")]).words


def test_explain_gives_formula_and_sources_of_every_impact(full):
    text = explain(full)
    measurement = full.measurement
    for quantity in (measurement.machine, measurement.dynamic, measurement.attributed, full.footprint.gwp):
        assert quantity.explain() in text


def test_explain_names_what_is_not_assessed(unsure):
    assert "Energy above idle: not assessed: no idle baseline yet" in explain(unsure)


@pytest.mark.parametrize("case", ["full", "unsure", "unseen"])
def test_the_page_keeps_to_what_an_untrusted_notebook_may_show(case, request):
    page = Page(to_html(describe(request.getfixturevalue(case))))
    assert page.open == []
    for tag, attributes in page.elements:
        assert tag in KEPT_TAGS
        assert attributes.keys() <= KEPT_ATTRIBUTES["*"] | KEPT_ATTRIBUTES.get(tag, set())
        for style in filter(None, attributes.get("style", "").split(";")):
            name, value = style.split(":")
            assert re.fullmatch(KEPT_STYLES[name], value)


def test_the_card_is_one_block_that_a_notebook_test_can_recognise(full):
    html = to_html(describe(full))
    assert re.fullmatch(r'(?s)<div class="greenai">.*</div>', html)
    assert html.count("greenai") == 1


def test_no_text_colour_is_set_so_that_the_theme_rules(full):
    assert not re.search(r"(?<!-)\bcolor:", to_html(describe(full)))


def test_every_table_has_a_caption_and_every_heading_a_scope(full):
    page = Page(to_html(describe(full)))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("caption") == tags.count("table") == 2
    scopes = [attributes["scope"] for tag, attributes in page.elements if tag == "th"]
    assert scopes.count("row") == tags.count("tr") - 2


def test_the_curve_says_in_words_what_it_shows(full):
    (image,) = [attributes for tag, attributes in Page(to_html(describe(full))).elements if tag == "img"]
    assert image["alt"] == power_curve_alt(full.measurement.trace)
    assert image["src"].startswith("data:image/svg+xml;base64,")


def test_a_window_too_short_for_a_curve_has_no_image(unseen):
    assert "<img" not in to_html(describe(unseen))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_the_user_can_break_out(make_run, make_energy, make_place, text):
    def card(word):
        return describe(
            make_run(
                name=word,
                stage=word,
                tags={word: word},
                scores={word: 1.0},
                notes=(word,),
                components={word: make_energy(5.0, name="cpu", source=word)},
                place=make_place(word, hint=word, source=word),
            )
        )

    page, harmless = Page(to_html(card(text))), Page(to_html(card("word")))
    assert page.open == []
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in harmless.elements]
    assert [set(a) for _, a in page.elements] == [set(a) for _, a in harmless.elements]
    assert "\n" not in to_line(card(text))
    assert all(line.isprintable() for line in to_text(card(text)).splitlines())
    to_text(card(text)).encode()


@given(name=st.text())
def test_any_name_stays_on_one_printable_line(make_run, name):
    view = describe(make_run(name=name))
    assert to_line(view).isprintable()
    assert view.title
    assert view.title in Page(to_html(view)).data


@given(energy_j=st.floats(1e-12, 1e15), duration_s=st.floats(1e-6, 1e8), margin_j=st.floats(0, 1e3))
def test_no_figure_is_ever_in_scientific_notation(make_run, make_energy, energy_j, duration_s, margin_j):
    cpu = make_energy(energy_j, name="cpu", below=margin_j, above=margin_j)
    view = describe(make_run(components={"cpu": cpu}, duration_s=duration_s))
    assert not SCIENTIFIC.search(to_text(view))
    assert not SCIENTIFIC.search(Page(to_html(view)).words)


def describe_with(run, **parts):
    kept = {field.name: getattr(run, field.name) for field in fields(run)}
    view = describe(type(run)(**(kept | parts)))
    assert isinstance(view, CardView)
    return view


def test_the_tutorials_stored_cards_are_those_that_are_written_now():
    cells = json.loads(TUTORIAL.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ()) if "data" in output]
    cards = ["".join(o["data"]["text/plain"]) for o in outputs if "text/html" in o["data"]]
    assert len(cards) == 2
    left_out = assess(Quantity(1.0, "J"), known_place("FRA")).not_assessed
    for card in cards:
        words = " ".join(card.split())
        assert f"not counted: {'; '.join(left_out)}" in words
        assert re.search(r"≥ \S+ \S+ CO2e \(counted: ", words)
        for name in ("Energy, machine", "Energy above idle", "Energy, this kernel", "Mean power", "Duration"):
            assert f"\n  {name}" in card
