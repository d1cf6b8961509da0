// SPDX-License-Identifier: MIT
// Resolves the offsets of the pool header once.
#include "mem/pool.h"

namespace eta::fw {

namespace {

template <typename T>
T* at(void* base, uint64_t off)
{
    return reinterpret_cast<T*>(static_cast<uint8_t*>(base) + off);
}

}  // namespace

Pool::Pool(void* base, uint32_t p)
    : hdr(at<eta_pool_hdr>(base, 0)),
      proc(at<eta_proc>(base, hdr->proc_off) + p),
      owners(at<eta_owner>(base, hdr->owner_off)),
      ctx(at<eta_ctx>(base, hdr->ctx_off)),
      buckets(at<eta_bucket>(base, hdr->hash_off)),
      tw(at<eta_tw>(base, hdr->tw_off)),
      listeners(at<eta_listener>(base, hdr->listener_off)),
      regions(at<eta_region_desc>(base, hdr->region_off)),
      routes(at<eta_route>(base, hdr->route_off)),
      neighs(at<eta_neigh>(base, hdr->neigh_off)),
      addrs(at<eta_addr>(base, hdr->addr_off)),
      counters(at<uint64_t>(base, hdr->counter_off) + uint64_t{p} * ETA_COUNTERS_MAX),
      to_fw(at<eta_kq>(base, hdr->to_fw_off) + uint64_t{p} * ETA_KQ_DEPTH),
      to_agent(at<eta_kq>(base, hdr->to_agent_off) + uint64_t{p} * ETA_KQ_DEPTH),
      raw_rx(at<uint8_t>(base, hdr->raw_rx_off) + uint64_t{p} * ETA_RAW_DEPTH * ETA_RAW_FRAME),
      raw_tx(at<uint8_t>(base, hdr->raw_tx_off) + uint64_t{p} * ETA_RAW_DEPTH * ETA_RAW_FRAME)
{
}

}  // namespace eta::fw
