# The vDSO: a small shared library that vmbox maps into every guest process, and an object that
# carries it inside the program. Included by the top Makefile, which
# sets CC, O, ARCH, Q and say.
#
#	$(VDSO_SO)	the library, checked
#	$(VDSO_OBJ)	vdso_image_start .. vdso_image_end: the same, page aligned and padded

VDSO_SO := $(O)/guest/vdso.so
VDSO_OBJ := $(O)/guest/vdso-image.o
VDSO_SRC := $(wildcard guest/$(ARCH)/vdso/*.c guest/$(ARCH)/vdso/*.S)
VDSO_HDR := guest/abi.h guest/$(ARCH)/abi_arch.h $(wildcard guest/vdso/*.h guest/$(ARCH)/vdso/*.h)
VDSO_LDS := guest/$(ARCH)/vdso/vdso.lds
READELF ?= readelf

# Its own flags: the sanitizers and hardening of the program need a C library.
VDSO_ARCH_CFLAGS_x86_64 := -fcf-protection=none
VDSO_ARCH_CFLAGS_arm64 := -mbranch-protection=none
VDSO_CFLAGS := -std=gnu11 -O2 -g0 -fPIC -ffreestanding -fno-stack-protector -fno-lto \
	-fasynchronous-unwind-tables -fno-strict-aliasing -fno-jump-tables -mgeneral-regs-only \
	$(VDSO_ARCH_CFLAGS_$(ARCH)) -Wall -Wextra -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla \
	$(if $(filter 0,$(WERROR)),,-Werror)
VDSO_LDFLAGS := -shared -nostdlib -Wl,-T,$(VDSO_LDS) -Wl,-soname,linux-vdso.so.1 \
	-Wl,--hash-style=both -Wl,--eh-frame-hdr -Wl,--build-id=sha1 -Wl,-Bsymbolic \
	-Wl,--no-undefined -Wl,-z,max-page-size=4096 -Wl,-z,norelro -Wl,-z,noexecstack \
	-Wl,--fatal-warnings -Wl,-s

$(VDSO_SO): $(VDSO_SRC) $(VDSO_HDR) $(VDSO_LDS) guest/vdso/check guest/vdso.mk
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(VDSO_CFLAGS) $(VDSO_LDFLAGS) -o $@.tmp $(VDSO_SRC)
	$(Q)READELF='$(READELF)' guest/vdso/check $@.tmp
	@mv $@.tmp $@

$(VDSO_OBJ): guest/vdso/image.S $(VDSO_SO)
	$(call say,AS,$<)
	$(Q)$(CC) -DVDSO_SO='"$(VDSO_SO)"' -c -o $@ $<
