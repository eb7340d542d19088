# make demo and make test set up .venv by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= auto

.PHONY: demo test check format bench fuzz identity clean

demo: $(STAMP)
	$(BIN)/youcpu exec-trace /bin/ls -la /etc

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) tests

check: $(STAMP)
	$(BIN)/ruff format --check youcpu tests
	$(BIN)/ruff check youcpu tests
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -n $(JOBS) tests

format: $(STAMP)
	$(BIN)/ruff format youcpu tests
	$(BIN)/ruff check --fix youcpu tests

bench: $(STAMP)
	$(BIN)/python tests/bench.py

fuzz: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) tests/fuzz --long

# Every ELF file of this machine against GNU readelf, to the byte; PATHS=... for others.
identity: $(STAMP)
	$(BIN)/python tests/identity.py $(PATHS)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
