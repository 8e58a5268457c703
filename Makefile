# gaidaros: builds into build/, installs nothing unless asked. `make help` lists the targets.

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
CC      ?= cc
PYTHON  ?= /usr/bin/python3
VERSION := 0.1.0

# The floors of the house; a helper build may name only some of them.
ROOMS ?= base net share conf balance tls relay worker admin director master

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
        -Wcast-qual -Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough -Wswitch-enum \
        $(if $(CI),-Werror)
# For --version: what only pkg-config knows.
TELL_VERSION = $(addprefix -D$(1)_VERSION=,$(patsubst %,'"%"',$(shell pkg-config --modversion $(2) 2>/dev/null)))
BASE_CFLAGS := -std=c17 -D_GNU_SOURCE -Iinclude -fno-common -fno-strict-aliasing -pthread -g $(WARN) \
        -DGAIDAROS_VERSION='"$(VERSION)"' $(call TELL_VERSION,INIH,inih) $(call TELL_VERSION,LIBCAP,libcap)
LIBS := -lev -linih -lmicrohttpd -ljansson -lcap -lcares -lssl -lcrypto -lcrypt -lm -pthread

# Variants: release is what users get; san is release code under ASan and UBSan;
# hooks is release code plus tests/hooks, through which tests hang, crash or shift a process;
# fuzz is built by clang with its fuzzer's counters.
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fPIE
CFLAGS_san     := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -fPIE
CFLAGS_hooks   := $(CFLAGS_release)
CFLAGS_fuzz    := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
        -Wno-string-conversion -Wno-cast-qual
LDFLAGS_release := -pie -Wl,-z,relro,-z,now
LDFLAGS_san     := -pie -fsanitize=address,undefined
LDFLAGS_hooks   := $(LDFLAGS_release) -Wl,--wrap=clock_now_ns
LDFLAGS_fuzz    := -fsanitize=fuzzer,address,undefined
CC_fuzz         := clang

# What each kind of target needs of Debian's packages; nothing is listed that is not used.
PACKAGES_BUILD := gcc libc6-dev pkg-config libev-dev libinih-dev libmicrohttpd-dev libjansson-dev libcap-dev libcrypt-dev \
        libc-ares-dev libssl-dev
PACKAGES_TEST  := libcmocka-dev sslscan testssl.sh python3 python3-pytest python3-pytest-xdist curl wrk nginx-light \
        libnginx-mod-stream haproxy hitch redis-server redis-tools postgresql exim4-daemon-light openssl dnsmasq-base iproute2 strace \
        chromium chromium-driver python3-selenium prometheus rsyslog rsyslog-pgsql zsh fish
PACKAGES_LINT  := clang-format clang-tidy cppcheck man-db
PACKAGES_BENCH := python3 haproxy nginx-light libnginx-mod-stream hitch openssl linux-perf
PACKAGES_FUZZ  := clang libclang-rt-14-dev

