// SPDX-License-Identifier: MIT
// Listener table of the agent's rules.
#include <catch2/catch.hpp>

#include "unit/agent_host.h"

using namespace eta::test;

namespace {

struct Fixture {
    AgentHost host;
    eta_client fw = root_client();
    eta_client app = app_client();

    Fixture()
    {
        REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
        REQUIRE(host.create(app, 100) == 0);
    }
};

}  // namespace

TEST_CASE("agent core: a listener carries the address of the OS socket and the master's context")
{
    Fixture f;
    unsigned index = 0;
    REQUIRE(f.host.attach(f.fw, ETA_ROLE_FW) == 0);
    eta_addr_from_v4(f.host.listen_addr.addr, 0x0100007f);
    REQUIRE(f.host.listen(f.app, 42, &index) == 0);
    const eta_listener& l = f.host.core.listener[index];
    REQUIRE(l.region == f.app.region);
    REQUIRE(l.local == 42);
    REQUIRE(l.port == 0x5000);
    REQUIRE(l.family == 2);
    REQUIRE(l.backlog == 10);
    REQUIRE(std::memcmp(l.addr, f.host.listen_addr.addr, 16) == 0);
    REQUIRE(f.host.core.owner[l.ctx].local == 42);
    const auto notes = f.host.notes();
    REQUIRE(notes.size() == 1);
    REQUIRE(notes[0].op == ETA_KQ_LISTEN_ADD);
    REQUIRE(notes[0].a == index);
}

TEST_CASE("agent core: an entry is used again only after the accelerator let go of it")
{
    Fixture f;
    std::vector<unsigned> index(5);
    REQUIRE(f.host.attach(f.fw, ETA_ROLE_FW) == 0);
    f.host.core.limits.quota_listeners = 100;
    for (unsigned i = 0; i < 5; i++) REQUIRE(f.host.listen(f.app, i, &index[i]) == 0);
    unsigned a = 0, b = 0;
    REQUIRE(f.host.listen(f.app, 5, &a) == 0);
    REQUIRE(f.host.listen(f.app, 6, &b) == 0);
    REQUIRE(f.host.listen(f.app, 7) == -ENOSPC);  // 8 entries, index 0 unused
    REQUIRE(f.host.unlisten(f.app, a) == 0);
    REQUIRE(f.host.unlisten(f.app, a) == -ENOENT);
    REQUIRE(f.host.core.listener[a].region == f.app.region);
    REQUIRE(f.host.listen(f.app, 7) == -ENOSPC);
    REQUIRE(f.host.listen(f.app, 5) == -EINVAL);  // the master is still in use
    f.host.say(ETA_KQ_LISTEN_GONE, a);
    eta_core_drain(&f.host.core);
    REQUIRE(f.host.core.listener[a].region == ETA_NONE);
    unsigned again = 0;
    REQUIRE(f.host.listen(f.app, 7, &again) == 0);
    REQUIRE(again == a);
    REQUIRE(f.host.broken().empty());
}

TEST_CASE("agent core: without an accelerator an entry is free at once")
{
    Fixture f;
    unsigned index = 0;
    for (unsigned i = 0; i < 100; i++) {
        REQUIRE(f.host.listen(f.app, i % 7, &index) == 0);
        REQUIRE(f.host.unlisten(f.app, index) == 0);
    }
    REQUIRE(f.host.broken().empty());
}

TEST_CASE("agent core: a master must be a DTI of the program, idle and without a listener")
{
    Fixture f;
    REQUIRE(f.host.listen(f.app, 100) == -EINVAL);
    REQUIRE(f.host.listen(f.app, 511) == -EINVAL);
    REQUIRE(f.host.listen(f.app, 0xffffffff) == -EINVAL);
    auto* base = static_cast<char*>(f.host.objects.at(f.app.region).ro.get());
    auto* ro = reinterpret_cast<eta_region_ro*>(base);
    auto* dti = reinterpret_cast<eta_dti_fw*>(base + ro->map.ro_fw_off);
    dti[9].state = ETA_DTI_ESTABLISHED;
    REQUIRE(f.host.listen(f.app, 9) == -EINVAL);
    dti[9].state = ETA_DTI_FREE;
    REQUIRE(f.host.listen(f.app, 9) == 0);
    REQUIRE(f.host.listen(f.app, 9) == -EINVAL);
}

TEST_CASE("agent core: what the OS socket does not prove is not listened on")
{
    Fixture f;
    for (int err : {-ENOTSOCK, -EDESTADDRREQ, -EPROTONOSUPPORT, -EXDEV}) {
        f.host.listen_result = err;
        REQUIRE(f.host.listen(f.app, 1) == err);
    }
    f.host.listen_result = 0;
    f.host.listen_addr.family = 10;
    f.host.listen_addr.v6only = 1;
    REQUIRE(f.host.listen(f.app, 1) == -EPROTONOSUPPORT);
    f.host.listen_addr.v6only = 0;
    f.host.listen_addr.addr[15] = 1;  // ::1
    REQUIRE(f.host.listen(f.app, 1) == -EPROTONOSUPPORT);
    f.host.listen_addr.addr[15] = 0;
    REQUIRE(f.host.listen(f.app, 1) == 0);
    REQUIRE(f.host.broken().empty());
}

TEST_CASE("agent core: a program takes down only its own listeners")
{
    Fixture f;
    eta_client other = app_client();
    unsigned index = 0;
    REQUIRE(f.host.attach(other, ETA_ROLE_APP) == 0);
    REQUIRE(f.host.listen(f.app, 1, &index) == 0);
    REQUIRE(f.host.unlisten(other, index) == -ENOENT);
    REQUIRE(f.host.unlisten(f.app, 0) == -ENOENT);
    REQUIRE(f.host.unlisten(f.app, 8) == -ENOENT);
    REQUIRE(f.host.unlisten(f.app, 0xffffffff) == -ENOENT);
    REQUIRE(f.host.unlisten(f.app, index) == 0);
}

TEST_CASE("agent core: listeners of one program are bounded, and die with it")
{
    Fixture f;
    REQUIRE(f.host.attach(f.fw, ETA_ROLE_FW) == 0);
    for (unsigned i = 0; i < 5; i++) REQUIRE(f.host.listen(f.app, i) == 0);
    REQUIRE(f.host.listen(f.app, 5) == -ENOSPC);
    f.host.gone(f.app);
    f.host.serve();
    for (unsigned i = 0; i < 8; i++) REQUIRE(f.host.core.listener[i].region == ETA_NONE);
    REQUIRE(f.host.core.n_dying == 0);
    REQUIRE(f.host.broken().empty());
}

TEST_CASE("agent core: the backlog is kept in bounds")
{
    Fixture f;
    for (unsigned wanted : {0u, 1u, 4096u, 0xffffffffu}) {
        eta_listen l{};
        l.local = 3;
        l.backlog = wanted;
        REQUIRE(f.host.cmd(f.app, ETA_CMD_LISTEN, l) == 0);
        const unsigned got = f.host.core.listener[l.listener].backlog;
        REQUIRE(got >= 1);
        REQUIRE(got <= 512);
        REQUIRE(f.host.unlisten(f.app, l.listener) == 0);
    }
}
