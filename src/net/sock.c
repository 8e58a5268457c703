/* SPDX-License-Identifier: MIT */
/* Make, bind, listen, accept, connect, tune non-blocking sockets. */
#include "net/sock.h"

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAM_TYPE (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
#define CONGESTION_BYTES 16 /* TCP_CA_NAME_MAX of the kernel */
#define STEER_MOST 256
#define TCP_FLAGS_OFFSET 13
#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10

static int set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

/* The option is an int; three weeks and more are as good as its largest value. */
static int set_user_timeout(int fd, int64_t timeout_ms)
{
    int most_ms = timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
    return set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, most_ms);
}

static void close_keeping_errno(int fd)
{
    int error = errno;
    close(fd);
    errno = error;
}

static bool is_v6_wildcard(const struct addr *address)
{
    return address->any.sa_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr);
}

/* A bound socket for exactly this address; shared tells whether others may bind it too. */
static int open_bound(const struct addr *address, const char *interface, bool shared)
{
    int fd = socket(address->any.sa_family, STREAM_TYPE, 0);
    if (fd < 0)
        return -1;
    if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
        goto fail;
    if (shared && set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
        goto fail;
    if (address->any.sa_family == AF_INET6 &&
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !is_v6_wildcard(address)) < 0)
        goto fail;
    if (interface != NULL && interface[0] != '\0' &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface)) <
            0)
        goto fail;
    if (bind(fd, &address->any, address->length) < 0)
        goto fail;
    return fd;
fail:
    close_keeping_errno(fd);
    return -1;
}

/* As open_bound; the wildcard is 0.0.0.0 on a machine that was started without IPv6. */
static int open_bound_or_v4(const struct addr *address, const char *interface, bool shared)
{
    int fd = open_bound(address, interface, shared);
    if (fd >= 0 || !is_v6_wildcard(address) ||
        (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
        return fd;
    struct addr any_v4 = {
        .in = {.sin_family = AF_INET, .sin_port = address->in6.sin6_port},
        .length = sizeof any_v4.in,
    };
    return open_bound(&any_v4, interface, shared);
}

int sock_open_listener(const struct addr *address, const char *interface)
{
    return open_bound_or_v4(address, interface, true);
}

bool sock_is_free(const struct addr *address, const char *interface)
{
    int fd = open_bound_or_v4(address, interface, false);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static bool has_congestion(const struct sock_options *options)
{
    return options->congestion != NULL && options->congestion[0] != '\0';
}

static int set_congestion(int fd, const char *name)
{
    return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
}

static int get_congestion(int fd, char name[CONGESTION_BYTES + 1])
{
    socklen_t length = CONGESTION_BYTES;
    memset(name, 0, CONGESTION_BYTES + 1);
    return getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length);
}

/* Back to the system's congestion control, which a fresh socket tells. */
static int reset_congestion(int fd)
{
    char now[CONGESTION_BYTES + 1], system[CONGESTION_BYTES + 1];
    int fresh = socket(AF_INET, STREAM_TYPE, 0);
    if (fresh < 0)
        fresh = socket(AF_INET6, STREAM_TYPE, 0);
    if (fresh < 0)
        return -1;
    int result = get_congestion(fresh, system);
    close_keeping_errno(fresh);
    if (result < 0 || get_congestion(fd, now) < 0)
        return -1;
    return strcmp(now, system) == 0 ? 0 : set_congestion(fd, system);
}

int sock_tune(int fd, const struct sock_options *options)
{
    if (set_int(fd, IPPROTO_TCP, TCP_NODELAY, options->nodelay) < 0 ||
        set_int(fd, SOL_SOCKET, SO_KEEPALIVE, options->keepalive) < 0 ||
        set_user_timeout(fd, options->user_timeout_ms) < 0)
        return -1;
    return has_congestion(options) ? set_congestion(fd, options->congestion)
                                   : reset_congestion(fd);
}

int sock_tune_fresh(int fd, const struct sock_options *options)
{
    if (options->nodelay && set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0)
        return -1;
    if (options->keepalive && set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1) < 0)
        return -1;
    if (options->user_timeout_ms > 0 && set_user_timeout(fd, options->user_timeout_ms) < 0)
        return -1;
    return has_congestion(options) ? set_congestion(fd, options->congestion) : 0;
}

int sock_listen(int fd, int backlog)
{
    return listen(fd, backlog);
}

int sock_queue_length(int listener)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    if (getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return -1;
    if (info.tcpi_state != TCP_LISTEN) {
        errno = EINVAL;
        return -1;
    }
    return (int)info.tcpi_unacked;
}

int sock_accept(int listener, struct addr *peer)
{
    int fd;
    do {
        socklen_t length = sizeof peer->un; /* the largest member; peer is not read here */
        fd = accept4(listener, peer == NULL ? NULL : &peer->any, peer == NULL ? NULL : &length,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0 && peer != NULL) {
            peer->length = length;
            addr_unmap(peer);
        }
    } while (fd < 0 && errno == EINTR);
    return fd;
}

int sock_open_stream(int family)
{
    return socket(family, STREAM_TYPE, 0);
}

int sock_bind_source(int fd, const struct addr *source, bool is_transparent)
{
    struct addr address = *source;

    if (address.any.sa_family == AF_INET6)
        address.in6.sin6_port = 0;
    else
        address.in.sin_port = 0;
    /* The kernel reads the IPv4 option for both families. */
    if (set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) < 0)
        return -1;
    if (is_transparent && set_int(fd, IPPROTO_IP, IP_TRANSPARENT, 1) < 0)
        return -1;
    return bind(fd, &address.any, address.length);
}

