/* SPDX-License-Identifier: MIT */
/* A client without a host yet: what it says waits, that it has gone is noticed. */
#include "relay/early.h"

#include <stdlib.h>
#include <string.h>

#include "relay_rig.h"

enum { LEAVE_MS = 30 };

static const char text[] = RIG_SERVICE RIG_GROUP "host = a 127.0.0.1:1\n";
static const char ends_both[] =
    RIG_SERVICE "half_close = no\n" RIG_GROUP "host = a 127.0.0.1:1\n";

struct fixture {
    struct relay_rig rig;
    struct conn *c;
    int client;
};

static void open_fixture(struct fixture *f, const char *lines)
{
    rig_open(&f->rig, "%s", lines);
    f->c = rig_admit(&f->rig, &f->client);
}

static void close_fixture(struct fixture *f)
{
    rig_dismiss(&f->rig, f->c);
    close(f->client);
    rig_close(&f->rig);
}

static void await_client(const struct fixture *f)
{
    assert_true(is_ready(f->c->client.watch.fd, POLLIN, PATIENCE_MS));
}

static void bytes_wait_in_order(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, text);
    rig_say(f.client, "one ");
    await_client(&f);
    assert_int_equal(early_read(f.c), EARLY_GOING);
    rig_say(f.client, "two");
    await_client(&f);
    assert_int_equal(early_read(f.c), EARLY_GOING);
    assert_int_equal(early_read(f.c), EARLY_GOING); /* nothing there */
    assert_int_equal(f.c->client.wait.length, 7);
    assert_memory_equal(buffer_bytes(&f.c->client.wait), "one two", 7);
    assert_int_equal(f.c->client.in_bytes, 7);
    assert_int_equal(atomic_load(&rig_service_shard(&f.rig)->bytes_in), 7);
    assert_false(f.c->client.eof);
    close_fixture(&f);
}

static void no_more_is_read_than_can_wait(void **state)
{
    struct fixture f;
    char *bytes = malloc(2 * RIG_BUFFER_BYTES);

    (void)state;
    open_fixture(&f, text);
    memset(bytes, 'x', 2 * RIG_BUFFER_BYTES);
    for (size_t sent = 0; sent < 2 * RIG_BUFFER_BYTES;) {
        ssize_t n = send(f.client, bytes, 2 * RIG_BUFFER_BYTES - sent, MSG_DONTWAIT);
        if (n > 0)
            sent += (size_t)n;
        else if (f.c->client.wait.length == RIG_BUFFER_BYTES)
            break;
        assert_int_equal(early_read(f.c), EARLY_GOING);
    }
    while (f.c->client.wait.length < RIG_BUFFER_BYTES) {
        await_client(&f);
        assert_int_equal(early_read(f.c), EARLY_GOING);
    }
    await_client(&f);
    assert_int_equal(early_read(f.c), EARLY_GOING);
    assert_int_equal(f.c->client.in_bytes, RIG_BUFFER_BYTES);
    assert_false(f.c->client.eof); /* a read of nothing looks like the end */
    early_watch(f.c);
    assert_false(ev_is_active(&f.c->client.watch));
    free(bytes);
    close_fixture(&f);
}

static void client_is_watched_while_it_may_speak(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, text);
    early_watch(f.c);
    assert_true(ev_is_active(&f.c->client.watch));
    assert_int_equal(f.c->client.watch.events & (EV_READ | EV_WRITE), EV_READ);
    shutdown(f.client, SHUT_WR);
    await_client(&f);
    assert_int_equal(early_read(f.c), EARLY_GOING);
    early_watch(f.c);
    assert_false(ev_is_active(&f.c->client.watch));
    close_fixture(&f);
}

static void reset_is_told(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, text);
    rig_reset(f.client);
    await_client(&f);
    assert_int_equal(early_read(f.c), EARLY_RESET);
    f.client = dup(f.rig.door);
    close_fixture(&f);
}

static void want_of_memory_is_told(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, text);
    f.rig.relay.buffers.objects_a_slab = SIZE_MAX; /* no slab of the kind can be had */
    rig_say(f.client, "x");
    await_client(&f);
    assert_int_equal(early_read(f.c), EARLY_NO_MEMORY);
    close_fixture(&f);
}

static void read_end(struct fixture *f)
{
    shutdown(f->client, SHUT_WR);
    await_client(f);
    while (!f->c->client.eof)
        assert_int_equal(early_read(f->c), EARLY_GOING);
}

static void silent_end_counts_as_gone_after_a_moment(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, text);
    f.rig.relay.now_ns +=
        CLOCK_NS_PER_S; /* the moment begins with the end, not with the life */
    assert_false(early_has_left(f.c));
    read_end(&f);
    assert_false(early_has_left(f.c));
    f.rig.relay.now_ns += LEAVE_MS * CLOCK_NS_PER_MS - 1;
    assert_false(early_has_left(f.c));
    f.rig.relay.now_ns += 1;
    assert_true(early_has_left(f.c));
    close_fixture(&f);
}

static void end_is_looked_at_in_time(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, text);
    deadline_hang(&f.rig.relay.wheel, &f.c->deadline, f.rig.relay.now_ns + 10 * CLOCK_NS_PER_S);
    uint64_t late = f.c->deadline.tick;
    read_end(&f);
    uint64_t due_ns = f.c->deadline.tick * DEADLINE_TICK_MS * CLOCK_NS_PER_MS;
    assert_true(f.c->deadline.tick < late);
    assert_true(due_ns >= f.rig.relay.now_ns + LEAVE_MS * CLOCK_NS_PER_MS);
    assert_true(due_ns < f.rig.relay.now_ns + (LEAVE_MS + DEADLINE_TICK_MS) * CLOCK_NS_PER_MS);
    close_fixture(&f);
}

static void client_that_has_spoken_only_listens_now(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, text);
    rig_say(f.client, "GET");
    read_end(&f);
    f.rig.relay.now_ns += 10 * CLOCK_NS_PER_S;
    assert_false(early_has_left(f.c));
    close_fixture(&f);
}

static void any_end_is_leaving_where_it_ends_both(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, ends_both);
    rig_say(f.client, "GET");
    read_end(&f);
    assert_false(early_has_left(f.c));
    f.rig.relay.now_ns += LEAVE_MS * CLOCK_NS_PER_MS;
    assert_true(early_has_left(f.c));
    close_fixture(&f);
}

static void due_is_the_earlier_of_limit_and_leaving(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, text);
    uint64_t start_ns = f.c->phase_ns;
    assert_int_equal(early_due(f.c, 500), start_ns + 500 * CLOCK_NS_PER_MS);
    assert_int_equal(early_due(f.c, 0), UINT64_MAX);
    f.rig.relay.now_ns += 100 * CLOCK_NS_PER_MS;
    read_end(&f);
    assert_int_equal(early_due(f.c, 500), start_ns + (100 + LEAVE_MS) * CLOCK_NS_PER_MS);
    assert_int_equal(early_due(f.c, 120), start_ns + 120 * CLOCK_NS_PER_MS);
    f.c->client.in_bytes = 1;
    assert_int_equal(early_due(f.c, 500), start_ns + 500 * CLOCK_NS_PER_MS);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_wait_in_order),
        cmocka_unit_test(no_more_is_read_than_can_wait),
        cmocka_unit_test(client_is_watched_while_it_may_speak),
        cmocka_unit_test(reset_is_told),
        cmocka_unit_test(want_of_memory_is_told),
        cmocka_unit_test(silent_end_counts_as_gone_after_a_moment),
        cmocka_unit_test(end_is_looked_at_in_time),
        cmocka_unit_test(client_that_has_spoken_only_listens_now),
        cmocka_unit_test(any_end_is_leaving_where_it_ends_both),
        cmocka_unit_test(due_is_the_earlier_of_limit_and_leaving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
