// SPDX-License-Identifier: MIT
// Loads the XDP program that gives a queue's frames to the accelerator's socket, and attaches it
// to an interface. Start-up only.
#pragma once

#include <cstdint>
#include <string>

namespace eta::fw {

// Attaches by a BPF link: the program leaves the interface when the returned descriptor is closed,
// by whatever means this process ends. -1: *err says why.
int xdp_attach(const std::string& ifname, uint32_t queue, int xsk_fd, std::string* err);

}  // namespace eta::fw
