// SPDX-License-Identifier: MIT
// Every error that eta/ioctl.h promises, on a real /dev/eta. Runs as root in the VM, alone.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>

#include "eta_test.h"

#define NOBODY 65534

static void test_unknown_commands(void)
{
	char big[4096] = { 0 };
	int fd = open_eta();

	CHECK_ERR(ioctl(fd, _IOWR('E', 99, struct eta_attach), big), ENOTTY);
	CHECK_ERR(ioctl(fd, _IOWR('X', 1, struct eta_attach), big), ENOTTY);
	CHECK_ERR(ioctl(fd, _IOWR('E', 1, char[4000]), big), ENOTTY);
	CHECK_ERR(ioctl(fd, _IO('E', 0), 0), ENOTTY);
	CHECK_ERR(ioctl(fd, ETA_IOC_ATTACH, NULL), EFAULT);
	CHECK_ERR(ioctl(fd, ETA_IOC_ATTACH, (void *)-4096L), EFAULT);
	close(fd);
}

static void test_before_attach(void)
{
	struct eta_dti_create c = { .count = 1 };
	struct eta_listen l = { .os_fd = 0 };
	struct eta_fw_interrupt i = { 0 };
	__u64 one = 1;
	int fd = open_eta();

	CHECK_ERR(ioctl(fd, ETA_IOC_DTI_CREATE, &c), ENOTCONN);
	CHECK_ERR(ioctl(fd, ETA_IOC_LISTEN, &l), ENOTCONN);
	CHECK_ERR(ioctl(fd, ETA_IOC_FW_INTERRUPT, &i), ENOTCONN);
	CHECK(map(fd, 4096, PROT_READ, 0, ETA_MAP_RO) == MAP_FAILED && errno == ENOTCONN);
	CHECK(map(fd, 4096, PROT_READ, 0, ETA_MAP_POOL) == MAP_FAILED && errno == ENOTCONN);
	CHECK_ERR(write(fd, &one, 8), ENOTCONN);
	CHECK_ERR(read(fd, &one, 8), EAGAIN);
	CHECK_ERR(read(fd, &one, 4), EINVAL);
	close(fd);
}

static void test_attach_arguments(void)
{
	struct eta_attach a;
	int fd = open_eta();

	a = attach_as(ETA_ROLE_APP);
	a.abi_version = ETA_ABI_VERSION + 1;
	CHECK_ERR(ioctl(fd, ETA_IOC_ATTACH, &a), EPROTO);
	a = attach_as(0);
	CHECK_ERR(ioctl(fd, ETA_IOC_ATTACH, &a), EINVAL);
	a = attach_as(4);
	CHECK_ERR(ioctl(fd, ETA_IOC_ATTACH, &a), EINVAL);
	a = attach_as(ETA_ROLE_APP);
	a.resv[5] = 1;
	CHECK_ERR(ioctl(fd, ETA_IOC_ATTACH, &a), EINVAL);
	a = attach_as(ETA_ROLE_APP);
	a.proc = 1;
	CHECK_ERR(ioctl(fd, ETA_IOC_ATTACH, &a), EINVAL);
	a = attach_as(ETA_ROLE_FW);
	a.proc = 1000;
	CHECK_ERR(ioctl(fd, ETA_IOC_ATTACH, &a), EINVAL);
	a = attach_as(ETA_ROLE_APP);
	CHECK_ERR(ioctl(fd, ETA_IOC_ATTACH, &a), 0);
	CHECK(a.region != ETA_NONE && a.ro_size && a.rw_size && a.max_dti && !a.fw_running);
	a = attach_as(ETA_ROLE_APP);
	CHECK_ERR(ioctl(fd, ETA_IOC_ATTACH, &a), EALREADY);
	close(fd);
	CHECK(becomes("regions", 0));
}

