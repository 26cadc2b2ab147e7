/* The ioctls of netdevice(7): there is "lo", and nothing else. */
#include "socket.h"

#include <linux/sockios.h>
#include <string.h>

#define NAME_SIZE   16
#define LO_INDEX    1
#define LO_FLAGS    8 /* IFF_LOOPBACK */
#define LO_MTU      65536
#define LO_TXQLEN   1000
#define LO_HARDWARE 772 /* ARPHRD_LOOPBACK */

/* struct ifreq of 64-bit machines. */
struct ifreq_k {
	char name[NAME_SIZE];
	union {
		int32_t value;
		uint16_t family; /* of an address of zeros */
		int16_t flags;
		uint8_t bytes[24];
	} u;
};
struct ifconf_k {
	int32_t len, pad;
	uint64_t buf;
};

static bool is_lo(const struct ifreq_k *r)
{
	return !strcmp(r->name, "lo");
}

/* What can be asked of lo: 0 and the answer in *r. */
static int ask(unsigned cmd, struct ifreq_k *r)
{
	if (cmd == SIOCGIFNAME ? r->u.value != LO_INDEX : !is_lo(r))
		return -ENODEV;
	switch (cmd) {
	case SIOCGIFNAME:
		memset(r->name, 0, sizeof(r->name));
		strcpy(r->name, "lo");
		break;
	case SIOCGIFINDEX:
		r->u.value = LO_INDEX;
		break;
	case SIOCGIFFLAGS:
		r->u.flags = LO_FLAGS;
		break;
	case SIOCGIFMETRIC:
		r->u.value = 0;
		break;
	case SIOCGIFMTU:
		r->u.value = LO_MTU;
		break;
	case SIOCGIFTXQLEN:
		r->u.value = LO_TXQLEN;
		break;
	case SIOCGIFHWADDR:
		memset(r->u.bytes, 0, 16);
		r->u.family = LO_HARDWARE;
		break;
	case SIOCGIFMAP:
		memset(r->u.bytes, 0, sizeof(r->u.bytes));
		break;
	default: /* SIOCGIFSLAVE */
		return -EINVAL;
	}
	return 0;
}

/* Nobody may administrate what is not there. */
static long change(unsigned cmd)
{
	switch (cmd) {
	case SIOCSIFFLAGS:
	case SIOCSIFMETRIC:
	case SIOCSIFMTU:
	case SIOCSIFHWADDR:
	case SIOCSIFHWBROADCAST:
	case SIOCSIFMAP:
	case SIOCSIFNAME:
	case SIOCSIFTXQLEN:
	case SIOCSIFSLAVE:
	case SIOCADDMULTI:
	case SIOCDELMULTI:
	case SIOCGMIIPHY:
	case SIOCGMIIREG:
	case SIOCSMIIREG:
		return -EPERM;
	default:
		return -ENOTTY;
	}
}

/* No interface has an address. */
static long list(struct task *t, uint64_t arg)
{
	struct ifconf_k c;

	if (copy_from_guest(task_mm(t), &c, gva(arg), sizeof(c)))
		return -EFAULT;
	c.len = 0;
	return copy_to_guest(task_mm(t), gva(arg), &c, sizeof(c));
}

long netdev_ioctl(struct task *t, unsigned cmd, uint64_t arg)
{
	struct ifreq_k r;
	long err;

	switch (cmd) {
	case SIOCGIFCONF:
		return list(t, arg);
	case SIOCGIFNAME:
	case SIOCGIFINDEX:
	case SIOCGIFFLAGS:
	case SIOCGIFMETRIC:
	case SIOCGIFMTU:
	case SIOCGIFTXQLEN:
	case SIOCGIFHWADDR:
	case SIOCGIFMAP:
	case SIOCGIFSLAVE:
		if (copy_from_guest(task_mm(t), &r, gva(arg), sizeof(r)))
			return -EFAULT;
		r.name[NAME_SIZE - 1] = 0;
		err = ask(cmd, &r);
		return err ? err : copy_to_guest(task_mm(t), gva(arg), &r, sizeof(r));
	default:
		err = change(cmd);
		if (err == -EPERM && copy_from_guest(task_mm(t), &r, gva(arg), sizeof(r)))
			return -EFAULT;
		return err;
	}
}
