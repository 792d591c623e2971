# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# A thin front for Meson and Ninja; `make help` says what there is.

BUILD      ?= build
# e.g. MESON_OPTS='-Dlockcheck=false --buildtype=release'
MESON_OPTS ?=
# Options of `meson test`, e.g. TEST_OPTS='--suite quick'
TEST_OPTS  ?=
BENCH_OPTS ?=
PREFIX     ?= /usr/local
DESTDIR    ?=
# A kernel tree or tarball for conformance instead of linux-source-6.12 (docs/ci.md)
KSRC       ?=

WERROR = $(if $(filter true 1,$(CI)),-Dwerror=true)

.PHONY: all setup setup-conformance demo check conformance conformance-long bench fuzz fuzz-insn sanitize lint try mutants deb install clean help
.DELETE_ON_ERROR:

all: setup $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet >$(BUILD)/ninja.log 2>&1; status=$$?; \
	grep -v -e '^ninja: no work' -e '^ninja: Entering' $(BUILD)/ninja.log; exit $$status
	@[ ! -x $(BUILD)/src/cli/softcvm ] || ln -sfn src/cli/softcvm $(BUILD)/softcvm

# Installs what is missing (root or sudo, once); silent when all is there.
setup:
	@tools/setup

$(BUILD)/build.ninja: | setup
	@echo 'softcvm: first build, about a minute'
	@meson setup $(BUILD) --prefix=$(PREFIX) $(WERROR) $(MESON_OPTS) >$(BUILD).log 2>&1 || \
		{ cat $(BUILD).log; rm -f $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

demo: all
	@$(BUILD)/softcvm exec -- $(BUILD)/examples/conversion

# Limits of time are for what hangs, not for a machine that is slow or has much else to do.
check: all
	@rm -f $(BUILD)/meson-logs/testlog.json
	@meson test -C $(BUILD) --no-rebuild --print-errorlogs --timeout-multiplier 4 \
		$(TEST_OPTS) </dev/null; \
	status=$$?; \
	tools/test-summary $(BUILD)/meson-logs/testlog.json && exit $$status

# With KSRC the distribution's kernel source is not needed.
setup-conformance:
	@tools/setup --conformance || [ -n '$(KSRC)' ]

conformance: all setup-conformance
	@KSRC='$(KSRC)' BUILD='$(BUILD)' tools/conformance/run --ci

conformance-long: all setup-conformance
	@KSRC='$(KSRC)' BUILD='$(BUILD)' tools/conformance/run --long

# Its own build: optimised, and without the checks of locks.  BENCH_OPTS='--only prefault'
bench: setup
	@[ -f build-release/build.ninja ] || \
		meson setup build-release --buildtype=release -Dlockcheck=false -Daudit=false >build-release.log 2>&1 || \
		{ cat build-release.log; exit 1; }
	@rm -f build-release.log
	@ninja -C build-release --quiet src/cli/softcvm src/preload/libsoftcvm-preload.so \
		bench-programs >build-release/ninja.log 2>&1 || { cat build-release/ninja.log; exit 1; }
	@tools/bench-report $(BENCH_OPTS) build-release

# libFuzzer (clang) on each target of fuzz/ for TIME seconds.
fuzz: setup
	@tools/fuzz --time $(TIME)

# Random instructions against this machine's processor for TIME seconds; MODE=16|32|64, SEED=N.
TIME ?= 3600
fuzz-insn: all
	@$(BUILD)/tests/model/insn/insn-differential --time $(TIME) $(if $(MODE),--mode $(MODE)) \
		$(if $(SEED),--seed $(SEED))

sanitize: setup
	@tools/sanitize

lint: all
	@tools/lint

# A change of the source on a copy: which test fails, and for which guarantee.
# CHANGE: a name of examples/changes/, `all`, or a patch file.
try: all
	@[ -n '$(CHANGE)' ] || { echo 'make try CHANGE=NAME; there are:'; tools/try --list; exit 2; }
	@tools/try --build '$(BUILD)' '$(CHANGE)'

# One rule of the source flipped at a time, on a copy; a test must fail (tools/mutants --help).
# MUTANTS: a set of tools/mutants.tsv, or paths as 'src/kvm/irq'; SEED=N, NUMBER=N;
# SECONDS_MAX=N ends it early.
MUTANTS ?= rmp
NUMBER ?= 100
mutants: all
	@nice tools/mutants --build '$(BUILD)' --number $(NUMBER) $(if $(SEED),--seed $(SEED)) \
		$(if $(SECONDS_MAX),--time $(SECONDS_MAX)) $(MUTANTS)

# Debian packages in $(BUILD)/deb, and what lintian says of them.
deb:
	@tools/setup --deb
	@packaging/make-deb '$(BUILD)/deb'

install: all
	@DESTDIR='$(DESTDIR)' meson install -C $(BUILD) --no-rebuild --quiet

clean:
	rm -rf $(BUILD) build-release build-asan build-tsan build-fuzz

help:
	@echo 'make                   build everything into $(BUILD)/'
	@echo 'make demo              run a confidential VM, step by step'
	@echo 'make check             all tests'
	@echo 'make conformance       the kernel'"'"'s own KVM selftests that fit in CI (KSRC=DIR: another kernel tree)'
	@echo 'make conformance-long  all of them'
	@echo 'make bench             time, memory and system calls, against the goals and the kernel'"'"'s trees'
	@echo 'make fuzz              libFuzzer on each target of fuzz/ (TIME=SECONDS)'
	@echo 'make fuzz-insn         random instructions on the model and on this processor (TIME=SECONDS)'
	@echo 'make sanitize          unit and ABI tests under ASan+UBSan and under TSan'
	@echo 'make lint              layers, sizes, headers, licences, format'
	@echo 'make try CHANGE=NAME   what a change of the source breaks, on a copy (docs/try-a-change.md)'
	@echo 'make mutants           flip one rule of the RMP at a time: a test must fail (SEED=2; MUTANTS=src/kvm/irq)'
	@echo 'make deb               Debian packages in $(BUILD)/deb, checked by lintian'
	@echo 'make install           PREFIX=$(PREFIX), DESTDIR='
	@echo 'make clean             remove the build folders'
	@echo
	@echo 'Missing Debian packages are installed by tools/setup (tools/setup --all: for every target).'
