# Each target makes its own set-up: a virtual environment in .venv with what the target needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo pages test run-notebooks test-rest test-quick quick-rest test-thorough test-versions test-lowest fuzz soak lab \
  notebooks docs lite bench-tab test-tab get-pyodide lint format bench dist clean

help:
	@echo "make demo        run every pattern on the shipped data; pictures and traces go to out/"
	@echo "make test        run all tests and execute all notebooks"
	@echo "make test-thorough  as make test, and what takes minutes more: exercises solved, examples, benchmarks"
	@echo "make test-NAME   run the tests of one folder, as make test-browser (JupyterLab and Chromium)"
	@echo "make fuzz        run thousands of random graphs and programs and read random files; SEED= and CASES= choose which"
	@echo "make soak        do everything for MINUTES=10 and look for what is left over"
	@echo "make test-quick  run the tests that start no other processes and no notebooks"
	@echo "make test-versions  run all tests on every Python of this machine"
	@echo "make test-lowest  run the tests with the lowest versions of other packages that are allowed"
	@echo "make lab         open JupyterLab on the notebooks"
	@echo "make notebooks   execute the notebooks and store their outputs"
	@echo "make pages       write the lessons as pages of HTML to out/pages"
	@echo "make docs        build the site into out/docs; warnings and broken links are errors"
	@echo "make test-tab    run the tests in a browser tab, with the Pyodide that make get-pyodide writes to out/pyodide"
	@echo "make lite        write the lessons as a site that runs in a browser tab to out/lite; PYODIDE_DIST= names a Pyodide"
	@echo "make bench-tab   measure that site: from opening a page to the first chart, and one step of a slider"
	@echo "make lint        check style and types"
	@echo "make format      fix what make lint finds about style"
	@echo "make bench       measure speed and memory against other tools"
	@echo "make dist        build the wheel and the source archive in dist/"
	@echo "make clean       remove .venv and out"

# The installed sets are extras of the package. A stamp file per set makes a second run start at once, and a change of
# pyproject.toml installs again.
$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	@touch $@

# What marimo needs cannot be installed where Python has no GIL: its tests are left out there.
$(VENV)/.has-test: pyproject.toml | $(VENV)/.made
	$(PIP) --editable ".[test$$($(BIN)/python -c "import sysconfig as s; print('' if s.get_config_var('Py_GIL_DISABLED') else ',marimo')")]"
	@touch $@

$(VENV)/.has-%: pyproject.toml | $(VENV)/.made
	$(PIP) --editable ".[$*]"
	@touch $@

demo: $(VENV)/.has-lessons
	$(BIN)/python main.py --example all --out out --force

# The tests run in parts side by side, since many wait for other processes and for servers: the notebooks themselves, a
# part for each folder of tests of 80 kB or more, the largest first, and one for the rest.
PYTEST := $(BIN)/python -m pytest -p no:cacheprovider
FOLDERS := $(shell du -sk tests/*/ | sort -rn | awk '$$1 >= 80 {split($$2, path, "/"); print path[2]}')
PARTS := $(MAKE) --no-print-directory -j 4 --output-sync=target
REST := $(FOLDERS:%=--ignore=tests/%)

test: $(VENV)/.has-test
	@echo "$(words lessons rest $(FOLDERS)) parts side by side; each is shown when it is done. Together they take some minutes."
	@$(PARTS) run-notebooks $(FOLDERS:%=test-%) test-rest

run-notebooks: $(VENV)/.has-test
	$(PYTEST) -c notebooks/pytest.ini --rootdir . notebooks

test-rest: $(VENV)/.has-test
	$(PYTEST) $(REST)

test-%: $(VENV)/.has-test
	$(PYTEST) tests/$*

test-quick: $(VENV)/.has-test
	@$(PARTS) $(patsubst %,quick-%,$(filter-out browser,$(FOLDERS))) quick-rest

quick-rest:
	$(PYTEST) -m "not processes" $(REST)

quick-%:
	$(PYTEST) -m "not processes" tests/$*

test-thorough: $(VENV)/.has-test $(VENV)/.has-docs
	$(PYTEST) --thorough
	$(MAKE) --no-print-directory run-notebooks

# The suite on every Python of this machine, those without a GIL (python3.14t) included, and with the lowest versions that
# pyproject.toml allows.
PYTHONS = $(foreach python,$(foreach minor,11 12 13 14 15,python3.$(minor) python3.$(minor)t \
    $(wildcard $(HOME)/.pyenv/versions/3.$(minor).*/bin/python)),\
  $(shell $(python) -c "print('$(python)')" 2>/dev/null))

