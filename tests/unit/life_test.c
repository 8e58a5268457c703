/* SPDX-License-Identifier: MIT */
/* Whole lives of connections with a scripted client and host: reaching a host, ends of every kind. */
#include "relay/life.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "relay_rig.h"

#define UNHURRIED "half_close_timeout = 10d\nidle_timeout = 10d\n"

enum { MOST_HOSTS = 6 };

/* A rig with listening hosts, refusing ones behind them or before them, each named h0, h1, ... */
struct fixture {
    struct relay_rig rig;
    int sockets[MOST_HOSTS]; /* of the hosts */
    int n_hosts;
};

/* kinds: a letter a host, 'o' open, 'r' refusing. */
static void open_fixture(struct fixture *f, const char *kinds, const char *service_lines)
{
    char lines[1024] = "";

    f->n_hosts = (int)strlen(kinds);
    for (int i = 0; i < f->n_hosts; i++) {
        struct addr address;
        f->sockets[i] =
            kinds[i] == 'o' ? open_listening(&address) : rig_open_refusing(&address);
        size_t length = strlen(lines);
        snprintf(lines + length, sizeof lines - length, "host = h%d 127.0.0.1:%u\n", i,
                 addr_port(&address));
    }
    rig_open(&f->rig, RIG_SERVICE "%s" RIG_GROUP "eject_failures = 0\n%s", service_lines,
             lines);
}

/* All is over by now. */
static void close_fixture(struct fixture *f)
{
    assert_int_equal(f->rig.n_ended,
                     atomic_load(&rig_service_shard(&f->rig)->connections_total));
    rig_close(&f->rig);
    close_all(f->sockets, f->n_hosts);
}

/* The relay's connection at the host with the index. */
static int accept_at(struct fixture *f, int index)
{
    return accept_one(f->sockets[index], NULL);
}

static void assert_nobody_at(struct fixture *f, int index)
{
    assert_false(is_ready(f->sockets[index], POLLIN, 0));
}

/* One connection has ended so, no other in any way. */
static void assert_ended(struct fixture *f, enum outcome outcome)
{
    rig_run_until_open(&f->rig, 0);
    for (enum outcome i = OUTCOME_OPEN; i < OUTCOMES; i++)
        assert_int_equal(rig_outcomes(&f->rig, i), i == outcome);
}

static uint64_t failures_at(const struct fixture *f, uint32_t index)
{
    struct host_figures figures;
    host_sum(&f->rig.segment, RIG_FIRST_HOST + index, &figures);
    return figures.failures_total;
}

/* ---- ends in good order ---- */

static void each_side_may_end_while_the_other_speaks(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "o", "");
    int client = rig_client(&f.rig, "question");
    int host = accept_at(&f, 0);
    rig_expect(&f.rig, host, "question");
    shutdown(client, SHUT_WR);
    rig_expect_end(&f.rig, host);
    rig_say(host, "a long ");
    rig_expect(&f.rig, client, "a long ");
    rig_say(host, "answer");
    close(host);
    rig_expect(&f.rig, client, "answer");
    rig_expect_end(&f.rig, client);
    assert_ended(&f, OUTCOME_OK);
    assert_int_equal(atomic_load(&rig_service_shard(&f.rig)->bytes_in), 8);
    assert_int_equal(atomic_load(&rig_service_shard(&f.rig)->bytes_out), 13);
    assert_int_equal(atomic_load(&rig_host_shard(&f.rig, 0)->bytes_in), 8);
    assert_int_equal(atomic_load(&rig_host_shard(&f.rig, 0)->bytes_out), 13);
    assert_int_equal(atomic_load(&rig_host_shard(&f.rig, 0)->connections_total), 1);
    close(client);
    close_fixture(&f);
}

static void host_may_end_first(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "o", "");
    int client = rig_client(&f.rig, NULL);
    int host = accept_at(&f, 0);
    rig_say(host, "220 ready");
    shutdown(host, SHUT_WR);
    rig_expect(&f.rig, client, "220 ready");
    rig_expect_end(&f.rig, client);
    for (int i = 0; i < 20; i++)
        rig_turn(&f.rig); /* the host stays readable for ever now: nobody may care */
    rig_say(client, "much to say");
    rig_expect(&f.rig, host, "much to say");
    assert_int_equal(f.rig.relay.n_open, 1);
    close(client);
    rig_expect_end(&f.rig, host);
    assert_ended(&f, OUTCOME_OK);
    close(host);
    close_fixture(&f);
}

