# vmbox: make [ARCH=x86_64|arm64] [MODE=release|asan|ubsan|tsan|cov] [CC=gcc|clang] [O=DIR] [WERROR=0]
#
#   make               ./vmbox
#   make check         unit and guest tests
#   make check-nested  the guest tests inside a QEMU machine that has KVM
#   make check-full    everything
#   make bench         what vmbox costs, beside native; bench-nested, bench-report
#   make install       DESTDIR= PREFIX=/usr/local

HOST_ARCH := $(subst aarch64,arm64,$(shell uname -m))
ARCH ?= $(HOST_ARCH)
MODE ?= release
WERROR ?= 1
PREFIX ?= /usr/local

ifeq ($(origin CC),default)
CC := gcc
endif
ifneq ($(ARCH),$(HOST_ARCH))
CROSS_arm64 := aarch64-linux-gnu-
CROSS_x86_64 := x86_64-linux-gnu-
ifneq ($(findstring clang,$(CC)),)
override CC += --target=$(subst arm64,aarch64,$(ARCH))-linux-gnu
else
# gcc, whoever names it, is the cross one; any other name is taken as it is.
override CC := $(patsubst gcc%,$(CROSS_$(ARCH))gcc%,$(patsubst cc,gcc,$(CC)))
endif
# Scripts that compile something (tests/nested/run) do it for this machine.
unexport CC
endif
ccname := $(if $(findstring clang,$(CC)),-clang,)
O ?= build/$(ARCH)-$(MODE)$(ccname)

VERSION := 0.1.0

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wcast-qual -Wwrite-strings -Wundef -Wvla -Wno-unused-parameter
ifeq ($(WERROR),1)
WARN += -Werror
endif

MODE_release := -O2
MODE_asan := -O1 -fsanitize=address -fno-omit-frame-pointer
MODE_ubsan := -O1 -fsanitize=undefined -fno-sanitize-recover=all
MODE_tsan := -O1 -fsanitize=thread
MODE_cov := -O0 --coverage
ifeq ($(MODE_$(MODE)),)
$(error MODE=$(MODE): not one of release asan ubsan tsan cov)
endif

CPPFLAGS += -D_GNU_SOURCE -DVMBOX_VERSION='"$(VERSION)"' -DVMBOX_ARCH='"$(ARCH)"' -I$(O)/gen $(patsubst %,-I%/$(ARCH),paging vmm vmm/linux devices tests/unit)
# At the end of a run: take everything apart, where it is not for users.
CPPFLAGS += $(if $(filter release,$(MODE)),,-DVMBOX_TIDY)
CFLAGS += -std=gnu11 -g $(MODE_$(MODE)) $(WARN) -fno-common -pthread -MMD -MP
LDFLAGS += $(filter -fsanitize=% --coverage,$(MODE_$(MODE))) -pthread

