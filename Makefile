# Two commands for a newcomer, each doing all of its own set-up: `make demo` and `make test`.
# Python 3.11 or newer is all that is needed: PYTHON names it where `python3` is older.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check format install clean

demo: install
	@$(BIN)/extract run pipelines/receipts.yaml || test $$? -eq 3 # 3: documents were rejected; two are broken on purpose

test: install
	$(BIN)/python -m pytest -n auto --dist loadfile

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: .venv/.installed

# uv installs in seconds what pip takes minutes for; where it cannot be had, pip does it.
.venv/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "extract needs Python 3.11 or newer; name one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet uv && $(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[dev]' || \
		$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv build dist out runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
