# `make demo` plays the whole story; `make test` runs every test. Both do all set-up by themselves.
PYTHON ?= python3
BOOTSTRAP = $(PYTHON) deploy/local/src/launcher/bootstrap.py
BIN = .venv/bin

.PHONY: demo run setup setup-dev web lint format lock openapi settings test soak check-bare

demo: setup
	@$(BIN)/waggle demo

run: setup
	@exec $(BIN)/waggle up

setup:
	@$(BOOTSTRAP)

setup-dev:
	@$(BOOTSTRAP) --dev

web: setup

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

soak: setup-dev
	$(BIN)/pytest -m soak

openapi: setup-dev
	$(BIN)/python tools/openapi.py

settings: setup-dev
	$(BIN)/python tools/settings_doc.py

check-bare:
	tools/check_bare.sh
