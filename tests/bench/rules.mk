# The programs that tests/bench/bench runs natively and in vmbox. Included by the top Makefile.

BENCH_OUT := $(O)/tests/bench
BENCH_CC = $(CC) -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	$(if $(filter 0,$(WERROR)),,-Werror)
BENCH_OP := $(wildcard tests/bench/op*.c)

$(BENCH_OUT)/op: $(BENCH_OP) tests/bench/op.h tests/bench/rules.mk
	@mkdir -p $(@D)
	$(BENCH_CC) -static -pthread -o $@ $(BENCH_OP)

$(BENCH_OUT)/%: tests/bench/%.c tests/bench/rules.mk
	@mkdir -p $(@D)
	$(BENCH_CC) -static -o $@ $<

$(BENCH_OUT)/%-dynamic: tests/bench/%.c tests/bench/rules.mk
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ $<

.PHONY: bench-progs
bench-progs: $(addprefix $(BENCH_OUT)/,op hello hello-dynamic nothing nothing-dynamic)
