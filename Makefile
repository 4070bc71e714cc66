# Every target does its own set-up in .venv, once: a new pyproject.toml or constraints.txt renews it.
#   make demo       watch the demo train on the CPU    make check   lint, format, types
#   make test       run all tests                      make clean   remove the set-up
#   make test-fast  run those that take a moment: all but the tests marked slow
# PIP_FLAGS goes to pip, PYTEST_FLAGS to pytest.

PYTHON ?= python3
PIP_FLAGS ?=
PYTEST_FLAGS ?=
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-fast check clean

demo: $(READY)
	$(BIN)/icot-tui launch

# One thread a process: they would otherwise fight for the cores. Three processes for two cores:
# about a third of the tests' time is spent waiting for a process, a terminal or a screen.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 3 --dist worksteal

test: $(READY)
	$(TEST) $(PYTEST_FLAGS)

test-fast: $(READY)
	$(TEST) -m 'not slow' $(PYTEST_FLAGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file benchmarks/mypy.ini

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "icot-tui needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv \
		|| { echo "Could not make .venv (on Debian: apt install python3-venv)"; exit 1; }
	@echo "Installing into .venv (once; a few minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) \
		-e '.[dev]' -c constraints.txt
	@touch $@

clean:
	rm -rf .venv
