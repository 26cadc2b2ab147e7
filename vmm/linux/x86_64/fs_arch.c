/*
 * struct epoll_event; and O_LARGEFILE as the kernel's, not the C library's, which defines it as 0:
 * F_GETFL shows it.
 */
#include "../sys_fs.h"

/* struct epoll_event is packed here. */
const unsigned arch_epoll_event_size = 12, arch_epoll_data_offset = 4;

const unsigned arch_o_largefile = 0100000;
