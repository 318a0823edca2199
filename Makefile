# Gongheng 公衡. `make` alone lists the commands.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
RUN := .venv/bin

.PHONY: help setup demo watch-a-day run day test test-all check fix bench states lock
help:  ## List the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/ready: requirements.lock pyproject.toml .ci/python
	@.ci/python requirements.lock
	@touch $@

.venv/ready-dev: requirements-dev.lock pyproject.toml .ci/python .ci/packages
	@.ci/packages
	@.ci/python requirements-dev.lock
	@touch .venv/ready $@

setup: .venv/ready  ## Make the virtual environment with everything the product needs
demo: .venv/ready  ## Start a small city on 127.0.0.1 and print its address and logins
	@$(RUN)/gongheng demo
watch-a-day: .venv/ready  ## Play a day in the demo that is running (start it with make demo)
	@$(RUN)/gongheng day --home var/demo --server "$$(cat var/demo/demo/address)"
run: .venv/ready  ## Run a centre (settings from the environment, see docs/operating.md)
	@$(RUN)/gongheng run
day: .venv/ready  ## Play one whole day on a temporary centre and verify its evidence
	@$(RUN)/gongheng day --temporary

test: .venv/ready-dev  ## Set up what tests need and run them (the README's test command)
	@$(RUN)/pytest -n 2 --dist loadfile -m "not slow and not day" || { \
	  echo "Once more, by itself and one after the other, what failed beside a busy neighbour:"; \
	  $(RUN)/pytest -m "not slow and not day" --last-failed --last-failed-no-failures none; }
test-all: .venv/ready-dev  ## The tests, with the longer campaigns
	@$(RUN)/pytest -n 2 --dist loadfile -m "not day and not slow"
	@$(RUN)/pytest -m "day or slow"
check: .venv/ready-dev  ## Style, types, import contracts and the tests of the house
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check --quiet . || echo "note: 'make fix' would change the layout of some files"
	@$(RUN)/mypy
	@$(RUN)/lint-imports --no-cache | tail -n 12
	@$(RUN)/pytest tests/house
fix: .venv/ready-dev  ## Mend what ruff can mend
	@$(RUN)/ruff check --fix .
	@$(RUN)/ruff format .
bench: .venv/ready-dev  ## Measure, as ratios; prints a table and writes bench/results.json
	@$(RUN)/python -m bench
states: .venv/ready  ## Write docs/states.md from the tables of moves
	@$(RUN)/python -m app.states > docs/states.md
lock: .venv/ready-dev  ## Lock the dependencies anew
	@for pair in "demo requirements.lock" "dev requirements-dev.lock"; do set -- $$pair; \
	  $(RUN)/uv pip compile --universal --generate-hashes --no-header --python-version 3.11 \
	    --upgrade -q --group $$1 -o $$2 pyproject.toml; done
