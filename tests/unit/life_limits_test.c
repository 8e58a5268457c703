/* SPDX-License-Identifier: MIT */
/* Whole lives of connections that wait: in line for a full host, for an answer, for bytes; until a limit. */
#include "relay/life.h"

#include <stdlib.h>

#include "relay_rig.h"

enum { OTHER_SLOT = RIG_SLOT - 1, LEAVE_MS = 30, HOUR_MS = 3600 * 1000 };

/* A rig with one host, or with a silent one before it. */
struct fixture {
    struct relay_rig rig;
    int listener;
    int silent, filler; /* -1 without */
};

/* options: of the host's line. */
static void open_fixture(struct fixture *f, const char *service_lines, const char *group_lines,
                         const char *options)
{
    struct addr address;

    f->silent = f->filler = -1;
    f->listener = open_listening(&address);
    rig_open(&f->rig, RIG_SERVICE "%s" RIG_GROUP "%shost = h0 127.0.0.1:%u %s\n", service_lines,
             group_lines, addr_port(&address), options);
}

/* The first host answers nothing; the second one is there. */
static void open_silent(struct fixture *f, const char *service_lines)
{
    struct addr silent, address;

    f->silent = rig_open_full(&silent, &f->filler);
    f->listener = open_listening(&address);
    rig_open(&f->rig,
             RIG_SERVICE "%s" RIG_GROUP "host = h0 127.0.0.1:%u\nhost = h1 127.0.0.1:%u\n",
             service_lines, addr_port(&silent), addr_port(&address));
}

static void close_fixture(struct fixture *f)
{
    rig_close(&f->rig);
    close(f->listener);
    if (f->silent >= 0)
        close(f->silent);
    if (f->filler >= 0)
        close(f->filler);
}

static int64_t waiting(const struct fixture *f)
{
    return atomic_load(&rig_service_shard(&f->rig)->waiting);
}

static uint64_t ended(const struct fixture *f, enum outcome outcome)
{
    return rig_outcomes(&f->rig, outcome);
}

/* A client that has said its name and what became of it. */
static int name_client(struct fixture *f, const char *name)
{
    int client = rig_client(&f->rig, name);
    rig_turn(&f->rig);
    return client;
}

/* The next one at the host has this name; its end there is the caller's. */
static int expect_at_host(struct fixture *f, const char *name)
{
    int host = accept_one(f->listener, NULL);
    rig_expect(&f->rig, host, name);
    return host;
}

static void assert_nobody_at_host(const struct fixture *f)
{
    assert_false(is_ready(f->listener, POLLIN, 0));
}

/* Both ends close; the connection is over. */
static void leave(struct fixture *f, int client, int host)
{
    uint64_t left = f->rig.relay.n_open - 1;

    close(client);
    rig_expect_end(&f->rig, host);
    close(host);
    rig_run_until_open(&f->rig, left);
}

/* ---- in line ---- */

static void line_is_served_first_in_first_out(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    struct fixture f;
    int clients[4];

    (void)state;
    open_fixture(&f, "", "", "max_connections=1");
    for (int i = 0; i < 4; i++)
        clients[i] = name_client(&f, names[i]);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(waiting(&f), 3 - i);
        assert_int_equal(atomic_load(&rig_host_row(&f.rig, 0)->in_flight), 1);
        int host = expect_at_host(&f, names[i]);
        assert_nobody_at_host(&f);
        leave(&f, clients[i], host);
    }
    assert_int_equal(ended(&f, OUTCOME_OK), 4);
    close_fixture(&f);
}

static void what_is_said_in_line_arrives_in_order(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "", "", "max_connections=1");
    int first = name_client(&f, "first");
    int second = name_client(&f, "said, ");
    assert_int_equal(rig_newest(&f.rig)->phase, PHASE_QUEUE);
    rig_say(second, "said again, ");
    while (rig_newest(&f.rig)->client.in_bytes < 18)
        rig_turn(&f.rig);
    leave(&f, first, expect_at_host(&f, "first"));
    rig_say(second, "and again");
    leave(&f, second, expect_at_host(&f, "said, said again, and again"));
    close_fixture(&f);
}

static void queue_timeout_ends_the_wait(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "idle_timeout = 10h\n", "queue_timeout = 30m\n", "max_connections=1");
    int first = name_client(&f, "first");
    int host = expect_at_host(&f, "first");
    int second = name_client(&f, "second");
    rig_advance(&f.rig, HOUR_MS / 2 - DEADLINE_TICK_MS);
    assert_int_equal(waiting(&f), 1);
    rig_advance(&f.rig, 2 * DEADLINE_TICK_MS);
    assert_int_equal(waiting(&f), 0);
    rig_expect_reset(&f.rig, second);
    assert_int_equal(ended(&f, OUTCOME_QUEUE_TIMEOUT), 1);
    assert_int_equal(f.rig.relay.n_open, 1);
    close(second);
    leave(&f, first, host);
    close_fixture(&f);
}

