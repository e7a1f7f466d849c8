# D2EV: one door for users, developers and CI. `make` alone prints this help.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The first interpreter that is new enough; override with `make PYTHON=/path/to/python3`.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
UV := $(shell command -v uv 2>/dev/null)
VENV := .venv
BIN := $(VENV)/bin
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock'

# $(call install,VENV,LOCKFILE): exactly what the lock names, checked by hash. The lock is whole, so nothing is resolved
# again; and what is never imported is never compiled.
install = $(if $(UV),$(UV) pip install --quiet --python $(1)/bin/python,$(1)/bin/python -m pip install --quiet \
	--disable-pip-version-check --no-compile) --no-deps --require-hashes -r $(2)
# The project itself: a path file, no build isolation, so no network.
install_self = $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet \
	--disable-pip-version-check) --no-deps --no-build-isolation -e .

.PHONY: help setup setup-dev demo test exact format check test-kafka faults cluster monitoring-check up down picture bench bench-setup fuzz packaging lock clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.runtime ## Install what the product needs into .venv (runs again only when the lock changes)
	@:

setup-dev: $(VENV)/.dev ## The same plus the tools for tests and checks
	@:

demo: setup ## The whole system on this machine; options: make demo ARGS="--vehicles 50 --once"
	@$(BIN)/d2ev demo $(ARGS)

test: setup-dev ## Checks and every suite that can run here (or SUITE="unit flow"); ends by naming the others
	@$(BIN)/python -m tests.run_suites $(if $(SUITE),--only $(SUITE))

exact: setup-dev ## The planner before its judges in 10,000 problems of each kind (a quarter of an hour)
	@$(BIN)/python -m tests.run_suites --only exact

format: setup-dev ## Write the agreed code style
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

check: setup-dev ## Style, types and import directions
	@$(BIN)/python -m tests.run_suites --only checks

test-kafka: setup-dev ## Only the suites that need a real Kafka; fails when none can be had
	@D2EV_REQUIRE_KAFKA=1 $(BIN)/python -m tests.run_suites --only integration faults

CYCLES ?= 1000
VEHICLES ?= 1000
faults: setup-dev ## Kill workers at every failpoint and at any moment, CYCLES times; ends with a page on what came of it
	@$(BIN)/python -m pytest -q -m long tests/faults tests/integration tests/flow
	@$(BIN)/python -m tests.faults.long_run --cycles $(CYCLES) --vehicles $(VEHICLES) $(if $(SEED),--seed $(SEED))

FUZZ_RUNS ?= 1000000
FUZZ_CASES ?= 100000
fuzz: setup-dev $(VENV)/.fuzz ## Attack the driver API with FUZZ_CASES requests, and read FUZZ_RUNS made-up answers of makers and feeds
	@$(BIN)/python -m tests.fuzz.api --cases $(FUZZ_CASES) $(if $(SEED),--seed $(SEED))
	@$(BIN)/python -m tests.fuzz.run --runs $(FUZZ_RUNS) $(if $(SEED),--seed $(SEED))

cluster: setup ## Kafka, three workers, guardian, feeds, a hundred cars and Prometheus on this machine (docs/monitoring.md)
	@deploy/monitoring/try.sh

scale: setup-dev ## More partitions and a rolling upgrade under a stream of readings, with its ledger; ARGS="--rate 500"
	@$(BIN)/python -m tests.scaling $(ARGS)

monitoring-check: setup-dev ## Start a cluster of three workers as docs/monitoring.md does; ask Prometheus all that dashboards ask
	@$(BIN)/python -m tests.monitored

packaging: setup-dev ## Try the image's steps; helm, kubeconform and Docker's own readers judge what we ship (ARGS=--write keeps renderings)
	@$(BIN)/python -m pytest -q -m long tests/conformance/test_packaging_image.py
	@$(BIN)/python -m tests.packaging.run $(ARGS)

up: setup ## Start a local Apache Kafka (Java 17 and Maven; no Docker) and print its address
	@$(BIN)/d2ev broker up $(ARGS)

down: ## Stop it; its data stay under .kafka/
	@$(BIN)/d2ev broker down

picture: setup-dev ## Take the README's screenshot anew from a run of the demo (needs chromium)
	@$(BIN)/python -m tests.picture

bench: setup bench-setup ## The path of a reading on real Kafka, as ratios to its peers
	@$(BIN)/d2ev bench pipeline $(ARGS)

bench-setup: .venv-bench/.done ## Install the benchmark's peer into .venv-bench
	@:

lock: ## Resolve the newest allowed versions into requirements/*.txt (needs uv)
	@test -n "$(UV)" || { echo "make lock needs uv: python3 -m pip install uv" >&2; exit 2; }
	$(LOCK) pyproject.toml --upgrade -o requirements/runtime.txt
	$(LOCK) pyproject.toml --upgrade --extra dev -c requirements/runtime.txt -o requirements/dev.txt
	$(LOCK) requirements/bench.in --upgrade -o requirements/bench.txt
	$(LOCK) requirements/fuzz.in --upgrade -o requirements/fuzz.txt

clean: ## Remove everything that can be made again (asks a running local Kafka to stop first)
	@if [ -x $(BIN)/python ] && [ -d .kafka ]; then $(BIN)/d2ev broker down; fi
	rm -rf .venv .venv-bench .kafka .d2ev *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

%/bin/python:
	@test -n "$(PYTHON)" || { echo "D2EV needs Python 3.11 or newer; none was found on PATH." >&2; exit 2; }
	@$(if $(UV),$(UV) venv --quiet --python "$(PYTHON)" $*,$(PYTHON) -m venv $*) || { rm -rf $*; \
		echo "Cannot make a virtualenv with $(PYTHON). On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }

$(VENV)/.runtime: requirements/runtime.txt | $(BIN)/python
	@echo "Installing D2EV into $(VENV) …"
	@$(call install,$(VENV),requirements/runtime.txt)
	@$(install_self)
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "Installing the development tools into $(VENV) …"
	@$(call install,$(VENV),requirements/dev.txt)
	@touch $@

$(VENV)/.fuzz: requirements/fuzz.txt $(VENV)/.dev
	@$(call install,$(VENV),requirements/fuzz.txt)
	@touch $@

.venv-bench/.done: requirements/bench.txt | .venv-bench/bin/python
	@$(call install,.venv-bench,requirements/bench.txt)
	@touch $@
