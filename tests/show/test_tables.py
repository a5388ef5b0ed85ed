from greenai_magic.show.tables import status_text


def test_status_tells_of_the_machine_first_and_of_its_figures_beside_them(make_run, make_place):
    kernel = make_run(notes=("RAPL is closed.", "Too short to tell.")).measurement
    sources = {"cpu": "RAPL package counters", "dram": "RAPL memory counters"}
    text = status_text(kernel, sources, ("RAPL is closed.",), make_place(), auto=False)
    head, figures = text.split("Since the counters were opened")
    assert "  RAPL is closed.\n" in head
    assert "Too short" not in head
    assert "  Too short to tell.\n" in figures
    assert "RAPL is closed" not in figures
