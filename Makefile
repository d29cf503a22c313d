# `make` lists the targets. `make demo` and `make test` need nothing before them: set-up is their first step.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
DATA_DIR ?= .data/local
STORAGE_PORT ?= 9000

.DEFAULT_GOAL := help
.PHONY: help setup demo up check test lint types architecture quick bench-import bench-validation bench-stage bench-merge bench-growth bench-latency bench-events bench-burst chaos deploy deploy-check wheel clean

help: ## what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## the whole system on this machine: upload, judge, run, merge, archive, and a check of every row
	$(PY) -m infra.local.demo

check: setup lint types architecture quick ## lint, types, architecture and every test that needs no Spark (90 s)

test: setup ## all checks and all tests, end to end included (10 minutes)
	@$(PY) -m tests.side_by_side

up: setup ## the local stack, until Ctrl-C (DATA_DIR=.data/local STORAGE_PORT=9000)
	$(PY) -m infra.local up --data-dir $(DATA_DIR) --storage-port $(STORAGE_PORT)

setup: ## install everything: virtual environment, Java, Spark's jars, the job's own environment
	@$(PYTHON) -m infra.local.setup

lint: $(READY) ## ruff: lint and format
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(READY) ## mypy, strict
	$(VENV)/bin/mypy main.py functions spark_jobs infra

architecture: $(READY) ## import-linter: which package may import which
	$(VENV)/bin/lint-imports

quick: $(READY) ## every test that needs no Spark
	$(PY) -m pytest -m "not spark and not e2e"

bench-import: $(READY) ## cold start: importing main.py against a bare handler
	$(PY) -m tests.bench.import_main

bench-validation: $(READY) ## the gate's speed and memory against pyarrow's typed read
	$(PY) -m tests.bench.validation $(if $(SIZE_MB),SIZE_MB=$(SIZE_MB))

bench-stage: $(READY) ## staging files of 20 MB to 1 GB against Spark's own typed CSV reader (MAX_MB=1000)
	$(PY) -m tests.bench.stage $(if $(MAX_MB),MAX_MB=$(MAX_MB))

bench-merge: $(READY) ## a load into a large table against the usual notebook and delta-rs (ROWS=10000000)
	$(PY) -m tests.bench.merge $(if $(ROWS),ROWS=$(ROWS))

bench-growth: $(READY) ## 100 daily loads: the last ten against the first ten
	$(PY) -m tests.bench.growth

bench-latency: $(READY) ## upload to queryable on the local stack, split into its steps
	$(PY) -m tests.bench.latency

bench-events: $(READY) ## events a second against a bare handler
	$(PY) -m tests.bench.events

bench-burst: $(READY) ## 1,000 files within a window: how many runs they cost
	$(PY) -m tests.bench.burst

chaos: $(READY) ## random stories of faults, kills and overwrites against real processes (MINUTES=10 SEED=1 STEPS=40)
	@$(PY) -m tests.chaos $(if $(MINUTES),MINUTES=$(MINUTES)) $(if $(SEED),SEED=$(SEED)) $(if $(STEPS),STEPS=$(STEPS)) $(if $(IGNORE),IGNORE="$(IGNORE)")

deploy-check: $(READY) ## what is set and what is missing for a deployment; creates nothing
	$(PY) -m infra.deploy check

deploy: test deploy-check ## checks, wheel, bundle, then function (docs/deploy.md)
	$(PY) -m infra.deploy all

wheel: $(READY) ## build the job's wheel into spark_jobs/dist
	rm -rf spark_jobs/dist
	$(PY) -m build --wheel --outdir spark_jobs/dist spark_jobs

clean: ## remove environments, caches and local data
	rm -rf $(VENV) .cache .data

$(READY): requirements.txt requirements-dev.txt
	@$(PYTHON) -m infra.local.setup
