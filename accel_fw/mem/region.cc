// SPDX-License-Identifier: MIT
// Mapping of regions: resolves their layout once. Control path; may allocate.
#include "mem/region.h"

#include <new>

namespace eta::fw {

namespace {

template <typename T>
T* at(void* base, uint64_t off)
{
    return reinterpret_cast<T*>(static_cast<uint8_t*>(base) + off);
}

bool sane(const eta_region_map& m)
{
    return m.magic == ETA_ABI_MAGIC && m.version == ETA_ABI_VERSION && m.max_dti != 0 &&
           (m.max_dti & (m.max_dti - 1)) == 0 && m.ro_pool_off < m.ro_size &&
           m.rw_pool_off + m.tx_pool_size <= m.rw_size;
}

void resolve(RegionView& v, const eta_region_map& m, void* ro, void* rw)
{
    v.fw = at<eta_dti_fw>(ro, m.ro_fw_off);
    v.rq = at<eta_rqe>(ro, m.ro_rq_off);
    v.event = at<uint32_t>(ro, m.ro_event_off);
    v.accept = at<eta_child>(ro, m.ro_accept_off);
    v.ctx_of = at<uint32_t>(ro, m.ro_ctx_off);
    v.rx_pool = at<uint8_t>(ro, m.ro_pool_off);
    v.large_off = uint64_t{m.rx_small} * ETA_BUF_SMALL;
    v.rw = static_cast<const eta_region_rw*>(rw);
    v.app = at<eta_dti_app>(rw, m.rw_app_off);
    v.sq = at<eta_sqe>(rw, m.rw_sq_off);
    v.doorbell = at<uint32_t>(rw, m.rw_doorbell_off);
    v.child = at<eta_child>(rw, m.rw_child_off);
    v.tx_pool = at<uint8_t>(rw, m.rw_pool_off);
    v.tx_pool_size = m.tx_pool_size;
}

}  // namespace

void BufferStack::init(uint32_t count)
{
    stack_ = static_cast<uint32_t*>(std::malloc(sizeof(uint32_t) * (count + 1)));
    top_ = 0;
    fresh_ = 0;
    count_ = stack_ != nullptr ? count : 0;
}

void BufferStack::clear()
{
    std::free(stack_);
    *this = BufferStack();
}

void BufferStack::rebuild(const uint8_t* used, uint32_t count)
{
    top_ = 0;
    fresh_ = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (used[i] != 0) {
            fresh_ = i + 1;
        }
    }
    for (uint32_t i = 0; i < fresh_; i++) {
        if (used[i] == 0) {
            stack_[top_++] = i;
        }
    }
}

Regions::Regions(uint32_t n_regions)
    : n_(n_regions),
      views_(new (std::nothrow) RegionView[n_regions]),
      live_(new (std::nothrow) uint32_t[n_regions])
{
}

Regions::~Regions()
{
    while (n_live_ != 0) {
        unmap(live_[n_live_ - 1]);
    }
    delete[] views_;
    delete[] live_;
}

bool Regions::map(uint32_t id, void* ro, void* rw)
{
    if (id == ETA_NONE || id >= n_ || views_[id].mapped) {
        return false;
    }
    RegionView& v = views_[id];
    v = RegionView();
    v.ro = static_cast<eta_region_ro*>(ro);
    const eta_region_map& m = v.ro->map;
    if (!sane(m)) {
        return false;
    }
    resolve(v, m, ro, rw);
    v.id = id;
    v.max_dti = m.max_dti;
    v.small.init(m.rx_small);
    v.large.init(m.rx_large);
    v.doorbell_cons = v.ro->doorbell_cons;
    v.doorbell_seen = v.doorbell_cons;
    v.child_cons = v.ro->child_cons;
    v.event_prod = v.ro->event_prod;
    v.accept_prod = v.ro->accept_prod;
    v.fired_seq = v.ro->fired_seq;
    v.mapped = true;
    live_[n_live_++] = id;
    return true;
}

void Regions::unmap(uint32_t id)
{
    RegionView& v = views_[id];
    v.small.clear();
    v.large.clear();
    v = RegionView();
    for (uint32_t i = 0; i < n_live_; i++) {
        if (live_[i] == id) {
            live_[i] = live_[--n_live_];
            break;
        }
    }
}

}  // namespace eta::fw
