// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory objects: the agent pool and the two objects of each region. Unlinked shmem files: sparse,
 * charged to who touches them, never swapped. Set-up only; the data path of programs and
 * accelerator runs over their own mappings.
 * An application maps its RO object such that it can never become writable (law 3).
 */
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/nospec.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "eta_ka.h"

#define MAP_OFF_BITS 40 /* ETA_MAP_OFF: offset in the object, kind, region */
#define MAP_KIND_MASK 0xfu

static void eta_ka_head_unmap(struct eta_ka_mem *mem)
{
	if (mem->head)
		vunmap(mem->head);
	while (mem->head_pages)
		put_page(mem->pages[--mem->head_pages]);
	kvfree(mem->pages);
	mem->head = NULL;
	mem->pages = NULL;
}

/* Holds the pages that the core works on, and maps them in one piece. */
static int eta_ka_head_map(struct eta_ka_mem *mem, u32 n)
{
	struct address_space *mapping = mem->file->f_mapping;

	if (!n)
		return 0;
	mem->pages = kvcalloc(n, sizeof(*mem->pages), GFP_KERNEL);
	if (!mem->pages)
		return -ENOMEM;
	while (mem->head_pages < n) {
		struct page *page = shmem_read_mapping_page(mapping, mem->head_pages);

		if (IS_ERR(page))
			return PTR_ERR(page);
		set_page_dirty(page);
		mem->pages[mem->head_pages++] = page;
		cond_resched();
	}
	mem->head = vmap(mem->pages, n, VM_MAP, PAGE_KERNEL);
	return mem->head ? 0 : -ENOMEM;
}

int eta_ka_mem_create(struct eta_ka_mem *mem, const char *name, u64 size, u64 head_size)
{
	struct file *file;
	int ret;

	file = shmem_file_setup(name, size, VM_NORESERVE);
	if (IS_ERR(file))
		return PTR_ERR(file);
	mapping_set_unevictable(file->f_mapping);
	spin_lock(&eta_ka.mem_lock);
	mem->file = file;
	mem->size = size;
	spin_unlock(&eta_ka.mem_lock);
	ret = eta_ka_head_map(mem, DIV_ROUND_UP_ULL(head_size, PAGE_SIZE));
	if (ret)
		eta_ka_mem_destroy(mem);
	return ret;
}

/* Programs that still have it mapped keep the file; nobody else does. */
void eta_ka_mem_destroy(struct eta_ka_mem *mem)
{
	struct file *file = mem->file;

	if (!file)
		return;
	spin_lock(&eta_ka.mem_lock);
	mem->file = NULL;
	spin_unlock(&eta_ka.mem_lock);
	eta_ka_head_unmap(mem);
	fput(file);
}

/* One page of an object, or NULL where nothing was ever written and `create` is not wanted. */
static struct page *eta_ka_mem_page(struct eta_ka_mem *mem, u64 off, bool create)
{
	struct address_space *mapping = mem->file->f_mapping;

	if (!create)
		return find_get_page(mapping, off >> PAGE_SHIFT);
	return shmem_read_mapping_page(mapping, off >> PAGE_SHIFT);
}

static bool eta_ka_mem_inside(const struct eta_ka_mem *mem, u64 off, u32 len)
{
	return mem->file && off <= mem->size && len <= mem->size - off;
}

int eta_ka_mem_write(struct eta_ka_mem *mem, u64 off, const void *data, u32 len)
{
	if (!eta_ka_mem_inside(mem, off, len))
		return -EINVAL;
	while (len) {
		u32 n = min_t(u32, len, PAGE_SIZE - offset_in_page(off));
		struct page *page = eta_ka_mem_page(mem, off, true);

		if (IS_ERR(page))
			return PTR_ERR(page);
		memcpy(page_address(page) + offset_in_page(off), data, n);
		set_page_dirty(page);
		put_page(page);
		data += n;
		off += n;
		len -= n;
	}
	return 0;
}

int eta_ka_mem_read(struct eta_ka_mem *mem, u64 off, void *data, u32 len)
{
	if (!eta_ka_mem_inside(mem, off, len))
		return -EINVAL;
	while (len) {
		u32 n = min_t(u32, len, PAGE_SIZE - offset_in_page(off));
		struct page *page = eta_ka_mem_page(mem, off, false);

		if (page) {
			memcpy(data, page_address(page) + offset_in_page(off), n);
			put_page(page);
		} else {
			memset(data, 0, n);
		}
		data += n;
		off += n;
		len -= n;
	}
	return 0;
}

void eta_ka_mem_clear(struct eta_ka_mem *mem, u64 off, u32 len)
{
	if (!eta_ka_mem_inside(mem, off, len))
		return;
	while (len) {
		u32 n = min_t(u32, len, PAGE_SIZE - offset_in_page(off));
		struct page *page = eta_ka_mem_page(mem, off, false);

		if (page) {
			memset(page_address(page) + offset_in_page(off), 0, n);
			put_page(page);
		}
		off += n;
		len -= n;
	}
}

int eta_ka_region_create(void *host, __u32 region, const struct eta_region_map *map,
			 struct eta_client *client, struct eta_region_ro **ro)
{
	struct eta_ka_file *f = container_of(client, struct eta_ka_file, client);
	struct eta_ka_region *r = &eta_ka.region[region];
	int ret;

	ret = eta_ka_mem_create(&r->ro, "eta-region-ro", map->ro_size, ETA_PAGE);
	if (ret)
		return ret;
	ret = eta_ka_mem_create(&r->rw, "eta-region-rw", map->rw_size, 0);
	if (ret) {
		eta_ka_mem_destroy(&r->ro);
		return ret;
	}
	*ro = r->ro.head;
	rcu_assign_pointer(eta_ka.region_file[region], f);
	return 0;
}

void eta_ka_region_destroy(void *host, __u32 region)
{
	struct eta_ka_region *r = &eta_ka.region[region];

	RCU_INIT_POINTER(eta_ka.region_file[region], NULL);
	eta_ka_mem_destroy(&r->ro);
	eta_ka_mem_destroy(&r->rw);
}

/* Which object a mapping is for, and whether the role may write to it. */
static struct eta_ka_mem *eta_ka_map_target(const struct eta_ka_file *f, u32 kind, u32 region,
					    bool *writable)
{
	u32 role = smp_load_acquire(&f->role); /* region is set before role */

	if (!role)
		return ERR_PTR(-ENOTCONN);
	*writable = role == ETA_ROLE_FW || (role == ETA_ROLE_APP && kind == ETA_MAP_RW);
	if (kind == ETA_MAP_POOL) {
		if (role == ETA_ROLE_APP)
			return ERR_PTR(-EPERM);
		return region ? ERR_PTR(-EINVAL) : &eta_ka.pool;
	}
	if (kind != ETA_MAP_RO && kind != ETA_MAP_RW)
		return ERR_PTR(-EINVAL);
	if (role == ETA_ROLE_OBSERVER)
		return ERR_PTR(-EPERM);
	if (role == ETA_ROLE_APP) {
		if (region && region != f->region)
			return ERR_PTR(-EPERM);
		region = f->region;
	}
	if (region == ETA_NONE || region >= eta_ka.limits.n_regions)
		return ERR_PTR(-ENOENT);
	region = array_index_nospec(region, eta_ka.limits.n_regions);
	return kind == ETA_MAP_RO ? &eta_ka.region[region].ro : &eta_ka.region[region].rw;
}

/* The object's file, held; NULL if it is gone, or became another program's meanwhile. */
static struct file *eta_ka_map_file(const struct eta_ka_file *f, struct eta_ka_mem *mem, u64 *size)
{
	struct file *file = NULL;

	spin_lock(&eta_ka.mem_lock);
	if (mem->file && (READ_ONCE(f->role) != ETA_ROLE_APP ||
			  rcu_access_pointer(eta_ka.region_file[f->region]) == f))
		file = get_file(mem->file);
	*size = mem->size;
	spin_unlock(&eta_ka.mem_lock);
	return file;
}

/* The caller holds mmap_lock: no mutex may be taken here. */
int eta_ka_mem_mmap(struct eta_ka_file *f, struct vm_area_struct *vma)
{
	u64 where = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 off = where & ((1ull << MAP_OFF_BITS) - 1);
	u64 len = vma->vm_end - vma->vm_start;
	struct eta_ka_mem *mem;
	struct file *file;
	bool writable;
	u64 size;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	mem = eta_ka_map_target(f, (where >> MAP_OFF_BITS) & MAP_KIND_MASK,
				where >> (MAP_OFF_BITS + 4), &writable);
	if (IS_ERR(mem))
		return PTR_ERR(mem);
	if (!writable && (vma->vm_flags & VM_WRITE))
		return -EACCES;
	file = eta_ka_map_file(f, mem, &size);
	if (!file)
		return -ENOENT;
	if (off > size || len > size - off) {
		fput(file);
		return -EINVAL;
	}
	eta_ka_vm_flags_clear(vma, VM_MAYEXEC | (writable ? 0 : VM_MAYWRITE));
	vma->vm_pgoff = off >> PAGE_SHIFT;
	vma_set_file(vma, file);
	fput(file);
	return call_mmap(vma->vm_file, vma);
}
