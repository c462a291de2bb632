# Everything a fresh machine needs: a Rust toolchain, CPython >= 3.11, a C compiler, and
#   make demo    sets everything up and runs three real jobs on real data
#   make test    sets everything up and passes all tests
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin

.PHONY: build demo test test-rust test-python lint format bench clean

# The virtual environment with the release build installed.
build: $(VENV)/bin/maturin
	cd $(CURDIR) && . $(VENV)/bin/activate && maturin develop --release --quiet --extras complete,test,lint

$(VENV)/bin/maturin:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "maturin>=1.9,<2"

demo: build
	$(BIN)/python -m examples.demo

test: test-rust test-python

test-rust:
	cargo test --release --workspace --quiet

test-python: build
	$(BIN)/python -m pytest

lint: build
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	cargo run --release --quiet -p xtask -- check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format:
	cargo fmt --all
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Rask and its peers in the same run; writes benchmarks/RESULTS.md.
bench: build
	$(PYTHON) -m benchmarks.run --rask-python $(BIN)/python

clean:
	rm -rf $(VENV) .bench-venv target python/rask/_core*.so
