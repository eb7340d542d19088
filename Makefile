# make demo and make test set up .venv by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= auto
# Some environments forbid Python to write compiled files; each start would compile anew.
COMPILE = @$(BIN)/python -m compileall -q youcpu

.PHONY: demo test check format bench fuzz identity clean

demo: $(STAMP)
	$(COMPILE)
	$(BIN)/youcpu exec-trace /bin/ls -la /etc

test: $(STAMP)
	$(COMPILE)
	$(BIN)/python -m pytest -n $(JOBS) tests

check: $(STAMP)
	$(COMPILE)
	$(BIN)/ruff format --check youcpu tests
	$(BIN)/ruff check youcpu tests
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -n $(JOBS) tests

format: $(STAMP)
	$(BIN)/ruff format youcpu tests
	$(BIN)/ruff check --fix youcpu tests

bench: $(STAMP)
	$(COMPILE)
	$(BIN)/python tests/bench.py

fuzz: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) tests/fuzz tests/differential/test_exec_*.py --long

# Every ELF file of this machine against GNU readelf, to the byte; PATHS=... for others.
identity: $(STAMP)
	$(BIN)/python tests/identity.py $(PATHS)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