static void first_end_closes_both_where_half_close_is_off(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "o", "half_close = no\n");
    int client = rig_client(&f.rig, "bye");
    int host = accept_at(&f, 0);
    rig_expect(&f.rig, host, "bye");
    rig_say(host, "last");
    rig_expect(&f.rig, client, "last");
    shutdown(client, SHUT_WR);
    rig_expect_end(&f.rig, host);
    rig_expect_end(&f.rig, client);
    assert_ended(&f, OUTCOME_OK);
    close(client);
    close(host);
    close_fixture(&f);
}

/* ---- resets ---- */

static void reset_by_client_resets_the_host(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "o", "");
    int client = rig_client(&f.rig, "x");
    int host = accept_at(&f, 0);
    rig_expect(&f.rig, host, "x");
    rig_reset(client);
    rig_expect_reset(&f.rig, host);
    assert_ended(&f, OUTCOME_CLIENT_RESET);
    close(host);
    close_fixture(&f);
}

/* Whether the client has all is looked at each tick. */
static void expect_reset_at_last(struct fixture *f, int client)
{
    uint64_t end_ns = clock_now_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;

    for (rig_turn(&f->rig); f->rig.relay.n_open > 0; rig_turn(&f->rig)) {
        rig_advance(&f->rig, DEADLINE_TICK_MS);
        assert_true(clock_now_ns() < end_ns);
    }
    rig_expect_reset(&f->rig, client);
}

static void reset_by_host_resets_the_client(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "o", UNHURRIED);
    int client = rig_client(&f.rig, "x");
    int host = accept_at(&f, 0);
    rig_expect(&f.rig, host, "x");
    rig_reset(host);
    expect_reset_at_last(&f, client);
    assert_ended(&f, OUTCOME_HOST_RESET);
    close(client);
    close_fixture(&f);
}

static unsigned char pattern(size_t at)
{
    return (unsigned char)((at * 2654435761u) >> 13);
}

/* Reads to the end at a slow client's; the loop turns, time passes. Returns the bytes, all as sent. */
static size_t sip_until_reset(struct fixture *f, int client)
{
    unsigned char bytes[1000];
    size_t got = 0;
    uint64_t end_ns = clock_now_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;

    for (;;) {
        ssize_t n = recv(client, bytes, sizeof bytes, 0);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(bytes[i], pattern(got + (size_t)i));
        if (n == 0)
            fail_msg("a FIN after %zu bytes: they look like all there was", got);
        if (n < 0 && errno == ECONNRESET)
            return got;
        if (n > 0)
            got += (size_t)n;
        else
            is_ready(client, POLLIN, 1);
        rig_turn(&f->rig);
        rig_advance(&f->rig, DEADLINE_TICK_MS);
        assert_true(clock_now_ns() < end_ns);
    }
}

/* The host says length bytes that the relay has taken when this returns, and resets. */
static void speak_and_reset(struct fixture *f, int host, size_t length)
{
    unsigned char *bytes = malloc(length);
    size_t sent = 0;

    for (size_t i = 0; i < length; i++)
        bytes[i] = pattern(i);
    while (sent < length) {
        ssize_t n = send(host, bytes + sent, length - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        rig_turn(&f->rig);
    }
    while (sock_unacknowledged(host) > 0)
        rig_turn(&f->rig);
    rig_reset(host);
    free(bytes);
}

static void assert_reset_comes_last(size_t length)
{
    struct fixture f;
    int arrived;

    open_fixture(&f, "o", UNHURRIED);
    int client = rig_connect(&f.rig, 4096, &arrived);
    rig_start(&f.rig, 0, arrived);
    int host = accept_at(&f, 0);
    rig_turn(&f.rig);
    speak_and_reset(&f, host, length);
    for (int i = 0; i < 5; i++)
        rig_turn(&f.rig);
    assert_int_equal(f.rig.relay.n_open, 1); /* the client is slow */
    assert_int_equal(sip_until_reset(&f, client), length);
    assert_ended(&f, OUTCOME_HOST_RESET);
    close(client);
    close_fixture(&f);
}

/* Some of it waits in the socket, then in the relay too, then in a pipe. */
static void all_that_a_host_said_comes_before_its_reset(void **state)
{
    (void)state;
    assert_reset_comes_last(20000);
    assert_reset_comes_last(100000);
    assert_reset_comes_last(300000);
}

static void what_a_host_said_is_not_lost_to_a_failing_write(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "o", UNHURRIED);
    int client = rig_client(&f.rig, "x");
    int host = accept_at(&f, 0);
    rig_expect(&f.rig, host, "x");
    rig_say(host, "421 too busy");
    rig_say(client, "more that nobody reads");
    assert_true(is_ready(rig_newest(&f.rig)->client.watch.fd, POLLIN, PATIENCE_MS));
    rig_reset(host);
    rig_expect(&f.rig, client, "421 too busy");
    expect_reset_at_last(&f, client);
    assert_ended(&f, OUTCOME_HOST_RESET);
    close(client);
    close_fixture(&f);
}

/* ---- reaching a host ---- */

static void refused_connect_goes_to_the_next_host(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "rro", "retries = 2\n");
    int client = rig_client(&f.rig, "once");
    rig_run_until_phase(&f.rig, PHASE_RELAY);
    int host = accept_at(&f, 2);
    rig_expect(&f.rig, host, "once");
    rig_say(client, " more");
    rig_expect(&f.rig, host, " more");
    assert_int_equal(failures_at(&f, 0), 1);
    assert_int_equal(failures_at(&f, 1), 1);
    assert_int_equal(failures_at(&f, 2), 0);
    assert_int_equal(atomic_load(&rig_host_row(&f.rig, 0)->in_flight), 0);
    assert_int_equal(atomic_load(&rig_host_row(&f.rig, 2)->in_flight), 1);
    const struct live_row *row = live_row(&f.rig.segment, RIG_SLOT, rig_newest(&f.rig)->live);
    assert_int_equal(atomic_load(&row->host), RIG_FIRST_HOST + 2);
    assert_int_equal(atomic_load(&row->phase), PHASE_RELAY);
    close(client);
    close(host);
    assert_ended(&f, OUTCOME_OK);
    close_fixture(&f);
}

static void no_more_hosts_are_tried_than_asked_for(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "rrro", "retries = 2\n");
    int client = rig_client(&f.rig, "x");
    rig_expect_reset(&f.rig, client);
    assert_ended(&f, OUTCOME_CONNECT_FAILED);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(failures_at(&f, i), 1);
    assert_nobody_at(&f, 3);
    close(client);
    close_fixture(&f);
}

static void one_attempt_is_all_without_retries(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "ro", "retries = 0\n");
    int client = rig_client(&f.rig, NULL);
    rig_expect_reset(&f.rig, client);
    assert_ended(&f, OUTCOME_CONNECT_FAILED);
    assert_int_equal(failures_at(&f, 0), 1);
    assert_nobody_at(&f, 1);
    close(client);
    close_fixture(&f);
}

static void no_host_is_tried_twice(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "rr", "retries = 9\n");
    int client = rig_client(&f.rig, NULL);
    rig_expect_reset(&f.rig, client);
    assert_ended(&f, OUTCOME_CONNECT_FAILED);
    assert_int_equal(failures_at(&f, 0), 1);
    assert_int_equal(failures_at(&f, 1), 1);
    close(client);
    close_fixture(&f);
}

static void without_a_usable_host_the_client_is_reset(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "oo", "");
    host_set_admin(&f.rig.segment, RIG_FIRST_HOST, ADMIN_DOWN);
    host_set_admin(&f.rig.segment, RIG_FIRST_HOST + 1, ADMIN_DRAIN);
    int client = rig_client(&f.rig, "x");
    rig_expect_reset(&f.rig, client);
    assert_ended(&f, OUTCOME_NO_HOST);
    assert_nobody_at(&f, 0);
    assert_nobody_at(&f, 1);
    close(client);
    close_fixture(&f);
}

/* Sends before the handshake is over are given up for a while: as across a real network. */
static void make_patient(struct fixture *f)
{
    f->rig.generation->lines[0].notes[0].eager_misses = 8;
}

static void what_was_said_early_arrives_once_and_first(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "o", "");
    make_patient(&f);
    int client = rig_client(&f.rig, "one ");
    assert_int_equal(rig_newest(&f.rig)->phase, PHASE_CONNECT);
    rig_say(client, "two ");
    rig_run_until_phase(&f.rig, PHASE_RELAY);
    rig_say(client, "three");
    shutdown(client, SHUT_WR);
    int host = accept_at(&f, 0);
    rig_expect(&f.rig, host, "one two three");
    rig_expect_end(&f.rig, host);
    close(host);
    close(client);
    assert_ended(&f, OUTCOME_OK);
    assert_int_equal(atomic_load(&rig_service_shard(&f.rig)->bytes_in), 13);
    assert_int_equal(atomic_load(&rig_host_shard(&f.rig, 0)->bytes_in), 13);
    close_fixture(&f);
}

