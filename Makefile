SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
MANIFEST := dbt_project/target/manifest.json
DBT_FILES := $(shell find dbt_project -type f \( -name '*.sql' -o -name '*.yml' -o -name '*.csv' \) \
	-not -path '*/target/*' -not -path '*/logs/*')
PORT ?= 3000
KILLS ?= 100
CUSTOMERS ?= 100000
INVOICES ?= 1000000
RECORDS ?= 100000
EDGES ?= 1000000
EVENTS ?= 1000000

.PHONY: help run ui release verify-consent test lint bench drill lock parse clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

run: $(INSTALLED) $(MANIFEST) ## pull, judge, build and publish once; STAMMKUNDE_HOME=… for a home elsewhere
	@$(BIN)/python -m pipelines run

ui: $(INSTALLED) $(MANIFEST) ## the Dagster UI with the nightly schedule; PORT=… for another port
	@$(BIN)/python -m pipelines ui --port $(PORT)

release: $(INSTALLED) ## SOURCE=… judge its refused and quarantined rows anew; LOAD=… BECAUSE=… lets one load in
	@$(BIN)/python -m pipelines release "$(SOURCE)" $(if $(LOAD),--load "$(LOAD)") \
		$(if $(BECAUSE),--because "$(BECAUSE)")

test: $(INSTALLED) $(MANIFEST) ## every test whose component is on this machine
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED) ## style of Python and SQL, and who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/sqlfluff lint --nocolor -p 2 -n dbt_project/models dbt_project/tests

bench: $(INSTALLED) $(MANIFEST) ## speed, as ratios within one run; CUSTOMERS= INVOICES= RECORDS= EDGES= EVENTS= for sizes
	@$(BIN)/python -m tests.benchmarks.whole_run
	@$(BIN)/python -m tests.benchmarks.gate
	@$(BIN)/python -m tests.benchmarks.anomaly_rates
	@$(BIN)/python -m tests.benchmarks.consent --events $(EVENTS)
	@$(BIN)/python -m tests.benchmarks.identity --records $(RECORDS) --edges $(EDGES)
	@$(BIN)/python -m tests.benchmarks.at_scale --customers $(CUSTOMERS) --invoices $(INVOICES)

drill: $(INSTALLED) $(MANIFEST) ## full disks, thirty nights, a hundred kill -9 of a whole run; KILLS=… for another number
	@$(BIN)/python -m pytest -m drill
	@$(BIN)/python -m tests.faults.kill_drill --kills $(KILLS)

verify-consent: $(INSTALLED) ## recompute the ledger of consent; HEADS=… the file of heads kept elsewhere
	@$(BIN)/python -m pipelines verify-consent $(if $(HEADS),--heads "$(HEADS)")

parse: $(MANIFEST)

lock: ## resolve requirements.lock anew (needs uv on the PATH)
	@uv pip compile --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras \
		--group dev --no-header --quiet pyproject.toml -o requirements.lock

clean: ## remove the environment and what dbt parsed; data stay
	@rm -rf .venv dbt_project/target dbt_project/logs

$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "error: Python 3.11 is needed; name it: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@echo "Setting up .venv (about a minute, once) …" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --compile \
		--require-hashes --no-deps -r requirements.lock
	@touch $@

$(MANIFEST): $(DBT_FILES) $(INSTALLED)
	@echo "Parsing the dbt project …" >&2
	@$(BIN)/python -m pipelines parse
	@touch $@
