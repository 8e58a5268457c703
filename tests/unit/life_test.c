/* SPDX-License-Identifier: MIT */
/* Whole lives of connections with a scripted client and host: ends of every kind, who is told what. */
#include "relay/life.h"

#include <stdlib.h>
#include <string.h>

#include "relay_rig.h"

#define UNHURRIED "half_close_timeout = 10d\nidle_timeout = 10d\n"

/* ---- ends in good order ---- */

static void each_side_may_end_while_the_other_speaks(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "o", "");
    int client = rig_client(&scene.rig, "question");
    int host = rig_scene_accept(&scene, 0);
    rig_expect(&scene.rig, host, "question");
    shutdown(client, SHUT_WR);
    rig_expect_end(&scene.rig, host);
    rig_say(host, "a long ");
    rig_expect(&scene.rig, client, "a long ");
    rig_say(host, "answer");
    close(host);
    rig_expect(&scene.rig, client, "answer");
    rig_expect_end(&scene.rig, client);
    rig_scene_assert_ended(&scene, OUTCOME_OK);
    assert_int_equal(atomic_load(&rig_service_shard(&scene.rig)->bytes_in), 8);
    assert_int_equal(atomic_load(&rig_service_shard(&scene.rig)->bytes_out), 13);
    assert_int_equal(atomic_load(&rig_host_shard(&scene.rig, 0)->bytes_in), 8);
    assert_int_equal(atomic_load(&rig_host_shard(&scene.rig, 0)->bytes_out), 13);
    assert_int_equal(atomic_load(&rig_host_shard(&scene.rig, 0)->connections_total), 1);
    close(client);
    rig_scene_close(&scene);
}

static void host_may_end_first(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "o", "");
    int client = rig_client(&scene.rig, NULL);
    int host = rig_scene_accept(&scene, 0);
    rig_say(host, "220 ready");
    shutdown(host, SHUT_WR);
    rig_expect(&scene.rig, client, "220 ready");
    rig_expect_end(&scene.rig, client);
    for (int i = 0; i < 20; i++)
        rig_turn(&scene.rig); /* the host stays readable for ever now: nobody may care */
    rig_say(client, "much to say");
    rig_expect(&scene.rig, host, "much to say");
    assert_int_equal(scene.rig.relay.n_open, 1);
    close(client);
    rig_expect_end(&scene.rig, host);
    rig_scene_assert_ended(&scene, OUTCOME_OK);
    close(host);
    rig_scene_close(&scene);
}

static void first_end_closes_both_where_half_close_is_off(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "o", "half_close = no\n");
    int client = rig_client(&scene.rig, "bye");
    int host = rig_scene_accept(&scene, 0);
    rig_expect(&scene.rig, host, "bye");
    rig_say(host, "last");
    rig_expect(&scene.rig, client, "last");
    shutdown(client, SHUT_WR);
    rig_expect_end(&scene.rig, host);
    rig_expect_end(&scene.rig, client);
    rig_scene_assert_ended(&scene, OUTCOME_OK);
    close(client);
    close(host);
    rig_scene_close(&scene);
}

static void who_comes_in_waits_for_the_next_turn_and_nobody_else(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "o",
                   "route = sni a.example main\n"); /* so that clients are listened to first */
    int inside = rig_client(&scene.rig, "one");
    int host = rig_scene_accept(&scene, 0);
    rig_expect(&scene.rig, host, "one");
    int coming = rig_client(&scene.rig, NULL);
    assert_int_equal(rig_newest(&scene.rig)->phase, PHASE_HELLO);
    rig_say(inside, "two");
    rig_say(coming, "three");
    assert_true(is_ready(rig_newest(&scene.rig)->client.watch.fd, POLLIN, PATIENCE_MS));
    scene.rig.relay.ration.spent_ns = RATION_NS;
    ev_run(scene.rig.relay.loop, EVRUN_NOWAIT);
    assert_int_equal(rig_newest(&scene.rig)->phase, PHASE_HELLO);
    assert_true(scene.rig.relay.ration.puts_off);
    assert_true(is_ready(host, POLLIN, PATIENCE_MS));
    rig_expect(&scene.rig, host, "two"); /* with the next turn */
    int other = rig_scene_accept(&scene, 0);
    rig_expect(&scene.rig, other, "three");
    close(inside);
    close(coming);
    close(host);
    close(other);
    rig_run_until_open(&scene.rig, 0);
    rig_scene_close(&scene);
}

