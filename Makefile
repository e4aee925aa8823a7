# Everything one does with Common Ground, on one machine. `make help` lists it.
SHELL := /bin/sh
PYTHON ?= python3
# Tests mostly wait, so more of them at once than there are cores; each worker has a RabbitMQ and a MongoDB of its own.
WORKERS ?= 4
# What starts hundreds of times, as services do in the tests, is compiled once.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: help up story operate status logs env down clean check test bench format lock

bin := .venv/bin
local := $(bin)/python -W ignore deploy/local/run.py
code := chassis gateway services tests deploy requirements docs/examples

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up:  ## start a whole Common Ground on this machine
	@PYTHON=$(PYTHON) deploy/local/venv.sh run
	@$(local) up

story:  ## watch Ana, Ben, Chris, Dora and Eve find each other, over HTTP
	@PYTHON=$(PYTHON) deploy/local/venv.sh run
	@$(local) story

operate:  ## an operator's command on what runs: make operate DO="subscribers add newsletter"
	@PYTHON=$(PYTHON) deploy/local/venv.sh run >&2
	@DO="$(DO)" $(local) operate

status:  ## say what runs
	@PYTHON=$(PYTHON) deploy/local/venv.sh run
	@$(local) status

logs:  ## follow what the gateway and the services say
	@PYTHON=$(PYTHON) deploy/local/venv.sh run
	@$(local) logs

env:  ## print where everything listens, as KEY=VALUE lines for scripts
	@PYTHON=$(PYTHON) deploy/local/venv.sh run >&2
	@$(local) env

down:  ## stop all of it; the data stays in var/
	@PYTHON=$(PYTHON) deploy/local/venv.sh run
	@$(local) down

clean:  ## stop all of it and forget the data
	@PYTHON=$(PYTHON) deploy/local/venv.sh run
	@$(local) clean

check:  ## format, lint, types, import rules, locks
	@PYTHON=$(PYTHON) deploy/local/venv.sh dev
	$(bin)/ruff format --check $(code)
	$(bin)/ruff check $(code)
	$(bin)/mypy
	MYPYPATH=deploy/local $(bin)/mypy deploy/local/*.py
	$(bin)/lint-imports --no-cache
	$(bin)/python requirements/check.py

test:  ## all tests, on a RabbitMQ and a MongoDB of their own
	@PYTHON=$(PYTHON) deploy/local/venv.sh dev
	@$(local) provide_for_tests
ifdef TESTS
	$(bin)/pytest $(TESTS)
else
	$(bin)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
endif

bench:  ## measure, each figure beside its limit or a peer in the same run
	@PYTHON=$(PYTHON) deploy/local/venv.sh bench
	@$(local) provide
	$(bin)/python -m tests.bench

format:  ## bring the code into the one format
	@PYTHON=$(PYTHON) deploy/local/venv.sh dev
	$(bin)/ruff check --fix-only --quiet $(code)
	$(bin)/ruff format $(code)

lock:  ## pin the newest versions that requirements/*.in allow, with their hashes
	@PYTHON=$(PYTHON) deploy/local/venv.sh dev
	$(bin)/python requirements/lock.py
