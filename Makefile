# Needs Python 3.11+ and make. Every target sets up what it needs and may be repeated.

PYTHON ?= python3
FEED ?= sample:payments
SECONDS ?= 600
VENV := .venv
BIN := $(VENV)/bin
# uv reads the system's certificates: without them a plain user behind a proxy gets no packages.
export UV_SYSTEM_CERTS := 1
# Without compiled files, every process we start compiles all its libraries anew: 5 s of CPU time and not 2.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(BIN)/uv pip install --quiet --require-hashes --constraints requirements.lock --requirements pyproject.toml
PACKAGES := schemas security streams agents sealstream
KAFKA := deploy/kafka/lib
HAS_KAFKA := command -v java > /dev/null && command -v mvn > /dev/null

.PHONY: run test test-kafka up bench fuzz lint types contract unit client kafka torch compiled screenshots lock clean

run: $(VENV)/.base
	$(BIN)/sealstream run --feed "$(FEED)"

up: $(VENV)/.base
	$(BIN)/sealstream up

test: lint types contract unit

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

contract: $(VENV)/.test
	$(BIN)/lint-imports

unit: $(VENV)/.test
	@if $(HAS_KAFKA); then $(MAKE) kafka || echo "no Kafka: its tests are skipped"; fi
	$(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

test-kafka: $(VENV)/.test kafka
	$(BIN)/python -m pytest -m kafka

# The wheel for those who read and produce; a wheel alone, since it bundles what lies outside of its directory.
client: $(VENV)/.base
	cd deploy/client && $(CURDIR)/$(BIN)/python -m hatchling build --target wheel --directory $(CURDIR)/dist

# Real Apache Kafka for tests and development; needs Java 17 or newer, and Maven once.
kafka: $(KAFKA)/kafka.jsa

# On real Kafka where Java and Maven are, which is what production uses. A part alone: `python -m bench.transport --help`.
bench: $(VENV)/.test
	@if $(HAS_KAFKA); then $(MAKE) kafka || echo "no Kafka: on the embedded broker"; fi
	$(BIN)/python -m bench

# Coverage-guided, every decoder that faces strangers; the corpora are kept, so that a later run goes on from there.
fuzz: $(VENV)/.test
	$(BIN)/python -m bench.fuzz --seconds $(SECONDS) --directory .fuzz

# Pictures of the console, for docs/console.md; needs Chromium.
screenshots: $(VENV)/.test
	mkdir -p docs/console
	CONSOLE_SCREENSHOTS=docs/console $(BIN)/python -m pytest --quiet tests/sealstream/console/test_*in_browser.py

# After a change of dependencies; the lock holds hashes and no URLs.
lock: $(VENV)/bin/uv
	$(BIN)/uv pip compile --quiet --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) $(KAFKA) build dist .mypy_cache .ruff_cache .pytest_cache .fuzz .hypothesis *.egg-info

$(VENV)/bin/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sealstream needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	sed -n '/^uv==/,/# via/p' requirements.lock > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(VENV)/uv.txt

# The base target keeps what a test set-up installed: extras only ever add.
$(VENV)/.base: pyproject.toml requirements.lock | $(VENV)/bin/uv
	$(INSTALL) --extra api --extra build
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.test: $(VENV)/.base
	$(INSTALL) --extra api --extra bench --extra build --extra fuzz --extra otel --extra parquet --extra pkcs11 --extra pki --extra test \
		--extra text --extra train
	touch $@

# 4.5 GB on disk: CI has it, others when they need it. Its tests say that they are skipped without.
torch: $(VENV)/.test
	$(INSTALL) --extra torch

# What the tests import, compiled by one process: several would each do all of it, at the same time.
compiled: $(VENV)/.test
	-$(BIN)/python -m pytest --collect-only --quiet > /dev/null 2>&1

$(KAFKA)/.complete: deploy/kafka/pom.xml | $(VENV)/.base
	rm -rf $(KAFKA)
	mvn --quiet --batch-mode --file deploy/kafka/pom.xml dependency:copy-dependencies
	touch $@

# Without it, or with an older one, brokers still start, for two to three times the CPU time.
$(KAFKA)/kafka.jsa: $(KAFKA)/.complete deploy/kafka/__main__.py deploy/kafka/installation.py
	$(BIN)/python -m deploy.kafka --archive
