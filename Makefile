# The two commands of the README, and the steps that they are made of.
.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: matrix
matrix: setup ## Set everything up, run the crates, write reports/latest/index.html, print the matrix
	$(BIN)/iotyet run --tolerate-unreachable $(CRATES)

.PHONY: test
test: setup lint ## Set everything up, run the project's own tests and the scenarios against the expectations
	$(BIN)/pytest tests -n 6 -q --durations=5 -m "not full"
	$(BIN)/iotyet run --profile ci --tolerate-unreachable

.PHONY: test-full
test-full: setup ## Run the tests that `test` leaves out: every wrong client, brokers of every provider; an hour or more
	$(BIN)/pytest tests -n 2 -q --durations=5 -m full

.PHONY: lint
lint: python ## Formatting, lints and types, of Python and Rust
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/python -m harness.wire.document --check
	$(BIN)/zizmor --quiet --offline .
	@if cargo fmt --version >/dev/null 2>&1; then \
	  for probe in rust-probes/*/Cargo.toml; do cargo fmt --check --manifest-path $$probe || exit 1; done; \
	else echo "iotyet: cargo fmt is not installed, so the probes' formatting was not checked: rustup component add rustfmt" >&2; fi

.PHONY: actionlint
actionlint: ## Lints of the workflows; needs Go, which builds the linter once
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

.PHONY: clippy
clippy: ## Lints of the probes; compiles every dependency once
	for probe in rust-probes/*/Cargo.toml; do \
	  CARGO_TARGET_DIR=.cache/clippy cargo clippy --quiet --locked --manifest-path $$probe -- -D warnings || exit 1; done

.PHONY: setup
setup: python ## Install what this machine lacks; asks once on a terminal, never with CI=1
	$(BIN)/iotyet setup

.PHONY: python
python:
	@./bootstrap.sh

.PHONY: lock
lock: ## Pin Python's packages anew
	.venv/bin/uv pip compile --upgrade --generate-hashes --no-emit-index-url --extra dev pyproject.toml -o requirements.lock

.PHONY: clean
clean: ## Remove what dead runs left behind
	$(BIN)/iotyet clean
