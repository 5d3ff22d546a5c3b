# Everything that a developer or CI runs. Each target makes the environment that it needs.

PYTHON ?= python3
VENV_PYTHON = $(PYTHON)
BIN := .venv/bin
NEWEST := .venv-newest/bin
PIP := -m pip --disable-pip-version-check --quiet
# Django 6 needs Python 3.12. Where there is none, what needs Django 6 is not tested, and make says so.
DJANGO_PYTHON := $(shell for python in $(PYTHON) python3.14 python3.13 python3.12 \
  "$$HOME"/.pyenv/versions/3.1[2-9]*/bin/python3; do \
  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo "$$python" && break; done)
DJANGOS := $(if $(DJANGO_PYTHON),django60 django61)
BENCHES := $(patsubst %,.venv-bench-%/ready,capped core others plots)

# The tests run once with the redis-py that arq pins, and arq beside it, against the server on PATH
# (or the wheel's, if there is none); and once with the newest redis-py, without arq, against the
# wheel's. Stock workers always run in the first environment.
export ARQADE_TEST_WORKER_PYTHON := $(CURDIR)/$(BIN)/python

# What is covered is measured in the first environment, but not by tests whose code others run, too:
# of the generated queues, those that compare, and those that run pytest or other processes.
QUEUES := tests/_async tests/protocol tests/transport
SYNC := $(foreach name,conformance listing mock,tests/_sync/test_$(name).py)
FUZZING := tests/payloads/test_fuzz.py tests/payloads/test_restricted_fuzz.py
UNMEASURED := tests/parity tests/testing/test_conformance_catches.py tests/tools \
  $(foreach name,canary demo forgotten gunicorn payload_memory,tests/test_$(name).py)
OTHERS := tests $(addprefix --ignore=,$(QUEUES) $(UNMEASURED) \
  $(foreach name,_sync django docs faults payloads,tests/$(name)))

# With the newest redis-py, all that has to do with it: connections, what servers say, and each operation.
# Beside it is the oldest Django.
WITH_NEWEST := tests/django tests/transport tests/protocol/test_errors.py \
  $(foreach name,broken_connections cancel conformance durability enqueue enqueue_many listing opening permissions push \
    reading round_trips secrets server_check tls workers,tests/_async/test_$(name).py tests/_sync/test_$(name).py) \
  $(foreach name,bulk clients event_loops forgotten package processes settings,tests/test_$(name).py) \
  $(foreach name,fastapi fastapi_lifespan flask litestar pydantic starlette,tests/integrations/test_$(name).py)
BREAKING := test-faults-async test-faults-sync
BESIDE := further-environments $(addprefix test-,oldest-payloads fuzzing)
TESTS := $(addprefix test-,oldest-queues newest oldest-unmeasured oldest-others oldest-sync docs \
  django61 django60 newest-payloads)
FAULTS := $(addprefix faults-,oldest-async oldest-sync newest-async newest-sync)

.DEFAULT_GOAL := help
.PHONY: help demo test $(BREAKING) $(BESIDE) $(TESTS) faults $(FAULTS) soak fuzz parity check docs bench bench-full \
  bench-check bench-faults bench-codecs bench-docs generate format lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/ready ## Run jobs from sync and async code on a stock arq worker
	$(BIN)/python -m arqade.demo

test: .venv/ready ## Run all tests, with the oldest and the newest redis-py
	rm -f .coverage .coverage.*
	@# Side by side: most of the time is waiting. But the time-outs of the first are short, so that what
	@# is beside them gets what time they leave.
	$(MAKE) --no-print-directory -j5 --output-sync=target $(BREAKING) $(BESIDE)
	$(MAKE) --no-print-directory -j6 --output-sync=target $(TESTS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

further-environments:
	nice -n 19 $(MAKE) --no-print-directory .venv-newest/ready $(addprefix build/,$(addsuffix /ready,$(DJANGOS)))

test-oldest-queues: .venv/ready
	$(BIN)/coverage run -m pytest $(QUEUES) $(SYNC)

test-oldest-sync: .venv/ready
	$(BIN)/python -m pytest tests/_sync $(addprefix --ignore=,$(SYNC))

test-oldest-others: .venv/ready
	$(BIN)/coverage run -m pytest $(OTHERS)

test-oldest-unmeasured: .venv/ready
	$(BIN)/python -m pytest $(UNMEASURED)

test-docs: .venv/ready
	$(BIN)/python -m pytest tests/docs

test-newest: .venv/ready .venv-newest/ready
	ARQADE_TEST_SERVER=wheel $(NEWEST)/python -m pytest $(WITH_NEWEST)

test-oldest-payloads: .venv/ready
	nice -n 19 $(BIN)/coverage run -m pytest tests/payloads $(addprefix --ignore=,$(FUZZING))

test-newest-payloads: .venv/ready .venv-newest/ready
	$(NEWEST)/python -m pytest $(patsubst %,tests/payloads/test_%.py,errors golden pickle restricted)

test-fuzzing: .venv/ready
	@# Not measured, which would take twice the time.
	nice -n 19 $(BIN)/python -m pytest $(FUZZING)

ifeq ($(DJANGO_PYTHON),)
test-django60 test-django61:
	@echo "Django 6 is not tested: there is no Python 3.12 or newer here" >&2
else
test-django60: build/django60/ready
	ARQADE_TEST_SERVER=wheel .venv-django60/bin/python -m pytest $(wildcard tests/django/test_tasks_*.py)
	.venv-django60/bin/python -m tests.django.upstream build/django60/*.tar.gz

test-django61: build/django61/ready
	.venv-django61/bin/coverage run -m pytest tests/django
	.venv-django61/bin/python -m tests.django.upstream build/django61/*.tar.gz
endif

# Django's own tests are in its source distribution only.
build/django%/ready: .venv-django%/ready
	rm -rf $(@D) && mkdir -p $(@D)
	$(<D)/bin/python $(PIP) download --no-deps --no-binary :all: --dest $(@D) \
	  django==$$($(<D)/bin/python -m django --version)
	@touch $@

test-faults-async: .venv/ready
	$(BIN)/coverage run -m pytest tests/faults --ignore=tests/faults/_sync

test-faults-sync: .venv/ready
	$(BIN)/coverage run -m pytest tests/faults/_sync

faults: .venv/ready .venv-newest/ready ## Break everything 500 times (also soak: for an hour, at random)
	@# Side by side: nearly all of the time is waiting.
	@$(MAKE) --no-print-directory -j4 --output-sync=target $(FAULTS)

$(FAULTS): export ARQADE_FAULTS ?= 500
faults-oldest-async:
	$(BIN)/python -m pytest tests/faults --ignore=tests/faults/_sync
faults-oldest-sync:
	$(BIN)/python -m pytest tests/faults/_sync
faults-newest-async:
	ARQADE_TEST_SERVER=wheel $(NEWEST)/python -m pytest tests/faults --ignore=tests/faults/_sync
faults-newest-sync:
	ARQADE_TEST_SERVER=wheel $(NEWEST)/python -m pytest tests/faults/_sync

soak: .venv/ready
	$(BIN)/python -m tests.soak $(OPTIONS)

fuzz: .venv/ready ## Feed a million broken and hostile payloads to each decoder
	ARQADE_FUZZ=$${ARQADE_FUZZ:-1000000} $(BIN)/python -m pytest --timeout=3600 $(FUZZING)

parity: .venv/ready ## Compare mock and Redis, async and sync, on thousands of random stories
	ARQADE_PARITY_EXAMPLES=$${ARQADE_PARITY_EXAMPLES:-2000} $(BIN)/python -m pytest tests/parity

check: .venv/ready ## Check style, types, layers and that the generated code is in step
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python tools/unasync.py --check
	$(BIN)/mypy
	cd docs/examples/tutorial && $(CURDIR)/$(BIN)/mypy --strict --explicit-package-bases --cache-dir $(CURDIR)/.mypy_cache/tutorial .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-logo

docs: .venv-docs/ready ## Build the documentation into docs/_build/html
	.venv-docs/bin/sphinx-build -W --keep-going --quiet -aE -b html docs docs/_build/html

bench: $(BENCHES) ## Measure it beside others (also bench-full, -check, -faults, -codecs, -docs)
	.venv-bench-core/bin/python -m benchmarks $(OPTIONS)
	.venv-bench-plots/bin/python -m benchmarks.plots

bench-full: $(BENCHES)
	.venv-bench-core/bin/python -m benchmarks --full $(OPTIONS)
	.venv-bench-plots/bin/python -m benchmarks.plots

bench-check: $(BENCHES)
	.venv-bench-core/bin/python -m benchmarks --check $(OPTIONS)

bench-faults: $(BENCHES)
	.venv-bench-core/bin/python -m benchmarks.faults $(OPTIONS)

bench-codecs: .venv/ready
	$(BIN)/python -m benchmarks.codecs

bench-docs: .venv-bench-core/ready .venv-bench-plots/ready
	.venv-bench-core/bin/python -m benchmarks.report docs/benchmarks
	.venv-bench-core/bin/python -m benchmarks.faults.report docs/benchmarks
	.venv-bench-plots/bin/python -m benchmarks.plots docs/benchmarks

generate: .venv/ready ## Generate the sync code and its tests from the async ones
	$(BIN)/python tools/unasync.py

format: .venv/ready ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format
	$(BIN)/python tools/unasync.py

lock: .venv/ready ## Pin the newest tools and libraries, with their hashes
	$(BIN)/python $(PIP) install uv
	cd requirements && for name in *.in; do \
	  case $$name in django*) oldest=3.12;; *) oldest=3.11;; esac; \
	  ../$(BIN)/uv pip compile --quiet --upgrade --universal --python-version $$oldest \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	    $$name --output-file $${name%.in}.txt || exit 1; \
	done

clean: ## Remove the environments and all that was built
	rm -rf .venv .venv-* build dist docs/_build benchmarks/results \
	  .coverage* .hypothesis .*_cache

# The environments, each from its own pins.
.venv/ready: requirements/dev.txt
.venv-newest/ready: requirements/newest.txt
.venv-django60/ready: requirements/django60.txt
.venv-django61/ready: requirements/django61.txt
.venv-docs/ready: requirements/docs.txt
.venv-bench-capped/ready: requirements/bench-capped.txt
.venv-bench-core/ready: requirements/bench-core.txt
.venv-bench-others/ready: requirements/bench-others.txt
.venv-bench-plots/ready: requirements/bench-plots.txt
.venv-django60/ready .venv-django61/ready: VENV_PYTHON = $(DJANGO_PYTHON)
.venv/ready .venv-newest/ready .venv-django60/ready .venv-django61/ready .venv-docs/ready $(BENCHES): \
  pyproject.toml
	@$(VENV_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "arqade needs Python 3.11 or newer; name one with make PYTHON=..." >&2; exit 1; }
	@$(VENV_PYTHON) -m venv $(@D) || { \
	  echo "This Python can't make virtual environments; on Debian: apt install python3-venv" >&2; \
	  exit 1; }
	$(@D)/bin/python $(PIP) install --require-hashes -r $(filter requirements/%,$^)
	$(if $(filter %-capped %-plots,$(@D)),,\
	  $(@D)/bin/python $(PIP) install --no-deps --no-build-isolation --editable .)
	@touch $@
