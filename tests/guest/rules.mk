# The guest tests: programs that run natively and then in vmbox (tests/run-guest compares).
# Included by the top Makefile, which sets CC, O, ARCH and MUSL_GCC (empty: no musl variants).
#
# A test is tests/guest/NAME.c, or tests/guest/$(ARCH)/NAME.c for what only one architecture
# has. Comment lines at its top, `// key: value`, say how it is built and run:
#
#	variants: static static-pie musl dynamic	default: static; built as NAME, NAME.pie,
#						NAME.musl and NAME.dyn
#	cflags: -mavx				more flags for the compiler
#	args: 6					its arguments
#	nested-args: 3				instead of these in an emulated machine
#	env: A=1 B=2				environment (vmbox run --env, env natively)
#	stdin: TEXT				one line of standard input; default: empty
#	vmbox-options: --mem 64M		more options for vmbox run
#	expect-status: N			the status wanted on both sides; default 0
#	native: no				run in vmbox alone (spec-*), against expect-status
#	expect-stdout: TEXT			and these lines of output
#	stderr: compare				compare stderr too
#	kernel: VERSION (WHY)			its native run needs at least that Linux; on an
#						older one vmbox's status alone is looked at
#	nested: no				not in an emulated machine; say why in the test
#	nested: vmbox				there in vmbox alone: its status is looked at
#	timeout: SECONDS			default 20; on a machine that does nothing else
#
# Values are split at white space; there is no quoting.

GT_OUT := $(O)/tests/guest
GT_SRC := $(sort $(wildcard tests/guest/*.c tests/guest/$(ARCH)/*.c))
GT_NAMES := $(notdir $(GT_SRC:.c=))
gt_variant = $(notdir $(basename $(shell grep -l '^// variants:.*\<$(1)\>' $(GT_SRC))))
GT_BINS := $(GT_NAMES) $(addsuffix .pie,$(call gt_variant,static-pie)) \
	$(addsuffix .dyn,$(call gt_variant,dynamic)) \
	$(if $(MUSL_GCC),$(addsuffix .musl,$(call gt_variant,musl)))
GT_TOOLS := $(patsubst tests/guest/tools/%.c,%,$(wildcard tests/guest/tools/*.c))
GT_CASES := $(notdir $(wildcard tests/guest/cases/*.sh))

# Tests pass bad lengths and pointers on purpose; the compiler need not say so.
GT_CFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wwrite-strings -Wundef -Wvla $(if $(filter 0,$(WERROR)),,-Werror) \
	-Itests/guest -Wno-unknown-warning-option -Wno-stringop-overflow -Wno-stringop-overread \
	-Wno-format-truncation -Wno-nonnull -Wno-array-bounds
gt_own_cflags = $$(sed -n 's|^// cflags: ||p' $<)

define gt_rule
$(GT_OUT)/%$(1): $(2)/%.c tests/guest/check.h tests/guest/badelf.h tests/guest/rules.mk
	@mkdir -p $$(@D)
	$$(call say,GUEST,$$<)
	$$(Q)$(3) $$(GT_CFLAGS) -MMD -MP -MF $$@.d -MT $$@ $(4) -o $$@ $$< $$(gt_own_cflags)
endef
$(foreach dir,tests/guest tests/guest/$(ARCH),\
	$(eval $(call gt_rule,,$(dir),$$(CC),-static))\
	$(eval $(call gt_rule,.pie,$(dir),$$(CC),-static-pie -fPIE))\
	$(eval $(call gt_rule,.dyn,$(dir),$$(CC),-pie -fPIE))\
	$(eval $(call gt_rule,.musl,$(dir),$$(MUSL_GCC),-static)))

define gt_meta_rule
$(GT_OUT)/%.meta: $(1)/%.c
	@mkdir -p $$(@D)
	@sed -n 's|^// \([a-z-]*\): *\(.*\)$$$$|\1: \2|p' $$< > $$@
endef
$(foreach dir,tests/guest tests/guest/$(ARCH),$(eval $(call gt_meta_rule,$(dir))))

# The benchmark's operations: cases/exits.sh counts what they cost.
$(GT_OUT)/tools/op: $(wildcard tests/bench/op*.c) tests/bench/op.h
	@mkdir -p $(@D)
	$(CC) $(GT_CFLAGS) -static -pthread -o $@ $(filter %.c,$^)

$(GT_OUT)/cases/%.sh: tests/guest/cases/%.sh
	@mkdir -p $(@D)
	@cp $< $@

# The runner goes by this list, so that a test removed from the tree is not run from a stale
# build.
$(GT_OUT)/tests.list: $(GT_SRC) $(wildcard tests/guest/cases/*.sh) tests/guest/rules.mk
	@mkdir -p $(@D)
	@printf '%s\n' $(sort $(GT_BINS)) $(addprefix cases/,$(filter-out lib.sh,$(GT_CASES))) > $@

.PHONY: guest-tests
guest-tests: $(addprefix $(GT_OUT)/,$(GT_BINS) $(addsuffix .meta,$(GT_NAMES)) \
	$(addprefix cases/,$(GT_CASES)) $(addprefix tools/,$(GT_TOOLS) op) tests.list)

-include $(addprefix $(GT_OUT)/,$(GT_BINS:=.d) $(GT_TOOLS:%=tools/%.d))
