# The two commands of the README are "make demo" and "make test"; "make help" lists all.
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
SECONDS ?=
REQUIRE := kernel,clang,bpftool,sanitizers,tcx,tshark,prometheus
ARGS ?=
# An emulated CPU needs seconds for a test: not what only compiles, nor every map at every hook.
KERNELS := $(addprefix tests/kernel/,bpf cubes dataplane dialect/test_behaviour.py exactness/test_side_by_side.py \
	libbpf_c/test_programs.py trial)
export SECONDS
# A process for each CPU, and the tests of a file in one of them: they share a daemon.
PYTEST := DYNMON_TESTS_REQUIRE=$(REQUIRE) scripts/isolated $(PYTHON) -m pytest -n auto --dist loadfile

.PHONY: help setup setup-dev demo run test test-unit test-kernel test-kernels test-e2e check format bench examples clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## install packages and .venv, enough to run
	@scripts/setup run

setup-dev: ## the same, and what tests and checks need
	@scripts/setup dev

demo: setup ## live numbers from real packets in namespaces of its own (SECONDS=10 to stop by itself)
	@scripts/isolated $(PYTHON) scripts/demo.py

run: setup ## run the daemon on this host (ARGS="--port 9001 ...")
	.venv/bin/dynmond $(ARGS)

test: setup-dev ## every test, on real interfaces in namespaces of its own (ARGS="-k flows")
	$(PYTEST) $(ARGS)

test-unit: setup-dev ## the tests that need nothing
	$(PYTHON) -m pytest tests/unit $(ARGS)

test-kernel: setup-dev ## the tests of programs, maps and links
	$(PYTEST) tests/kernel $(ARGS)

test-kernels: setup-dev ## those that depend on the kernel most, on an emulated Linux 6.1 without tcx (ARGS=tests/kernel for all)
	DYNMON_TESTS_REQUIRE=kernel,clang,bpftool scripts/test-kernels $(or $(ARGS),$(KERNELS))

test-e2e: setup-dev ## the tests of a running daemon
	$(PYTEST) tests/e2e $(ARGS)

check: setup-dev ## format, lint and types, without changing anything
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

format: setup-dev ## format the code
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

bench: setup-dev ## measure, both sides in one run
	$(PYTHON) -m benchmarks

examples: setup ## make the JSON of every example from its folder
	$(PYTHON) examples/build.py

clean: ## remove what was built
	rm -rf .venv build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
