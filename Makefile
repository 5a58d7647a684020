# Everything a newcomer needs is `make run` and `make test`; `make help` lists the rest.
# A fresh machine has Python 3.11 or newer, make and git. Node comes from PyPI, all else from the package registries.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --require-hashes --no-deps --progress-bar off
CODE := bff resolvers adapters sandbox console tools benchmarks tests

.PHONY: help run test check fix schema lock console clean bench audit

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.run console  ## install, start the sandbox estate and the BFF (PORT=8000), print addresses and tokens
	@exec $(BIN)/bff dev --port $(PORT)

test: $(VENV)/.dev console  ## install, run all tests
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev  ## lint, types, import rules, schema; changes nothing
	$(BIN)/ruff check $(wildcard $(CODE))
	$(BIN)/ruff format --check $(wildcard $(CODE))
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bff schema --check schema.graphql
	$(BIN)/python -m tools.lint_schema schema.graphql

fix: $(VENV)/.dev  ## mend what can be mended: format, imports, simple lint
	$(BIN)/ruff check --fix $(wildcard $(CODE))
	$(BIN)/ruff format $(wildcard $(CODE))

schema: $(VENV)/.dev  ## print schema.graphql from the code
	$(BIN)/bff schema > schema.graphql.new && mv schema.graphql.new schema.graphql

console: $(VENV)/.run  ## build GraphiQL from its packages
	@$(BIN)/python -m console.build

bench: $(VENV)/.dev  ## run us beside the peers and write docs/performance.md
	$(BIN)/python -m benchmarks

lock: $(VENV)/.dev  ## resolve the lock files again
	$(BIN)/uv pip compile -q pyproject.toml --extra dev $(SHARED) $(LOCK) -o requirements/dev.lock
	$(BIN)/uv pip compile -q pyproject.toml $(SHARED) $(LOCK) -c requirements/dev.lock -o requirements/run.lock
	$(BIN)/uv pip compile -q requirements/audit.in $(LOCK) -o requirements/audit.lock

SHARED := --extra console --extra telemetry --extra redis --extra postgres --extra nats
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
  --custom-compile-command 'make lock'

audit: $(VENV)/.run  ## ask the advisory database about every locked package (it must be reachable)
	@test -x $(VENV)/audit/bin/pip-audit || { $(BIN)/python -m venv $(VENV)/audit && \
	  $(VENV)/audit/bin/python -m pip install -q --require-hashes --no-deps -r requirements/audit.lock; }
	$(VENV)/audit/bin/pip-audit -r requirements/run.lock --require-hashes --disable-pip --strict

clean:  ## remove everything that can be made again
	rm -rf $(VENV) console/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache build *.egg-info
	find . -name node_modules -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@echo "── creating $(VENV) with $(PYTHON)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.lock pyproject.toml | $(VENV)/bin/python
	@echo "── installing $$(grep -c '==' $<) locked packages (about half a minute)"
	@$(PIP) -q -r $<
	@$(BIN)/python -m pip --disable-pip-version-check install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.run
	@echo "── installing the tools of the workshop"
	@$(PIP) -q -r $<
	@touch $@
