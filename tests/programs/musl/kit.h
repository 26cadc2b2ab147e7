/* The library of the musl root. */
#ifndef KIT_H
#define KIT_H
const char *kit_name(void);
#endif
