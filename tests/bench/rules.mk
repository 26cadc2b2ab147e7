# The programs that tests/bench/bench runs natively and in vmbox. Included by the top Makefile.

BENCH_OUT := $(O)/tests/bench
BENCH_PROGS := op hello

$(BENCH_OUT)/%: tests/bench/%.c tests/bench/rules.mk
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
		$(if $(filter 0,$(WERROR)),,-Werror) -static -pthread -o $@ $<

.PHONY: bench-progs
bench-progs: $(addprefix $(BENCH_OUT)/,$(BENCH_PROGS))
