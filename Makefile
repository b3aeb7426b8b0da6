# `make demo` plays the whole story; `make test` runs every test. Both do all set-up by themselves.
PYTHON ?= python3
BOOTSTRAP = $(PYTHON) deploy/local/src/launcher/bootstrap.py
BIN = .venv/bin

.PHONY: setup setup-dev lint format lock test

setup:
	@$(BOOTSTRAP)

setup-dev:
	@$(BOOTSTRAP) --dev

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/licences.py

format: setup-dev
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

lock: setup-dev
	PATH="$(CURDIR)/.cache/uv/bin:$$PATH" $(BIN)/python tools/lock.py

test: setup-dev
	$(BIN)/pytest -n 2 --dist loadgroup
