# The filter of system calls, made on this machine for the one that vmbox is for. Included by the top
# Makefile, which sets O, ARCH, Q and say.

HOSTCC ?= cc

$(O)/gen/jail_filter.h: vmm/jail/gen.c vmm/jail/jail.mk
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(HOSTCC) -std=gnu11 -O1 -Wall -Wextra -D_GNU_SOURCE -o $(O)/gen/jail-gen $< -lseccomp
	$(Q)$(O)/gen/jail-gen $(ARCH) > $@.new && mv $@.new $@

$(O)/vmm/jail.o: $(O)/gen/jail_filter.h
