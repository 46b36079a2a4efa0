# `make run` and `make test` need Python >= 3.11, git and make; they build .venv themselves.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready
DATA ?= postwicket-data

.PHONY: help run test check format bench clean

help:
	@echo "make run     set everything up and start a server for trying things out"
	@echo "make test    set everything up and run the tests"
	@echo "make check   format, lint, types, import direction, dead code, spelling, shape"
	@echo "make bench   measure against Postfix and smtp-sink (Debian packages: postfix, sasl2-bin)"
	@echo "make clean   remove .venv and caches"

run: $(READY)
	@$(BIN)/postwicket try --data $(DATA)

test: $(READY)
	$(BIN)/python -m pytest $(TESTS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports --no-cache
	$(BIN)/vulture
	$(BIN)/codespell
	$(BIN)/python tools/shape.py

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python -m bench.run $(BENCH)

$(READY): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing; install it (Debian: apt-get install python3 python3-venv)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "Python's venv module is missing; install it (Debian: apt-get install python3-venv)"; exit 2; }
	@echo "setting up .venv (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
