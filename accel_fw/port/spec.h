// SPDX-License-Identifier: MIT
// The shape of a port name, without touching the machine. Start-up only.
#pragma once

#include <cstdint>
#include <string>

namespace eta::fw {

struct PortSpec {
    std::string kind;  // af_xdp, tap or link
    std::string name;  // interface, TAP device or path
    uint32_t queue = 0;
};

// Empty, or a sentence about what is wrong with it.
std::string port_parse_spec(const std::string& text, PortSpec* out);

// Locally administered address (IEEE 802: second bit of the first byte) that depends on `name`.
void mac_from_name(const std::string& name, uint8_t mac[6]);

}  // namespace eta::fw
