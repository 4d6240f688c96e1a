/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SYSTRACE_DEVICE_H
#define SYSTRACE_DEVICE_H

/* Make /dev/systrace, and take it away. */
int systrace_device_init(void);
void systrace_device_exit(void);

#endif
