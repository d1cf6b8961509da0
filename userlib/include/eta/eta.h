/* SPDX-License-Identifier: MIT */
/*
 * Native interface of libeta_al: the sockets calls under names of their own, for programs that
 * want accelerated sockets without the preload library. Descriptors are real descriptor numbers;
 * calls behave as their namesakes, set errno and return -1 on error. Do not mix with
 * libeta_preload.so in one process.
 */
#ifndef ETA_ETA_H
#define ETA_ETA_H

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

int eta_socket(int domain, int type, int protocol);
int eta_bind(int fd, const struct sockaddr *addr, socklen_t len);
int eta_listen(int fd, int backlog);
int eta_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int eta_connect(int fd, const struct sockaddr *addr, socklen_t len);
ssize_t eta_recv(int fd, void *buf, size_t n, int flags);
ssize_t eta_send(int fd, const void *buf, size_t n, int flags);
ssize_t eta_readv(int fd, const struct iovec *iov, int n);
ssize_t eta_writev(int fd, const struct iovec *iov, int n);
int eta_shutdown(int fd, int how);
int eta_close(int fd);
int eta_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int eta_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
int eta_getsockopt(int fd, int level, int opt, void *val, socklen_t *len);
int eta_setsockopt(int fd, int level, int opt, const void *val, socklen_t len);
int eta_fcntl(int fd, int cmd, long arg);
int eta_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int eta_epoll_create1(int flags);
int eta_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);
int eta_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms);

/* 1: the socket is carried by a DTI; 0: by the OS stack; -1: not a TCP socket the library knows. */
int eta_is_accelerated(int fd);

#ifdef __cplusplus
}
#endif

#endif /* ETA_ETA_H */
