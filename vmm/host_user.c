/* Users and groups of the host: see host_user.h. */
#include "host_user.h"

#include <stdio.h>
#include <string.h>

const struct passwd *host_user(const char *name, uid_t uid)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *pw = NULL;

	while (f && (pw = fgetpwent(f)))
		if (name ? strcmp(pw->pw_name, name) == 0 : pw->pw_uid == uid)
			break;
	if (f)
		fclose(f);
	return pw;
}

const struct group *host_group(const char *name)
{
	FILE *f = fopen("/etc/group", "re");
	struct group *gr = NULL;

	while (f && (gr = fgetgrent(f)))
		if (strcmp(gr->gr_name, name) == 0)
			break;
	if (f)
		fclose(f);
	return gr;
}
