# Every target sets up .venv by itself from the hash-pinned locks (.ci/venv does it).
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTHON_CODE := $(wildcard engine bot sandbox chaos crash bench tests)
BENCHES := $(notdir $(basename $(wildcard bench/feed.py bench/tick_to_order.py bench/journal.py)))
RUNTIME := .venv/.runtime
DEV := .venv/.dev
BENCH := .venv/.bench
# The book in C, beside its sources: at once where it stands already; says so and goes on where there is no compiler.
COMPILE := @$(BIN)/python -m engine.native.build

.PHONY: help setup demo test check bench soak chaos crash chaos-scenarios lock
help:
	@echo 'make demo    the whole product on this machine: engine, bot and a sandbox of the outside world'
	@echo '             (ARGS="--headless --json" plays a scripted trader)'
	@echo 'make test    all tests (ARGS="tests/test_plan.py -k arrows" for some)'
	@echo 'make check   what CI runs: ruff, mypy --strict, 1,000 hours of simulated faults, all tests'
	@echo 'make soak    faults, kills and halts against the real engine (ARGS="--seconds 120 --seed 3 --json")'
	@echo 'make chaos   the desk under a seeded clock in a world of faults (SEEDS=100 HOURS=2 JOBS=2 FIRST=1)'
	@echo 'make crash   real engines killed at named points, on disks that forget (KILLS=60 JOBS=2 ARGS=--power)'
	@echo 'make chaos-long   fresh seeds for as long as one lets it, sums in var/chaos-long.json'
	@echo 'make chaos-scenarios   the known faults one by one, 1,000 seeds each, and without their guards (SCENARIO_SEEDS=20)'
	@echo 'make bench   the benchmarks, against their peers (one of them is compiled: needs a C compiler)'
	@echo 'make setup   .venv as an installed desk needs it, nothing started'
	@echo 'make lock    resolve the locks again (ARGS=--upgrade for newer versions)'

# A larger lock holds the smaller ones, version for version.
$(RUNTIME): requirements.lock pyproject.toml
	@.ci/venv requirements.lock
	@touch $(RUNTIME)

$(DEV): requirements-dev.lock pyproject.toml
	@.ci/venv requirements-dev.lock
	@touch $(RUNTIME) $(DEV)

$(BENCH): requirements-bench.lock pyproject.toml
	@.ci/venv requirements-bench.lock
	@touch $(RUNTIME) $(DEV) $(BENCH)

setup: $(RUNTIME)
	$(COMPILE)

demo: $(RUNTIME)
	$(COMPILE) >&2 || true
	@$(BIN)/python -m sandbox.demo $(ARGS)

# Random faults, kills and halts against the real engine, then the proof that nothing was lost or doubled.
soak: $(RUNTIME)
	$(COMPILE) >&2 || true
	@$(BIN)/python -m sandbox.soak $(ARGS)

# Each seed replays: what breaks prints the line that shows it again.
SEEDS ?= 100
HOURS ?= 2
JOBS ?= 2
FIRST ?= 1
chaos: $(RUNTIME)
	$(COMPILE) >&2 || true
	@$(BIN)/python -m chaos --seeds $(SEEDS) --hours $(HOURS) --jobs $(JOBS) --first $(FIRST) --keep

# Fresh seeds until it is interrupted; the sums go on where the last run ended (var/chaos-long.json).
chaos-long: $(RUNTIME)
	@nice -n 15 $(BIN)/python -m chaos.long --jobs $(JOBS)

# The known faults one by one, with their guards and without.
chaos-scenarios: $(RUNTIME)
	@$(BIN)/python -m chaos.scenarios --seeds $(or $(SCENARIO_SEEDS),1000) --jobs $(JOBS) --keep

# Processes, sockets and files are real; each desk is judged by the venues' own records. KILLS=1000: about an hour.
KILLS ?= 60
crash: $(RUNTIME)
	$(COMPILE) >&2 || true
	@$(BIN)/python -m crash --kills $(KILLS) --jobs $(JOBS) $(ARGS)

test: $(DEV)
	$(COMPILE)
	@$(BIN)/python -m pytest $(ARGS)

# Every part runs, whatever the one before it found: 1,000 virtual hours of faults too. The tests come last, so their
# closing line ends the log. Most of a test is waiting for a socket: three at a time fill two cores. Whole desks (scene,
# soak, crash) are five processes each: two at a time. What fails in the crowd is said, and asked once more alone: only
# what fails twice fails the check.
CROWD := --ignore=tests/scene --ignore=tests/soak --ignore=tests/crash
DESKS := tests/scene $(wildcard tests/soak tests/crash)
PYTEST := $(BIN)/python -m pytest -q --hypothesis-profile=check
AGAIN := echo 'failed above; once more, alone:'; $(PYTEST) --last-failed --last-failed-no-failures none
check: $(DEV)
	$(COMPILE)
	@status=0; \
	$(BIN)/ruff check . || status=1; \
	$(BIN)/ruff format --check . || status=1; \
	$(BIN)/mypy $(PYTHON_CODE) || status=1; \
	$(BIN)/python -m chaos --seeds 450 --hours 2 --jobs 2 --json || status=1; \
	$(PYTEST) -n 3 --durations=12 $(CROWD) || { $(AGAIN) $(CROWD); } || status=$$?; \
	$(PYTEST) -n 2 --durations=12 $(DESKS) || { $(AGAIN) $(DESKS); } || status=$$?; \
	exit $$status

bench: $(BENCH)
	$(COMPILE) >&2
	@for name in $(BENCHES); do $(BIN)/python -m bench.$$name --json || exit 1; done

# Versions younger than three days are left alone: most bad releases are found and withdrawn by then.
RESOLVE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --strip-extras \
	--no-header --no-annotate --exclude-newer '3 days' --extra build
lock: $(DEV)
	$(RESOLVE) $(ARGS) --extra dev --extra bench -o requirements-bench.lock pyproject.toml
	$(RESOLVE) $(ARGS) --extra dev -c requirements-bench.lock -o requirements-dev.lock pyproject.toml
	$(RESOLVE) $(ARGS) -c requirements-bench.lock -o requirements.lock pyproject.toml
