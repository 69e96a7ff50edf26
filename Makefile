# make demo   opens the quickstart in JupyterLab (HEADLESS=1: drives it in Chromium, without a display)
# make test   runs every check there is
# Needs Python >= 3.11 and Node >= 20 with npm. Everything else is installed into .venv and js/node_modules.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
PIP_ARGS ?=
PYTEST_ARGS ?=
HEADLESS ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install -qq --disable-pip-version-check $(PIP_ARGS) -c constraints.txt
ENV := $(VENV)/.stamp
NODE_MODULES := js/node_modules/.stamp
BUNDLE := iseg_widget/widget/static/widget.js
JS_SOURCES := $(shell find js -path js/node_modules -prune -o -type f \
	\( -name '*.ts' -o -name '*.css' -o -name '*.mjs' -o -name 'tsconfig*.json' \) -print 2>/dev/null)

.PHONY: help env bundle chromium demo test lint test-js test-python test-notebooks test-browser pictures latency wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|' 2>/dev/null \
		|| sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1  \2/p' Makefile

env: $(ENV) ## create .venv with the pinned versions and the package in editable mode

$(ENV): pyproject.toml constraints.txt hatch_build.py
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(PY) || { echo "$(PYTHON) -m venv $(VENV)"; "$(PYTHON)" -m venv $(VENV); }
	@echo "installing the pinned Python packages into $(VENV) (some minutes)"
	@$(PIP) hatchling editables
	@$(PIP) --no-build-isolation -e '.[lab,train,ray,hosts,dev]'
	@touch $@

$(NODE_MODULES): js/package.json js/package-lock.json
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' \
		|| { echo "Node 20 or newer with npm is needed to build js/" >&2; exit 1; }
	npm --prefix js ci --no-audit --no-fund
	@touch $@

bundle: $(BUNDLE) ## build the browser bundle into iseg_widget/widget/static

$(BUNDLE): $(NODE_MODULES) $(JS_SOURCES)
	npm --prefix js run build
	@touch $@

chromium: ## find Chromium, or install Debian's when that is possible
	@"$(PYTHON)" tests/browser/chromium.py

demo: $(ENV) $(BUNDLE) $(if $(HEADLESS),chromium) ## open the quickstart notebook (HEADLESS=1: without a display)
ifneq ($(HEADLESS),)
	$(PY) -m tests.browser.demo
else
	$(VENV)/bin/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/00_quickstart.ipynb
endif

test: lint test-js test-python ## run everything: lint, types, JavaScript, Python, notebooks, browser, wheel

lint: $(ENV) ## ruff and mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

test-js: $(NODE_MODULES) ## check and test the TypeScript front end
	npm --prefix js run check
	npm --prefix js test

test-python: $(ENV) $(BUNDLE) chromium ## every Python test
	$(PY) -m pytest $(PYTEST_ARGS)

test-notebooks: $(ENV) $(BUNDLE) ## run the notebooks in a kernel
	$(PY) -m pytest -m notebook $(PYTEST_ARGS)

test-browser: $(ENV) $(BUNDLE) chromium ## drive JupyterLab in Chromium
	$(PY) -m pytest -m browser $(PYTEST_ARGS)

pictures: $(ENV) $(BUNDLE) chromium ## take the README's pictures of a real session
	$(PY) -m tests.browser.pictures

latency: $(ENV) $(BUNDLE) chromium ## measure clicks in JupyterLab, from button to mask
	$(PY) -m tests.browser.latency

wheel: $(ENV) $(BUNDLE) ## build dist/*.whl and dist/*.tar.gz
	rm -rf dist
	$(PY) -m hatchling build

clean: ## remove what was built or installed here
	rm -rf $(VENV) js/node_modules iseg_widget/widget/static build dist demo coverage test-results \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis
