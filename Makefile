# Assay: `make demo`, `make test`. Everything else serves development.
SHELL := /bin/bash
VENV := .venv
PYTHON := $(VENV)/bin/python
PYTEST := $(VENV)/bin/pytest
NAME ?= rescan
SIZE ?= full
MINUTES ?= 30

.PHONY: demo test test-all check bench conformance oci-walk schemathesis migration lock clean

demo: $(VENV)/.runtime           ## start Assay and walk one image from push to admission
	@scripts/install.sh demo
	@$(PYTHON) -m scripts.demo

test: $(VENV)/.tests             ## install what the tests need and run all of them, at small sizes
	@scripts/install.sh test
	$(MAKE) --no-print-directory check
	$(PYTEST) -n 2 --dist loadscope

test-all: $(VENV)/.tests         ## the same at the sizes that releases are held to, with Kubernetes' own parts
	@scripts/install.sh test
	@scripts/kube_parts.sh
	$(MAKE) --no-print-directory check
	ASSAY_TEST_SIZE=full $(PYTEST) -n 2 --dist loadscope

check: $(VENV)/.tests            ## lint, format, types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(VENV)/.tests            ## make bench NAME=rescan [SIZE=small]
	@[ $(NAME) != registry ] || scripts/install.sh bench
	@SIZE=$(SIZE) PYTHONPATH=.:tests $(PYTHON) -m benchmarks.$(NAME)

conformance: $(VENV)/.tests      ## the official conformance program of the distribution specification; it explains what it leaves out
	@PYTHONPATH=.:tests $(PYTHON) -m distribution_conformance

oci-walk: $(VENV)/.tests         ## the worked commands of the stock oci client and SDKs against a fresh server
	@scripts/install.sh oci-walk
	@PYTHONPATH=.:tests $(PYTHON) -m oci_walk

schemathesis: $(VENV)/.tests     ## requests made up from the OpenAPI document, for MINUTES=30
	ASSAY_SCHEMATHESIS_MINUTES=$(MINUTES) $(PYTEST) -s tests/fuzz/test_api_schemathesis.py

migration: $(VENV)/.tests        ## make migration NAME=what_changed
	$(PYTHON) -m scripts.migration $(NAME)

lock: $(VENV)/.tests             ## resolve requirements/*.in anew
	scripts/lock.sh

$(VENV)/.runtime: requirements/runtime.lock
	@scripts/venv.sh $(VENV) runtime

$(VENV)/.tests: requirements/test.lock
	@scripts/venv.sh $(VENV) test

clean:
	rm -rf $(VENV) .parts .demo build
