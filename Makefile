# As root on Debian 12: `make demo` shows the gateway at work, `make test` runs every test.
# Both install what they need first (make setup); nothing outside this folder but Debian packages.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .setup

.PHONY: setup demo test lint unit corpus corpus-if-there e2e record docs deb lock clean vm

setup: $(STAMPS)/packages $(STAMPS)/venv

$(STAMPS)/packages: tests/lab/packages.txt tests/lab/setup.sh
	@mkdir -p $(STAMPS)
	@sh tests/lab/setup.sh
	@touch $@

$(STAMPS)/venv: pyproject.toml tests/lab/requirements.txt $(STAMPS)/packages
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "setup: $(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@[ -x $(BIN)/python ] || { echo "setup: making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "setup: installing Python packages"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]' -r tests/lab/requirements.txt
	@touch $@

demo: setup
	$(BIN)/python -m tests.lab.demo

test: lint unit corpus-if-there e2e
	@echo "make test: all green"

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

unit: setup
	$(BIN)/python -m pytest -q tests/unit tests/corpus

corpus: setup
	@$(BIN)/python -m tests.corpus.recorded
	@$(BIN)/python -m tests.corpus.score

# The labelled captures are no part of this repository: away from CI their absence is told, not an error.
corpus-if-there: setup
	@$(BIN)/python -m tests.corpus.recorded
	@$(BIN)/python -m tests.corpus.score || { \
	  code=$$?; [ $$code = 2 ] && [ -z "$$CI" ] && echo "SKIPPED: no labelled captures, detection is not scored" \
	  || exit $$code; }

e2e: setup
	$(BIN)/python -m pytest -q tests/e2e

# The live tests that only a stock kernel can show, in an emulated machine: about ten minutes a kernel, so no part of
# `make test`.
vm: setup
	@sh tests/lab/setup.sh tests/vm/packages.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'virtme-ng>=1.30'
	$(BIN)/python -m tests.vm

record: setup
	$(BIN)/python -m tests.lab.record

docs: setup
	$(BIN)/python -m sphinx -q -W -n --keep-going -b html docs build/docs
	@echo "docs: open build/docs/index.html"

deb: setup
	@$(BIN)/python -m tests.lab.deb

# What the package bundles, pinned anew. Only what gathers the tables that mcc-mnc-p1 and pyrad bring needs lxml and
# netaddr: nothing of it runs.
lock: setup
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-package lxml --no-emit-package netaddr --custom-compile-command 'make lock' \
	  pyproject.toml --output-file debian/requirements.lock

clean:
	rm -rf $(VENV) $(STAMPS) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
