# The project's commands; `make` alone lists them. Needs make and Python 3.11 or newer, nothing else.

.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
# The locks are whole, so nothing is left to resolve; older versions of pip resolve extras past the pins and fail
# (pypa/pip#9644).
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps
CORES := $(shell $(PYTHON) -c 'import os; print(os.cpu_count())')
# Two more than there are processors: the tests of faults and those from end to end, which SQLite's run has not, wait
# more than they work.
PYTEST := $(BIN)/pytest -q --dist loadgroup -n $(shell expr $(CORES) + 2)
UV_COMPILE := $(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url -q --python-version 3.11

# Hundreds of processes of a test run would compile all the code again.
export PYTHONDONTWRITEBYTECODE :=

# The newest Python that is supported, where it is installed too: `make ci` tests on both.
NEWER := $(shell python3.13 -c 'import sys; print(sys.executable)' 2>/dev/null)

# A stamp carries the checksum of its lock: file times say nothing after a clone or a checkout.
checksum = $(shell cat $(1) | cksum | cut -d' ' -f1)
RUNTIME := $(VENV)/.runtime-$(call checksum,requirements.txt)
DEV := $(VENV)/.dev-$(call checksum,requirements.txt requirements-dev.txt)
NODE := $(VENV)/node-$(call checksum,clients/typescript/package-lock.json)
BENCH := $(VENV)/.bench-$(call checksum,requirements.txt requirements-dev.txt requirements-bench.txt)

##@ Use

.PHONY: run
run: prepare ## Start web, worker and schedule with demo data; PORT=8000
	@$(MANAGE) seed_demo
	@exec $(MANAGE) run_all

.PHONY: serve
serve: prepare ## Migrate, then start the web server only, without demo data
	@case "$$DJANGO_SETTINGS_MODULE" in *.production) $(MANAGE) collectstatic --noinput --verbosity 0;; esac
	@exec $(BIN)/gunicorn config.wsgi

.PHONY: worker
worker: $(RUNTIME) ## Start a worker with the schedule
	@exec $(BIN)/celery -A config worker -B --pool threads --loglevel INFO

.PHONY: demo
demo: prepare ## Put the demo data back as it was
	@$(MANAGE) seed_demo --reset

.PHONY: reset
reset: $(RUNTIME) ## Empty DATA_DIR (asks first)
	@$(MANAGE) reset_data

.PHONY: prepare
prepare: $(RUNTIME)
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) createcachetable --verbosity 0
	@$(MANAGE) ensure_admin

##@ Check

.PHONY: test
test: $(DEV) ## Run the tests, on PostgreSQL and Redis where they can be had
	$(PYTEST)

.PHONY: test-sqlite
test-sqlite: $(DEV) ## Run the tests on SQLite
	FORECOURT_TEST_DB=sqlite $(PYTEST) -n $(CORES) -m "not slow and not browser" $(SQLITE_ARGS)

.PHONY: cov
cov: $(DEV) ## Run the tests with coverage; the report is htmlcov/index.html
	$(PYTEST) --cov --cov-report=term:skip-covered --cov-report=html

.PHONY: faults
faults: $(DEV) ## Kill and starve the real parts, see nothing lost, write docs/reliability.md
	$(PYTEST) -m fault --long --reliability docs/reliability.md

.PHONY: fuzz
fuzz: $(DEV) ## Fuzz by the schema: three seeds, and two users against a planted leak
	$(BIN)/python -m tests.fuzz

.PHONY: fuzz-short
fuzz-short: $(DEV)
	$(BIN)/python -m tests.fuzz --seeds 7 --examples 5 --phases coverage

.PHONY: bench
bench: $(BENCH) ## Measure against the peers side by side
	$(BIN)/python -m tests.benchmarks

.PHONY: lint
lint: $(DEV) ## Check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: check
check: $(DEV) ## Check packages, migrations, schema, deployment settings and what the repository holds
	@$(BIN)/pip --disable-pip-version-check check
	$(MANAGE) makemigrations --check --dry-run
	@$(call schema,$(VENV)/schema.yml)
	@diff -u schema.yml $(VENV)/schema.yml || { echo "schema.yml is not what the code says: run 'make schema'"; exit 1; }
	@$(call production,check --deploy --fail-level WARNING)
	@! git grep -nIE $(LEAKS) -- . ':!Makefile' ':!*.svg' || { echo "Secrets or paths of one machine in the repository"; exit 1; }