static void queue_timeout_of_nothing_waits_not_at_all(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "", "queue_timeout = 0\n", "max_connections=1");
    int first = name_client(&f, "first");
    int second = name_client(&f, "second");
    rig_expect_reset(&f.rig, second);
    assert_int_equal(ended(&f, OUTCOME_QUEUE_TIMEOUT), 1);
    assert_int_equal(waiting(&f), 0);
    close(second);
    leave(&f, first, expect_at_host(&f, "first"));
    close_fixture(&f);
}

static void who_leaves_the_line_makes_way(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "", "", "max_connections=1");
    int a = name_client(&f, "a");
    int reset = name_client(&f, "b");
    int silent = name_client(&f, NULL);
    int d = name_client(&f, "d");
    assert_int_equal(waiting(&f), 3);
    rig_reset(reset);
    rig_run_until_open(&f.rig, 3);
    assert_int_equal(ended(&f, OUTCOME_CLIENT_RESET), 1);
    close(silent); /* a FIN, and nothing said */
    for (int i = 0; i < 10; i++)
        rig_turn(&f.rig);
    assert_int_equal(f.rig.relay.n_open, 3);
    while (f.rig.relay.n_open == 3) {
        rig_turn(&f.rig);
        rig_advance(&f.rig, LEAVE_MS + DEADLINE_TICK_MS);
    }
    assert_int_equal(ended(&f, OUTCOME_CLIENT_RESET), 2);
    assert_int_equal(waiting(&f), 1);
    leave(&f, a, expect_at_host(&f, "a"));
    leave(&f, d, expect_at_host(&f, "d"));
    close_fixture(&f);
}

static void place_freed_by_another_worker_is_found(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "", "", "max_connections=1");
    assert_true(host_claim(&f.rig.segment, OTHER_SLOT, RIG_FIRST_HOST, 1));
    int first = name_client(&f, "first");
    rig_advance(&f.rig, 2 * DEADLINE_TICK_MS);
    assert_int_equal(waiting(&f), 1);
    host_release(&f.rig.segment, OTHER_SLOT, RIG_FIRST_HOST);
    /* There is a place, but it is not theirs: who joins the line sees that the first one gets it. */
    int second = name_client(&f, "second");
    assert_int_equal(waiting(&f), 1);
    leave(&f, first, expect_at_host(&f, "first"));
    leave(&f, second, expect_at_host(&f, "second"));
    close_fixture(&f);
}

static void shutdown_leaves_nobody_in_line(void **state)
{
    struct fixture f;
    int clients[3];

    (void)state;
    open_fixture(&f, "", "", "max_connections=1");
    for (int i = 0; i < 3; i++)
        clients[i] = name_client(&f, NULL);
    int host = expect_at_host(&f, "");
    life_end_all(&f.rig.relay, OUTCOME_SHUTDOWN);
    life_bury(&f.rig.relay);
    assert_nobody_at_host(&f); /* the place that came free was for nobody */
    assert_int_equal(ended(&f, OUTCOME_SHUTDOWN), 3);
    assert_int_equal(waiting(&f), 0);
    close_all(clients, 3);
    close(host);
    close_fixture(&f);
}

/* ---- waiting for an answer ---- */

static void silent_host_is_left_for_the_next(void **state)
{
    struct fixture f;

    (void)state;
    open_silent(&f, "connect_timeout = 1h\n");
    int client = name_client(&f, "hello");
    rig_advance(&f.rig, HOUR_MS - DEADLINE_TICK_MS);
    assert_int_equal(rig_newest(&f.rig)->phase, PHASE_CONNECT);
    assert_int_equal(rig_newest(&f.rig)->target, 0);
    rig_advance(&f.rig, 2 * DEADLINE_TICK_MS);
    assert_int_equal(rig_newest(&f.rig)->target, 1);
    int host = expect_at_host(&f, "hello");
    const struct host_shard *shard = rig_host_shard(&f.rig, 0);
    assert_int_equal(atomic_load(&shard->failures[FAILURE_TIMEOUT]), 1);
    assert_int_equal(atomic_load(&shard->in_flight), 0);
    leave(&f, client, host);
    close_fixture(&f);
}

static void late_answer_gets_what_was_said_meanwhile(void **state)
{
    struct fixture f;

    (void)state;
    open_silent(&f, "");
    int client = name_client(&f, "early, ");
    rig_say(client, "later");
    while (rig_newest(&f.rig)->client.in_bytes < 12)
        rig_turn(&f.rig);
    assert_int_equal(rig_newest(&f.rig)->phase, PHASE_CONNECT);
    rig_drain_full(&f.rig, f.silent, f.filler);
    f.filler = -1;
    rig_run_until_phase(&f.rig, PHASE_RELAY);
    int host = accept_one(f.silent, NULL);
    rig_expect(&f.rig, host, "early, later");
    rig_say(host, "answer");
    rig_expect(&f.rig, client, "answer");
    leave(&f, client, host);
    close_fixture(&f);
}