static void test_no_privilege(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct eta_attach a;

		if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
			_exit(100);
		CHECK_ERR(attached(ETA_ROLE_FW, &a), EPERM);
		CHECK_ERR(attached(ETA_ROLE_OBSERVER, &a), EPERM);
		CHECK_ERR(attached(ETA_ROLE_APP, &a), 0);
		_exit(failures);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void test_one_accelerator(void)
{
	struct eta_attach a;
	int fw = attached(ETA_ROLE_FW, &a);

	CHECK(fw >= 0 && a.pool_size);
	CHECK_ERR(attached(ETA_ROLE_FW, &a), EBUSY);
	close(fw);
	fw = attached(ETA_ROLE_FW, &a);
	CHECK(fw >= 0);
	close(fw);
}

static void test_quota_per_user(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct eta_attach a;

		CHECK(sysctl_set("max_regions_per_user", 1) == 0);
		if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
			_exit(100);
		CHECK_ERR(attached(ETA_ROLE_APP, &a), 0);
		CHECK_ERR(attached(ETA_ROLE_APP, &a), ENOSPC);
		CHECK(sysctl_set("max_regions_per_user", 256) == -1);
		_exit(failures);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(sysctl_set("max_regions_per_user", 256) == 0);
}

static void test_dti_create(void)
{
	struct eta_dti_create c = { .count = 1, .resv = { 0, 1 } };
	struct eta_attach a;
	int fd = attached(ETA_ROLE_APP, &a);
	__u32 first;

	CHECK_ERR(ioctl(fd, ETA_IOC_DTI_CREATE, &c), EINVAL);
	CHECK_ERR(dti_create(fd, 0, NULL), EINVAL);
	CHECK_ERR(dti_create(fd, 65537, NULL), EINVAL);
	CHECK(dti_create(fd, 3, &first) == 3 && first == 0);
	CHECK(dti_create(fd, 1000, &first) == 1000 && first == 3);
	CHECK(sysctl_value("dtis") == 1003);
	CHECK(sysctl_set("max_dti_per_region", 1005) == 0);
	CHECK(dti_create(fd, 100, &first) == 2 && first == 1003);
	CHECK_ERR(dti_create(fd, 1, NULL), ENOSPC);
	CHECK(sysctl_set("max_dti_per_region", a.max_dti) == 0);
	CHECK(sysctl_set("max_connections", 1005) == 0);
	CHECK_ERR(dti_create(fd, 1, NULL), ENOSPC);
	CHECK(sysctl_set("max_connections", 1 << 30) == -1);
	CHECK(sysctl_set("max_connections", 200000) == 0);
	CHECK(dti_create(fd, 65536, &first) == 65536 && first == 1005);
	close(fd);
	CHECK(becomes("dtis", 0));
}

static int os_listener(int type, int port, int listening)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || (listening && listen(fd, 5))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int eta_listen_on(int fd, int os_fd, __u32 local, __u32 *listener)
{
	struct eta_listen l = { .os_fd = os_fd, .local = local, .backlog = 5 };
	int ret = ioctl(fd, ETA_IOC_LISTEN, &l);

	if (listener)
		*listener = l.listener;
	return ret;
}

static int eta_unlisten_of(int fd, __u32 listener)
{
	struct eta_unlisten u = { .listener = listener };

	return ioctl(fd, ETA_IOC_UNLISTEN, &u);
}

static void test_listen(void)
{
	struct eta_attach a, b;
	int app = attached(ETA_ROLE_APP, &a);
	int other = attached(ETA_ROLE_APP, &b);
	int good = os_listener(SOCK_STREAM, 8000, 1);
	int idle = os_listener(SOCK_STREAM, 8001, 0);
	int udp = os_listener(SOCK_DGRAM, 8000, 0);
	int local = socket(AF_UNIX, SOCK_STREAM, 0);
	struct eta_unlisten u = { .resv = { 1 } };
	__u32 listener = 0, second = 0;

	CHECK(dti_create(app, 4, NULL) == 4);
	CHECK_ERR(eta_listen_on(app, good, 4, NULL), EINVAL);
	CHECK_ERR(eta_listen_on(app, -1, 0, NULL), EBADF);
	CHECK_ERR(eta_listen_on(app, app, 0, NULL), ENOTSOCK);
	CHECK_ERR(eta_listen_on(app, udp, 0, NULL), EPROTONOSUPPORT);
	CHECK_ERR(eta_listen_on(app, local, 0, NULL), EPROTONOSUPPORT);
	CHECK_ERR(eta_listen_on(app, idle, 0, NULL), EDESTADDRREQ);
	CHECK_ERR(eta_listen_on(app, good, 0, &listener), 0);
	CHECK(listener != ETA_NONE);
	CHECK_ERR(eta_listen_on(app, good, 0, NULL), EINVAL);
	CHECK_ERR(eta_listen_on(app, good, 1, &second), 0);
	CHECK(second != listener);
	CHECK_ERR(ioctl(app, ETA_IOC_UNLISTEN, &u), EINVAL);
	CHECK_ERR(eta_unlisten_of(app, 0), ENOENT);
	CHECK_ERR(eta_unlisten_of(app, 1 << 30), ENOENT);
	CHECK_ERR(eta_unlisten_of(other, listener), ENOENT);
	CHECK_ERR(eta_unlisten_of(app, second), 0);
	CHECK_ERR(eta_unlisten_of(app, second), ENOENT);
	CHECK(sysctl_set("max_listeners_per_region", 1) == 0);
	CHECK_ERR(eta_listen_on(app, good, 1, NULL), ENOSPC);
	CHECK(sysctl_set("max_listeners_per_region", 1024) == 0);
	close(idle);
	close(udp);
	close(local);
	close(good);
	close(other);
	close(app);
}

/* Who gives the port up loses the listener. */
static void test_listen_proof_withdrawn(void)
{
	struct eta_attach a;
	int app = attached(ETA_ROLE_APP, &a);
	int sock = os_listener(SOCK_STREAM, 8002, 1);
	__u32 listener = 0;
	int i;

	CHECK(dti_create(app, 1, NULL) == 1);
	CHECK_ERR(eta_listen_on(app, sock, 0, &listener), 0);
	usleep(300000);
	CHECK_ERR(eta_listen_on(app, sock, 0, NULL), EINVAL); /* it still stands */
	close(sock);
	sock = -1;
	for (i = 0; i < 500 && sock < 0; i++) {
		usleep(10000);
		sock = os_listener(SOCK_STREAM, 8002, 1);
	}
	CHECK(sock >= 0);
	for (i = 0; i < 500 && eta_listen_on(app, sock, 0, NULL); i++)
		usleep(10000);
	CHECK(i < 500);
	close(sock);
	close(app);
}

static void test_fw_commands(void)
{
	struct eta_fw_map m = { 0 };
	struct eta_fw_interrupt i = { 0 };
	struct eta_fw_port p = { .name = "x", .ifname = "eta0", .mtu = 1500 };
	struct eta_attach a, b;
	int fw = attached(ETA_ROLE_FW, &b);
	int app = attached(ETA_ROLE_APP, &a);

	CHECK(a.fw_running);
	CHECK_ERR(ioctl(app, ETA_IOC_FW_MAP, &m), EPERM);
	CHECK_ERR(ioctl(app, ETA_IOC_FW_INTERRUPT, &i), EPERM);
	CHECK_ERR(ioctl(app, ETA_IOC_FW_PORT, &p), EPERM);
	CHECK_ERR(dti_create(fw, 1, NULL), EPERM);
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_MAP, &m), ENOENT);
	m.region = 1 << 20;
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_MAP, &m), ENOENT);
	m.region = a.region;
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_MAP, &m), 0);
	CHECK(m.ro_size == a.ro_size && m.rw_size == a.rw_size);
	m.resv = 1;
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_MAP, &m), EINVAL);
	i.count = ETA_INTERRUPT_MAX + 1;
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_INTERRUPT, &i), EINVAL);
	i.count = 3;
	i.region[0] = 0xffffffff;
	i.region[1] = a.region;
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_INTERRUPT, &i), 0);
	i.resv = 1;
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_INTERRUPT, &i), EINVAL);
	close(app);
	close(fw);
}

static void test_fw_port(void)
{
	struct eta_fw_port good = { .name = "x", .ifname = "eta0", .mtu = 1500,
				    .mac = { 2, 0, 0, 0, 0, 1 } };
	struct eta_fw_port p;
	struct eta_attach a;
	int fw = attached(ETA_ROLE_FW, &a);

	p = good;
	p.mac[0] = 3;
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_PORT, &p), EINVAL);
	p = good;
	p.mtu = 9000; /* a raw packet slot is smaller */
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_PORT, &p), EINVAL);
	p = good;
	p.mtu = 0;
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_PORT, &p), EINVAL);
	p = good;
	strcpy(p.ifname, "eta%d");
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_PORT, &p), EINVAL);
	memset(p.ifname, 'a', sizeof(p.ifname));
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_PORT, &p), EINVAL);
	p = good;
	p.resv[12] = 1;
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_PORT, &p), EINVAL);
	p = good;
	strcpy(p.ifname, "lo");
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_PORT, &p), EEXIST);
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_PORT, &good), 0);
	CHECK(access("/sys/class/net/eta0", F_OK) == 0);
	good.mtu = 1400;
	good.mac[5] = 2;
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_PORT, &good), 0);
	close(fw);
	CHECK(access("/sys/class/net/eta0", F_OK) == -1);
}

