# `make` alone lists what there is. Every target first brings .venv up to what the lock files say.

BIN := .venv/bin
COMPILE := pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11

.DEFAULT_GOAL := help
.PHONY: help bootstrap run test prove bench lint types contracts pytest docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

bootstrap: ## make .venv what the lock files say (every other target does it too)
	@scripts/bootstrap

run: bootstrap ## start the gateway with a demo model on 127.0.0.1:8000 (GATEWAY_PORT=8001 make run)
	@exec $(BIN)/llm-gateway dev

test: bootstrap ## everything a change must pass, the fast checks first
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory types
	@$(MAKE) --no-print-directory contracts
	@$(MAKE) --no-print-directory pytest

prove: bootstrap ## the long proofs
	$(BIN)/pytest -m prove

bench: bootstrap ## durable streams against a bare relay, our wires against litellm, as ratios
	$(BIN)/python -m bench.streams
	$(BIN)/python -m bench.wires

lint: bootstrap ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: bootstrap ## basedpyright, strict
	$(BIN)/basedpyright

contracts: bootstrap ## import-linter: who may import whom
	$(BIN)/lint-imports

pytest: bootstrap ## the tests without the long proofs
	$(BIN)/pytest -m "not prove" -n 3

docs: bootstrap ## write the generated pages anew (errors, faults, providers, tools)
	$(BIN)/python -m scripts.write_docs

lock: bootstrap ## resolve pyproject.toml into the lock files (pins stay unless it asks for others)
	uv=$$(scripts/bootstrap --uv) && \
	$$uv $(COMPILE) pyproject.toml -o requirements.lock && \
	$$uv $(COMPILE) pyproject.toml --group pyproject.toml:dev -o requirements-dev.lock

clean: ## remove what these targets made; the database of `make run` (.dev/) stays
	rm -rf .venv .bootstrap .pytest_cache .ruff_cache .import_linter_cache .hypothesis