static void client_may_leave_before_the_answer(void **state)
{
    struct fixture f;

    (void)state;
    open_silent(&f, "");
    int reset = name_client(&f, "x");
    int silent = name_client(&f, NULL);
    assert_int_equal(atomic_load(&rig_host_row(&f.rig, 0)->in_flight), 2);
    rig_reset(reset);
    rig_run_until_open(&f.rig, 1);
    assert_int_equal(ended(&f, OUTCOME_CLIENT_RESET), 1);
    assert_int_equal(atomic_load(&rig_host_row(&f.rig, 0)->in_flight), 1);
    close(silent);
    while (!rig_newest(&f.rig)->client.eof)
        rig_turn(&f.rig);
    rig_advance(&f.rig, LEAVE_MS - 1);
    assert_int_equal(f.rig.relay.n_open, 1);
    rig_advance(&f.rig, 2 * DEADLINE_TICK_MS);
    assert_int_equal(f.rig.relay.n_open, 0);
    assert_int_equal(ended(&f, OUTCOME_CLIENT_RESET), 2);
    assert_nobody_at_host(&f);
    assert_int_equal(atomic_load(&rig_host_row(&f.rig, 0)->fails_in_row), 0);
    close_fixture(&f);
}

/* ---- limits of what is under way ---- */

/* A connection in PHASE_RELAY over which "x" has gone; returns the host's end. */
static int begin(struct fixture *f, int *client)
{
    *client = name_client(f, "x");
    int host = expect_at_host(f, "x");
    rig_run_until_phase(&f->rig, PHASE_RELAY);
    return host;
}

static void assert_over(struct fixture *f, enum outcome outcome)
{
    assert_int_equal(f->rig.relay.n_open, 0);
    assert_int_equal(ended(f, outcome), 1);
}

static void idle_connection_ends_active_one_does_not(void **state)
{
    struct fixture f;
    int client;

    (void)state;
    open_fixture(&f, "idle_timeout = 1h\n", "", "");
    int host = begin(&f, &client);
    rig_advance(&f.rig, HOUR_MS - 1000);
    rig_say(client, "y");
    rig_expect(&f.rig, host, "y");
    rig_advance(&f.rig, HOUR_MS - 1000);
    rig_say(host, "z");
    rig_expect(&f.rig, client, "z");
    rig_advance(&f.rig, HOUR_MS - 1000);
    assert_int_equal(f.rig.relay.n_open, 1);
    rig_advance(&f.rig, 1000 + DEADLINE_TICK_MS);
    assert_over(&f, OUTCOME_IDLE);
    rig_expect_end(&f.rig, client);
    rig_expect_end(&f.rig, host);
    close(client);
    close(host);
    close_fixture(&f);
}

static void half_closed_connection_has_a_limit_of_its_own(void **state)
{
    struct fixture f;
    int client;

    (void)state;
    open_fixture(&f, "idle_timeout = 10h\nhalf_close_timeout = 1h\n", "", "");
    int host = begin(&f, &client);
    rig_advance(&f.rig, 2 * HOUR_MS);
    assert_int_equal(f.rig.relay.n_open, 1);
    rig_say(client, "bye");
    shutdown(client, SHUT_WR);
    rig_expect(&f.rig, host, "bye");
    rig_expect_end(&f.rig, host);
    rig_advance(&f.rig, HOUR_MS - 1000);
    rig_say(host, "not yet"); /* whoever still speaks is heard */
    rig_expect(&f.rig, client, "not yet");
    rig_advance(&f.rig, HOUR_MS - 1000);
    assert_int_equal(f.rig.relay.n_open, 1);
    rig_advance(&f.rig, 1000 + DEADLINE_TICK_MS);
    assert_over(&f, OUTCOME_IDLE);
    close(client);
    close(host);
    close_fixture(&f);
}

static void lifetime_ends_the_busiest(void **state)
{
    struct fixture f;
    int client;

    (void)state;
    open_fixture(&f, "idle_timeout = 10h\nlifetime = 1h\n", "", "");
    int host = begin(&f, &client);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(f.rig.relay.n_open, 1);
        rig_say(client, "y");
        rig_expect(&f.rig, host, "y");
        rig_advance(&f.rig, HOUR_MS / 6);
    }
    rig_advance(&f.rig, DEADLINE_TICK_MS);
    assert_over(&f, OUTCOME_LIFETIME);
    rig_expect_end(&f.rig, client);
    close(client);
    close(host);
    close_fixture(&f);
}

