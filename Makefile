# Every target does its own set-up (scripts/setup.sh: quick when nothing has changed).
# With STATE=file the long runs (torture, sim, attacks, fuzz) keep their progress: the same command goes on.

BIN := .venv/bin
# Three workers, a module each: half of the time goes by waiting for daemons. Long modules first (tests/conftest.py).
PYTEST = $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
# pytest's status 5, no test collected, is not a failure where every test is of the other kind.
NONE_IS_FINE := || [ $$? -eq 5 ]

.DEFAULT_GOAL := help
.PHONY: guide help setup test-setup demo demo-media test test-full test-py test-psk torture sim attacks fuzz check lint format bench bench-quick bench-docs man mutants bench-media bench-stalled bench-clients bench-etsi bench-distance lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "torture, sim, attacks and fuzz keep their progress with STATE=file: the same command goes on"

setup: ## make .venv with all that is needed
	@scripts/setup.sh

demo: setup ## establish a key across the example topology and compare both ends
	@$(BIN)/python scripts/demo.py

demo-media: setup ## the same with random data carried as files, and two nodes killed in between
	@$(BIN)/python scripts/demo_media.py

test-setup: setup
	@scripts/setup.sh --tests

guide: setup ## follow docs/operators-guide.md from its first line, on hosts that are network namespaces; as root
	@$(BIN)/python scripts/operators_guide.py $(if $(PACKAGE),--package $(PACKAGE))

# What is compiled once is kept, whatever the environment says: each worker would compile every test anew.
test test-full test-py test-psk: export PYTHONDONTWRITEBYTECODE :=

test: test-setup ## run the tests
	@$(PYTEST) -m "not full"

test-full: test-setup ## run the longer tests, which `make test` leaves out
	@scripts/setup.sh --deb
	@scripts/setup.sh --binary
	@$(PYTEST) -m full $(NONE_IS_FINE)
	@scripts/test_psk.sh --if-possible

test-py: BIN := .venv-py/bin
test-py: ## run the tests with another Python, in an environment of its own: PYTHON=... names it
	$(if $(PYTHON),,$(error PYTHON names no interpreter: make test-py PYTHON=/path/to/python3.13))
	@VENV=.venv-py scripts/setup.sh --tests
	@$(PYTEST) -m "not full"

test-psk: ## run the tests of TLS-PSK, for which Python 3.13 is needed beside: PYTHON=... names it
	@scripts/test_psk.sh

torture: setup ## kill daemons 2,000 times under load, then attack them for hours
	@$(BIN)/python scripts/torture.py $(if $(STATE),--state $(STATE))
	@$(BIN)/python scripts/attacks.py all $(if $(STATE),--state $(STATE).attacks)

sim: setup ## simulate 20,000 whole topologies, with every fault and enemy at once
	@$(BIN)/python scripts/sim.py $(if $(STATE),--state $(STATE))

attacks: setup ## the attacks alone, with their long amounts
	@$(BIN)/python scripts/attacks.py all $(if $(STATE),--state $(STATE))

fuzz: fuzz-setup ## feed every decoder a million inputs that are found by what they reach in the code
	@$(BIN)/python scripts/fuzz.py $(if $(STATE),--state $(STATE))

fuzz-setup: setup
	@scripts/setup.sh --fuzz

check: lint test ## all that must pass before a commit: lint and test

lint: setup ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup ## let ruff format the code
	@$(BIN)/ruff format .

bench: setup ## measure every load beside the floor of the same run: ten minutes
	@$(BIN)/python scripts/bench.py $(if $(JSON),--json $(JSON))

bench-quick: setup ## the same in less than a minute
	@$(BIN)/python scripts/bench.py --quick

bench-docs: setup ## renew docs/ from JSON=FILE of make bench, and CLIENTS=FILE of bench_clients.py --json
	@scripts/setup.sh --bench
	@$(BIN)/python scripts/bench.py --from $(or $(JSON),docs/figures/bench.json) $(if $(CLIENTS),--clients $(CLIENTS)) \
		--json docs/figures/bench.json --into docs/benchmarks.md --plot docs/figures >/dev/null

bench-media: setup ## measure bundles, and nodes by the size of their pools
	@$(BIN)/python scripts/bench_media.py

bench-stalled: setup ## measure what hubs that hang cost: before, at first, once known, after
	@$(BIN)/python scripts/bench_stalled.py

bench-clients: setup ## measure a hub with 1,000 and 5,000 clients: memory, coming back, one that is greedy
	@$(BIN)/python scripts/bench_clients.py

bench-etsi: setup ## measure ETSI GS QKD 014 over HTTP and over mutual TLS, beside a bare handler
	@$(BIN)/python scripts/bench_etsi.py
	@$(BIN)/python scripts/bench_etsi.py --tls

bench-distance: setup ## measure keys over round trips of 10, 70 and 200 ms: three minutes
	@$(BIN)/python scripts/bench_distance.py

man: setup ## write the manual pages and the shells' completion into build/man and build/completion
	@$(BIN)/python scripts/man.py build

mutants: setup ## break the safety rules on purpose, and see the tests notice
	@$(BIN)/python scripts/mutants.py

wheel: setup ## build dist/dsked-VERSION-py3-none-any.whl
	@packaging/wheel.sh

binary: setup ## build dsked for machines without Python, as one file and as a directory, and try both
	@scripts/setup.sh --binary
	@packaging/binary.sh

deb: setup ## build a Debian package for the release of this machine, and let lintian check it
	@scripts/setup.sh --deb
	@packaging/deb.sh

lock: ## renew requirements*.lock from pyproject.toml
	@scripts/lock.sh

clean: ## remove .venv, caches and build products
	rm -rf .venv .venv-py .venv-psk .setup.lock .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
