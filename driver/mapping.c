// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages are handed out one by one as they are touched, with a reference each,
 * so that CPUs can come up later and a page that is mapped outlives its session.
 *
 * session->mutex is never taken here: ioctls hold it, and mmap_lock, which is
 * held here, must not be inside of it.
 */
#include <linux/mm.h>

#include "block.h"
#include "compat.h"
#include "mapping.h"

static u64 control_size(struct systrace_session *session)
{
	return (u64)session->control.nr << PAGE_SHIFT;
}

static u64 data_size(struct systrace_session *session)
{
	return session->header->bytes +
	       (u64)session->header->nr_rings * session->header->bytes_stride;
}

void systrace_mapping_ranges(struct systrace_session *session, struct systrace_setup *setup)
{
	setup->control_offset = 0;
	setup->control_size = control_size(session);
	setup->data_offset = setup->control_size;
	setup->data_size = data_size(session);
}

static int no_split(struct vm_area_struct *vma, unsigned long address)
{
	return -EINVAL;
}

static int no_move(struct vm_area_struct *vma)
{
	return -EINVAL;
}

static vm_fault_t hand_out(struct vm_fault *vmf, struct page *page)
{
	get_page(page);
	vmf->page = page;
	return 0;
}

/* --- data: read-only --- */

static vm_fault_t data_fault(struct vm_fault *vmf)
{
	struct systrace_session *session = vmf->vma->vm_file->private_data;
	unsigned long ring_pages = session->ring_bytes >> PAGE_SHIFT;
	unsigned long i = vmf->pgoff - session->control.nr;
	struct systrace_cpu *c;
	unsigned long cpu;

	if (i < session->header_pages.nr)
		return hand_out(vmf, session->header_pages.page[i]);
	i -= session->header_pages.nr;
	cpu = i / (2 * ring_pages);
	if (cpu >= nr_cpu_ids || !cpu_possible(cpu))
		return VM_FAULT_SIGBUS;
	c = per_cpu_ptr(session->cpus, cpu);
	if (!systrace_cpu_has_ring(c))
		return VM_FAULT_SIGBUS;
	return hand_out(vmf, c->pages.page[i % ring_pages]);
}

static const struct vm_operations_struct data_ops = {
	.may_split = no_split,
	.mremap = no_move,
	.fault = data_fault,
};

static int mmap_data(struct vm_area_struct *vma)
{
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;
	vm_flags_clear(vma, VM_MAYWRITE);
	vma->vm_ops = &data_ops;
	return 0;
}

/* --- control: what the consumer writes --- */

static vm_fault_t control_fault(struct vm_fault *vmf)
{
	struct systrace_session *session = vmf->vma->vm_file->private_data;

	return hand_out(vmf, session->control.page[vmf->pgoff]);
}

/* A try of mremap copies the mapping before it is refused. */
static void control_open(struct vm_area_struct *vma)
{
	struct systrace_session *session = vma->vm_file->private_data;

	spin_lock(&session->map_lock);
	session->control_maps++;
	spin_unlock(&session->map_lock);
}

static void control_close(struct vm_area_struct *vma)
{
	struct systrace_session *session = vma->vm_file->private_data;

	spin_lock(&session->map_lock);
	if (!--session->control_maps)
		WRITE_ONCE(session->consumer, NULL);
	spin_unlock(&session->map_lock);
	systrace_block_kick(session);	/* nobody waits for a reader that is gone */
}

static const struct vm_operations_struct control_ops = {
	.open = control_open,
	.close = control_close,
	.may_split = no_split,
	.mremap = no_move,
	.fault = control_fault,
};

static int mmap_control(struct systrace_session *session, struct vm_area_struct *vma)
{
	int err = -EBUSY;

	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	spin_lock(&session->map_lock);
	if (!session->control_maps) {
		session->control_maps = 1;
		WRITE_ONCE(session->consumer, vma->vm_mm);
		vma->vm_ops = &control_ops;
		err = 0;
	}
	spin_unlock(&session->map_lock);
	return err;
}

int systrace_mapping_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct systrace_session *session = file->private_data;
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 size = vma->vm_end - vma->vm_start;
	int err = -EINVAL;

	if (!smp_load_acquire(&session->is_setup)) /* pairs with systrace_session_setup */
		return -EBADFD;
	if ((file->f_mode & (FMODE_READ | FMODE_WRITE)) != (FMODE_READ | FMODE_WRITE))
		return -EACCES;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (offset == 0 && size == control_size(session))
		err = mmap_control(session, vma);
	else if (offset == control_size(session) && size == data_size(session))
		err = mmap_data(vma);
	if (err)
		return err;
	vm_flags_clear(vma, VM_MAYEXEC);
	vm_flags_set(vma, VM_IO | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}