/* An application's memory: what it may map, and that RO stays RO. */
static void test_mmap_app(void)
{
	struct eta_attach a, b;
	int app = attached(ETA_ROLE_APP, &a);
	int other = attached(ETA_ROLE_APP, &b);
	struct eta_region_ro *ro;
	char *rw;
	int mem;

	CHECK(map(app, 4096, PROT_READ, 0, ETA_MAP_POOL) == MAP_FAILED && errno == EPERM);
	CHECK(map(app, 4096, PROT_READ, b.region, ETA_MAP_RO) == MAP_FAILED && errno == EPERM);
	CHECK(map(app, 4096, PROT_READ, b.region, ETA_MAP_RW) == MAP_FAILED && errno == EPERM);
	CHECK(map(app, 4096, PROT_READ, 0, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(map(app, 4096, PROT_READ, 0, 4) == MAP_FAILED && errno == EINVAL);
	CHECK(map(app, 4096, PROT_READ | PROT_WRITE, 0, ETA_MAP_RO) == MAP_FAILED &&
	      errno == EACCES);
	CHECK(map(app, a.ro_size + 4096, PROT_READ, 0, ETA_MAP_RO) == MAP_FAILED &&
	      errno == EINVAL);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, app,
		   (off_t)ETA_MAP_OFF(0, ETA_MAP_RO)) == MAP_FAILED && errno == EINVAL);
	ro = map(app, a.ro_size, PROT_READ, 0, ETA_MAP_RO);
	rw = map(app, a.rw_size, PROT_READ | PROT_WRITE, a.region, ETA_MAP_RW);
	CHECK(ro != MAP_FAILED && rw != MAP_FAILED);
	CHECK(ro->map.magic == ETA_ABI_MAGIC && ro->map.region == a.region && ro->fw_down);
	CHECK_ERR(mprotect(ro, 4096, PROT_READ | PROT_WRITE), EACCES);
	CHECK_ERR(mprotect(ro, 4096, PROT_READ | PROT_EXEC), EACCES);
	CHECK_ERR(madvise(ro, 4096, MADV_REMOVE), EACCES);
	mem = open("/proc/self/mem", O_RDWR);
	CHECK(mem >= 0 && pwrite(mem, "x", 1, (off_t)(long)ro) == -1);
	close(mem);
	rw[0] = 1;
	rw[a.rw_size - 1] = 1;
	CHECK(dti_create(app, 2, NULL) == 2 && ro->n_dti == 2);
	CHECK(((__u32 *)((char *)ro + ro->map.ro_ctx_off))[1] != ETA_NONE);
	munmap(ro, a.ro_size);
	munmap(rw, a.rw_size);
	close(other);
	close(app);
}

