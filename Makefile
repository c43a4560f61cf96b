# `make` lists the targets. Everything runs inside .venv, which bin/bootstrap makes and keeps up to date.
PY := .venv/bin/python
# More workers than cores, as config/pytest_workers.py counts them: half of the time a test waits for another process.
PYTEST := $(PY) -m pytest -n auto --dist loadgroup --no-loadscope-reorder
# A run of the tests starts some eighty Python processes. Without bytecode each of them compiles the whole project.
unexport PYTHONDONTWRITEBYTECODE
TEMPLATES := templates
# Of `make soak`: the first schedule, another one each time, and how many.
SEED := $(shell date +%s)
N := 10000

.DEFAULT_GOAL := help
.PHONY: help run quick test check static types style fmt bench soak mutants audit lock clean dev

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: ## start Halyard with a database of its own on http://localhost:8000 (PORT=8001 for another)
	@bin/bootstrap run
	@exec $(PY) -m config.run

test: dev ## run every test, the browser's included (ARGS="-k webhook" for some)
	@bin/chromium
	@$(PYTEST) $(ARGS)

quick: dev ## run in under a minute every test that needs no database, no server and no process of its own
	@$(PY) -m pytest -n auto --maxprocesses 4 --quick $(ARGS)

check: static test ## all that a change must pass: format, lint, types, floors, templates, migrations, tests

static: dev
	@$(MAKE) --no-print-directory -j 2 types style

types:
	@$(PY) -m mypy .

style:
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@.venv/bin/lint-imports
	@.venv/bin/djlint $(TEMPLATES) --check --lint --quiet
	@$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

fmt: dev ## format code and templates
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .
	@.venv/bin/djlint $(TEMPLATES) --reformat --quiet

bench: dev ## measure: the webhook door, a decision, a fan-out, signal to order, stolen sessions (ARGS=--quick: only see that all run)
	@$(PY) -m benchmarks $(ARGS)

soak: dev ## play random orders, faults and crashes against the simulated IBKR (SEED=1 N=10000; a few hours)
	@echo "Schedules $(SEED) to $$(($(SEED) + $(N) - 1))"
	@SOAK_SEED=$(SEED) SOAK_COUNT=$(N) $(PYTEST) brokers/tests/soak/test_soak.py -o timeout=0 $(ARGS)

mutants: dev ## change the rulebook's fees, fills and allocation in 2,000 places and count what tests notice (half an hour)
	@.venv/bin/mutmut run --max-children 2 $(ARGS)
	@.venv/bin/mutmut export-cicd-stats && cat mutants/mutmut-cicd-stats.json

audit: dev ## ask, over the network, whether a locked package has a known weakness
	@.venv/bin/uv tool run --quiet pip-audit --requirement requirements.lock --disable-pip --progress-spinner off $(ARGS)

lock: dev ## resolve the dependencies of pyproject.toml anew and write the lock files
	@.venv/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header pyproject.toml -o requirements.lock
	@.venv/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header pyproject.toml --group dev -o requirements-dev.lock
	@echo uv | .venv/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate - -o bin/uv.txt

clean: ## remove .venv and every cache; your data in .halyard stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis staticfiles
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

dev:
	@bin/bootstrap dev
