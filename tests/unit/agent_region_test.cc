// SPDX-License-Identifier: MIT
// Life of regions and DTIs in the agent's rules; quotas.
#include <catch2/catch.hpp>

#include "unit/agent_host.h"

using namespace eta::test;

TEST_CASE("agent core: attach without an accelerator succeeds and says that it is down")
{
    AgentHost host;
    eta_client app = app_client();
    REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
    REQUIRE(host.last_attach.fw_running == 0);
    REQUIRE(host.last_attach.region != ETA_NONE);
    REQUIRE(host.last_attach.max_dti == 512);
    REQUIRE(host.last_attach.epoch == 77);
    const auto* ro = static_cast<eta_region_ro*>(host.objects.at(app.region).ro.get());
    REQUIRE(ro->fw_down == 1);
    REQUIRE(ro->map.magic == ETA_ABI_MAGIC);
    REQUIRE(ro->map.region == app.region);
    REQUIRE(std::string(host.core.region[app.region].comm) == "app");
    REQUIRE(host.broken().empty());
}

TEST_CASE("agent core: without an accelerator a dead program's region is free at once")
{
    AgentHost host;
    eta_client app = app_client();
    REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
    REQUIRE(host.create(app, 300) == 0);
    REQUIRE(host.core.n_dti == 300);
    host.gone(app);
    REQUIRE(host.core.n_dti == 0);
    REQUIRE(host.core.n_live == 0);
    REQUIRE(host.core.n_dying == 0);
    REQUIRE(host.objects.empty());
    REQUIRE(host.cleared.size() == 300);
    REQUIRE(host.broken().empty());
    host.gone(app);  // harmless
}

TEST_CASE("agent core: with an accelerator the slots come back after its last word")
{
    AgentHost host;
    eta_client fw = root_client();
    eta_client app = app_client();
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
    REQUIRE(host.last_attach.fw_running == 1);
    REQUIRE(host.create(app, 10) == 0);
    const unsigned region = app.region;
    host.gone(app);
    REQUIRE(host.core.region[region].state == ETA_REGION_DYING);
    REQUIRE(host.core.n_dti == 10);
    const auto notes = host.notes();
    REQUIRE(notes.size() == 2);
    REQUIRE(notes[0].op == ETA_KQ_REGION_ADD);
    REQUIRE(notes[1].op == ETA_KQ_REGION_DYING);
    REQUIRE(notes[1].a == region);
    REQUIRE(host.broken().empty());
    host.say(ETA_KQ_REGION_GONE, region);
    eta_core_drain(&host.core);
    REQUIRE(host.core.region[region].state == ETA_REGION_FREE);
    REQUIRE(host.core.n_dti == 0);
    REQUIRE(host.cleared.empty());  // the accelerator owns the contexts
    REQUIRE(host.broken().empty());
}

TEST_CASE("agent core: notes that nobody is waiting for are ignored")
{
    AgentHost host;
    eta_client fw = root_client();
    eta_client app = app_client();
    REQUIRE(host.attach(fw, ETA_ROLE_FW) == 0);
    REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
    for (unsigned a : {0u, app.region, 5u, 6u, 0xffffffffu}) {
        host.say(ETA_KQ_REGION_GONE, a);
        host.say(ETA_KQ_LISTEN_GONE, a);
        host.say(99, a);
    }
    eta_core_drain(&host.core);
    REQUIRE(host.core.region[app.region].state == ETA_REGION_LIVE);
    REQUIRE(host.broken().empty());
}

TEST_CASE("agent core: a region slot is used again with another generation")
{
    AgentHost host;
    unsigned last = 0;
    for (unsigned i = 0; i < 50; i++) {
        eta_client app = app_client(100 + i);
        REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
        REQUIRE(host.create(app, 7) == 0);
        last = app.region;
        host.gone(app);
    }
    REQUIRE(host.core.region[last].gen >= 10);
    REQUIRE(host.broken().empty());
}

TEST_CASE("agent core: the region table is bounded")
{
    AgentHost host;
    std::vector<eta_client> apps(5);
    for (unsigned i = 0; i < 5; i++) {
        apps[i] = app_client(100 + i, 0);
        REQUIRE(host.attach(apps[i], ETA_ROLE_APP) == 0);
    }
    eta_client more = app_client(200, 0);
    REQUIRE(host.attach(more, ETA_ROLE_APP) == -ENOSPC);
    REQUIRE(more.role == 0);
    host.gone(apps[2]);
    REQUIRE(host.attach(more, ETA_ROLE_APP) == 0);
    REQUIRE(host.broken().empty());
}

