# `make demo` and `make test` need nothing but Python 3.11 or newer: each makes .venv and installs first.
PYTHON ?= python3
BIN := .venv/bin
# tests side by side, one thread each
JOBS ?= 2
RUN ?= runs/demo-$(shell date +%Y%m%d-%H%M%S)

.PHONY: demo test lint install images clean

install: .venv/ready

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Zerosum needs Python 3.11 or newer: make PYTHON=python3.12 demo"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	$(BIN)/python -m pip install --quiet --no-deps "torch-fidelity==0.4.0"  # a test's authority; its torchvision is not wanted
	@touch $@

demo: .venv/ready
	$(BIN)/zerosum train digits --budget 295s --run $(RUN) || test $$? -eq 3
	@echo "Look at $(RUN)/report.html"

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

# docs/digits.png/, from a run of the demo
images: .venv/ready
	$(BIN)/python docs/make_digits_image.py $(RUN)

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache
