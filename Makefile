# `make help` lists what there is. Everything lives in .venv; nothing else on the machine is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=
# Whole files of tests go to as many workers as there are usable cores, in the order of collection.
PARALLEL := -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test test-quick schedules framing slow-clients mutants check lint types imports bench test-gpu container-test audit sbom upgrade docs reference pictures notebooks clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{printf "%-22s %s\n", $$1, $$2}'

serve: $(VENV)/.serve ## start the service on port 8000 with the committed models (installs no torch)
	exec $(BIN)/python -m service

test: $(VENV)/.dev ## run the whole test suite on all cores; ARGS='-k store' for a part of it
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

test-quick: $(VENV)/.dev ## run the tests that start no server, browser or training, in under a minute
	$(BIN)/python -m pytest $(PARALLEL) -m 'not slow and not gpu' $(ARGS)

schedules: $(VENV)/.dev ## 10,000 random schedules of reloads by up to three workers; some ten minutes
	SNN_TEST_SCHEDULES=10000 $(BIN)/python -m pytest tests/service/lifecycle/test_state_machine.py $(ARGS)

framing: $(VENV)/.dev ## 100,000 random streams of HTTP requests, cut anywhere and compared with h11; some ten minutes
	SNN_TEST_STREAMS=100000 $(BIN)/python -m pytest tests/service/api/transport/test_framing.py $(ARGS)

slow-clients: $(VENV)/.dev ## 2,000 clients of each slow or silent kind beside a quick one; some four minutes
	SNN_TEST_CLIENTS=2000 $(BIN)/python -m pytest -s tests/chaos/test_chaos_slow_clients.py $(ARGS)

mutants: $(VENV)/.mutants ## change the code in 400 random places and list what no test notices; an hour
	PATH="$(BIN):$$PATH" OMP_NUM_THREADS=1 $(BIN)/python -m tests.mutants $(ARGS)

check: lint types imports test ## lint, types, import rules, then the tests

lint: $(VENV)/.dev ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy --strict
	$(BIN)/mypy --strict

imports: $(VENV)/.dev ## import-linter: which room may import which
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## measure the figures of docs/reference/figures.md; ARGS='start soak' for some
	$(BIN)/python -m tests.benchmarks $(ARGS)

test-gpu: $(VENV)/.gpu ## the tests that need a CUDA device, and a table of latency and throughput there
	$(BIN)/python -m pytest -m gpu $(ARGS)
	$(BIN)/python -m tests.benchmarks gpu

container-test: $(VENV)/.dev ## build the images, bring compose up, retrain, take it down; needs a Docker engine
	SNN_TEST_CONTAINERS=1 $(BIN)/python -m pytest tests/integration/test_deploy_compose.py $(ARGS)

audit: $(VENV)/.dev ## look the dependencies up among the known vulnerabilities; status 3: nobody could be asked
	$(BIN)/python deploy/audit.py

sbom: $(VENV)/.dev ## write the bill of materials of the environment, CycloneDX, to sbom.json
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file sbom.json $(BIN)/python

upgrade: $(VENV)/.dev ## take the newest versions that the bounds allow into constraints.txt, with their hashes
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
	  --generate-hashes --no-header --no-annotate --quiet --output-file constraints.txt

docs: $(VENV)/.dev ## build the documentation into build/docs, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

reference: $(VENV)/.dev ## renew what the reference says of routes, fields, metrics, commands and manifest
	$(BIN)/python -m tests.documents.reference

pictures: $(VENV)/.dev ## photograph the dashboard and draw the bar chart of the README; needs Chromium
	$(BIN)/python -m tests.documents.pictures

notebooks: $(VENV)/.dev ## run the notebooks of the documents, and keep what they show
	$(BIN)/python -m tests.documents.notebooks

clean: ## remove the environment and the caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info mutants

# One environment, a stamp for each set of dependencies. What `serve` installs is a part of what the
# others install, so only they can bring torch in.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed and '$(PYTHON)' is not one; name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The versions that CI tests. Their hashes stay out of it: pip would then want one of this project, too.
$(VENV)/versions.txt: constraints.txt | $(BIN)/python
	sed -n '/^[a-zA-Z0-9]/s/ *\\$$//p' constraints.txt > $@

$(VENV)/.serve: pyproject.toml $(VENV)/versions.txt
	$(PIP) install --no-compile --constraint $(VENV)/versions.txt --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/versions.txt
	$(PIP) install --constraint $(VENV)/versions.txt --editable '.[dev]'
	@touch $(VENV)/.serve $@

$(VENV)/.gpu: pyproject.toml $(VENV)/versions.txt
	$(PIP) install --constraint $(VENV)/versions.txt --editable '.[dev,gpu]'
	@touch $(VENV)/.serve $(VENV)/.dev $@

$(VENV)/.mutants: pyproject.toml $(VENV)/versions.txt
	$(PIP) install --constraint $(VENV)/versions.txt --editable '.[mutants]'
	@touch $(VENV)/.serve $(VENV)/.dev $@