/* Limits below a round of the wheel, where nothing would look at the connection in time by itself. */
static void short_limit_after_an_end_is_kept_too(void **state)
{
    struct fixture f;
    int client;

    (void)state;
    open_fixture(&f, "idle_timeout = 10h\nhalf_close_timeout = 1s\n", "", "");
    int host = begin(&f, &client);
    shutdown(client, SHUT_WR);
    rig_expect_end(&f.rig, host);
    rig_advance(&f.rig, 1000 - DEADLINE_TICK_MS);
    assert_int_equal(f.rig.relay.n_open, 1);
    rig_advance(&f.rig, 3 * DEADLINE_TICK_MS);
    assert_over(&f, OUTCOME_IDLE);
    close(client);
    close(host);
    close_fixture(&f);
}

/* A host has said much and reset; its client has not read a byte. Returns the client. */
static int begin_closing(struct fixture *f, uint64_t after_ms)
{
    static unsigned char bytes[200000];
    int arrived;

    open_fixture(f, "idle_timeout = 10h\nhalf_close_timeout = 1h\n", "", "");
    int client = rig_connect(&f->rig, 4096, &arrived);
    rig_start(&f->rig, 0, arrived);
    int host = accept_one(f->listener, NULL);
    rig_run_until_phase(&f->rig, PHASE_RELAY);
    assert_true(send(host, bytes, sizeof bytes, MSG_NOSIGNAL) > 50000);
    while (sock_unacknowledged(host) > 0)
        rig_turn(&f->rig);
    rig_advance(&f->rig, after_ms);
    rig_reset(host);
    rig_run_until_phase(&f->rig, PHASE_CLOSING);
    assert_int_equal(rig_newest(&f->rig)->host.watch.fd, -1);
    return client;
}

/* Time passes, the loop turns for what happens meanwhile. */
static void pass(struct fixture *f, uint64_t ms)
{
    for (int i = 0; i < 10; i++)
        rig_turn(&f->rig);
    rig_advance(&f->rig, ms);
}

/* Such a client holds nothing for ever. */
static void closing_has_its_limit(void **state)
{
    struct fixture f;

    (void)state;
    int client = begin_closing(&f, 0);
    pass(&f, HOUR_MS - 1000);
    assert_int_equal(f.rig.relay.n_open, 1);
    pass(&f, 1000 + DEADLINE_TICK_MS);
    assert_over(&f, OUTCOME_HOST_RESET);
    close(client);
    close_fixture(&f);
}

static void limit_of_closing_begins_with_it(void **state)
{
    struct fixture f;

    (void)state;
    int client = begin_closing(&f, 3 * HOUR_MS);
    pass(&f, HOUR_MS - 1000);
    assert_int_equal(f.rig.relay.n_open, 1);
    pass(&f, 1000 + DEADLINE_TICK_MS);
    assert_over(&f, OUTCOME_HOST_RESET);
    close(client);
    close_fixture(&f);
}

static void client_that_takes_a_little_now_and_then_may_go_on(void **state)
{
    static unsigned char bytes[8192];
    struct fixture f;

    (void)state;
    int client = begin_closing(&f, 0);
    for (int i = 0; i < 5; i++) {
        int before = sock_unacknowledged(rig_newest(&f.rig)->client.watch.fd);
        while (sock_unacknowledged(rig_newest(&f.rig)->client.watch.fd) == before)
            recv(client, bytes, sizeof bytes, 0);
        pass(&f, HOUR_MS - 1000);
        assert_int_equal(f.rig.relay.n_open, 1);
    }
    life_end(rig_newest(&f.rig), OUTCOME_KILLED);
    life_bury(&f.rig.relay);
    close(client);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_is_served_first_in_first_out),
        cmocka_unit_test(what_is_said_in_line_arrives_in_order),
        cmocka_unit_test(queue_timeout_ends_the_wait),
        cmocka_unit_test(queue_timeout_of_nothing_waits_not_at_all),
        cmocka_unit_test(who_leaves_the_line_makes_way),
        cmocka_unit_test(place_freed_by_another_worker_is_found),
        cmocka_unit_test(shutdown_leaves_nobody_in_line),
        cmocka_unit_test(silent_host_is_left_for_the_next),
        cmocka_unit_test(late_answer_gets_what_was_said_meanwhile),
        cmocka_unit_test(client_may_leave_before_the_answer),
        cmocka_unit_test(idle_connection_ends_active_one_does_not),
        cmocka_unit_test(half_closed_connection_has_a_limit_of_its_own),
        cmocka_unit_test(lifetime_ends_the_busiest),
        cmocka_unit_test(short_limit_after_an_end_is_kept_too),
        cmocka_unit_test(closing_has_its_limit),
        cmocka_unit_test(limit_of_closing_begins_with_it),
        cmocka_unit_test(client_that_takes_a_little_now_and_then_may_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