/* Accelerator and application see the same pages; the observer may only look. */
static void test_mmap_fw(void)
{
	struct eta_attach a, f, o;
	int app = attached(ETA_ROLE_APP, &a);
	int fw = attached(ETA_ROLE_FW, &f);
	int eye = attached(ETA_ROLE_OBSERVER, &o);
	struct eta_region_ro *ro = map(app, a.ro_size, PROT_READ, 0, ETA_MAP_RO);
	char *rw = map(app, a.rw_size, PROT_READ | PROT_WRITE, 0, ETA_MAP_RW);
	struct eta_region_ro *fro = map(fw, a.ro_size, PROT_READ | PROT_WRITE, a.region,
					ETA_MAP_RO);
	char *frw = map(fw, a.rw_size, PROT_READ | PROT_WRITE, a.region, ETA_MAP_RW);
	struct eta_pool_hdr *pool = map(fw, f.pool_size, PROT_READ | PROT_WRITE, 0, ETA_MAP_POOL);
	struct eta_pool_hdr *seen = map(eye, o.pool_size, PROT_READ, 0, ETA_MAP_POOL);
	struct eta_region_desc *desc;

	CHECK(fro != MAP_FAILED && frw != MAP_FAILED && pool != MAP_FAILED && seen != MAP_FAILED);
	CHECK(map(eye, 4096, PROT_READ | PROT_WRITE, 0, ETA_MAP_POOL) == MAP_FAILED &&
	      errno == EACCES);
	CHECK(map(eye, 4096, PROT_READ, a.region, ETA_MAP_RO) == MAP_FAILED && errno == EPERM);
	CHECK_ERR(mprotect(seen, 4096, PROT_READ | PROT_WRITE), EACCES);
	CHECK(map(fw, 4096, PROT_READ, 0, ETA_MAP_RO) == MAP_FAILED && errno == ENOENT);
	CHECK(map(fw, 4096, PROT_READ, 99999, ETA_MAP_RO) == MAP_FAILED && errno == ENOENT);
	CHECK(map(fw, 4096, PROT_READ, 3, ETA_MAP_POOL) == MAP_FAILED && errno == EINVAL);
	fro->event_prod = 77;
	CHECK(ro->event_prod == 77);
	((char *)fro)[ro->map.ro_pool_off + 12345] = 'p';
	CHECK(((char *)ro)[ro->map.ro_pool_off + 12345] == 'p');
	rw[ro->map.rw_pool_off + 5000] = 'q';
	CHECK(frw[ro->map.rw_pool_off + 5000] == 'q');
	CHECK(seen->magic == ETA_ABI_MAGIC && seen->epoch == f.epoch && seen->size == f.pool_size);
	desc = (struct eta_region_desc *)((char *)seen + seen->region_off) + a.region;
	CHECK(desc->state == ETA_REGION_LIVE && desc->pid == (__u32)getpid());
	((char *)pool)[pool->tw_off] = 'r';
	CHECK(((char *)seen)[seen->tw_off] == 'r');
	CHECK(!ro->fw_down);
	close(fw); /* the mappings do not keep the accelerator's role */
	CHECK(ro->fw_down);
	fw = attached(ETA_ROLE_FW, &f);
	CHECK(fw >= 0 && !ro->fw_down);
	munmap(pool, f.pool_size);
	munmap(seen, o.pool_size);
	munmap(fro, a.ro_size);
	munmap(frw, a.rw_size);
	munmap(ro, a.ro_size);
	munmap(rw, a.rw_size);
	close(eye);
	close(fw);
	close(app);
}

static int readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1 ? p.revents : 0;
}

static void test_wake_and_kick(void)
{
	struct eta_fw_interrupt i = { .count = 1 };
	struct eta_attach a, f;
	int fw = attached(ETA_ROLE_FW, &f);
	int app = attached(ETA_ROLE_APP, &a);
	__u64 n = 1;
	int status;
	pid_t pid;

	while (read(app, &n, 8) == 8)
		;
	CHECK(!readable(app, 0));
	i.region[0] = a.region;
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_INTERRUPT, &i), 0);
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_INTERRUPT, &i), 0);
	CHECK(readable(app, 1000) & POLLIN);
	CHECK(read(app, &n, 8) == 8 && n == 2);
	CHECK_ERR(read(app, &n, 8), EAGAIN);
	while (read(fw, &n, 8) == 8)
		;
	CHECK(!readable(fw, 0));
	CHECK_ERR(write(app, &n, 4), EINVAL);
	CHECK_ERR(write(app, (void *)-4096L, 8), EFAULT);
	CHECK(write(app, &n, 8) == 8);
	CHECK(readable(fw, 1000) & POLLIN);
	CHECK(read(fw, &n, 8) == 8);
	/* A blocked reader. */
	pid = fork();
	if (!pid) {
		fcntl(app, F_SETFL, 0);
		_exit(read(app, &n, 8) == 8 ? 0 : 1);
	}
	usleep(200000);
	CHECK_ERR(ioctl(fw, ETA_IOC_FW_INTERRUPT, &i), 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	/* The end of the accelerator wakes too. */
	CHECK(!readable(app, 0));
	close(fw);
	CHECK(readable(app, 1000) & POLLIN);
	close(app);
}

