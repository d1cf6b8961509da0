// SPDX-License-Identifier: MIT
// Why a socket is not accelerated (law 6). Each process under the preload library keeps a small
// memfd named "eta-why"; eta-ctl finds it as /proc/PID/fd/N -> "/memfd:eta-why (deleted)", maps it
// read-only and reads what is below. Works without an agent. Plain data: any reader may include
// this header. One writer process; several threads, each slot written under a sequence counter.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace eta::al {

// id, sentence. Append only: ids are stored in shared memory. The sentence follows
// "runs on the OS stack: ".
#define ETA_FALLBACK_REASONS(X)                                                                  \
    X(none, "it is accelerated")                                                                 \
    X(no_agent, "no kernel agent was found (/dev/eta or the socket of eta-agentd)")              \
    X(agent_refused, "the kernel agent refused the attachment")                                  \
    X(agent_netns, "the kernel agent belongs to another network namespace")                      \
    X(fw_down, "no accelerator is running")                                                      \
    X(not_tcp, "only TCP stream sockets are accelerated")                                        \
    X(ipv6, "IPv6 sockets are not accelerated yet")                                              \
    X(not_inet, "only internet sockets are accelerated")                                         \
    X(protocol, "the protocol of the socket is not TCP")                                         \
    X(bound_port, "the socket was bound to a port before connect")                               \
    X(bound_addr, "the socket was bound to an address the accelerator does not own")             \
    X(no_listener, "the local address has no accelerated listener")                              \
    X(no_route, "the accelerator has no route to the peer through its port")                     \
    X(no_child, "a SYN arrived when no DTI was free, or over a path the accelerator lacks")      \
    X(no_dti, "no DTI could be created: quota or table full")                                    \
    X(no_buffer, "the send pool of the region was empty")                                        \
    X(listen_refused, "the kernel agent refused the listener")                                   \
    X(setsockopt, "an option was set that the accelerator does not have")                        \
    X(inherited, "the descriptor was inherited through exec and its connection is the kernel's") \
    X(inherited_fork, "an accelerated socket was inherited through fork and listens elsewhere")  \
    X(raw_syscall, "the descriptor was made by a call that the library does not see")            \
    X(splice, "splice and its relatives work on the OS stack only")                              \
    X(fastopen, "TCP fast open was asked for")                                                   \
    X(not_own, "the peer is an address that the accelerator's port does not lead to")            \
    X(static_program, "the program is static or set-user-id: no library can be preloaded")       \
    X(fd_range, "the descriptor number is beyond the library's table")                           \
    X(unknown_option, "getsockopt asked for something the accelerator does not know")            \
    X(broadcast, "the peer address is not a unicast address")                                    \
    X(declined, "nobody accelerated listens at that address of ours, or no route to it leads "   \
                "through the accelerator's port")

enum class Reason : uint32_t {
#define ETA_REASON_ENUM(id, sentence) id,
    ETA_FALLBACK_REASONS(ETA_REASON_ENUM)
#undef ETA_REASON_ENUM
    count_
};

// Never null; of an id this program does not know, a general sentence.
inline const char* reason_sentence(uint32_t id)
{
    switch (id) {
#define ETA_REASON_CASE(name, sentence)                  \
    case static_cast<uint32_t>(Reason::name):            \
        return sentence;
        ETA_FALLBACK_REASONS(ETA_REASON_CASE)
#undef ETA_REASON_CASE
    default:
        return "for a reason that this version of the tool does not know";
    }
}

inline const char* reason_name(uint32_t id)
{
    switch (id) {
#define ETA_REASON_CASE(name, sentence)                  \
    case static_cast<uint32_t>(Reason::name):            \
        return #name;
        ETA_FALLBACK_REASONS(ETA_REASON_CASE)
#undef ETA_REASON_CASE
    default:
        return "unknown";
    }
}

inline constexpr char kWhyName[] = "eta-why";
inline constexpr uint32_t kWhyMagic = 0x59485745;  // "EWHY"
inline constexpr uint32_t kWhyVersion = 1;
inline constexpr uint32_t kWhyReasons = 64;
inline constexpr uint32_t kWhySlots = 480;

// eta-why entries: the newest kWhySlots sockets that fell back; closed ones are overwritten first.
struct WhySlot {
    uint32_t seq;      // odd while being written; 0: never used
    uint32_t reason;   // Reason
    int32_t fd;        // descriptor number
    uint32_t open;     // non-zero while the descriptor is open
    uint64_t time_ns;  // CLOCK_MONOTONIC of the decision
    uint8_t laddr[16]; // own address, ::ffff:a.b.c.d for IPv4; all zero: not known
    uint8_t raddr[16]; // peer
    uint16_t lport;    // network byte order
    uint16_t rport;    // network byte order
    uint32_t detail;   // option number, errno, ...; 0: none
    uint16_t family;   // AF_*
    uint16_t listening; // non-zero: a listening socket
    uint32_t resv;     // zero
};
static_assert(sizeof(WhySlot) == 72);

struct WhyTable {
    uint32_t magic;       // kWhyMagic, written last
    uint32_t version;     // kWhyVersion
    uint32_t pid;
    uint32_t n_slots;     // kWhySlots
    uint32_t slot_size;   // sizeof(WhySlot)
    uint32_t n_reasons;   // Reason::count_ of the writer
    uint32_t attached;    // non-zero: holds a region of the agent
    int32_t agent_errno;  // why not, positive errno
    uint64_t start_ns;    // CLOCK_MONOTONIC
    char comm[16];
    uint64_t accelerated;          // connections carried by DTIs, since the start
    uint64_t accelerated_listeners;
    uint64_t fallbacks;            // TCP sockets over IPv4 that fell back, since the start
    uint64_t tx_bytes;             // through DTIs; refreshed at waits and at exit
    uint64_t rx_bytes;
    uint64_t count[kWhyReasons];   // per reason; also counts UDP, AF_UNIX, ... without a slot
    uint32_t next;                 // slots handed out
    uint32_t resv[15];             // zero
    WhySlot slot[kWhySlots];
};

// -- writing: the preload library only --

// Makes the table of this process; after fork the child calls it again. Never fails visibly.
void why_init();
int why_fd();  // -1: none
WhyTable* why_table();
// Records that `fd` runs on the OS stack. Returns a slot number for why_closed, or UINT32_MAX.
struct WhyAddr {
    const uint8_t* laddr;  // 16 bytes or null
    const uint8_t* raddr;
    uint16_t lport;
    uint16_t rport;
};
uint32_t why_record(int fd, Reason reason, uint32_t detail = 0, const WhyAddr* addr = nullptr,
                    bool listening = false);
void why_count(Reason reason);  // counts without an entry: UDP, AF_UNIX
void why_closed(uint32_t slot, int fd);
void why_accelerated(bool listener);
// ETA_WHY=1: prints a summary to stderr at exit.
void why_print();

}  // namespace eta::al