/* ---- resets ---- */

static void reset_by_client_resets_the_host(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "o", "");
    int client = rig_client(&scene.rig, "x");
    int host = rig_scene_accept(&scene, 0);
    rig_expect(&scene.rig, host, "x");
    rig_reset(client);
    rig_expect_reset(&scene.rig, host);
    rig_scene_assert_ended(&scene, OUTCOME_CLIENT_RESET);
    close(host);
    rig_scene_close(&scene);
}

/* Whether the client has all is looked at each tick. */
static void expect_reset_at_last(struct rig_scene *scene, int client)
{
    uint64_t end_ns = clock_now_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;

    for (rig_turn(&scene->rig); scene->rig.relay.n_open > 0; rig_turn(&scene->rig)) {
        rig_advance(&scene->rig, DEADLINE_TICK_MS);
        assert_true(clock_now_ns() < end_ns);
    }
    rig_expect_reset(&scene->rig, client);
}

static void reset_by_host_resets_the_client(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "o", UNHURRIED);
    int client = rig_client(&scene.rig, "x");
    int host = rig_scene_accept(&scene, 0);
    rig_expect(&scene.rig, host, "x");
    rig_reset(host);
    expect_reset_at_last(&scene, client);
    rig_scene_assert_ended(&scene, OUTCOME_HOST_RESET);
    close(client);
    rig_scene_close(&scene);
}

static unsigned char pattern(size_t at)
{
    return (unsigned char)((at * 2654435761u) >> 13);
}

/* Reads to the end at a slow client's; the loop turns, time passes. Returns the bytes, all as sent. */
static size_t sip_until_reset(struct rig_scene *scene, int client)
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
        rig_turn(&scene->rig);
        rig_advance(&scene->rig, DEADLINE_TICK_MS);
        assert_true(clock_now_ns() < end_ns);
    }
}

/* The host says length bytes that the relay has taken when this returns, and resets. */
static void speak_and_reset(struct rig_scene *scene, int host, size_t length)
{
    unsigned char *bytes = malloc(length);
    size_t sent = 0;

    for (size_t i = 0; i < length; i++)
        bytes[i] = pattern(i);
    while (sent < length) {
        ssize_t n = send(host, bytes + sent, length - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        rig_turn(&scene->rig);
    }
    while (sock_unacknowledged(host) > 0)
        rig_turn(&scene->rig);
    rig_reset(host);
    free(bytes);
}

static void assert_reset_comes_last(size_t length)
{
    struct rig_scene scene;
    int arrived;

    rig_scene_open(&scene, "o", UNHURRIED);
    int client = rig_connect(&scene.rig, 4096, &arrived);
    rig_start(&scene.rig, 0, arrived);
    int host = rig_scene_accept(&scene, 0);
    rig_turn(&scene.rig);
    speak_and_reset(&scene, host, length);
    for (int i = 0; i < 5; i++)
        rig_turn(&scene.rig);
    assert_int_equal(scene.rig.relay.n_open, 1); /* the client is slow */
    assert_int_equal(sip_until_reset(&scene, client), length);
    rig_scene_assert_ended(&scene, OUTCOME_HOST_RESET);
    close(client);
    rig_scene_close(&scene);
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
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "o", UNHURRIED);
    int client = rig_client(&scene.rig, "x");
    int host = rig_scene_accept(&scene, 0);
    rig_expect(&scene.rig, host, "x");
    rig_say(host, "421 too busy");
    rig_say(client, "more that nobody reads");
    assert_true(is_ready(rig_newest(&scene.rig)->client.watch.fd, POLLIN, PATIENCE_MS));
    rig_reset(host);
    rig_expect(&scene.rig, client, "421 too busy");
    expect_reset_at_last(&scene, client);
    rig_scene_assert_ended(&scene, OUTCOME_HOST_RESET);
    close(client);
    rig_scene_close(&scene);
}

/* ---- ending ---- */

static void client_there_is_no_memory_for_is_reset(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "o", "");
    scene.rig.relay.conns.objects_a_slab = SIZE_MAX; /* no slab of the kind can be had */
    int client = rig_client(&scene.rig, NULL);
    rig_expect_reset(&scene.rig, client);
    assert_int_equal(scene.rig.n_ended, 0);
    close(client);
    scene.rig.relay.conns.objects_a_slab = 4;
    rig_scene_close(&scene);
}

static void life_ends_but_once(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "o", "");
    int client = rig_client(&scene.rig, "x");
    int host = rig_scene_accept(&scene, 0);
    rig_run_until_phase(&scene.rig, PHASE_RELAY);
    struct conn *c = rig_newest(&scene.rig);
    life_end(c, OUTCOME_KILLED);
    life_end(c, OUTCOME_IDLE);
    assert_int_equal(c->outcome, OUTCOME_KILLED); /* still to be looked at */
    assert_int_equal(scene.rig.relay.conns.taken, 1);
    assert_int_equal(scene.rig.relay.n_open, 0);
    life_bury(&scene.rig.relay);
    assert_int_equal(scene.rig.relay.conns.taken, 0);
    rig_scene_assert_ended(&scene, OUTCOME_KILLED);
    close(client);
    close(host);
    rig_scene_close(&scene);
}

static void all_end_at_once(void **state)
{
    struct rig_scene scene;
    int clients[5], hosts[5];

    (void)state;
    rig_scene_open(&scene, "o", "");
    for (int i = 0; i < 5; i++) {
        clients[i] = rig_client(&scene.rig, NULL);
        hosts[i] = rig_scene_accept(&scene, 0);
    }
    life_end_all(&scene.rig.relay, OUTCOME_SHUTDOWN);
    assert_int_equal(scene.rig.relay.n_open, 0);
    for (int i = 0; i < 5; i++) {
        rig_expect_end(&scene.rig, clients[i]);
        rig_expect_end(&scene.rig, hosts[i]);
    }
    assert_int_equal(rig_outcomes(&scene.rig, OUTCOME_SHUTDOWN), 5);
    close_all(clients, 5);
    close_all(hosts, 5);
    rig_scene_close(&scene);
}

/* What the client has not got yet is lost: it must not take what it has for all. */
static void cut_short_answer_ends_with_a_reset(void **state)
{
    struct rig_scene scene;
    static unsigned char bytes[100000];
    int arrived;

    (void)state;
    rig_scene_open(&scene, "o", "");
    int client = rig_connect(&scene.rig, 4096, &arrived);
    assert_int_equal(setsockopt(arrived, SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
    rig_start(&scene.rig, 0, arrived);
    int host = rig_scene_accept(&scene, 0);
    rig_run_until_phase(&scene.rig, PHASE_RELAY);
    while (rig_newest(&scene.rig)->host.wait.length == 0) {
        send(host, bytes, sizeof bytes, MSG_NOSIGNAL);
        rig_turn(&scene.rig);
    }
    life_end(rig_newest(&scene.rig), OUTCOME_KILLED);
    ssize_t n = 1;
    while (n > 0 || (n < 0 && errno == EAGAIN)) {
        rig_turn(&scene.rig);
        is_ready(client, POLLIN, 1);
        n = recv(client, bytes, sizeof bytes, 0);
    }
    assert_int_equal(n, -1);
    assert_int_equal(errno, ECONNRESET);
    rig_scene_assert_ended(&scene, OUTCOME_KILLED);
    close(client);
    close(host);
    rig_scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_side_may_end_while_the_other_speaks),
        cmocka_unit_test(host_may_end_first),
        cmocka_unit_test(first_end_closes_both_where_half_close_is_off),
        cmocka_unit_test(who_comes_in_waits_for_the_next_turn_and_nobody_else),
        cmocka_unit_test(reset_by_client_resets_the_host),
        cmocka_unit_test(reset_by_host_resets_the_client),
        cmocka_unit_test(all_that_a_host_said_comes_before_its_reset),
        cmocka_unit_test(what_a_host_said_is_not_lost_to_a_failing_write),
        cmocka_unit_test(client_there_is_no_memory_for_is_reset),
        cmocka_unit_test(life_ends_but_once),
        cmocka_unit_test(all_end_at_once),
        cmocka_unit_test(cut_short_answer_ends_with_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
