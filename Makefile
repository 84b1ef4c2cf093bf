# Every target sets up what it needs first, and says at the end what it did. Needs make and Python 3.11-3.13, nothing else.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup demo up test check prove topology searches lock deploy clean

BIN := .venv/bin
# uv lives beside the project's own environment, because the lock file rules over that one alone.
UV := .venv-uv/bin/uv
STAMP := .venv/installed
# The sweeps that start no server and ask nobody over the network; they take half of the time.
SEARCHED := $(wildcard tests/steps/test_rotation_*.py)
OURS := blocks deployments domain entrypoints flows ledger mocks steps tasks vendors

# Each candidate is run, not only looked up: a name on PATH may be a shim without a Python behind it.
find_python = for python in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && break; python=; done; \
	if [ -z "$$python" ]; then \
		echo "No Python 3.11, 3.12 or 3.13 was found (tried $(PYTHON) python3.13 python3.12 python3.11 python3 python)." >&2; \
		echo "Nothing was installed. Install one of them, or name yours: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; \
		exit 2; \
	fi

help: ## these lines
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' Makefile | while IFS=: read -r name what; do printf '  make %-9s%s\n' "$$name" "$$what"; done

setup: $(STAMP) ## the virtual environment, and .opsflows with keys, settings and free ports
	@$(BIN)/opsflows setup

demo: setup ## day 1 rehearsed against the stand-ins, on a Prefect of its own
	@$(BIN)/opsflows demo

up: setup ## Prefect server and UI, stand-ins, worker and deployments, until Ctrl-C
	@$(BIN)/opsflows up

test: setup ## the test suite, without the sweeps of make prove
	@$(BIN)/python -m pytest -m "not prove and not topology" -n 3 --dist loadscope
	@echo "make test: the suite passed; the sweeps are make prove."

check: $(STAMP) ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@echo "make check: format, lint, types and import contracts hold."

# The topology mostly waits, so that the searches run beside it; they give way to it, since its tests wait for moments.
prove: setup ## the exhaustive sweeps (tests marked prove), and the topology (20 minutes or more)
	@$(BIN)/python -m pytest -m prove -n 3 --dist loadfile $(SEARCHED:%=--ignore=%)
	@$(MAKE) -j 2 topology searches
	@echo "make prove: every sweep passed, and the topology."

topology: setup ## of these, the production shape as processes, each service killed in turn (about ten minutes)
	@$(BIN)/python -m pytest -m topology tests/topology

searches: setup ## of these, the sweeps that start no server
	@nice -n 10 $(BIN)/python -m pytest -m prove -n 2 --dist loadfile $(SEARCHED)

lock: $(UV) ## requirements.lock from pyproject.toml, with hashes and no addresses
	@$(UV) pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header -q \
		-o requirements.lock
	@echo "make lock: requirements.lock is written. Install it with make setup."

deploy: setup ## the Prefect server holds what the catalog says
	@$(BIN)/opsflows deploy

clean: ## away with the environments and caches; keys, ledger and audit bundles in .opsflows stay
	@rm -rf .venv .venv-uv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find $(OURS) tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "make clean: environments and caches are gone; .opsflows (keys, ledger, audit bundles) stays."

# Bytecode is compiled here, because otherwise every start of every program would pay for it where Python may not write it.
$(STAMP): requirements.lock pyproject.toml $(UV)
	@test -x $(BIN)/python || { $(find_python); echo "Making .venv with $$("$$python" -V) ..."; \
		$(UV) venv -q --no-project --python "$$(command -v "$$python")" .venv; }
	@echo "Installing requirements.lock ..."
	@$(UV) pip sync -q --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q $(OURS)
	@touch $@
	@echo "Installed what requirements.lock names into .venv."

$(UV):
	@$(find_python); echo "Making .venv-uv, which holds uv ..."; "$$python" -m venv .venv-uv
	@.venv-uv/bin/python -m pip install -q --disable-pip-version-check 'uv>=0.7,<1'
