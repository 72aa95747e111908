# The front door. `make help` lists what there is; each target sets up what it needs.

PYTHON ?= python3
EXAMPLES ?= 2000
VENV   := .venv
BIN    := $(VENV)/bin
# A process of tests for each core, with a database server of its own; one that is done helps the others.
SIDE_BY_SIDE := --numprocesses=auto --dist=worksteal
PROTOS := $(wildcard protos/watersmeet/*/v1/*.proto)
# The commit whose contract partners already use; `buf breaking` holds today's against it.
LANDED := $(shell cat protos/LANDED)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo up test check lint types protos architecture format fuzz bench lock clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  \1\t\2/' | expand -t 16

$(VENV)/packages: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@echo "Setting up $(VENV) (about half a minute, once) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/stubs: $(VENV)/packages $(PROTOS) protos/generate.py
	@$(BIN)/python protos/generate.py
	@touch $@

setup: $(VENV)/stubs ## Make .venv with everything in it

demo: setup ## The main job: seven platforms' gifts in, one balanced ledger, one combined total out
	@$(BIN)/watersmeet demo

up: setup ## Run the mesh here until Ctrl-C
	@$(BIN)/watersmeet up

test: setup ## All tests
	@$(BIN)/pytest $(SIDE_BY_SIDE) --maxprocesses=8

check: lint types protos architecture ## Lint, types, protos, architecture and deployment files

lint: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: setup
	@$(BIN)/mypy

protos: setup
	@$(BIN)/buf lint protos
	@git rev-parse --quiet --verify '$(LANDED)^{commit}' >/dev/null || { echo "protos/LANDED names commit $(LANDED), which this clone lacks: git fetch --unshallow"; exit 1; }
	@$(BIN)/buf breaking protos --against '.git#ref=$(LANDED),subdir=protos'

architecture: setup
	@$(BIN)/pytest --quiet tests/test_architecture.py tests/unit/deploy

format: setup ## Format the code
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

fuzz: setup ## The property tests with 2,000 examples each (EXAMPLES=n for another number)
	@WATERSMEET_FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/pytest $(SIDE_BY_SIDE) --hypothesis-profile=fuzz -m property --timeout=3600

bench: setup ## Measure against bare PostgreSQL and bare gRPC, in one run
	@$(BIN)/python -m bench

lock: setup ## Write the lock files anew (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --generate-hashes --no-header --no-annotate \
		pyproject.toml --group dev --group protos --output-file requirements-dev.lock
	@uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --generate-hashes --no-header --no-annotate \
		pyproject.toml --constraint requirements-dev.lock --output-file requirements.lock

clean: ## Remove everything that the targets above made
	@git clean -fdXq -e '!.watersmeet'
