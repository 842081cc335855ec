# SPDX-License-Identifier: MIT
# A small front for Meson; `make help` lists the targets.

BUILD  ?= build
PREFIX ?= /usr/local
PYTHON ?= /usr/bin/python3
FUZZ_SECONDS ?= 60
# On other machines the local engine does not support the tier kata yet.
VM_DEPS := $(if $(filter x86_64,$(shell uname -m)),vm)
# Prefers the distribution's Meson: another Meson early on PATH may belong to another Python.
MESON  := $(firstword $(wildcard /usr/bin/meson) meson)
SOURCES = $(shell find include src lib rpc cli agent guest tests bench examples -name '*.[ch]')
CLANG  ?= clang
GCC    ?= gcc
# The three warnings that are left out were wrong each time. The analyzer sees one file at a time,
# and only C code. It does not see that a function of another file has set the target of a pointer,
# or keeps the memory that it is given.
ANALYZE = -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-use-of-uninitialized-value -Wno-analyzer-null-argument

.DELETE_ON_ERROR:
.PHONY: all build asan deps tools demo lint clang analyze coverage check check-fast check-quick check-vms check-trixie soak bench bench-docker bench-tiers bench-gvisor fuzz wheel npm install uninstall format clean help

all: build  ## build the library and the programs (default)

$(BUILD)/build.ninja:
	@command -v $(MESON) >/dev/null || { echo "meson is missing: make deps" >&2; exit 1; }
	$(MESON) setup --prefix=$(PREFIX) $(BUILD)

build: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet
	@ln -sfn cli/light-runner $(BUILD)/light-runner

$(BUILD)-asan/build.ninja:
	$(MESON) setup -Db_sanitize=address,undefined -Db_lundef=false $(BUILD)-asan

asan: $(BUILD)-asan/build.ninja  ## build with AddressSanitizer and UBSan, in build-asan
	@ninja -C $(BUILD)-asan --quiet
	@ln -sfn cli/light-runner $(BUILD)-asan/light-runner

deps:  ## install the packages that are missing (DEPS=skip: do not)
ifneq ($(DEPS),skip)
	@scripts/install-deps build runtime test demo lint $(VM_DEPS)
endif

tools: deps  ## build the test tools that Debian does not have (gVisor, a current dockerd, images; some minutes, once, into the cache)
ifneq ($(DEPS),skip)
	@(scripts/make-image python && scripts/make-image programs) >/dev/null & images=$$!; \
	scripts/install-runsc --quiet && scripts/install-dockerd --quiet; code=$$?; \
	wait $$images || echo "make: without these images the tests that run in them are skipped" >&2; exit $$code
endif

demo: deps  ## one run from beginning to end, with a Python image
	@$(MAKE) --no-print-directory build
	@scripts/demo $(BUILD)

check: tools  ## every test, twice: as built, and with the sanitizers; lint; a build with clang
	@$(MAKE) --no-print-directory build asan
	@$(MAKE) --no-print-directory DEPS=skip clang
	@scripts/as-root $(PYTHON) tests/run --build $(BUILD) --sanitized $(BUILD)-asan

check-fast: deps  ## the tests that fail most often: layers, unit, fuzz corpora, contract and hostile in the cell local-runc
	@$(MAKE) --no-print-directory build
	@scripts/as-root $(PYTHON) tests/run --build $(BUILD) --fast

check-quick: tools  ## every test, once
	@$(MAKE) --no-print-directory build
	@scripts/as-root $(PYTHON) tests/run --build $(BUILD)

check-vms: tools  ## every test in light-runner's own VMs (tier kata): half an hour if they are emulated
	@$(MAKE) --no-print-directory build
	@scripts/as-root $(PYTHON) tests/run --build $(BUILD) --cell local-kata

check-trixie: deps  ## the tests of the cell local-runc on Debian 13, in a root that mmdebstrap makes
	@scripts/as-root scripts/in-debian trixie make --no-print-directory DEPS=skip BUILD=build-trixie build
	@scripts/as-root scripts/in-debian trixie $(PYTHON) tests/run --build build-trixie --cell local-runc --only unit --only contract --only hostile

lint: deps  ## check the form of the sources: clang-format, shellcheck, flake8
	@scripts/lint

$(BUILD)-clang/build.ninja:
	CC="$(CLANG)" $(MESON) setup -Doptimization=0 -Ddebug=false $(BUILD)-clang

