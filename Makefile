# Two commands do everything on a fresh machine: `make demo` and `make test`.
# PYTHON=python3.13 make demo   uses another interpreter to create .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# npm packages that tests need: OpenAI's browser SDK, and axe, which looks for barriers in a page.
NPM := $(addsuffix /node_modules/.installed,tests/support/agents_sdk tests/support/axe)
PINS := pyproject.toml requirements.lock
# Every download is checked against the hashes in the lock: uv's by pip, all others by uv.
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraints requirements.lock \
	--build-constraints requirements.lock --editable
LOCK := $(BIN)/uv --no-config pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	--extra demo --extra azure --group dev

# Tests and benches start hundreds of processes: compiling all modules anew would double a start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test bench faults sbom audit check fix setup system lock

help: ## List these verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## Start the service and a provider on this machine, and print the page's URL
	@exec $(BIN)/signaller demo $(ARGS)

test: setup ## Install what the tests need and run all of them
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

faults: setup ## Break everything around the service, in the long form
	@FAULTS=long $(BIN)/pytest tests/faults tests/replicas/test_call_limits.py -m "" $(ARGS)

sbom: $(VENV)/.dev ## Write what the service runs on to dist/signaller.cdx.json (CycloneDX)
	@mkdir -p dist
	@$(BIN)/python -m tests.faults.supply.sbom > dist/signaller.cdx.json

audit: $(BIN)/uv ## Ask the public advisories about all that is pinned (needs the internet)
	@$(BIN)/uv tool run --quiet pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock

bench: system $(VENV)/.dev ## Measure the service beside the plainest servers, into bench/results
	@$(BIN)/python -m bench $(ARGS)

check: $(VENV)/.dev ## Lint, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

fix: $(VENV)/.dev ## Repair what lint and format can repair
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

setup: system ## Install what tests and checks need, without running them
	@$(MAKE) --silent --no-print-directory $(VENV)/.dev $(NPM)

lock: $(VENV)/.dev ## Pin the newest versions that pyproject.toml allows
	@{ printf '%s\n' '# Every dependency of pyproject.toml with its hashes, for Python 3.11 and newer on any platform:' \
	'# runtime, extras and development. Written by `make lock`, obeyed by Makefile and Dockerfile.' && \
	$(LOCK) --upgrade; } > requirements.new && mv requirements.new requirements.lock

# What no Python or npm package brings: among it browsers, and a sound card that nobody hears for Firefox,
# which runs no AudioContext without one.
system:
	@missing=; PATH="$$PATH:/usr/sbin"; \
	for pair in redis-server:redis-server nginx:nginx caddy:caddy haproxy:haproxy \
		prometheus:prometheus chromium:chromium chromium-headless-shell:chromium-headless-shell \
		firefox-esr:firefox-esr pulseaudio:pulseaudio javac:default-jdk-headless \
		node:nodejs npm:npm curl:curl; do \
		command -v $${pair%%:*} > /dev/null || missing="$$missing $${pair##*:}"; \
	done; \
	[ -x $(BIN)/python ] || ! command -v $(PYTHON) > /dev/null || \
		$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || missing="$$missing python3-venv"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ -e /etc/debian_version ] && [ "$$(id -u)" = 0 ]; then \
		echo "Installing$$missing"; \
		apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq --yes --no-install-recommends $$missing > /dev/null; \
	else \
		echo "make: please install$$missing (on Debian: sudo apt-get install$$missing)" >&2; exit 2; \
	fi

$(BIN)/uv: requirements.lock
	@command -v $(PYTHON) > /dev/null || \
		{ echo "make: please install Python 3.11 or newer ($(PYTHON) is not there)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1); please run 'make PYTHON=python3.x' with 3.11 or newer" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || \
		{ [ -e /etc/debian_version ] && [ "$$(id -u)" = 0 ] && echo "Installing python3-venv" && apt-get update -qq && \
			DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes python3-venv > /dev/null; } || \
		{ echo "make: please install Python's venv module (on Debian: sudo apt-get install python3-venv)" >&2; exit 2; }
	@echo "Preparing $(VENV)"
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement $(VENV)/uv.lock
	@touch $@

$(VENV)/.demo: $(PINS) | $(BIN)/uv
	@echo "Installing the service and its demo"
	@$(INSTALL) '.[demo]'
	@touch $@

$(VENV)/.dev: $(PINS) | $(BIN)/uv
	@echo "Installing what tests and checks need"
	@$(INSTALL) '.[demo,azure]' --group dev
	@touch $@ $(VENV)/.demo

$(NPM): %/node_modules/.installed: %/package.json %/package-lock.json
	@echo "Installing the npm packages in $*"
	@cd $* && npm ci --ignore-scripts --loglevel=error
	@touch $@
