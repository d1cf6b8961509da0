// SPDX-License-Identifier: MIT
// A pool that holds nothing but the tables of the mirror, and the agent's side of writing them.
#pragma once

#include <arpa/inet.h>

#include <cstring>
#include <string>
#include <vector>

#include <eta/pool.h>
#include <eta/ring_ops.h>

#include "ip/mirror.h"
#include "mem/pool.h"

namespace eta::test {

class MirrorPool {
public:
    static constexpr uint32_t kEntries = 32;

    MirrorPool() : mem_(kBytes / 8)
    {
        hdr()->n_addrs = hdr()->n_routes = hdr()->n_neighs = kEntries;
        hdr()->addr_off = kAddrOff;
        hdr()->route_off = kRouteOff;
        hdr()->neigh_off = kNeighOff;
        pools_.emplace_back(mem_.data(), 0u);
    }

    const fw::Pool& pool() const { return pools_.front(); }
    eta_pool_hdr* hdr() { return at<eta_pool_hdr>(0); }
    eta_addr* addrs() { return at<eta_addr>(kAddrOff); }
    eta_route* routes() { return at<eta_route>(kRouteOff); }
    eta_neigh* neighs() { return at<eta_neigh>(kNeighOff); }

    void publish() { eta_store_release(&hdr()->tables_seq, hdr()->tables_seq + 2); }

    const uint8_t* ip(const std::string& text)
    {
        std::memset(ip_, 0, sizeof ip_);
        if (text.empty()) return ip_;
        if (text.find(':') != std::string::npos) {
            inet_pton(AF_INET6, text.c_str(), ip_);
        } else {
            ip_[10] = ip_[11] = 0xff;
            inet_pton(AF_INET, text.c_str(), ip_ + 12);
        }
        return ip_;
    }

    static std::string text(const uint8_t* a)
    {
        char out[INET6_ADDRSTRLEN];
        bool v4 = a[10] == 0xff && a[11] == 0xff;
        inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a + 12 : a, out, sizeof out);
        return out;
    }

    void addr(const std::string& a, uint32_t plen, bool on_lo)
    {
        eta_addr& e = addrs()[n_addr_++];
        std::memcpy(e.addr, ip(a), sizeof e.addr);
        e.plen = long_plen(a, plen);
        e.on_lo = on_lo;
        e.valid = 1;
    }

    void route(const std::string& dst, uint32_t plen, const std::string& gw, const std::string& src,
               uint32_t metric = 0, uint32_t valid = ETA_ROUTE_PORT)
    {
        eta_route& e = routes()[n_route_++];
        std::memcpy(e.dst, ip(dst), sizeof e.dst);
        std::memcpy(e.gw, ip(gw), sizeof e.gw);
        std::memcpy(e.src, ip(src), sizeof e.src);
        e.plen = long_plen(dst, plen);
        e.metric = metric;
        e.valid = valid;
    }

    void route_raw(const std::string& dst, uint32_t plen)
    {
        eta_route& e = routes()[n_route_++];
        std::memcpy(e.dst, ip(dst), sizeof e.dst);
        e.plen = plen;
        e.valid = ETA_ROUTE_PORT;
    }

    void neigh(const std::string& a, uint8_t last_mac_byte)
    {
        eta_neigh& e = neighs()[n_neigh_++];
        std::memcpy(e.addr, ip(a), sizeof e.addr);
        e.mac[0] = 2;
        e.mac[5] = last_mac_byte;
        e.valid = 1;
    }

private:
    static constexpr uint32_t kAddrOff = 4096;
    static constexpr uint32_t kRouteOff = 8192;
    static constexpr uint32_t kNeighOff = 16384;
    static constexpr uint32_t kBytes = 20480;

    template <typename T>
    T* at(uint32_t off)
    {
        return reinterpret_cast<T*>(reinterpret_cast<uint8_t*>(mem_.data()) + off);
    }

    static uint32_t long_plen(const std::string& a, uint32_t plen)
    {
        return a.find(':') != std::string::npos ? plen : plen + 96;
    }

    std::vector<uint64_t> mem_;
    std::vector<fw::Pool> pools_;
    uint32_t n_addr_ = 0;
    uint32_t n_route_ = 0;
    uint32_t n_neigh_ = 0;
    uint8_t ip_[ETA_ADDR_LEN] = {};
};

}  // namespace eta::test
