# make demo   the main job on the Wikipedia articles that gensim ships, then queries   (at most 4 minutes)
# make test   the quick tests                                                          (at most 3 minutes)
# make browser  the report in a headless Chromium, screenshots in build/screenshots
# make check  format, lint, types, architecture      make test-all  slow tests too, and coverage
# make wheel  build, list and smoke-test a wheel without the dev extra

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo.bundle

.PHONY: demo test test-all browser check format wheel clean
.DELETE_ON_ERROR:

$(VENV)/user: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("embedpipe needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[plot]'
	touch $@

$(VENV)/dev: $(VENV)/user
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(VENV)/user
	BIN=$(BIN) bash demo.sh $(DEMO)

test: $(VENV)/dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadscope

test-all: $(VENV)/dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadscope -m 'not gpu or gpu' --cov=embedpipe --cov-report=term:skip-covered

browser: $(VENV)/dev
	$(BIN)/pytest -m 'slow or not slow' tests/probes/report/test_browser.py

check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheel: $(VENV)/dev
	rm -rf dist build
	$(BIN)/python -m build -q --wheel
	$(BIN)/python -m zipfile -l dist/*.whl
	$(PYTHON) -m venv build/smoke
	build/smoke/bin/pip install -q --disable-pip-version-check -c constraints.txt dist/*.whl
	cd build/smoke && bin/embedpipe --help && bin/embedpipe corpora list \
	  && bin/embedpipe run builtin:toy-en -o toy.bundle --set sentences.steps=2 --set generation.steps=2 \
	  && bin/embedpipe verify toy.bundle && bin/embedpipe similar toy.bundle king -k 3
	rm -rf build/smoke

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache $(DEMO) $(DEMO).work
