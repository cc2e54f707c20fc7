# Each target sets itself up on a fresh machine: python3 (3.10 or newer) and make are all it takes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null

.PHONY: demo test bench space site clean python

demo: $(VENV)/.demo
	$(BIN)/python -m demo

# A process keeps a core busy, with the browser and the servers that it starts. Each starts its own, so
# four are enough.
test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

# A Gradio Space, tried as a Space starts it, for which its packages are installed: some minutes and
# 6 GB for a while. OPTIONS=--no-install starts it without.
space: $(VENV)/.demo
	rm -rf space
	$(BIN)/python -m hosting.space space $(OPTIONS)

# The static page, tried in a browser.
site: $(VENV)/.dev
	rm -rf site
	$(BIN)/python -m ldm_core.export --format web --out site
	$(BIN)/python -m hosting.site site

# An environment whose Python is gone or too old is made again.
ifeq ($(shell $(BIN)/python $(NEW_ENOUGH) && echo works),)
$(VENV)/.demo: python
endif

python:
	@$(PYTHON) $(NEW_ENOUGH) || { echo "$(PYTHON) is missing or older than Python 3.10. Install a \
	newer one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@rm -rf $(VENV)

# What the page needs.
$(VENV)/.demo: requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt
	@touch $@

# What tests and benchmarks add.
$(VENV)/.dev: $(VENV)/.demo pyproject.toml
	$(PIP) --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache *.egg-info build space site