test-versions:
	@tried=""; for python in $(PYTHONS); do \
	  version=$$($$python -c "import sys; print('%d.%d' % sys.version_info[:2] + getattr(sys, 'abiflags', ''))"); \
	  case "$$tried" in *" $$version "*) continue;; esac; tried="$$tried $$version "; echo "Python $$version"; \
	  $(MAKE) --no-print-directory test PYTHON=$$python VENV=.venv/$$version || exit 1; \
	done

# Libraries of those versions warn of each other, so that warnings are no errors there. Browsers are as new as ever.
test-lowest: LOWEST := .venv/lowest
test-lowest:
	$(MAKE) --no-print-directory .venv/lowest/.made VENV=$(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --editable ".[test,marimo]"
	@touch $(LOWEST)/.has-test
	$(PARTS) run-notebooks $(patsubst %,test-%,$(filter-out browser,$(FOLDERS))) test-rest VENV=$(LOWEST) \
	  PYTEST="$(LOWEST)/bin/python -m pytest -p no:cacheprovider -o filterwarnings=default"

CASES ?= 2000
MINUTES ?= 10

fuzz: $(VENV)/.has-test
	@$(MAKE) --no-print-directory -j 2 fuzz-graphs fuzz-programs fuzz-files

fuzz-%: $(VENV)/.has-test
	$(BIN)/python -m tests.fuzz $* --cases $(CASES) $(if $(SEED),--seed $(SEED))

soak: $(VENV)/.has-test
	$(BIN)/python -m tests.fuzz.soak --minutes $(MINUTES)

lab: $(VENV)/.has-lab
	$(BIN)/python -m kaygraph_viz lab notebooks

notebooks: $(VENV)/.has-test
	$(BIN)/python -m jupyter nbconvert --to notebook --execute --inplace \
	  --ExecutePreprocessor.timeout=60 --ExecutePreprocessor.store_widget_state=False --ClearMetadataPreprocessor.enabled=True \
	  --ClearMetadataPreprocessor.clear_notebook_metadata=False \
	  --ClearMetadataPreprocessor.preserve_cell_metadata_mask='["tags", "jupyter"]' notebooks/*.ipynb
	$(BIN)/python notebooks/pictures/make.py

pages: $(VENV)/.has-test
	$(BIN)/python -m jupyter nbconvert --to html --template-file notebooks/page.html.j2 --output-dir out/pages notebooks/*.ipynb

docs: $(VENV)/.has-docs
	rm -rf out/docs out/docs-doctrees docs/reference/generated docs/lessons/*.ipynb
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -d out/docs-doctrees docs out/docs
	$(BIN)/python docs/build_steps/check_pages.py out/docs

# Python for browser tabs: a folder that is named, one that is at hand, or the official release.
test-tab: $(VENV)/.has-test $(VENV)/.has-lite
	$(PYTEST) --thorough tests/pyodide

get-pyodide:
	mkdir -p out
	curl -sSL https://github.com/pyodide/pyodide/releases/download/0.27.7/pyodide-0.27.7.tar.bz2 | tar -xj -C out

lite: $(VENV)/.has-lite
	$(BIN)/python -m tests.pyodide.site out/lite

bench-tab: lite
	$(BIN)/python -m tests.pyodide.times out/lite

lint: $(VENV)/.has-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

format: $(VENV)/.has-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.has-bench
	$(BIN)/python -m benchmarks

dist: $(VENV)/.has-lint
	$(BIN)/python -m build

clean:
	rm -rf .venv out dist docs/reference/generated docs/lessons/*.ipynb