bool sock_is_shortage(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:
    case EAGAIN:
    case EAFNOSUPPORT:
        return true;
    default:
        return false;
    }
}

int sock_recycle(int fd)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    return connect(fd, &nobody, sizeof nobody);
}

void sock_arm_reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

bool sock_has_route(const struct addr *address)
{
    int fd = socket(address->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno != EAFNOSUPPORT;
    struct addr probe = *address;
    /* Both families have it at the same place; a datagram socket connects to no port 0. */
    if (addr_port(&probe) == 0)
        probe.in.sin_port = htons(9);
    int result = connect(fd, &probe.any, probe.length);
    bool has_none = result != 0 &&
                    (errno == ENETUNREACH || errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT);
    close(fd);
    return !has_none;
}

int sock_take_error(int fd)
{
    int error;
    socklen_t length = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return errno;
    return error;
}

int sock_unacknowledged(int fd)
{
    int length;
    return ioctl(fd, SIOCOUTQ, &length) < 0 ? -1 : length;
}

int sock_refuse_new(int listener)
{
    /*
     * The kernel runs a TCP socket's filter with the packet starting at the TCP header. The
     * ACK that ends a handshake passes it too, so only a SYN that is nothing else is dropped.
     * Connections that are accepted later inherit the filter; no SYN is ever of use to them.
     */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS_OFFSET),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K,
                 TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TCP_FLAG_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),          /* drop */
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX), /* keep all bytes */
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

static int stop_steering(int fd)
{
    if (set_int(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0) < 0 && errno != ENOENT)
        return -1;
    return 0;
}

int sock_steer(int fd, const uint16_t *indexes, int n)
{
    if (n == 0)
        return stop_steering(fd);
    if (n < 0 || n > STEER_MOST) {
        errno = EINVAL;
        return -1;
    }
    /* A random number modulo n, then "if it is k, the answer is indexes[k]" for every k. */
    struct sock_filter code[3 + 2 * STEER_MOST] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, (uint32_t)n),
    };
    uint16_t length = 2;
    for (uint32_t k = 0; k + 1 < (uint32_t)n; k++) {
        code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1);
        code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, indexes[k]);
    }
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, indexes[n - 1]);
    struct sock_fprog program = {.len = length, .filter = code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
}

/* Every packet that has crossed a router, or started with a usual hop limit, is dropped unheard. */
static int drop_by_hop_limit(int fd, int family)
{
    const int most_hops = 255;
    if (set_int(fd, IPPROTO_IP, IP_MINTTL, most_hops) < 0)
        return -1;
    return family == AF_INET6 ? set_int(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, most_hops) : 0;
}

int sock_open_sink(int member, uint16_t n_members)
{
    struct addr address = {.length = sizeof address.un};
    char interface[IF_NAMESIZE] = "";
    socklen_t interface_length = sizeof interface;
    if (getsockname(member, &address.any, &address.length) < 0 ||
        getsockopt(member, SOL_SOCKET, SO_BINDTODEVICE, interface, &interface_length) < 0)
        return -1;
    int sink = sock_open_listener(&address, interface);
    if (sink < 0)
        return -1;
    /* Its hop limit first, then its place at the end of the group, then the steering. */
    if (drop_by_hop_limit(sink, address.any.sa_family) < 0 || listen(sink, 0) < 0 ||
        sock_steer(sink, &n_members, 1) < 0) {
        close_keeping_errno(sink);
        return -1;
    }
    return sink;
}
