// SPDX-License-Identifier: MIT
// eta-run: starts a program with libeta_preload.so in front of its C library. Control path only.
// Exit codes: 2 usage, 126 not executable, 127 not found, otherwise the program's own.
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"

namespace {

constexpr char kLibrary[] = "libeta_preload.so";

struct Options {
    bool why = false;
    const char* agent = nullptr;
    const char* spin = nullptr;
    int program = 0;  // index in argv
};

void usage(FILE* to)
{
    fputs("usage: eta-run [--why] [--agent PATH] [--spin US] PROGRAM [ARGUMENT...]\n"
          "Runs PROGRAM with its TCP sockets carried by the ETA accelerator where possible.\n"
          "  --why         say at the end which sockets were not accelerated, and why\n"
          "  --agent PATH  socket of eta-agentd, or /dev/eta (default: /dev/eta,\n"
          "                else " ETA_SOCKET_DEFAULT ")\n"
          "  --spin US     microseconds that blocking calls spin before they sleep (default 50)\n",
          to);
}

int fail_usage(const char* what, const char* which)
{
    fprintf(stderr, "eta-run: %s%s\n", what, which);
    usage(stderr);
    return 2;
}

// 0: go on; otherwise the exit code + 1.
int parse(int argc, char** argv, Options* o)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        const char* a = argv[i];
        if (strcmp(a, "--") == 0) {
            i++;
            break;
        }
        if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
            usage(stdout);
            return 1;
        }
        if (strcmp(a, "--why") == 0) {
            o->why = true;
        } else if (strcmp(a, "--agent") == 0 || strcmp(a, "--spin") == 0) {
            if (i + 1 == argc) {
                return fail_usage("a value is missing after ", a) + 1;
            }
            (a[2] == 'a' ? o->agent : o->spin) = argv[++i];
        } else {
            return fail_usage("unknown option ", a) + 1;
        }
    }
    const char* us = o->spin;
    if (us != nullptr && (*us == '\0' || us[strspn(us, "0123456789")] != '\0')) {
        return fail_usage("not a number of microseconds: ", o->spin) + 1;
    }
    if (i >= argc) {
        return fail_usage("no program given", "") + 1;
    }
    o->program = i;
    return 0;
}

// Beside eta-run, or in ../lib and ../lib/eta as installed.
bool find_library(char* out, size_t size)
{
    char self[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) {
        return false;
    }
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    const char* const places[] = {"", "/../lib", "/../lib/eta"};
    for (const char* place : places) {
        const int len = snprintf(out, size, "%s%s/%s", self, place, kLibrary);
        if (len > 0 && static_cast<size_t>(len) < size && access(out, R_OK) == 0) {
            return true;
        }
    }
    return false;
}

bool is_program(const char* path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

// As execvp would find it.
bool find_program(const char* name, char* out, size_t size)
{
    if (strchr(name, '/') != nullptr) {
        const int len = snprintf(out, size, "%s", name);
        return static_cast<size_t>(len) < size && is_program(out);
    }
    const char* path = getenv("PATH");
    for (const char* p = path != nullptr ? path : "/usr/bin:/bin"; *p != '\0';) {
        const size_t len = strcspn(p, ":");
        const char* dir = len != 0 ? p : ".";
        const int n = snprintf(out, size, "%.*s/%s", static_cast<int>(len), dir, name);
        if (static_cast<size_t>(n) < size && is_program(out)) {
            return true;
        }
        p += len + (p[len] == ':');
    }
    return false;
}

// Why no library can be preloaded into it; null: it can, or we cannot tell.
const char* cannot_preload(const char* path)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)) != 0 && geteuid() != 0) {
        return "it is set-user-id or set-group-id";
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf64_Ehdr eh = {};
    if (fd < 0 || read(fd, &eh, sizeof eh) != sizeof eh ||
        memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0) {
        if (fd >= 0) {
            close(fd);
        }
        return nullptr;
    }
    const char* why = eh.e_ident[EI_CLASS] != ELFCLASS64 ? "it is not a 64-bit program"
                                                         : "it is statically linked";
    for (int i = 0; eh.e_ident[EI_CLASS] == ELFCLASS64 && i < eh.e_phnum; i++) {
        Elf64_Phdr ph;
        const off_t at = static_cast<off_t>(eh.e_phoff) + i * eh.e_phentsize;
        if (pread(fd, &ph, sizeof ph, at) == sizeof ph && ph.p_type == PT_INTERP) {
            why = nullptr;
        }
    }
    close(fd);
    return why;
}

void set_preload(const char* library)
{
    const char* old = getenv("LD_PRELOAD");
    if (old == nullptr || *old == '\0') {
        setenv("LD_PRELOAD", library, 1);
        return;
    }
    if (strstr(old, kLibrary) != nullptr) {
        return;
    }
    char both[2 * PATH_MAX];
    snprintf(both, sizeof both, "%s:%s", library, old);
    setenv("LD_PRELOAD", both, 1);
}

// Says with --why what the program would otherwise find out silently.
void report_agent()
{
    eta::Agent agent;
    const int err = agent.open(ETA_ROLE_APP);
    if (err != 0) {
        fprintf(stderr, "eta-run: no kernel agent (%s): the program runs through the OS stack\n",
                strerror(-err));
        return;
    }
    if (agent.ro()->fw_down != 0) {
        fputs("eta-run: no accelerator is running: the program runs through the OS stack\n",
              stderr);
    }
    agent.close();
}

}  // namespace

int main(int argc, char** argv)
{
    Options o;
    const int stop = parse(argc, argv, &o);
    if (stop != 0) {
        return stop - 1;
    }
    char library[PATH_MAX];
    if (!find_library(library, sizeof library)) {
        fprintf(stderr, "eta-run: %s not found beside eta-run or in ../lib\n", kLibrary);
        return 126;
    }
    const char* name = argv[o.program];
    char program[PATH_MAX];
    if (!find_program(name, program, sizeof program)) {
        fprintf(stderr, "eta-run: %s: no such program\n", name);
        return 127;
    }
    const char* cannot = cannot_preload(program);
    if (cannot != nullptr) {
        fprintf(stderr, "eta-run: %s cannot be accelerated: %s\n", name, cannot);
    }
    if (o.agent != nullptr) {
        setenv("ETA_AGENT", o.agent, 1);
    }
    if (o.spin != nullptr) {
        setenv("ETA_SPIN_US", o.spin, 1);
    }
    if (o.why) {
        setenv("ETA_WHY", "1", 1);
        report_agent();
    }
    set_preload(library);
    execv(program, &argv[o.program]);
    fprintf(stderr, "eta-run: %s: %s\n", name, strerror(errno));
    return errno == ENOENT ? 127 : 126;
}
