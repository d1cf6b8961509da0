// SPDX-License-Identifier: MIT
// Fuzzer of the command interface of the agent's rules: several clients of every role send bytes
// as commands, die, and a lying accelerator answers. After every step the invariants must hold.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "unit/agent_host.h"

namespace {

using eta::test::AgentHost;

constexpr unsigned kClients = 5;
constexpr unsigned kSizes[] = {0,
                               sizeof(eta_attach),
                               sizeof(eta_dti_create),
                               sizeof(eta_listen),
                               sizeof(eta_unlisten),
                               sizeof(eta_fw_map),
                               sizeof(eta_fw_interrupt),
                               sizeof(eta_fw_port)};

class Input {
public:
    Input(const uint8_t* data, size_t size) : p_(data), left_(size) {}

    bool empty() const { return left_ == 0; }
    uint8_t byte()
    {
        if (!left_) return 0;
        left_--;
        return *p_++;
    }
    void fill(void* out, size_t n)
    {
        const size_t have = n < left_ ? n : left_;
        std::memset(out, 0, n);
        std::memcpy(out, p_, have);
        p_ += have;
        left_ -= have;
    }

private:
    const uint8_t* p_;
    size_t left_;
};

eta_limits tiny_limits()
{
    eta_limits l = eta::test::small_limits();
    l.n_ctx = 100;
    l.max_dti = 64;
    l.quota_dti = 50;
    l.quota_total = 90;
    return l;
}

struct Session {
    AgentHost host{tiny_limits()};
    eta_client client[kClients];

    Session()
    {
        for (unsigned i = 0; i < kClients; i++)
            client[i] = i < 3 ? eta::test::app_client(100 + i, 1000 + i / 2)
                              : eta::test::root_client(200 + i);
    }
};

void send_command(Session& s, Input& in)
{
    eta_client& c = s.client[in.byte() % kClients];
    const uint8_t what = in.byte();
    const unsigned cmd = what % 9;
    alignas(8) uint8_t payload[160];
    const unsigned size = what & 0x80 ? in.byte() : cmd < 8 ? kSizes[cmd] : 16;
    in.fill(payload, sizeof payload < size ? sizeof payload : size);
    if (cmd == ETA_CMD_ATTACH && !(what & 0x40)) {  // most of the time a good one
        auto* a = reinterpret_cast<eta_attach*>(payload);
        const unsigned role = a->role % 3 + 1;
        *a = {};
        a->abi_version = ETA_ABI_VERSION;
        a->role = role;
    }
    if (size <= sizeof payload) eta_core_cmd(&s.host.core, &c, cmd, payload, size);
}

void step(Session& s, Input& in)
{
    switch (in.byte() % 8) {
    case 0:
        s.host.gone(s.client[in.byte() % kClients]);
        break;
    case 1: {
        const uint8_t op = in.byte();
        s.host.say(op & 1 ? ETA_KQ_REGION_GONE : op & 2 ? ETA_KQ_LISTEN_GONE : op, in.byte());
        eta_core_drain(&s.host.core);
        break;
    }
    case 2:
        s.host.serve();
        break;
    case 3:
        s.host.core.proc[0].asleep = in.byte() & 1;
        s.host.create_result = in.byte() & 1 ? -ENOMEM : 0;
        s.host.write_result = in.byte() & 1 ? -EIO : 0;
        s.host.listen_result = in.byte() & 1 ? -EDESTADDRREQ : 0;
        break;
    case 4:  // an accelerator that does not consume, or whose index is nonsense
        s.host.core.proc[0].to_fw_cons =
            s.host.core.proc[0].to_fw_prod - (ETA_KQ_DEPTH - in.byte() % 4);
        break;
    default:
        send_command(s, in);
        break;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    Session s;
    Input in(data, size);
    while (!in.empty()) {
        step(s, in);
        const std::string why = s.host.broken();
        if (!why.empty()) {
            std::fprintf(stderr, "invariant broken: %s\n", why.c_str());
            std::abort();
        }
    }
    for (eta_client& c : s.client) s.host.gone(c);
    s.host.serve();
    if (!s.host.objects.empty() || s.host.core.n_dti != 0) {
        std::fprintf(stderr, "something stayed behind\n");
        std::abort();
    }
    return 0;
}