static void test_other_namespace(void)
{
	int home = open("/proc/self/ns/net", O_RDONLY);
	struct eta_attach a, f;
	int early, fw, sock, app;

	CHECK_ERR(unshare(CLONE_NEWNET), 0);
	sock = os_listener(SOCK_STREAM, 8003, 1);
	early = attached(ETA_ROLE_APP, &a);
	CHECK(early >= 0);
	CHECK_ERR(setns(home, CLONE_NEWNET), 0);
	fw = attached(ETA_ROLE_FW, &f);
	/* It was there before the accelerator; now it is elsewhere. */
	CHECK(readable(early, 1000) & POLLHUP);
	CHECK_ERR(dti_create(early, 1, NULL), EXDEV);
	fcntl(early, F_SETFL, 0);
	CHECK(read(early, &f.epoch, 8) <= 8);
	CHECK(map(early, 4096, PROT_READ, 0, ETA_MAP_RO) == MAP_FAILED && errno == ENOTCONN);
	app = attached(ETA_ROLE_APP, &a);
	CHECK(app >= 0 && dti_create(app, 1, NULL) == 1);
	CHECK_ERR(eta_listen_on(app, sock, 0, NULL), EXDEV);
	CHECK_ERR(unshare(CLONE_NEWNET), 0);
	CHECK_ERR(attached(ETA_ROLE_APP, &a), EXDEV);
	CHECK_ERR(attached(ETA_ROLE_FW, &a), EXDEV);
	CHECK_ERR(setns(home, CLONE_NEWNET), 0);
	close(fw);
	close(app);
	close(early);
	close(sock);
	close(home);
}

/* Programs that die by SIGKILL with everything in use leave nothing behind. */
static void test_killed_programs(void)
{
	pid_t pids[16];
	int ready[2];
	char c;
	int i;

	CHECK_ERR(pipe(ready), 0);
	for (i = 0; i < 16; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			struct eta_attach a;
			int fd = attached(ETA_ROLE_APP, &a);
			int sock = os_listener(SOCK_STREAM, 8100 + i, 1);

			memset(map(fd, a.rw_size, PROT_READ | PROT_WRITE, 0, ETA_MAP_RW), 1,
			       1 << 20);
			if (dti_create(fd, 500, NULL) == 500 && !eta_listen_on(fd, sock, 0, NULL))
				c = write(ready[1], "x", 1);
			pause();
		}
	}
	for (i = 0; i < 16; i++)
		CHECK(read(ready[0], &c, 1) == 1);
	CHECK(sysctl_value("regions") == 16 && sysctl_value("dtis") == 16 * 500);
	for (i = 0; i < 16; i++)
		kill(pids[i], SIGKILL);
	for (i = 0; i < 16; i++)
		waitpid(pids[i], NULL, 0);
	CHECK(becomes("regions", 0));
	CHECK(becomes("dtis", 0));
	CHECK(becomes("regions_dying", 0));
	close(ready[0]);
	close(ready[1]);
}

/* Keeps mappings after the descriptor is closed, until told to go on. */
static int hold(void)
{
	struct eta_attach a;
	int fd = attached(ETA_ROLE_APP, &a);
	struct eta_region_ro *ro = map(fd, a.ro_size, PROT_READ, 0, ETA_MAP_RO);
	char *rw = map(fd, a.rw_size, PROT_READ | PROT_WRITE, 0, ETA_MAP_RW);
	char c;

	close(fd);
	puts("held");
	fflush(stdout);
	if (read(0, &c, 1) < 0)
		return 1;
	rw[a.rw_size / 2] = 1;
	CHECK(ro->map.magic == ETA_ABI_MAGIC);
	return finish("hold");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "hold"))
		return hold();
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_unknown_commands();
	test_before_attach();
	test_attach_arguments();
	test_no_privilege();
	test_one_accelerator();
	test_quota_per_user();
	test_dti_create();
	test_listen();
	test_listen_proof_withdrawn();
	test_fw_commands();
	test_fw_port();
	test_mmap_app();
	test_mmap_fw();
	test_wake_and_kick();
	test_other_namespace();
	test_killed_programs();
	CHECK(becomes("regions", 0));
	CHECK(becomes("dtis", 0));
	return finish("ioctl_test");
}
