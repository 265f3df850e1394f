# Everything runs in .venv, which is made at first use and again only when the pinned set changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PARALLEL := -n auto --dist loadfile  # a process a core, each test file in one of them

.PHONY: help grow figure test test-slow test-gpu models bench lint format wasm clean

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/ —/'

grow: $(READY)  ## grow a small pattern, a few minutes on two cores
	$(BIN)/petri grow circle --res 32

figure: $(READY)  ## grow a small figure from a dot, a few minutes on two cores
	$(BIN)/petri grow emoji:🍄 --res 32

test: $(READY)  ## the default test suite
	$(BIN)/pytest $(PARALLEL)

test-slow: $(READY)  ## the tests that take longer
	$(BIN)/pytest $(PARALLEL) -m 'slow and not gpu'

test-gpu: $(READY)  ## the tests that need an NVIDIA GPU; without one all are skipped
	$(BIN)/pytest -n 4 -m gpu -rs  # what takes long is compiling, on the CPU

models: $(READY)  ## train, measure and write the shipped models, hours on two cores
	$(BIN)/python -m petri.models.make

bench: $(READY)  ## petri against its peers, half an hour on two cores
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/senses.py

lint: $(READY)  ## style, common mistakes and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --allow-untyped-defs --no-warn-unused-ignores --ignore-missing-imports \
		$(addprefix --disable-error-code=,arg-type assignment dict-item union-attr var-annotated) benchmarks

format: $(READY)  ## mend what lint can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

WASM := viewer/lib/step.wasm.js
wasm:  ## compile the viewer's step for the processor; needs clang and lld
	clang --target=wasm32 -O3 -msimd128 -mbulk-memory -nostdlib -fno-builtin -Wall -Wextra -Werror \
		-Wl,--no-entry,--strip-all,--export=step,--export=paint,--export=settings,--export=fireWord,--export=__heap_base \
		-o $(WASM).bin viewer/lib/step.c
	{ echo '// Compiled from step.c by `make wasm`; do not edit.'; \
	  echo "export const source = \"$$(sha256sum < viewer/lib/step.c | cut -c1-64)\"; // SHA-256 of step.c"; \
	  echo "export default \"$$(base64 -w0 $(WASM).bin)\";"; } > $(WASM)
	rm $(WASM).bin

clean:  ## remove the environment and what was built
	rm -rf $(VENV) .bench build dist *.egg-info

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo 'petri needs Python 3.10 or newer; name one with make PYTHON=…'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
