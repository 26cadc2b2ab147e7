# The early code: a flat image that the VMM puts into a new VM, and an object that carries it
# inside the program. Included by the top Makefile, which sets CC, O, ARCH, Q and say, after
# vdso.mk.
#
#	$(EARLY_BIN)	the image
#	$(EARLY_OBJ)	early_image_start .. early_image_end

EARLY_BIN := $(O)/guest/early.bin
EARLY_OBJ := $(O)/guest/early-image.o
EARLY_SRC := guest/$(ARCH)/early/entry.S guest/early/early.c guest/tree.c
EARLY_HDR := guest/abi.h guest/$(ARCH)/abi_arch.h guest/tree.h

# As the vDSO's, but linked for one address.
EARLY_ARCH_CFLAGS_x86_64 := -mno-red-zone
EARLY_CFLAGS := $(filter-out -fPIC -fasynchronous-unwind-tables,$(VDSO_CFLAGS)) -Os -fno-pic -fno-pie \
	-fno-asynchronous-unwind-tables $(EARLY_ARCH_CFLAGS_$(ARCH))
EARLY_LDFLAGS := -static -nostdlib -Wl,-T,$(O)/guest/early.lds -Wl,--build-id=none \
	-Wl,--no-undefined -Wl,-z,noexecstack -Wl,--fatal-warnings
OBJCOPY ?= $(if $(filter-out $(HOST_ARCH),$(ARCH)),$(CROSS_$(ARCH)))objcopy

$(EARLY_BIN): $(EARLY_SRC) $(EARLY_HDR) guest/early/early.lds.S guest/early.mk guest/vdso.mk
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) -E -P -x c guest/early/early.lds.S -o $(O)/guest/early.lds
	$(Q)$(CC) $(EARLY_CFLAGS) $(EARLY_LDFLAGS) -o $(O)/guest/early.elf $(EARLY_SRC)
	$(Q)$(OBJCOPY) -O binary $(O)/guest/early.elf $@

$(EARLY_OBJ): guest/early/image.S $(EARLY_BIN)
	$(call say,AS,$<)
	$(Q)$(CC) -DEARLY_BIN='"$(EARLY_BIN)"' -c -o $@ $<