LIB_SRC  := $(sort $(wildcard $(ROOMS:%=src/%/*.c)))
# Files that lie in the program as they are.
ASSETS := $(wildcard src/admin/*.js src/admin/*.css src/admin/*.svg)

# What gaidarosctl has besides its main.
CTL_SRC  := $(filter-out src/ctl/ctl.c,$(sort $(wildcard src/ctl/*.c)))
HOOK_SRC := $(sort $(wildcard tests/hooks/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/*_test.c))
UNITS    := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)
# What unit tests share.
UNIT_RIG := $(filter-out $(UNIT_SRC),$(sort $(wildcard tests/unit/*.c)))
# A test tool is a program; what has a header of its own is shared by the tools.
TOOL_SRC    := $(sort $(wildcard tests/tools/*.c))
TOOL_SHARED := $(patsubst %.h,%.c,$(wildcard tests/tools/*.h))
TOOLS       := $(patsubst tests/tools/%.c,$(BUILD)/tools/%,$(filter-out $(TOOL_SHARED),$(TOOL_SRC)))
BENCHES     := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(sort $(wildcard tests/bench/*_bench.c)))
# The bench's load client for TLS: all of tests/bench that is no micro bench.
TLSLOAD_SRC := $(filter-out %_bench.c,$(sort $(wildcard tests/bench/*.c)))
FUZZERS     := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(sort $(wildcard tests/fuzz/*_fuzz.c)))

# A make of its own for what comes after the packages are there: on all cores, unless told otherwise.
AGAIN = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

# One short line for each command; V=1 shows it whole.
TELL = $(if $(V),,@echo '  $(1)'; )

all: $(BUILD)/gaidaros $(BUILD)/gaidarosctl
san: $(BUILD)/san/gaidaros $(BUILD)/san/gaidarosctl
hooks: $(BUILD)/hooks/gaidaros
units: $(UNITS)
tools: $(TOOLS)
demo: $(BUILD)/demo
benches: $(BENCHES) $(BUILD)/bench/tlsload
fuzzers: $(FUZZERS)

define VARIANT
$(BUILD)/obj/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(call TELL,compile $(1) $$<)$$(or $$(CC_$(1)),$$(CC)) $$(BASE_CFLAGS) $$(CFLAGS_$(1)) $$(CFLAGS) -MMD -MP -c -o $$@ $$<
$(BUILD)/obj/$(1)/src/admin/assets.o: $(ASSETS)
$(BUILD)/obj/$(1)/lib.a: $$(LIB_SRC:%.c=$(BUILD)/obj/$(1)/%.o)
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach variant,release san hooks fuzz,$(eval $(call VARIANT,$(variant))))

define LINK # target, variant, object with main, further objects
$(1): $(BUILD)/obj/$(2)/$(3).o $(4) $(BUILD)/obj/$(2)/lib.a
	@mkdir -p $$(@D)
	$$(call TELL,link $$@)$$(or $$(CC_$(2)),$$(CC)) $$(LDFLAGS_$(2)) $$(LDFLAGS) -o $$@ $$^ $$(LIBS)
endef
$(eval $(call LINK,$(BUILD)/gaidaros,release,src/main))
$(eval $(call LINK,$(BUILD)/gaidarosctl,release,src/ctl/ctl,$(CTL_SRC:%.c=$(BUILD)/obj/release/%.o)))
$(eval $(call LINK,$(BUILD)/san/gaidaros,san,src/main))
$(eval $(call LINK,$(BUILD)/san/gaidarosctl,san,src/ctl/ctl,$(CTL_SRC:%.c=$(BUILD)/obj/san/%.o)))
$(eval $(call LINK,$(BUILD)/hooks/gaidaros,hooks,src/main,$(HOOK_SRC:%.c=$(BUILD)/obj/hooks/%.o)))
$(eval $(call LINK,$(BUILD)/demo,release,etc/examples/demo))
$(foreach bench,$(BENCHES),$(eval $(call LINK,$(bench),release,tests/bench/$(notdir $(bench)))))
$(foreach fuzzer,$(FUZZERS),$(eval $(call LINK,$(fuzzer),fuzz,tests/fuzz/$(notdir $(fuzzer)))))

# Unit tests: always under the sanitizers.
$(BUILD)/unit/%_test: $(BUILD)/obj/san/tests/unit/%_test.o $(UNIT_RIG:%.c=$(BUILD)/obj/san/%.o) \
                      $(CTL_SRC:%.c=$(BUILD)/obj/san/%.o) $(BUILD)/obj/san/lib.a
	@mkdir -p $(@D)
	$(call TELL,link $@)$(CC) $(LDFLAGS_san) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

# Test tools stand on their own: they must not share a fault with what they test.
$(BUILD)/tools/%: $(BUILD)/obj/release/tests/tools/%.o $(TOOL_SHARED:%.c=$(BUILD)/obj/release/%.o)
	@mkdir -p $(@D)
	$(call TELL,link $@)$(CC) $(LDFLAGS_release) $(LDFLAGS) -o $@ $^ -lm -pthread

$(BUILD)/bench/tlsload: $(TLSLOAD_SRC:%.c=$(BUILD)/obj/release/%.o) $(BUILD)/obj/release/tests/tools/kit.o
	@mkdir -p $(@D)
	$(call TELL,link $@)$(CC) $(LDFLAGS_release) $(LDFLAGS) -o $@ $^ -lssl -lcrypto -pthread

# --- setting up, running, testing -----------------------------------------------------------

deps: deps-build deps-test deps-lint deps-bench deps-fuzz
deps-build:
	@tests/tools/deps.sh $(PACKAGES_BUILD)
deps-test:
	@tests/tools/deps.sh $(PACKAGES_TEST)
deps-lint:
	@tests/tools/deps.sh $(PACKAGES_LINT)
deps-bench:
	@tests/tools/deps.sh $(PACKAGES_BENCH)
deps-fuzz:
	@tests/tools/deps.sh $(PACKAGES_FUZZ)
# apt-get holds a lock: one after the other, also under -j.
deps-test deps-lint deps-bench deps-fuzz: | deps-build
deps-lint: | $(if $(filter deps,$(MAKECMDGOALS)),deps-test)
deps-bench: | $(if $(filter deps,$(MAKECMDGOALS)),deps-lint)
deps-fuzz: | $(if $(filter deps,$(MAKECMDGOALS)),deps-bench)

# DEMO_PORT and DEMO_ADMIN_PORT choose other ports than 8080 and 7001.
run: deps-build
	@$(AGAIN) all demo
	@$(BUILD)/demo $(BUILD)/gaidaros etc/demo.conf

check: deps-build deps-test
	@$(AGAIN) all san hooks units tools demo $(BUILD)/bench/tlsload
	@BUILD=$(BUILD) $(PYTHON) tests/tools/check.py

soak: deps-build deps-test
	@$(AGAIN) all san hooks units tools demo
	@BUILD=$(BUILD) $(PYTHON) tests/tools/check.py --soak

# MODE=plain or MODE=tls runs one of them.
MODE ?= plain tls
BENCH_plain := tests/bench/run.py
BENCH_tls   := tests/bench/tls.py
bench: deps-build deps-bench
	@$(AGAIN) all tools benches
	@for bench in $(foreach mode,$(MODE),$(or $(BENCH_$(mode)),$(error MODE is plain or tls, not $(mode)))); do \
	    BUILD=$(BUILD) $(PYTHON) $$bench || exit; done

FUZZ_TIME ?= 60
fuzz: deps-build deps-fuzz
	@$(AGAIN) fuzzers
	@BUILD=$(BUILD) tests/fuzz/run.sh $(FUZZ_TIME) $(FUZZERS)

# --- lint: one stamp per file and tool, so that all cores work and a second run is short -------

LINT_SRC  := $(sort $(wildcard src/*.c src/*/*.c etc/examples/*.c))
LINT_ALSO := $(sort $(wildcard tests/*/*.c tests/*/*.h))
LINT_HDR  := $(sort $(wildcard include/*/*.h))
STAMPS    := $(BUILD)/lint
# Of gcc 12's analyzer, what reports mostly what is not so; clang's analyzer and LeakSanitizer watch the same.
NOT_ANALYZED := -Wno-analyzer-malloc-leak -Wno-analyzer-use-of-uninitialized-value \
        -Wno-analyzer-null-argument -Wno-analyzer-null-dereference

lint: deps-build deps-lint
	@$(AGAIN) --keep-going --output-sync=target lint-layers lint-headers lint-format lint-cppcheck lint-manual \
	        $(LINT_SRC:%.c=$(STAMPS)/%.tidy) $(LINT_SRC:%.c=$(STAMPS)/%.analyzer)
	@echo "lint: nothing found in $(words $(LINT_SRC) $(LINT_ALSO) $(LINT_HDR)) files"
lint-layers:
	@tests/lint/layers.sh
lint-headers:
	@CC="$(CC)" tests/lint/headers.sh $(BASE_CFLAGS)
lint-format:
	@clang-format --dry-run -Werror $(LINT_SRC) $(LINT_ALSO) $(LINT_HDR)
lint-cppcheck:
	@mkdir -p $(STAMPS)/cppcheck
	@cppcheck --quiet -j$(shell nproc) --cppcheck-build-dir=$(STAMPS)/cppcheck --std=c11 -Iinclude \
	        -D_GNU_SOURCE -DGAIDAROS_VERSION='"$(VERSION)"' --inline-suppr --error-exitcode=1 \
	        --enable=warning,performance,portability --suppress=missingIncludeSystem src
lint-manual: $(BUILD)/gaidaros $(BUILD)/gaidarosctl
	@BUILD=$(BUILD) tests/lint/manual.sh
$(STAMPS)/%.tidy: %.c $(LINT_HDR) .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- $(BASE_CFLAGS) 2>$@.log || { grep -v 'warnings generated' $@.log; exit 1; }
	@touch $@
$(STAMPS)/%.analyzer: %.c $(LINT_HDR)
	@mkdir -p $(@D)
	@$(CC) $(BASE_CFLAGS) -O1 -fanalyzer $(NOT_ANALYZED) -Werror -c -o /dev/null $<
	@touch $@

# --- installing -----------------------------------------------------------------------------

BINDIR   = $(PREFIX)/bin
SBINDIR  = $(PREFIX)/sbin
MANDIR   = $(PREFIX)/share/man
SHELLDIR = $(PREFIX)/share
COMPLETIONS = $(SHELLDIR)/bash-completion/completions/gaidarosctl $(SHELLDIR)/zsh/vendor-completions/_gaidarosctl \
              $(SHELLDIR)/fish/vendor_completions.d/gaidarosctl.fish
UNITDIR  = $(PREFIX)/lib/systemd/system
INITDIR  = /etc/init.d
CONFDIR  = /etc/gaidaros
# The shipped scripts name the default prefix; the installed ones name the real one.
RELOCATE = sed 's|/usr/local/sbin|$(SBINDIR)|g; s|/usr/local/bin|$(BINDIR)|g'

install: all
	install -d '$(DESTDIR)$(SBINDIR)' '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(CONFDIR)' '$(DESTDIR)$(INITDIR)' \
	        '$(DESTDIR)$(UNITDIR)' $(foreach n,1 5 8,'$(DESTDIR)$(MANDIR)/man$(n)') \
	        $(foreach file,$(COMPLETIONS),'$(DESTDIR)$(dir $(file))')
	install -m 755 $(BUILD)/gaidaros '$(DESTDIR)$(SBINDIR)/gaidaros'
	install -m 755 $(BUILD)/gaidarosctl '$(DESTDIR)$(BINDIR)/gaidarosctl'
	@if [ -e '$(DESTDIR)$(CONFDIR)/gaidaros.conf' ]; then \
	    echo 'keeping $(DESTDIR)$(CONFDIR)/gaidaros.conf as it is'; \
	else \
	    echo install -m 644 etc/gaidaros.conf '$(DESTDIR)$(CONFDIR)/gaidaros.conf'; \
	    install -m 644 etc/gaidaros.conf '$(DESTDIR)$(CONFDIR)/gaidaros.conf'; \
	fi
	$(RELOCATE) etc/init.d/gaidaros >'$(DESTDIR)$(INITDIR)/gaidaros'
	chmod 755 '$(DESTDIR)$(INITDIR)/gaidaros'
	$(RELOCATE) etc/systemd/gaidaros.service >'$(DESTDIR)$(UNITDIR)/gaidaros.service'
	chmod 644 '$(DESTDIR)$(UNITDIR)/gaidaros.service'
	$(BUILD)/gaidarosctl completion bash >'$(DESTDIR)$(SHELLDIR)/bash-completion/completions/gaidarosctl'
	$(BUILD)/gaidarosctl completion zsh >'$(DESTDIR)$(SHELLDIR)/zsh/vendor-completions/_gaidarosctl'
	$(BUILD)/gaidarosctl completion fish >'$(DESTDIR)$(SHELLDIR)/fish/vendor_completions.d/gaidarosctl.fish'
	chmod 644 $(COMPLETIONS:%='$(DESTDIR)%')
	install -m 644 man/gaidarosctl.1 '$(DESTDIR)$(MANDIR)/man1/gaidarosctl.1'
	install -m 644 man/gaidaros.conf.5 '$(DESTDIR)$(MANDIR)/man5/gaidaros.conf.5'
	install -m 644 man/gaidaros.8 '$(DESTDIR)$(MANDIR)/man8/gaidaros.8'

uninstall:
	rm -f $(COMPLETIONS:%='$(DESTDIR)%') '$(DESTDIR)$(SBINDIR)/gaidaros' '$(DESTDIR)$(BINDIR)/gaidarosctl' '$(DESTDIR)$(INITDIR)/gaidaros' \
	      '$(DESTDIR)$(UNITDIR)/gaidaros.service' '$(DESTDIR)$(MANDIR)/man1/gaidarosctl.1' \
	      '$(DESTDIR)$(MANDIR)/man5/gaidaros.conf.5' '$(DESTDIR)$(MANDIR)/man8/gaidaros.8'
	@if [ -e '$(DESTDIR)$(CONFDIR)/gaidaros.conf' ]; then echo 'keeping $(DESTDIR)$(CONFDIR)'; fi

# The tables of gaidaros.conf(5) come from the table that also parses the file, the chapters of gaidarosctl(1) from the
# tables of commands and calls. One run makes all pages.
PAGES := man/gaidaros.conf.5 man/gaidarosctl.1
manual: $(PAGES)
$(PAGES) &: $(PAGES:%=%.in) $(BUILD)/gaidaros $(BUILD)/gaidarosctl
	BUILD=$(BUILD) tests/lint/manual.sh --write

clean:
	rm -rf $(BUILD)

help:
	@echo 'make             build/gaidaros and build/gaidarosctl'
	@echo 'make run         install what is missing, build, run the demo (DEMO_PORT=8080 DEMO_ADMIN_PORT=7001)'
	@echo 'make check       install what is missing, build, run all tests; last line: N passed, N failed'
	@echo 'make lint        layers, headers, formatting, clang-tidy, cppcheck, gcc -fanalyzer, manual'
	@echo 'make soak        the long tests'
	@echo 'make bench       cost per connection, request and GB, beside haproxy and nginx (MODE=plain), over TLS (MODE=tls)'
	@echo 'make fuzz        fuzz every parser of foreign bytes (FUZZ_TIME=60 seconds each)'
	@echo 'make deps        install the Debian packages that all of these need'
	@echo 'make install     into PREFIX=/usr/local below DESTDIR; keeps an existing /etc/gaidaros/gaidaros.conf'
	@echo 'make uninstall   the reverse; keeps /etc/gaidaros'
	@echo 'make manual      gaidaros.conf(5) and gaidarosctl(1) from their templates and tables'
	@echo 'make clean       remove build/'

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

.PHONY: all san hooks units tools demo benches fuzzers deps deps-build deps-test deps-lint deps-bench deps-fuzz \
        run check soak bench fuzz lint lint-layers lint-headers lint-format lint-cppcheck lint-manual \
        install uninstall manual clean help
.SECONDARY:
