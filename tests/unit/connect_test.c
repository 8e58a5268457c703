/* SPDX-License-Identifier: MIT */
/* Attempts to reach a host: how they go, what they count, what becomes of the socket. */
#include "relay/connect.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>

#include "relay_rig.h"

enum { EAGER_MISSES = 8, EAGER_RETRY = 64 };

/* A connection that has claimed a place at the first of three hosts, all at one address. */
struct fixture {
    struct relay_rig rig;
    struct conn *c;
    int listener, client;
    struct addr address;
};

static void open_at(struct fixture *f, const char *service_lines, const char *group_lines)
{
    unsigned port = addr_port(&f->address);

    rig_open(&f->rig,
             RIG_SERVICE "%s" RIG_GROUP "%shost = a 127.0.0.1:%u\nhost = b 127.0.0.1:%u\n"
                         "host = c 127.0.0.1:%u\n",
             service_lines, group_lines, port, port, port);
    f->c = rig_admit(&f->rig, &f->client);
    rig_claim(f->c, 0);
}

static void open_fixture(struct fixture *f)
{
    f->listener = open_listening(&f->address);
    open_at(f, "", "");
}

static void close_fixture(struct fixture *f)
{
    rig_dismiss(&f->rig, f->c);
    close(f->client);
    rig_close(&f->rig);
    close(f->listener);
}

static const struct host_note *note_of(const struct fixture *f)
{
    return &f->c->way->line->notes[0];
}

/* How the attempt goes in the end; an early send that came too early is waited for. */
static enum connect_verdict attempt(struct conn *c)
{
    size_t sent;
    enum connect_verdict verdict = connect_start(c, NULL, 0, &sent);

    if (verdict != CONNECT_PENDING)
        return verdict;
    assert_true(is_ready(c->host.watch.fd, POLLOUT, PATIENCE_MS));
    return connect_finish(c);
}

/* The connection to the host stands; returns the host's end. */
static int reach(const struct fixture *f)
{
    assert_int_equal(attempt(f->c), CONNECT_OPEN);
    return accept_one(f->listener, NULL);
}

static void first_bytes_go_along(void **state)
{
    struct fixture f;
    enum connect_verdict verdict = CONNECT_PENDING;
    size_t sent = 77;
    char got[8];

    (void)state;
    open_fixture(&f);
    /* Where the machine is busy the handshake may not be over at once: then nothing was sent. */
    for (int i = 0; i < 1000 && verdict != CONNECT_OPEN; i++) {
        verdict = connect_start(f.c, "hello", 5, &sent);
        assert_int_equal(sent, verdict == CONNECT_OPEN ? 5 : 0);
        if (verdict == CONNECT_OPEN)
            break;
        connect_close(f.c, true);
        f.c->way->line->notes[0].eager_misses = 0;
    }
    assert_int_equal(verdict, CONNECT_OPEN);
    ssize_t n = -1;
    for (int host; n != 5; close(host)) {
        host = accept_one(f.listener, NULL);
        assert_true(is_ready(host, POLLIN, PATIENCE_MS));
        n = recv(host, got, sizeof got, 0);
    }
    assert_memory_equal(got, "hello", 5);
    close_fixture(&f);
}

static void silent_host_is_waited_for(void **state)
{
    struct fixture f;
    size_t sent = 77;
    int filler;

    (void)state;
    f.listener = rig_open_full(&f.address, &filler);
    open_at(&f, "", "");
    f.rig.relay.now_ns += 5000;
    assert_int_equal(connect_start(f.c, "hello", 5, &sent), CONNECT_PENDING);
    assert_int_equal(sent, 0);
    assert_int_equal(f.c->phase_ns, f.rig.relay.now_ns);
    assert_int_equal(note_of(&f)->eager_misses, 1);
    assert_false(is_ready(f.c->host.watch.fd, POLLOUT, 0));
    rig_drain_full(&f.rig, f.listener, filler);
    assert_true(is_ready(f.c->host.watch.fd, POLLOUT, PATIENCE_MS)); /* it asks once more */
    assert_int_equal(connect_finish(f.c), CONNECT_OPEN);
    close_fixture(&f);
}

static void refusal_is_the_hosts_fault(void **state)
{
    struct fixture f;

    (void)state;
    f.listener = rig_open_refusing(&f.address);
    open_at(&f, "", "");
    assert_int_equal(attempt(f.c), CONNECT_FAILED);
    assert_int_equal(errno, ECONNREFUSED);
    connect_fail(f.c, errno);
    assert_int_equal(f.c->host.watch.fd, -1);
    assert_false(f.c->has_claim);
    assert_int_equal(f.c->n_tried, 1);
    assert_int_equal(f.c->tried[0], 0);
    assert_int_equal(atomic_load(&rig_host_row(&f.rig, 0)->in_flight), 0);
    assert_int_equal(atomic_load(&rig_host_row(&f.rig, 0)->fails_in_row), 1);
    assert_int_equal(atomic_load(&rig_host_row(&f.rig, 1)->fails_in_row), 0);
    char reason[HOST_REASON_BYTES];
    host_read_reason(rig_host_row(&f.rig, 0), reason);
    assert_string_equal(reason, "connect: Connection refused");
    close_fixture(&f);
}

static void failures_are_counted_by_kind(void **state)
{
    static const struct {
        int error;
        enum host_failure failure;
    } kinds[] = {
        {ECONNREFUSED, FAILURE_REFUSED},
        {ETIMEDOUT, FAILURE_TIMEOUT},
        {EHOSTUNREACH, FAILURE_UNREACHABLE},
        {ENETUNREACH, FAILURE_UNREACHABLE},
        {ENETDOWN, FAILURE_UNREACHABLE},
        {EHOSTDOWN, FAILURE_UNREACHABLE},
        {EPERM, FAILURE_UNREACHABLE},
        {EACCES, FAILURE_UNREACHABLE},
        {EINVAL, FAILURE_OTHER},
    };
    uint64_t expected[FAILURES] = {0};
    struct fixture f;

    (void)state;
    f.listener = rig_open_refusing(&f.address);
    open_at(&f, "", "eject_failures = 0\n");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!f.c->has_claim)
            rig_claim(f.c, 0);
        connect_fail(f.c, kinds[i].error);
        expected[kinds[i].failure]++;
        for (size_t j = 0; j < FAILURES; j++)
            assert_int_equal(atomic_load(&rig_host_shard(&f.rig, 0)->failures[j]), expected[j]);
    }
    close_fixture(&f);
}

/* Such a host can be reached: it is not ejected for what it does then. */
static void reset_at_once_is_no_failed_connect(void **state)
{
    static const int errors[] = {ECONNRESET, EPIPE};
    struct fixture f;

    (void)state;
    f.listener = rig_open_refusing(&f.address);
    open_at(&f, "", "eject_failures = 1\n");
    for (uint64_t i = 0; i < 2; i++) {
        if (!f.c->has_claim)
            rig_claim(f.c, 0);
        connect_fail(f.c, errors[i]);
        assert_int_equal(f.c->n_tried, i + 1);
        assert_int_equal(atomic_load(&rig_host_shard(&f.rig, 0)->failures[FAILURE_OTHER]),
                         i + 1);
        assert_int_equal(atomic_load(&rig_host_row(&f.rig, 0)->fails_in_row), 0);
        assert_int_equal(host_state(rig_host_row(&f.rig, 0), f.rig.relay.now_ns), HOST_UP);
    }
    close_fixture(&f);
}

