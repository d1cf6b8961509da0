// SPDX-License-Identifier: MIT
// Port names of the command line. See spec.h.
#include "port/spec.h"

#include <net/if.h>

#include <cstdlib>

namespace eta::fw {
namespace {

constexpr uint32_t kMaxQueue = 63;

bool parse_queue(const std::string& digits, uint32_t* queue)
{
    if (digits.empty() || digits.size() > 4) return false;
    if (digits.find_first_not_of("0123456789") != std::string::npos) return false;
    *queue = static_cast<uint32_t>(std::strtoul(digits.c_str(), nullptr, 10));
    return *queue <= kMaxQueue;
}

std::string check_ifname(const PortSpec& s)
{
    if (s.name.empty()) return "port '" + s.kind + ":' lacks the name of an interface";
    if (s.name.size() >= IFNAMSIZ)
        return "interface name '" + s.name + "' is longer than 15 characters";
    if (s.name.find_first_of("/: \t%") != std::string::npos || s.name == "." || s.name == "..")
        return "'" + s.name + "' is not an interface name";
    return "";
}

}  // namespace

void mac_from_name(const std::string& name, uint8_t mac[6])
{
    uint64_t h = 0xcbf29ce484222325u;  // FNV-1a
    for (char ch : name) h = (h ^ static_cast<uint8_t>(ch)) * 0x100000001b3u;
    h ^= h >> 32;
    mac[0] = 0x02;
    mac[1] = 0xe7;
    for (int i = 2; i < 6; i++) mac[i] = static_cast<uint8_t>(h >> (8 * (i - 2)));
}

std::string port_parse_spec(const std::string& text, PortSpec* out)
{
    size_t colon = text.find(':');
    if (colon == std::string::npos)
        return "port '" + text +
               "' is not of the form af_xdp:IFNAME[,queue], tap:NAME or link:PATH";
    out->kind = text.substr(0, colon);
    out->name = text.substr(colon + 1);
    if (out->kind == "tap") return check_ifname(*out);
    if (out->kind == "link") return out->name.empty() ? "port 'link:' lacks a path" : "";
    if (out->kind != "af_xdp")
        return "unknown kind of port '" + out->kind + "' (there are af_xdp, tap and link)";
    size_t comma = out->name.find(',');
    if (comma != std::string::npos && !parse_queue(out->name.substr(comma + 1), &out->queue))
        return "queue in '" + text + "' is not a number from 0 to 63";
    out->name = out->name.substr(0, comma);
    return check_ifname(*out);
}

}  // namespace eta::fw
