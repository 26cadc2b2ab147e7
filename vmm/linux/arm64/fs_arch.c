/*
 * struct epoll_event; and O_LARGEFILE as the kernel's, not the C library's, which defines it as 0:
 * F_GETFL shows it.
 */
#include "../sys_fs.h"

const unsigned arch_epoll_event_size = 16, arch_epoll_data_offset = 8;

const unsigned arch_o_largefile = 0400000;