static void tried_list_never_overflows(void **state)
{
    struct fixture f;

    (void)state;
    f.listener = rig_open_refusing(&f.address);
    open_at(&f, "retries = 15\n", "");
    for (int i = 0; i < PICK_MOST_TRIED + 5; i++) {
        assert_int_equal(connect_may_retry(f.c), i < PICK_MOST_TRIED);
        if (!f.c->has_claim)
            rig_claim(f.c, 0);
        connect_abandon(f.c, EMFILE);
    }
    assert_int_equal(f.c->n_tried, PICK_MOST_TRIED);
    close_fixture(&f);
}

static void failing_host_is_ejected(void **state)
{
    struct fixture f;

    (void)state;
    f.listener = rig_open_refusing(&f.address);
    open_at(&f, "", "eject_failures = 2\neject_time = 5s\n");
    uint64_t now_ns = f.rig.relay.now_ns;
    connect_fail(f.c, ECONNREFUSED);
    assert_int_equal(host_state(rig_host_row(&f.rig, 0), now_ns), HOST_UP);
    rig_claim(f.c, 0);
    connect_fail(f.c, ECONNREFUSED);
    assert_int_equal(host_state(rig_host_row(&f.rig, 0), now_ns), HOST_EJECTED);
    assert_int_equal(host_state(rig_host_row(&f.rig, 0), now_ns + 5 * CLOCK_NS_PER_S), HOST_UP);
    close_fixture(&f);
}

static void own_shortage_is_not_the_hosts_fault(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    uint64_t before = rig_exhaust_fds();
    enum connect_verdict verdict = attempt(f.c);
    int error = errno;
    rig_limit_fds(before);
    assert_int_equal(verdict, CONNECT_SHORTAGE);
    assert_int_equal(error, EMFILE);
    connect_abandon(f.c, EMFILE);
    assert_false(f.c->has_claim);
    assert_int_equal(f.c->n_tried, 1);
    assert_int_equal(atomic_load(&rig_host_row(&f.rig, 0)->in_flight), 0);
    assert_int_equal(atomic_load(&rig_host_row(&f.rig, 0)->fails_in_row), 0);
    for (size_t i = 0; i < FAILURES; i++)
        assert_int_equal(atomic_load(&rig_host_shard(&f.rig, 0)->failures[i]), 0);
    close_fixture(&f);
}

static void socket_that_cannot_be_tuned_is_not_the_hosts_fault(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    /* As where the kernel says EPERM: the key was good when it was read. */
    f.c->way->host_options.congestion = "nosuchcc";
    assert_int_equal(attempt(f.c), CONNECT_SHORTAGE);
    assert_int_equal(errno, ENOENT);
    close_fixture(&f);
}

/* A host across a real network would answer no early send: it is asked now and then only. */
static void sends_that_come_too_early_are_given_up(void **state)
{
    struct fixture f;
    struct host_note *note;
    size_t sent;

    (void)state;
    open_fixture(&f);
    note = &f.c->way->line->notes[0];
    note->eager_misses = EAGER_MISSES;
    for (int i = 1; i < EAGER_RETRY; i++) {
        assert_int_equal(connect_start(f.c, "x", 1, &sent), CONNECT_PENDING);
        assert_int_equal(note->eager_misses, EAGER_MISSES + i);
        connect_close(f.c, true);
        close(accept_one(f.listener, NULL));
    }
    /* Sent: got through, or one miss more. */
    if (connect_start(f.c, "x", 1, &sent) == CONNECT_OPEN)
        assert_int_equal(note->eager_misses, 0);
    else
        assert_int_equal(note->eager_misses, EAGER_MISSES);
    close_fixture(&f);
}

static void success_is_counted(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    atomic_store(&rig_host_row(&f.rig, 0)->fails_in_row, 2);
    int host = reach(&f);
    connect_succeed(f.c);
    struct host_shard *shard = rig_host_shard(&f.rig, 0);
    assert_int_equal(atomic_load(&shard->connections_total), 1);
    assert_int_equal(atomic_load(&rig_host_row(&f.rig, 0)->fails_in_row), 0);
    assert_true(f.c->connect_ns > 0);
    assert_true(f.c->connect_ns <= clock_now_ns() - f.rig.relay.now_ns);
    assert_int_equal(atomic_load(&shard->connect_ns_sum), f.c->connect_ns);
    close(host);
    close_fixture(&f);
}

static void host_socket_is_tuned(void **state)
{
    struct fixture f;

    (void)state;
    f.listener = open_listening(&f.address);
    open_at(&f, "nodelay = yes\nkeepalive = yes\nuser_timeout = 3s\n", "");
    int host = reach(&f), fd = f.c->host.watch.fd;
    assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(get_int(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 3000);
    close(host);
    close_fixture(&f);
}

static void close_is_a_fin_or_a_reset(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    int host = reach(&f);
    connect_close(f.c, false);
    assert_int_equal(f.c->host.watch.fd, -1);
    rig_expect_end(&f.rig, host);
    close(host);
    host = reach(&f);
    connect_close(f.c, true);
    rig_expect_reset(&f.rig, host);
    connect_close(f.c, true); /* there is none any more */
    close(host);
    assert_int_equal(f.rig.relay.n_parked, 0);
    close_fixture(&f);
}

/* Ours ended first, theirs followed: closed in the kernel's eyes. */
static void end_in_order(const struct fixture *f, int host)
{
    struct half *half = &f->c->host;
    char byte;

    assert_int_equal(shutdown(half->watch.fd, SHUT_WR), 0);
    assert_true(is_ready(host, POLLIN, PATIENCE_MS));
    close(host);
    assert_true(is_ready(half->watch.fd, POLLIN, PATIENCE_MS));
    assert_int_equal(recv(half->watch.fd, &byte, 1, 0), 0);
    half->shut = half->shut_first = half->eof = true;
}

static void forget_end(struct conn *c)
{
    c->host.shut = c->host.shut_first = c->host.eof = c->host.broken = false;
}

static void socket_that_ended_in_order_serves_again(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    end_in_order(&f, reach(&f));
    int fd = f.c->host.watch.fd;
    connect_close(f.c, false);
    assert_int_equal(f.rig.relay.n_parked, 1);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    forget_end(f.c);
    int host = reach(&f);
    assert_int_equal(f.c->host.watch.fd, fd);
    assert_int_equal(f.rig.relay.n_parked, 0);
    assert_flows(fd, host);
    assert_flows(host, fd);
    close(host);
    close_fixture(&f);
}

static void assert_not_kept(struct fixture *f, bool with_reset)
{
    int fd = f->c->host.watch.fd;

    connect_close(f->c, with_reset);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(f->rig.relay.n_parked, 0);
    forget_end(f->c);
}

static void other_sockets_are_not_kept(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    end_in_order(&f, reach(&f));
    assert_not_kept(&f, true);
    end_in_order(&f, reach(&f));
    f.c->host.broken = true;
    assert_not_kept(&f, false);
    end_in_order(&f, reach(&f));
    f.c->host.shut_first = false;
    assert_not_kept(&f, false);
    end_in_order(&f, reach(&f));
    f.c->host.eof = false;
    assert_not_kept(&f, false);
    end_in_order(&f, reach(&f));
    f.rig.generation->is_past = true;
    assert_not_kept(&f, false);
    f.rig.generation->is_past = false;
    end_in_order(&f, reach(&f));
    f.rig.relay.most_parked = 0;
    assert_not_kept(&f, false);
    close_fixture(&f);
}

/* Both FINs may cross while the host has not taken all: making the socket fresh would lose that. */
static void socket_with_bytes_under_way_is_not_kept(void **state)
{
    static unsigned char bytes[1 << 20];
    struct fixture f;
    size_t sent = 0, got = 0;

    (void)state;
    open_fixture(&f);
    int host = reach(&f), fd = f.c->host.watch.fd;
    for (ssize_t n = 1; n > 0; sent += n > 0 ? (size_t)n : 0)
        n = send(fd, bytes, sizeof bytes, MSG_NOSIGNAL);
    f.c->client.in_bytes = sent;
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_int_equal(shutdown(host, SHUT_WR), 0);
    f.c->host.shut = f.c->host.shut_first = f.c->host.eof = true;
    assert_not_kept(&f, false);
    for (ssize_t n = 1; n != 0; got += n > 0 ? (size_t)n : 0) {
        assert_true(is_ready(host, POLLIN, PATIENCE_MS));
        n = recv(host, bytes, sizeof bytes, 0);
        assert_true(n >= 0);
    }
    assert_int_equal(got, sent);
    close(host);
    close_fixture(&f);
}

static void as_many_other_hosts_are_tried_as_asked_for(void **state)
{
    struct fixture f;

    (void)state;
    f.listener = rig_open_refusing(&f.address);
    open_at(&f, "retries = 2\n", "");
    for (int n = 1; n <= 3; n++) {
        assert_true(connect_may_retry(f.c));
        if (!f.c->has_claim)
            rig_claim(f.c, (uint32_t)n - 1);
        connect_fail(f.c, ECONNREFUSED);
    }
    assert_false(connect_may_retry(f.c));
    close_fixture(&f);
}

static void failures_of_a_host_are_logged_once_a_second(void **state)
{
    struct fixture f;
    int fds[2];
    char lines[2048];

    (void)state;
    f.listener = rig_open_refusing(&f.address);
    open_at(&f, "", "eject_failures = 0\n");
    assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    log_set_level(LEVEL_WARNING);
    log_to_fd(fds[1]);
    for (int i = 0; i < 5; i++) {
        if (!f.c->has_claim)
            rig_claim(f.c, 0);
        connect_fail(f.c, ECONNREFUSED);
    }
    f.rig.relay.now_ns += CLOCK_NS_PER_S;
    rig_claim(f.c, 0);
    connect_fail(f.c, ETIMEDOUT);
    log_to_fd(STDERR_FILENO);
    ssize_t n = read(fds[0], lines, sizeof lines - 1);
    assert_true(n > 0);
    lines[n] = '\0';
    const char *second = strchr(lines, '\n') + 1;
    assert_non_null(strstr(lines, "service web: host main/a (127.0.0.1:"));
    assert_non_null(strstr(lines, "connect: Connection refused (0 more not shown)\n"));
    assert_non_null(strstr(second, "connect: Connection timed out (4 more not shown)\n"));
    assert_int_equal(strchr(second, '\n')[1], '\0');
    close_all(fds, 2);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_bytes_go_along),
        cmocka_unit_test(silent_host_is_waited_for),
        cmocka_unit_test(refusal_is_the_hosts_fault),
        cmocka_unit_test(failures_are_counted_by_kind),
        cmocka_unit_test(reset_at_once_is_no_failed_connect),
        cmocka_unit_test(tried_list_never_overflows),
        cmocka_unit_test(failing_host_is_ejected),
        cmocka_unit_test(own_shortage_is_not_the_hosts_fault),
        cmocka_unit_test(socket_that_cannot_be_tuned_is_not_the_hosts_fault),
        cmocka_unit_test(sends_that_come_too_early_are_given_up),
        cmocka_unit_test(success_is_counted),
        cmocka_unit_test(host_socket_is_tuned),
        cmocka_unit_test(close_is_a_fin_or_a_reset),
        cmocka_unit_test(socket_that_ended_in_order_serves_again),
        cmocka_unit_test(other_sockets_are_not_kept),
        cmocka_unit_test(socket_with_bytes_under_way_is_not_kept),
        cmocka_unit_test(as_many_other_hosts_are_tried_as_asked_for),
        cmocka_unit_test(failures_of_a_host_are_logged_once_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
