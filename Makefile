# Each target does its own set-up: a fresh machine needs Python 3.11 or 3.12, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Spread over the tests only, e.g. `make test PYTEST_ARGS="-k ledger"`.
PYTEST_ARGS ?=
export DO_NOT_TRACK := 1

.PHONY: demo test dev bench bench-masking bench-text lint docs train-ner lock clean

demo: $(VENV)/.installed
	$(BIN)/deid demo $(if $(SYNTHEA),--synthea "$(SYNTHEA)")

test: $(VENV)/.installed
	$(BIN)/pytest $(PYTEST_ARGS)

dev: $(VENV)/.installed
	$(BIN)/deid ui

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks

bench-masking: $(VENV)/.installed
	$(BIN)/python -m benchmarks.masking

bench-text: $(VENV)/.installed
	$(BIN)/python -m benchmarks.text

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed
	$(BIN)/python -m docs.generate

# Maintainers only: the word lists and the name model that the package ships, from generated text.
train-ner: $(VENV)/.installed
	$(BIN)/python -m training.lexicon
	OMP_NUM_THREADS=1 $(BIN)/python -m training.ner

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	# The lock names every package there is to install. Left to look for more, pip would ask for
	# the newest release of an extra that the lock pins by its bare name.
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# Maintainers only: resolve the lock file anew (versions and hashes, nothing else).
lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-annotate --no-header --quiet -o requirements.lock

clean:
	rm -rf $(VENV) var dbt_project/target dbt_project/logs