# Where the database makes no difference, above all pages, long walks, properties, texts, settings and stand-ins: in
# `make ci` PostgreSQL's run has them.
ANY_DATABASE := $(addprefix --ignore=tests/,security admin standins schema test_permissions.py test_docs.py test_benchmarks.py \
	accounts/test_csvfile.py auctions/test_secrets.py auctions/test_s3.py auctions/test_bidding_properties.py auctions/test_fees.py \
	auctions/test_pictures.py cars/test_odometer_plausibility.py cars/test_vin.py common/test_fields.py common/test_http.py \
	common/test_http_tls.py common/test_schema.py common/test_settings.py workshop/test_stock_properties.py)

# Two at a time, where each keeps one processor busy; what they print stays apart.
BESIDE := $(MAKE) --no-print-directory --jobs 2 --output-sync=recurse

.PHONY: ci
ci: $(DEV) ## Everything that must hold before a change lands
	@$(BESIDE) lint check
	$(PYTEST)
	@$(BESIDE) ci-sqlite fuzz-short

.PHONY: ci-sqlite
ci-sqlite:
	$(MAKE) test-sqlite SQLITE_ARGS='$(ANY_DATABASE) --cov --cov-report=term:skip-covered' $(if $(NEWER),VENV=.venv-newer PYTHON=$(NEWER))

##@ Make

.PHONY: schema
schema: $(DEV) ## Write schema.yml
	@$(call schema,schema.yml)

.PHONY: postman
postman: $(DEV) ## Write docs/forecourt.postman_collection.json from schema.yml
	@$(BIN)/python -m clients.postman

.PHONY: lock
lock: $(DEV) ## Resolve the dependencies of pyproject.toml into the lock files
	$(UV_COMPILE) pyproject.toml -o requirements.txt --custom-compile-command "make lock"
	$(UV_COMPILE) -c requirements.txt pyproject.toml --group dev -o requirements-dev.txt --custom-compile-command "make lock"
	$(UV_COMPILE) -c requirements-dev.txt --group bench -o requirements-bench.txt --custom-compile-command "make lock"

.PHONY: help
help:
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

# The schema must not depend on who writes it: no .env, the default address.
schema = FORECOURT_IGNORE_DOTENV=1 BACKEND_URL=http://localhost:8000 $(MANAGE) spectacular --validate --fail-on-warn --file $(1)
# Production settings with secrets that live as long as the command.
random = $$(head -c 48 /dev/urandom | base64 | tr -d '\n')
production = FORECOURT_IGNORE_DOTENV=1 DJANGO_SETTINGS_MODULE=config.settings.production DATA_DIR=$(VENV)/check \
	SECRET_KEY="$(random)" JWT_SECRET_KEY="$(random)" METRICS_TOKEN="$(random)" BACKEND_URL=https://forecourt.example \
	ALLOWED_HOSTS=forecourt.example DATABASE_URL=postgres://check@localhost/check REDIS_URL=redis://localhost:6379/0 \
	EMAIL_URL=smtp+tls://mail.forecourt.example:587 \
	$(MANAGE) $(1)
LEAKS := '(^|[^A-Za-z0-9_.-])/(home|Users|root)/[a-z]|-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|sk_live_[0-9a-zA-Z]|--(extra-)?(index-url|find-links)'

$(BIN)/pip:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed; none was found (set PYTHON=/path/to/python3)."; exit 1; }
	@echo "Building $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); echo "On Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(RUNTIME): | $(BIN)/pip
	@echo "Installing requirements.txt ..."
	@$(PIP) -r requirements.txt
	@rm -f $(VENV)/.runtime-* && touch $@

$(DEV): | $(BIN)/pip
	@echo "Installing requirements-dev.txt ..."
	@$(PIP) -r requirements-dev.txt
	@rm -f $(VENV)/.runtime-* $(VENV)/.dev-* && touch $@ $(RUNTIME)

# The packages of the TypeScript client and newman: the tests that need them ask for this once.
.PHONY: node
node: $(NODE)/.done
	@echo $(NODE)

$(NODE)/.done:
	@rm -rf $(VENV)/node-* && mkdir -p $(NODE)
	@cp clients/typescript/package.json clients/typescript/package-lock.json clients/typescript/.npmrc $(NODE)
	@npm ci --prefix $(NODE) --silent
	@touch $@

$(BENCH): $(DEV)
	@echo "Installing requirements-bench.txt ..."
	@$(PIP) -r requirements-bench.txt
	@rm -f $(VENV)/.bench-* && touch $@
