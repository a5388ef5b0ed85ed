"""The card as people meet it: in JupyterLab while they work, reopened untrusted, and exported."""

import os
import secrets
import subprocess
import sys

from tests.browser.conftest import TUTORIAL

CARD = ".jp-OutputArea .greenai"


def open_tutorial(browser, lab, *, name=TUTORIAL.name, width=1280, height=1500):
    page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=1)
    # A workspace of its own: JupyterLab would open again what an earlier test had open.
    page.goto(lab(f"lab/workspaces/{secrets.token_hex(4)}/tree/{name}"))
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    return page


def photograph(page, path):
    """Take the picture of the README: the larger model's cell and its card."""
    page.keyboard.press("Control+b")
    page.set_viewport_size({"width": 1060, "height": 760})
    page.evaluate(
        "() => [...document.querySelectorAll('.jp-Cell')].find(c => c.innerText.includes('4. A larger')).scrollIntoView()",
    )
    page.wait_for_timeout(1500)
    page.screenshot(path=path)


def images_drawn(page, selector):
    return page.eval_on_selector_all(selector, "imgs => imgs.map(i => i.complete && i.naturalWidth > 0)")


def test_a_reopened_untrusted_notebook_still_shows_its_cards(browser, lab):
    page = open_tutorial(browser, lab)
    page.wait_for_selector(CARD, state="attached", timeout=30_000)
    text = page.inner_text(f"{CARD} >> nth=0")
    page.close()
    assert "Energy, machine" in text
    assert "CO2e" in text
    assert "95 %" in text


def test_a_reopened_untrusted_count_of_operations_folds_and_keeps_its_columns(browser, lab):
    page = open_tutorial(browser, lab, name="05_flops.ipynb")
    page.wait_for_selector(f"{CARD} details", state="attached", timeout=30_000)
    card = page.query_selector(CARD)
    card.scroll_into_view_if_needed()
    inner = card.query_selector("details details")
    assert not inner.evaluate("details => details.open")
    inner.query_selector("summary").click()
    assert inner.evaluate("details => details.open")
    conv, relu = inner.query_selector_all(":scope > div")[:2]
    edges = [
        [
            span.bounding_box()["x"] + span.bounding_box()["width"]
            for span in row.query_selector_all("span")[:4]
        ]
        for row in (conv, relu)
    ]
    text = card.inner_text()
    if "GREENAI_SCREENSHOT_FLOPS" in os.environ:
        page.screenshot(path=os.environ["GREENAI_SCREENSHOT_FLOPS"])
    page.close()
    assert "MACs" in text
    assert "Conv2d" in text
    assert edges[0] == edges[1]


def test_running_all_cells_puts_a_card_under_each_measured_cell(browser, lab):
    page = open_tutorial(browser, lab)
    page.wait_for_selector(CARD, state="attached", timeout=30_000)
    page.click("text=Edit")
    page.click("text=Clear Outputs of All Cells")
    page.wait_for_selector(CARD, state="detached", timeout=30_000)
    page.click(".lm-MenuBar-itemLabel >> text=Run")
    page.click("text=Run All Cells")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.jp-OutputArea')].some(o => o.innerText.includes('All runs in this ledger'))",
        timeout=120_000,
    )
    cards = page.query_selector_all(CARD)
    texts = [card.inner_text() for card in cards]
    errors = page.query_selector_all('[data-mime-type="application/vnd.jupyter.stderr"]')
    drawn = images_drawn(page, f"{CARD} img")
    if "GREENAI_SCREENSHOT" in os.environ:
        photograph(page, os.environ["GREENAI_SCREENSHOT"])
    page.close()
    assert len(cards) == 2
    assert "simple" in texts[0]
    assert "larger" in texts[1]
    assert not errors
    assert drawn
    assert all(drawn)


def test_an_exported_page_shows_its_cards_without_a_script_or_a_network(browser, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "html", "--output-dir", str(tmp_path), str(TUTORIAL)],
        check=True,
        capture_output=True,
    )
    page = browser.new_page(viewport={"width": 400, "height": 900}, java_script_enabled=True)
    page.route("http*://**", lambda route: route.abort())
    page.goto((tmp_path / "01_first_cell.html").as_uri(), wait_until="domcontentloaded")
    texts = [card.inner_text() for card in page.query_selector_all(".greenai")]
    drawn = images_drawn(page, ".greenai img")
    page.close()
    assert len(texts) == 2
    assert all("CO2e" in text for text in texts)
    assert drawn
    assert all(drawn)
