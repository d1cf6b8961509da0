// SPDX-License-Identifier: MIT
// Opens a port of any kind. The only file that needs all of them. See open.h.
#include "port/open.h"
#include "port/spec.h"

namespace eta::fw {

std::unique_ptr<Port> port_open(const std::string& spec, std::string* err)
{
    PortSpec s;
    *err = port_parse_spec(spec, &s);
    if (!err->empty()) return nullptr;
    if (s.kind == "link") return link_open(s.name, err);
    if (s.kind == "tap") return tap_open(s.name, err);
    return af_xdp_open(s.name, s.queue, err);
}

}  // namespace eta::fw
