// SPDX-License-Identifier: LGPL-2.1-or-later
/* Structures of options, which begin with their size. Any thread. */
#include <errno.h>
#include <string.h>

#include "handle.h"

int systrace_take_options(void *to, size_t size, size_t least, const void *from)
{
	const unsigned char *bytes = from;
	size_t given;

	memset(to, 0, size);
	if (!from)
		return 0;
	memcpy(&given, from, sizeof(given));
	if (given < least)
		return -EINVAL;
	for (size_t i = size; i < given; i++)
		if (bytes[i])
			return -E2BIG;
	memcpy(to, from, given < size ? given : size);
	return 0;
}