clang: deps $(BUILD)-clang/build.ninja  ## build with clang, which has other warnings, in build-clang
	@ninja -C $(BUILD)-clang --quiet

$(BUILD)-analyze/build.ninja:
	CC="$(GCC)" CFLAGS="$(ANALYZE)" $(MESON) setup -Dtests=false $(BUILD)-analyze

analyze: deps $(BUILD)-analyze/build.ninja  ## gcc's static analyzer over the programs and the library (a minute or two)
	@ninja -C $(BUILD)-analyze --quiet

$(BUILD)-coverage/build.ninja:
	$(MESON) setup -Db_coverage=true -Doptimization=0 -Dc_args=-fprofile-update=atomic $(BUILD)-coverage

coverage: tools $(BUILD)-coverage/build.ninja  ## show the lines that unit tests, fuzz corpora and the cell local-runc execute
ifneq ($(DEPS),skip)
	@scripts/install-deps coverage
endif
	@ninja -C $(BUILD)-coverage --quiet
	@ln -sfn cli/light-runner $(BUILD)-coverage/light-runner
	@find $(BUILD)-coverage -name '*.gcda' -delete
	@scripts/as-root $(PYTHON) tests/run --build $(BUILD)-coverage --fast || \
	echo "Tests may fail in this build: processes that may not write their counts say so. The report follows."
	@gcovr --root . --object-directory $(BUILD)-coverage --filter 'src/|lib/|cli/|rpc/|agent/' --gcov-ignore-parse-errors --sort-percentage --print-summary

soak: tools  ## 2000 runs of every kind with SIGKILLs in between (RUNS, SEED)
	@$(MAKE) --no-print-directory build
	@scripts/as-root $(PYTHON) tests/faults/soak.py --build $(BUILD) --runs $(or $(RUNS),2000) $(if $(SEED),--seed $(SEED))

bench: tools  ## measure what a run costs, beside the bare OCI runtime
	@$(MAKE) --no-print-directory build
	@scripts/as-root $(PYTHON) bench/bench.py --build $(BUILD)

bench-docker: tools  ## measure runs on Docker, beside Docker's own command line
	@$(MAKE) --no-print-directory build
	@scripts/as-root $(PYTHON) bench/docker.py --build $(BUILD)

bench-tiers: tools  ## measure the tiers against one another, on every engine; the picture goes into docs/
	@$(MAKE) --no-print-directory build
	@scripts/as-root $(PYTHON) bench/tiers.py --build $(BUILD) --json $(BUILD)/tiers.json --svg docs/tiers.svg

bench-gvisor: tools  ## measure what each of gVisor's settings does to the tier runsc
	@$(MAKE) --no-print-directory build
	@scripts/as-root $(PYTHON) bench/gvisor.py --build $(BUILD)

$(BUILD)-fuzz/build.ninja:
	CC=clang $(MESON) setup -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false $(BUILD)-fuzz

fuzz:  ## run every fuzzer for FUZZ_SECONDS (default 60)
ifneq ($(DEPS),skip)
	@scripts/install-deps build test fuzz
endif
	@$(MAKE) --no-print-directory $(BUILD)-fuzz/build.ninja
	@ninja -C $(BUILD)-fuzz --quiet
	@scripts/fuzz $(BUILD)-fuzz $(FUZZ_SECONDS)

wheel: build  ## a package for pip with the executables in it, in BUILD/packages
	@$(PYTHON) scripts/build-packages wheel --build $(BUILD)

npm: build  ## the packages for npm, the executables in one of their own, in BUILD/packages
	@$(PYTHON) scripts/build-packages npm --build $(BUILD)

install: build  ## install under PREFIX (default /usr/local; DESTDIR is honoured)
	$(MESON) install -C $(BUILD) --no-rebuild

uninstall:  ## remove the installed files (DESTDIR is honoured)
	@DESTDIR=$(DESTDIR) $(PYTHON) scripts/uninstall $(BUILD)

format:  ## clang-format over every C file
	clang-format -i $(SOURCES)

clean:  ## remove the build folders
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-fuzz $(BUILD)-clang $(BUILD)-analyze $(BUILD)-coverage build-trixie

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##  */\1\t/p' Makefile | expand -t 14
	@echo "Variables: BUILD=$(BUILD) PREFIX=$(PREFIX) DEPS=skip FUZZ_SECONDS=$(FUZZ_SECONDS)"
