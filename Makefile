PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test clean

# The first tutorial, headless, on real data; prints what its cells cost.
demo: .venv/lab
	$(BIN)/python tools/demo.py

# Everything: style, types, import contracts, tests, notebooks, and the browser where there is one.
test: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile --nbval --nbval-current-env --nbval-cell-timeout=180 \
	    --nbval-sanitize-with notebooks/sanitize.cfg tests notebooks

clean:
	rm -rf .venv

.venv/lab: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[lab]'
	touch $@

.venv/dev: pyproject.toml tools/get_chromium.sh
	$(PYTHON) -m venv .venv
	# The CPU's builds: what PyTorch and torchvision bring by default is made for GPUs, and gigabytes.
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --editable '.[dev]'
	$(BIN)/pip install --quiet --no-deps torchvision==0.28.0
	sh tools/get_chromium.sh
	touch $@
