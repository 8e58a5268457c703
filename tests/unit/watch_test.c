/* SPDX-License-Identifier: MIT */
/* What a half is watched for follows from the facts. */
#include "relay/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/plain.h"

/* Two halves, one watched on a socket that can always be written. */
struct fixture {
    struct relay relay;
    struct conn c;
    struct splice_pipe pipe;
    int pair[2];
    int n_events, seen;
};

static void on_ready(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    struct fixture *f = watch->data;
    (void)loop;
    f->n_events++;
    f->seen = revents;
}

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){0};
    f->relay.loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    assert_non_null(f->relay.loop);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->pair), 0);
    f->c.client.io = f->c.host.io = &plain_transport;
    f->c.client.is_client = true;
    list_init(&f->relay.unread);
    f->c.client.peer = &f->c.host;
    f->c.host.peer = &f->c.client;
    ev_io_init(&f->c.client.watch, on_ready, f->pair[0], 0);
    ev_io_init(&f->c.host.watch, on_ready, -1, 0);
    f->c.client.watch.data = f->c.host.watch.data = f;
}

static void close_fixture(struct fixture *f)
{
    ev_io_stop(f->relay.loop, &f->c.client.watch);
    ev_loop_destroy(f->relay.loop);
    close(f->pair[0]);
    close(f->pair[1]);
}

static int turn(struct fixture *f)
{
    f->seen = 0;
    ev_run(f->relay.loop, EVRUN_NOWAIT);
    return f->seen;
}

static void loop_reports_just_what_is_set(void **state)
{
    struct fixture f;
    struct half *half = &f.c.client;

    (void)state;
    open_fixture(&f);
    assert_int_equal(write(f.pair[1], "x", 1), 1);
    watch_set(&f.relay, half, EV_READ);
    assert_int_equal(turn(&f), EV_READ);
    watch_set(&f.relay, half, EV_WRITE);
    assert_int_equal(turn(&f), EV_WRITE);
    watch_set(&f.relay, half, EV_READ | EV_WRITE);
    assert_int_equal(turn(&f), EV_READ | EV_WRITE);
    watch_set(&f.relay, half, 0);
    assert_false(ev_is_active(&half->watch));
    assert_int_equal(turn(&f), 0);
    watch_set(&f.relay, half, EV_WRITE);
    assert_int_equal(turn(&f), EV_WRITE);
    close_fixture(&f);
}

static void same_events_leave_the_watcher_alone(void **state)
{
    struct fixture f;
    struct half *half = &f.c.client;

    (void)state;
    open_fixture(&f);
    watch_set(&f.relay, half, EV_WRITE);
    /* Stopping a watcher would take its pending event away. */
    ev_feed_event(f.relay.loop, &half->watch, EV_READ);
    watch_set(&f.relay, half, EV_WRITE);
    assert_true(ev_is_pending(&half->watch));
    watch_set(&f.relay, half, EV_READ);
    assert_false(ev_is_pending(&half->watch));
    close_fixture(&f);
}

static void half_without_a_socket_is_not_watched(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f);
    watch_set(&f.relay, &f.c.host, EV_READ);
    assert_false(ev_is_active(&f.c.host.watch));
    close_fixture(&f);
}

/* What the interest of a half hangs on. */
struct facts {
    bool eof, broken, holds, holds_in_pipe, spoke;
    bool peer_broken, peer_holds;
    int watched; /* events it is watched for now */
};

static int interest(const struct facts *facts)
{
    struct fixture f;

    open_fixture(&f);
    struct half *half = &f.c.client, *peer = &f.c.host;
    half->eof = facts->eof;
    half->broken = facts->broken;
    half->wait.length = facts->holds ? 5 : 0;
    f.pipe.held_bytes = facts->holds_in_pipe ? 5 : 0;
    half->pipe = &f.pipe;
    peer->broken = facts->peer_broken;
    peer->wait.length = facts->peer_holds ? 5 : 0;
    watch_set(&f.relay, half, facts->watched);
    int events = watch_interest(half, facts->spoke);
    assert_int_equal(watch_may_read(half), !facts->eof && !facts->holds &&
                                               !facts->holds_in_pipe && !facts->peer_broken);
    close_fixture(&f);
    return events;
}

#define INTEREST(...) interest(&(struct facts){__VA_ARGS__})

static void open_half_is_read(void **state)
{
    (void)state;
    assert_int_equal(INTEREST(.watched = 0), EV_READ);
    assert_int_equal(INTEREST(.watched = EV_READ), EV_READ);
}

static void half_is_not_read_while_its_bytes_wait(void **state)
{
    (void)state;
    assert_int_equal(INTEREST(.holds = true, .watched = EV_READ), 0);
    assert_int_equal(INTEREST(.holds_in_pipe = true, .watched = EV_READ), 0);
    assert_int_equal(INTEREST(.peer_broken = true, .watched = EV_READ), 0);
}

static void half_is_written_while_bytes_wait_for_it(void **state)
{
    (void)state;
    assert_int_equal(INTEREST(.peer_holds = true), EV_READ | EV_WRITE);
    assert_int_equal(INTEREST(.peer_holds = true, .holds = true), EV_WRITE);
    assert_int_equal(INTEREST(.peer_holds = true, .eof = true), EV_WRITE);
}

static void ended_half_stays_watched_until_it_speaks_again(void **state)
{
    (void)state;
    assert_int_equal(INTEREST(.eof = true, .watched = EV_READ), EV_READ);
    assert_int_equal(INTEREST(.eof = true, .watched = EV_READ, .spoke = true), 0);
    assert_int_equal(INTEREST(.eof = true, .watched = EV_READ, .broken = true), 0);
    assert_int_equal(INTEREST(.eof = true, .watched = EV_READ, .holds = true), 0);
    /* What is not watched already is not begun for it. */
    assert_int_equal(INTEREST(.eof = true, .watched = 0), 0);
    assert_int_equal(INTEREST(.eof = true, .watched = EV_WRITE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loop_reports_just_what_is_set),
        cmocka_unit_test(same_events_leave_the_watcher_alone),
        cmocka_unit_test(half_without_a_socket_is_not_watched),
        cmocka_unit_test(open_half_is_read),
        cmocka_unit_test(half_is_not_read_while_its_bytes_wait),
        cmocka_unit_test(half_is_written_while_bytes_wait_for_it),
        cmocka_unit_test(ended_half_stays_watched_until_it_speaks_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
