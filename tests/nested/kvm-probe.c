/*
 * Does KVM work here? Makes a virtual machine with one page of memory, runs
 * three instructions in it and checks what came out. Prints "kvm-probe: ok" and
 * ends with 0, or says in one line which step failed and ends with 1.
 *
 * The instructions and the registers are the architecture's: x86_64/probe-guest.h
 * and arm64/probe-guest.h, each with guest_code, guest_prepare() and guest_check().
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>

#define PROBE_VALUE 0x42

__attribute__((noreturn)) static void fail(const char *what)
{
	printf("kvm-probe: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
	exit(1);
}

/* ioctl(2) that must work: its result. */
static int must(int fd, unsigned long request, void *arg, const char *what)
{
	int rc = ioctl(fd, request, arg);

	if (rc < 0)
		fail(what);
	return rc;
}

#include "probe-guest.h"

static void *page_map(size_t len, int fd, int flags)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (at == MAP_FAILED)
		fail("mmap");
	return at;
}

int main(void)
{
	struct kvm_userspace_memory_region slot = {.memory_size = 0x10000};
	struct kvm_run *run;
	int kvm, vm, vcpu, size;
	void *memory;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		fail("/dev/kvm");
	if (must(kvm, KVM_GET_API_VERSION, NULL, "KVM_GET_API_VERSION") != KVM_API_VERSION) {
		errno = 0;
		fail("KVM_GET_API_VERSION");
	}
	vm = must(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	memory = page_map(slot.memory_size, -1, MAP_SHARED | MAP_ANONYMOUS);
	memcpy(memory, guest_code, sizeof(guest_code));
	slot.userspace_addr = (uintptr_t)memory;
	must(vm, KVM_SET_USER_MEMORY_REGION, &slot, "KVM_SET_USER_MEMORY_REGION");
	vcpu = must(vm, KVM_CREATE_VCPU, NULL, "KVM_CREATE_VCPU");
	size = must(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	run = page_map((size_t)size, vcpu, MAP_SHARED);
	guest_prepare(vm, vcpu);
	must(vcpu, KVM_RUN, NULL, "KVM_RUN");
	errno = 0;
	if (!guest_check(vcpu, run)) {
		fprintf(stderr, "kvm-probe: exit reason %u\n", run->exit_reason);
		fail("the guest's exit");
	}
	printf("kvm-probe: ok\n");
	return 0;
}
