# gaidaros: builds into build/, installs nothing unless asked. `make help` lists the targets.

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
CC      ?= cc
VERSION := 0.1.0

# The floors of the house; a helper build may name only some of them.
ROOMS ?= base net share conf balance relay worker admin director master

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
        -Wcast-qual -Wformat=2 -Wundef -Wvla -Wimplicit-fallthrough -Wswitch-enum \
        $(if $(CI),-Werror)
BASE_CFLAGS := -std=c17 -D_GNU_SOURCE -Iinclude -fno-common -fno-strict-aliasing -pthread -g $(WARN) \
        -DGAIDAROS_VERSION='"$(VERSION)"'
LIBS := -lev -linih -lmicrohttpd -ljansson -lcap -lm -pthread

# Variants: release is what users get; san is release code under ASan and UBSan;
# hooks is release code plus tests/hooks, through which tests hang, crash or shift a process.
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fPIE
CFLAGS_san     := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -fPIE
CFLAGS_hooks   := $(CFLAGS_release)
LDFLAGS_release := -pie -Wl,-z,relro,-z,now
LDFLAGS_san     := -pie -fsanitize=address,undefined
LDFLAGS_hooks   := $(LDFLAGS_release) -Wl,--wrap=clock_now_ns

LIB_SRC  := $(sort $(wildcard $(ROOMS:%=src/%/*.c)))
HOOK_SRC := $(sort $(wildcard tests/hooks/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/*_test.c))
UNITS    := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)

all: $(BUILD)/gaidaros $(BUILD)/gaidarosctl
san: $(BUILD)/san/gaidaros $(BUILD)/san/gaidarosctl
hooks: $(BUILD)/hooks/gaidaros
units: $(UNITS)

define VARIANT
$(BUILD)/obj/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(BASE_CFLAGS) $$(CFLAGS_$(1)) $$(CFLAGS) -MMD -MP -c -o $$@ $$<
$(BUILD)/obj/$(1)/lib.a: $$(LIB_SRC:%.c=$(BUILD)/obj/$(1)/%.o)
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach variant,release san hooks,$(eval $(call VARIANT,$(variant))))

define LINK # target, variant, object with main, further objects
$(1): $(BUILD)/obj/$(2)/$(3).o $(4) $(BUILD)/obj/$(2)/lib.a
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS_$(2)) $$(LDFLAGS) -o $$@ $$^ $$(LIBS)
endef
$(eval $(call LINK,$(BUILD)/gaidaros,release,src/main))
$(eval $(call LINK,$(BUILD)/gaidarosctl,release,src/ctl/ctl))
$(eval $(call LINK,$(BUILD)/san/gaidaros,san,src/main))
$(eval $(call LINK,$(BUILD)/san/gaidarosctl,san,src/ctl/ctl))
$(eval $(call LINK,$(BUILD)/hooks/gaidaros,hooks,src/main,$(HOOK_SRC:%.c=$(BUILD)/obj/hooks/%.o)))

# Unit tests: always under the sanitizers.
$(BUILD)/unit/%_test: $(BUILD)/obj/san/tests/unit/%_test.o $(BUILD)/obj/san/lib.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_san) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

.PHONY: all san hooks units clean
.SECONDARY:
