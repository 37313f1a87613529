# make demo                 from simulated raw captures to a deblurred picture; leaves demo/report.html
# make demo DATA=folder     the same from your own captures or light fields; leaves demo/own/report.html
# make test                 every check: ruff, mypy, pytest
# make lint | format | clean
# Each sets up .venv first where it has to. PYTHON=... names another interpreter, of 3.11 or later.

.DEFAULT_GOAL := help
SHELL := /bin/bash
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for p in python3.11 python3; do $$p $(NEW_ENOUGH) 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
DATA ?=

.PHONY: help demo test lint format clean
help:
	@sed -n '1,/^$$/s/^# //p' Makefile

demo: $(STAMP)
	@$(BIN)/python -m pipelines.demo $(if $(DATA),--data "$(DATA)")

test: lint
	$(BIN)/pytest

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# One environment for demo and tests, of the versions in constraints.txt alone. setuptools is pinned too, so the package
# is built with what is installed and not in an environment of its own.
$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "lfsynth needs Python 3.11 or later: install it, or name it with make PYTHON=..." >&2; exit 2; }
	@echo "Setting up .venv (a minute or two, once) ..."
	@$(PYTHON) $(NEW_ENOUGH) || { echo "$(PYTHON) is not Python 3.11 or later" >&2; exit 2; }
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt setuptools
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt --no-build-isolation -e ".[dev]"
	@touch $@

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build demo *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
