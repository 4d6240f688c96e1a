/* SPDX-License-Identifier: GPL-2.0-only */
/* The two ranges that a consumer maps. */
#ifndef SYSTRACE_MAPPING_H
#define SYSTRACE_MAPPING_H

#include "session.h"

/* Fill in where they are and how long. */
void systrace_mapping_ranges(struct systrace_session *session, struct systrace_setup *setup);

/* The file's mmap: mmap_lock is held. */
int systrace_mapping_mmap(struct file *file, struct vm_area_struct *vma);

#endif