# Every .c and .S in these folders belongs to the program. The machine (vmm, devices)
# exists for an architecture once its folder does.
SRC_DIRS := vmm/core paging vmm/linux devices guest
ifneq ($(wildcard vmm/$(ARCH)/*.c),)
SRC_DIRS += vmm
endif
SRCS := $(foreach d,$(SRC_DIRS),$(wildcard $(d)/*.c $(d)/*.S $(d)/$(ARCH)/*.c $(d)/$(ARCH)/*.S))
OBJS := $(addprefix $(O)/,$(addsuffix .o,$(basename $(SRCS))))
LIB := $(O)/libvmbox.a

UNIT_SRCS := $(wildcard tests/unit/*_test.c)
UNIT_TESTS := $(UNIT_SRCS:%.c=$(O)/%)

# For this machine alone.
MUSL_GCC := $(if $(filter $(HOST_ARCH),$(ARCH)),$(shell command -v musl-gcc 2>/dev/null))

ifneq ($(filter vmm,$(SRC_DIRS)),)
PROGRAM := $(O)/vmbox
endif

# The archive where there is one: nothing to load at each start. A cross compiler may find the library
# alone (Debian has libfdt-dev for one architecture at a time).
LDLIBS += $(if $(filter /%,$(shell $(CC) -print-file-name=libfdt.a)),-l:libfdt.a,-l:libfdt.so.1)

# For users, the C library in the program itself: the dynamic linker takes a twentieth of a small
# program's run. Sanitizers need the other.
ifeq ($(MODE),release)
PROGRAM_LDFLAGS := $(if $(filter-out /%,$(foreach f,rcrt1.o libc.a libfdt.a,$(shell $(CC) -print-file-name=$(f)))),,-static-pie)
endif

# V=1 prints the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '%-5s %s\n' $(1) $(2))

.PHONY: all
all: $(PROGRAM) $(LIB)
ifeq ($(ARCH)-$(MODE),$(HOST_ARCH)-release)
all: vmbox
vmbox: $(PROGRAM)
	@cp -f --remove-destination $(O)/vmbox $@
endif

-include guest/vdso.mk guest/early.mk vmm/jail/jail.mk

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(O)/%.o: %.S
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) $(CPPFLAGS) -g $(filter --target=%,$(CC)) -MMD -MP -c $< -o $@

$(LIB): $(filter-out $(O)/vmm/main.o,$(OBJS)) $(VDSO_OBJ) $(EARLY_OBJ)
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(O)/vmbox: $(O)/vmm/main.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(PROGRAM_LDFLAGS) $^ -o $@ $(LDLIBS)

$(O)/tests/unit/%_test: $(O)/tests/unit/%_test.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ -lcmocka $(LDLIBS)

-include tests/guest/rules.mk tests/bench/rules.mk

.PHONY: unit-tests check check-unit check-guest check-nested check-full check-style check-model bench bench-nested bench-report clean install
# Objects on the way to a test stay: no word of their removal after the last line of `make check`.
.SECONDARY:
unit-tests: $(UNIT_TESTS)

# Another architecture's run under QEMU's user emulation.
check-unit: unit-tests
	$(if $(filter-out $(HOST_ARCH),$(ARCH)),RUNNER="qemu-$(subst arm64,aarch64,$(ARCH))-static -L /" UNIT_TIMEOUT=600) \
		tests/run-unit $(UNIT_TESTS)

check-style:
	docs/gen-compat --check
	tests/include-rules
	tests/check-format

check-model:
	tests/model/run

check: all unit-tests guest-tests
	tests/check --vmbox $(O)/vmbox --build $(O) --unit "$(UNIT_TESTS)" --arch $(ARCH) $(CHECK_ARGS)

check-nested: all guest-tests $(O)/tests/unit/kvm_paging_test
	tests/check-nested --arch $(ARCH) --vmbox $(O)/vmbox --build $(O) $(CHECK_ARGS)

check-full:
	tests/check-full

# Another architecture's runs in the nested machine, with few rows; bench-nested does that with this one's.
BENCH = tests/bench/bench --vmbox $(O)/vmbox --bin $(O)/tests/bench
# Enough operations that the emulator's translations of what is executed first do not count.
BENCH_FEW = --rounds 3 --scale 2 --filter 'calls|mappings|sync|processes|ring-2|ring-16|ring-100|startup|sh-200$(if $(filter $(HOST_ARCH),$(ARCH)),*)'
BENCH_NESTED = tests/nested/run --arch $(ARCH) --timeout 1800 --mem 2560 --add $(O)/vmbox --add $(O)/tests/bench \
	--add tests/bench $(if $(filter $(HOST_ARCH),$(ARCH)),$(patsubst %,--add %,$(shell command -v busybox) /bin/sh /bin/true)) \
	--get /tmp/bench.json:$(O)/bench-nested.json -- $(BENCH) --exitless on --json /tmp/bench.json

bench: all bench-progs
	$(if $(filter $(HOST_ARCH),$(ARCH)),$(BENCH) --json $(O)/bench.json,$(BENCH_NESTED) --label arm64-el2-emulated $(BENCH_FEW)) $(BENCH_ARGS)

bench-nested: all bench-progs
	$(BENCH_NESTED) --label $(if $(filter x86_64,$(ARCH)),svm,$(ARCH)-el2)-emulated $(BENCH_FEW) $(BENCH_ARGS)

# docs/benchmarks.md and its plots, from what the runs above have left.
bench-report:
	tests/bench/report $(wildcard build/*/bench.json build/*/bench-nested.json)

# `vmbox nested` finds its runner in lib/vmbox/nested, compiled helpers beside it.
NESTED_LIB = $(DESTDIR)$(PREFIX)/lib/vmbox/nested
NESTED_C = init bzimage carry
NESTED_TOOL = $(CC) -O2 -std=gnu11 -D_GNU_SOURCE -static -s -o

install: $(PROGRAM)
	install -D -m 755 $(O)/vmbox $(DESTDIR)$(PREFIX)/bin/vmbox
	install -D -m 644 docs/vmbox.1 $(DESTDIR)$(PREFIX)/share/man/man1/vmbox.1
	install -d $(NESTED_LIB)
	install -m 755 tests/nested/run tests/nested/fetch-kernel $(NESTED_LIB)
	install -m 644 tests/nested/common.sh $(NESTED_C:%=tests/nested/%.c) $(NESTED_LIB)
	for c in $(NESTED_C); do $(NESTED_TOOL) $(NESTED_LIB)/$$c-$(ARCH) tests/nested/$$c.c || exit; done

clean:
	rm -rf build vmbox

-include $(OBJS:.o=.d) $(UNIT_TESTS:=.d)
