// SPDX-License-Identifier: MIT
// Opens a port by its name on the command line: af_xdp:IFNAME[,queue], tap:NAME, link:PATH.
// Start-up only. On failure the result is null and *err is a sentence for the person who typed it.
#pragma once

#include <memory>
#include <string>

#include "port/port.h"

namespace eta::fw {

std::unique_ptr<Port> port_open(const std::string& spec, std::string* err);

std::unique_ptr<Port> link_open(const std::string& path, std::string* err);
std::unique_ptr<Port> tap_open(const std::string& name, std::string* err);
std::unique_ptr<Port> af_xdp_open(const std::string& ifname, uint32_t queue, std::string* err);

}  // namespace eta::fw
