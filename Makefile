# `make tournament` on a fresh machine: environment, installation, tournament, report. `make test`: every check.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help venv tournament test lint unit kernels wheel clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

venv: $(VENV)/.installed  ## make the environment and install the project in it

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.developed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.installed

tournament: $(VENV)/.installed  ## run the default tournament on the embedded days; its last line is where the report lies
	$(BIN)/lobarena tournament

test: lint unit kernels wheel  ## run every check

lint: $(VENV)/.developed  ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# A process a core, one thread each; a file's tests stay together, and share what they make.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile

unit: $(VENV)/.developed  ## pytest, compiled
	$(PYTEST)

# Kernels must also run as plain Python (coverage, debuggers) and stay inside their arrays.
kernels: $(VENV)/.developed  ## pytest of the kernels, not compiled, then with bounds checks
	NUMBA_DISABLE_JIT=1 $(PYTEST) -m kernels
	NUMBA_BOUNDSCHECK=1 $(PYTEST) -m kernels

wheel: $(VENV)/.developed  ## build the wheel and run the README's first command from it, elsewhere
	.ci/wheel $(BIN)/python

clean:  ## remove what was built; results and the environment stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .cache
