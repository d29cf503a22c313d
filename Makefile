# `make` lists the targets. Set-up is the first step of `make demo`, `make check` and `make test`.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
DATA_DIR ?= .data/local
STORAGE_PORT ?= 9000

.DEFAULT_GOAL := help
.PHONY: help setup demo up check test lint types architecture bench-import bench-validation bench-stage chaos bench-merge bench-growth bench-latency bench-events bench-burst bench-questions contracts screenshots deploy deploy-check deploy-diff rollback destroy skipped-tests wheel clean simulate bench-changes

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## run the whole system on this machine, and check every row of the result
	$(PY) -m infra.local.demo

check: setup ## lint, types, architecture and every test that needs no Spark (a minute and a half)
	@$(PY) -m tests.side_by_side check

test: setup ## all checks and all tests, end to end included (10 minutes)
	@$(PY) -m tests.side_by_side test

up: setup ## run the local stack until Ctrl-C (DATA_DIR=.data/local STORAGE_PORT=9000; LIVE=1: rows within seconds)
	$(PY) -m infra.local up --data-dir $(DATA_DIR) --storage-port $(STORAGE_PORT) $(if $(LIVE),--live)

setup: ## install everything: virtual environment, Java, Spark's jars, the job's own environment
	@$(PYTHON) -m infra.local.setup

lint: $(READY) ## ruff: lint and format
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(READY) ## mypy, strict
	$(VENV)/bin/mypy main.py functions spark_jobs infra

architecture: $(READY) ## import-linter: which package may import which
	$(VENV)/bin/lint-imports

bench-import: $(READY) ## cold start: import of main.py, compared with a bare handler
	$(PY) -m tests.bench.import_main

bench-validation: $(READY) ## validation: speed and memory, compared with pyarrow's typed read (FEED=order_tracking)
	$(PY) -m tests.bench.validation $(if $(FEED),FEED=$(FEED)) $(if $(SIZE_MB),SIZE_MB=$(SIZE_MB))

bench-stage: $(READY) ## staging files of 20 MB to 1 GB against Spark's own CSV reader (MAX_MB=1000)
	$(PY) -m tests.bench.stage $(if $(MAX_MB),MAX_MB=$(MAX_MB))

bench-merge: $(READY) ## merge into a large table, compared with the usual notebook and delta-rs (ROWS=10000000)
	$(PY) -m tests.bench.merge $(if $(ROWS),ROWS=$(ROWS))

bench-growth: $(READY) ## 100 daily loads: the last ten compared with the first ten
	$(PY) -m tests.bench.growth

bench-latency: $(READY) ## time from upload to queryable rows, by step; LIVE=1: with a continuous run
	$(PY) -m tests.bench.latency $(foreach name,LIVE UPLOADS ROWS EVERY,$(if $($(name)),$(name)=$($(name))))

bench-events: $(READY) ## events per second, compared with a bare handler
	$(PY) -m tests.bench.events

bench-burst: $(READY) ## how many runs 1,000 files within one window cost
	$(PY) -m tests.bench.burst $(foreach name,FILES QUEUE,$(if $($(name)),$(name)=$($(name))))

bench-questions: $(READY) ## every question on large tables: DuckDB and Spark, seconds and memory (ROWS=10000000)
	$(PY) -m tests.bench.questions $(foreach name,ROWS LINES,$(if $($(name)),$(name)=$($(name))))

bench-changes: $(READY) ## changes per second into Pub/Sub, compared with a bare publisher, and the driver's memory
	$(PY) -m tests.bench.changes $(foreach name,MESSAGES ROUNDS ROWS,$(if $($(name)),$(name)=$($(name))))

chaos: $(READY) ## tell random stories of faults, kills and overwrites to real processes (MINUTES=10 SEED=1 STEPS=40)
	@$(PY) -m tests.chaos $(foreach name,MINUTES SEED STEPS IGNORE,$(if $($(name)),"$(name)=$($(name))"))

simulate: $(READY) ## latency and cost of launch windows and live mode (FILES_A_DAY=500 ROWS=20000 BURSTS=50); CHECK=1 compares it with the local stack
	$(if $(filter 1,$(CHECK)),$(PY) -m tests.bench.simulate $(if $(KEEP),KEEP=$(KEEP)),$(PY) -m infra.simulate $(if $(FILES_A_DAY),--files-a-day=$(FILES_A_DAY)) $(if $(ROWS),--rows=$(ROWS)) $(if $(BURSTS),--bursts=$(BURSTS)) $(if $(PLATFORM),--platform=$(PLATFORM)) $(if $(SEED),--seed=$(SEED)))

contracts: $(READY) ## write what is generated from the declared feeds and the questions (docs/feeds.md)
	$(PY) -m infra.contracts
	$(PY) -m infra.dashboards

screenshots: $(READY) ## take the pictures of README and docs from the last demo's report (needs Chromium)
	$(PY) -m infra.screenshots

deploy-check: $(READY) ## show what a deployment still needs; change nothing
	@$(PY) -m infra.deploy check

deploy: $(if $(filter 1,$(SKIP_TESTS)),skipped-tests,test) deploy-check ## run all tests, then deploy wheel, bundle and function (docs/deploy.md; SKIP_TESTS=1)
	@$(PY) -m infra.deploy all

skipped-tests:
	@echo "SKIP_TESTS=1: deploying without having run the tests"

deploy-diff: $(READY) ## show what a deployment would change; exit status 2 if anything differs
	@$(PY) -m infra.deploy diff

# Make passes TO on in the environment, where no shell interprets it.
rollback: $(READY) ## deploy the jobs and functions of an earlier commit, without tests (TO=COMMIT)
	@$(PY) -m infra.deploy rollback -- "$$TO"

destroy: $(READY) ## remove an installation, except its files and tables
	@$(PY) -m infra.deploy destroy

wheel: $(READY) ## build the job's wheel into spark_jobs/dist
	rm -rf spark_jobs/dist
	$(PY) -m build --wheel --outdir spark_jobs/dist spark_jobs

clean: ## remove environments, caches and local data
	rm -rf $(VENV) .cache .data

$(READY): requirements.txt requirements-dev.txt
	@$(PYTHON) -m infra.local.setup
