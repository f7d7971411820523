# Two commands: `make demo` (the main job, end to end) and `make test` (lint, types, all tests).
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
BIN := .venv/bin
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1

.PHONY: demo test lint types setup-demo setup-test clean

demo: .venv/.demo
	@$(BIN)/gtplus demo $(ARGS)

test: lint types
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.test
	$(BIN)/mypy

.venv/.made: 
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found on PATH (set PYTHON=/path/to/python3)."; exit 1; }
	$(PYTHON) -m venv .venv
	@chmod -R a+rX lambdas
	@touch $@

.venv/.demo: .venv/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[local]'
	@touch $@

.venv/.test: .venv/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ .venv/.demo

clean:
	rm -rf .venv .local cdk.out demo-output