/* The host's socket takes a part of what the client has sent, the rest follows. */
static void first_bytes_may_go_in_parts(void **state)
{
    enum { LENGTH = 60000 };
    static unsigned char bytes[LENGTH], got[LENGTH];
    struct fixture f;
    int arrived, there = 0;

    (void)state;
    for (size_t i = 0; i < LENGTH; i++)
        bytes[i] = pattern(i);
    open_fixture(&f, "o", "");
    int narrow = sock_open_stream(AF_INET);
    assert_int_equal(setsockopt(narrow, SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
    assert_int_equal(setsockopt(f.sockets[0], SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int)),
                     0);
    assert_true(parked_put(&f.rig.generation->services[0].parked, AF_INET, narrow));
    f.rig.relay.n_parked = 1;
    int client = rig_connect(&f.rig, 0, &arrived);
    assert_int_equal(send(client, bytes, LENGTH, MSG_NOSIGNAL), LENGTH);
    while (there < LENGTH)
        assert_int_equal(ioctl(arrived, FIONREAD, &there), 0);
    rig_start(&f.rig, 0, arrived);
    assert_int_equal(rig_newest(&f.rig)->client.in_bytes, LENGTH);
    assert_true(rig_newest(&f.rig)->client.wait.length > 0);
    int host = accept_at(&f, 0);
    for (size_t n = 0; n < LENGTH;) {
        rig_turn(&f.rig);
        ssize_t more = recv(host, got + n, LENGTH - n, 0);
        n += more > 0 ? (size_t)more : 0;
    }
    assert_memory_equal(got, bytes, LENGTH);
    close(client);
    close(host);
    rig_run_until_open(&f.rig, 0);
    close_fixture(&f);
}

static void client_that_ends_early_still_gets_its_answer(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "o", "");
    make_patient(&f);
    int client = rig_client(&f.rig, "GET");
    shutdown(client, SHUT_WR);
    int host = accept_at(&f, 0);
    rig_expect(&f.rig, host, "GET");
    rig_expect_end(&f.rig, host);
    rig_say(host, "200");
    close(host);
    rig_expect(&f.rig, client, "200");
    rig_expect_end(&f.rig, client);
    assert_ended(&f, OUTCOME_OK);
    close(client);
    close_fixture(&f);
}

static void want_of_descriptors_blames_no_host(void **state)
{
    struct fixture f;
    int arrived;

    (void)state;
    open_fixture(&f, "oo", "");
    int client = rig_connect(&f.rig, 0, &arrived);
    uint64_t before = rig_exhaust_fds();
    rig_start(&f.rig, 0, arrived);
    rig_limit_fds(before);
    rig_expect_reset(&f.rig, client);
    assert_ended(&f, OUTCOME_CONNECT_FAILED);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(failures_at(&f, i), 0);
        assert_int_equal(atomic_load(&rig_host_row(&f.rig, i)->fails_in_row), 0);
    }
    close(client);
    close_fixture(&f);
}

static void client_there_is_no_memory_for_is_reset(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "o", "");
    f.rig.relay.conns.objects_a_slab = SIZE_MAX; /* no slab of the kind can be had */
    int client = rig_client(&f.rig, NULL);
    rig_expect_reset(&f.rig, client);
    assert_int_equal(f.rig.n_ended, 0);
    close(client);
    f.rig.relay.conns.objects_a_slab = 4;
    close_fixture(&f);
}

/* ---- the host's socket serves again ---- */

static int visit(struct fixture *f, const char *says)
{
    int client = rig_client(&f->rig, says);
    int host = accept_at(f, 0);

    rig_expect(&f->rig, host, says);
    int fd = rig_newest(&f->rig)->host.watch.fd;
    close(client);
    rig_expect_end(&f->rig, host);
    close(host);
    rig_run_until_open(&f->rig, 0);
    return fd;
}

static void host_socket_is_used_again_and_again(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "o", "");
    int fd = visit(&f, "visit 0");
    for (int i = 1; i < 20; i++) {
        char says[32];
        snprintf(says, sizeof says, "visit %d", i);
        assert_int_equal(f.rig.relay.n_parked, 1);
        assert_int_equal(f.rig.generation->services[0].parked.inet[0], fd);
        assert_int_equal(visit(&f, says), fd);
    }
    assert_int_equal(rig_outcomes(&f.rig, OUTCOME_OK), 20);
    close_fixture(&f);
}

/* ---- ending ---- */

static void life_ends_but_once(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, "o", "");
    int client = rig_client(&f.rig, "x");
    int host = accept_at(&f, 0);
    rig_run_until_phase(&f.rig, PHASE_RELAY);
    struct conn *c = rig_newest(&f.rig);
    life_end(c, OUTCOME_KILLED);
    life_end(c, OUTCOME_IDLE);
    assert_int_equal(c->outcome, OUTCOME_KILLED); /* still to be looked at */
    assert_int_equal(f.rig.relay.conns.taken, 1);
    assert_int_equal(f.rig.relay.n_open, 0);
    life_bury(&f.rig.relay);
    assert_int_equal(f.rig.relay.conns.taken, 0);
    assert_ended(&f, OUTCOME_KILLED);
    close(client);
    close(host);
    close_fixture(&f);
}

static void all_end_at_once(void **state)
{
    struct fixture f;
    int clients[5], hosts[5];

    (void)state;
    open_fixture(&f, "o", "");
    for (int i = 0; i < 5; i++) {
        clients[i] = rig_client(&f.rig, NULL);
        hosts[i] = accept_at(&f, 0);
    }
    life_end_all(&f.rig.relay, OUTCOME_SHUTDOWN);
    assert_int_equal(f.rig.relay.n_open, 0);
    for (int i = 0; i < 5; i++) {
        rig_expect_end(&f.rig, clients[i]);
        rig_expect_end(&f.rig, hosts[i]);
    }
    assert_int_equal(rig_outcomes(&f.rig, OUTCOME_SHUTDOWN), 5);
    close_all(clients, 5);
    close_all(hosts, 5);
    close_fixture(&f);
}

/* What the client has not got yet is lost: it must not take what it has for all. */
static void cut_short_answer_ends_with_a_reset(void **state)
{
    struct fixture f;
    static unsigned char bytes[100000];
    int arrived;

    (void)state;
    open_fixture(&f, "o", "");
    int client = rig_connect(&f.rig, 4096, &arrived);
    assert_int_equal(setsockopt(arrived, SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
    rig_start(&f.rig, 0, arrived);
    int host = accept_at(&f, 0);
    rig_run_until_phase(&f.rig, PHASE_RELAY);
    while (rig_newest(&f.rig)->host.wait.length == 0) {
        send(host, bytes, sizeof bytes, MSG_NOSIGNAL);
        rig_turn(&f.rig);
    }
    life_end(rig_newest(&f.rig), OUTCOME_KILLED);
    ssize_t n = 1;
    while (n > 0 || (n < 0 && errno == EAGAIN)) {
        rig_turn(&f.rig);
        is_ready(client, POLLIN, 1);
        n = recv(client, bytes, sizeof bytes, 0);
    }
    assert_int_equal(n, -1);
    assert_int_equal(errno, ECONNRESET);
    assert_ended(&f, OUTCOME_KILLED);
    close(client);
    close(host);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_side_may_end_while_the_other_speaks),
        cmocka_unit_test(host_may_end_first),
        cmocka_unit_test(first_end_closes_both_where_half_close_is_off),
        cmocka_unit_test(reset_by_client_resets_the_host),
        cmocka_unit_test(reset_by_host_resets_the_client),
        cmocka_unit_test(all_that_a_host_said_comes_before_its_reset),
        cmocka_unit_test(what_a_host_said_is_not_lost_to_a_failing_write),
        cmocka_unit_test(refused_connect_goes_to_the_next_host),
        cmocka_unit_test(no_more_hosts_are_tried_than_asked_for),
        cmocka_unit_test(one_attempt_is_all_without_retries),
        cmocka_unit_test(no_host_is_tried_twice),
        cmocka_unit_test(without_a_usable_host_the_client_is_reset),
        cmocka_unit_test(what_was_said_early_arrives_once_and_first),
        cmocka_unit_test(first_bytes_may_go_in_parts),
        cmocka_unit_test(client_that_ends_early_still_gets_its_answer),
        cmocka_unit_test(want_of_descriptors_blames_no_host),
        cmocka_unit_test(client_there_is_no_memory_for_is_reset),
        cmocka_unit_test(host_socket_is_used_again_and_again),
        cmocka_unit_test(life_ends_but_once),
        cmocka_unit_test(all_end_at_once),
        cmocka_unit_test(cut_short_answer_ends_with_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