TEST_CASE("agent core: one user cannot take all regions")
{
    AgentHost host;
    std::vector<eta_client> apps(3);
    for (eta_client& c : apps) {
        c = app_client();
        REQUIRE(host.attach(c, ETA_ROLE_APP) == 0);
    }
    eta_client fourth = app_client();
    eta_client other = app_client(1, 1001);
    REQUIRE(host.attach(fourth, ETA_ROLE_APP) == -ENOSPC);
    REQUIRE(host.attach(other, ETA_ROLE_APP) == 0);
}

TEST_CASE("agent core: DTIs are created up to the quota of the region, partly if need be")
{
    AgentHost host;
    eta_client app = app_client();
    eta_dti_create d;
    REQUIRE(host.attach(app, ETA_ROLE_APP) == 0);
    REQUIRE(host.create(app, 300, &d) == 0);
    REQUIRE(d.first == 0);
    REQUIRE(d.count == 300);
    REQUIRE(host.create(app, 300, &d) == 0);
    REQUIRE(d.first == 300);
    REQUIRE(d.count == 100);
    REQUIRE(host.create(app, 1, &d) == -ENOSPC);
    REQUIRE(host.broken().empty());
}

TEST_CASE("agent core: the quota over all regions holds, and a quota can be changed")
{
    AgentHost host;
    eta_client a = app_client();
    eta_client b = app_client();
    eta_dti_create d;
    REQUIRE(host.attach(a, ETA_ROLE_APP) == 0);
    REQUIRE(host.attach(b, ETA_ROLE_APP) == 0);
    REQUIRE(host.create(a, 400, &d) == 0);
    REQUIRE(host.create(b, 400, &d) == 0);
    REQUIRE(d.count == 100);
    REQUIRE(host.create(b, 1, &d) == -ENOSPC);
    host.core.limits.quota_total = 510;
    REQUIRE(host.create(b, 50, &d) == 0);
    REQUIRE(d.count == 10);
    host.core.limits.quota_total = 5;  // below what is in use
    REQUIRE(host.create(b, 1, &d) == -ENOSPC);
    host.core.limits.quota_total = 510;
    REQUIRE(host.broken().empty());
}

TEST_CASE("agent core: when the context table is full, what fits is created")
{
    eta_limits l = small_limits();
    l.quota_total = 10000;
    l.n_ctx = 450;
    AgentHost host(l);
    eta_client a = app_client();
    eta_client b = app_client();
    eta_dti_create d;
    REQUIRE(host.attach(a, ETA_ROLE_APP) == 0);
    REQUIRE(host.attach(b, ETA_ROLE_APP) == 0);
    REQUIRE(host.create(a, 400, &d) == 0);
    REQUIRE(host.create(b, 400, &d) == 0);
    REQUIRE(d.count == 49);
    REQUIRE(host.create(b, 1, &d) == -ENOSPC);
    host.gone(a);
    REQUIRE(host.create(b, 400, &d) == 0);
    REQUIRE(host.broken().empty());
}

TEST_CASE("agent core: a slot given away again has another generation")
{
    AgentHost host;
    eta_client a = app_client();
    REQUIRE(host.attach(a, ETA_ROLE_APP) == 0);
    REQUIRE(host.create(a, 1) == 0);
    unsigned slot = 0;
    for (unsigned i = 1; i < 600; i++)
        if (host.core.owner[i].region) slot = i;
    const unsigned gen = host.core.owner[slot].gen;
    host.gone(a);
    REQUIRE(host.attach(a, ETA_ROLE_APP) == 0);
    REQUIRE(host.create(a, 1) == 0);
    REQUIRE(host.core.owner[slot].gen == gen + 1);
}

TEST_CASE("agent core: a host without memory leaves no trace")
{
    AgentHost host;
    eta_client a = app_client();
    host.create_result = -ENOMEM;
    REQUIRE(host.attach(a, ETA_ROLE_APP) == -ENOMEM);
    REQUIRE(host.broken().empty());
    host.create_result = 0;
    REQUIRE(host.attach(a, ETA_ROLE_APP) == 0);
    host.write_result = -EIO;
    REQUIRE(host.create(a, 10) == -ENOSPC);
    REQUIRE(host.core.n_dti == 0);
    host.write_result = 0;
    REQUIRE(host.create(a, 400) == 0);
    REQUIRE(host.broken().empty());
}
