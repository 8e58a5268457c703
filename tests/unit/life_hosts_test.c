/* SPDX-License-Identifier: MIT */
/* Whole lives of connections on their way to a host: which are tried, what was said early, sockets used again. */
#include "relay/life.h"

#include <stdio.h>
#include <sys/ioctl.h>

#include "relay_rig.h"

static uint64_t failures_at(const struct rig_scene *scene, uint32_t index)
{
    struct host_figures figures;
    host_sum(&scene->rig.segment, RIG_FIRST_HOST + index, &figures);
    return figures.failures_total;
}

/* ---- which host ---- */

static void refused_connect_goes_to_the_next_host(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "rro", "retries = 2\n");
    int client = rig_client(&scene.rig, "once");
    rig_run_until_phase(&scene.rig, PHASE_RELAY);
    int host = rig_scene_accept(&scene, 2);
    rig_expect(&scene.rig, host, "once");
    rig_say(client, " more");
    rig_expect(&scene.rig, host, " more");
    assert_int_equal(failures_at(&scene, 0), 1);
    assert_int_equal(failures_at(&scene, 1), 1);
    assert_int_equal(failures_at(&scene, 2), 0);
    assert_int_equal(atomic_load(&rig_host_row(&scene.rig, 0)->in_flight), 0);
    assert_int_equal(atomic_load(&rig_host_row(&scene.rig, 2)->in_flight), 1);
    const struct live_row *row =
        live_row(&scene.rig.segment, RIG_SLOT, rig_newest(&scene.rig)->live);
    assert_int_equal(atomic_load(&row->host), RIG_FIRST_HOST + 2);
    assert_int_equal(atomic_load(&row->phase), PHASE_RELAY);
    close(client);
    close(host);
    rig_scene_assert_ended(&scene, OUTCOME_OK);
    rig_scene_close(&scene);
}

static void no_more_hosts_are_tried_than_asked_for(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "rrro", "retries = 2\n");
    int client = rig_client(&scene.rig, "x");
    rig_expect_reset(&scene.rig, client);
    rig_scene_assert_ended(&scene, OUTCOME_CONNECT_FAILED);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(failures_at(&scene, i), 1);
    rig_scene_assert_nobody(&scene, 3);
    close(client);
    rig_scene_close(&scene);
}

static void one_attempt_is_all_without_retries(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "ro", "retries = 0\n");
    int client = rig_client(&scene.rig, NULL);
    rig_expect_reset(&scene.rig, client);
    rig_scene_assert_ended(&scene, OUTCOME_CONNECT_FAILED);
    assert_int_equal(failures_at(&scene, 0), 1);
    rig_scene_assert_nobody(&scene, 1);
    close(client);
    rig_scene_close(&scene);
}

static void no_host_is_tried_twice(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "rr", "retries = 9\n");
    int client = rig_client(&scene.rig, NULL);
    rig_expect_reset(&scene.rig, client);
    rig_scene_assert_ended(&scene, OUTCOME_CONNECT_FAILED);
    assert_int_equal(failures_at(&scene, 0), 1);
    assert_int_equal(failures_at(&scene, 1), 1);
    close(client);
    rig_scene_close(&scene);
}

static void without_a_usable_host_the_client_is_reset(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "oo", "");
    host_set_admin(&scene.rig.segment, RIG_FIRST_HOST, ADMIN_DOWN);
    host_set_admin(&scene.rig.segment, RIG_FIRST_HOST + 1, ADMIN_DRAIN);
    int client = rig_client(&scene.rig, "x");
    rig_expect_reset(&scene.rig, client);
    rig_scene_assert_ended(&scene, OUTCOME_NO_HOST);
    rig_scene_assert_nobody(&scene, 0);
    rig_scene_assert_nobody(&scene, 1);
    close(client);
    rig_scene_close(&scene);
}

/* Sends before the handshake is over are given up for a while: as across a real network. */
static void make_patient(struct rig_scene *scene)
{
    scene->rig.generation->lines[0].notes[0].eager_misses = 8;
}

static void what_was_said_early_arrives_once_and_first(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "o", "");
    make_patient(&scene);
    int client = rig_client(&scene.rig, "one ");
    assert_int_equal(rig_newest(&scene.rig)->phase, PHASE_CONNECT);
    rig_say(client, "two ");
    rig_run_until_phase(&scene.rig, PHASE_RELAY);
    rig_say(client, "three");
    shutdown(client, SHUT_WR);
    int host = rig_scene_accept(&scene, 0);
    rig_expect(&scene.rig, host, "one two three");
    rig_expect_end(&scene.rig, host);
    close(host);
    close(client);
    rig_scene_assert_ended(&scene, OUTCOME_OK);
    assert_int_equal(atomic_load(&rig_service_shard(&scene.rig)->bytes_in), 13);
    assert_int_equal(atomic_load(&rig_host_shard(&scene.rig, 0)->bytes_in), 13);
    rig_scene_close(&scene);
}

/* The host's socket takes a part of what the client has sent, the rest follows. */
static void first_bytes_may_go_in_parts(void **state)
{
    enum { LENGTH = 60000 };
    static unsigned char bytes[LENGTH], got[LENGTH];
    struct rig_scene scene;
    int arrived, there = 0;

    (void)state;
    for (size_t i = 0; i < LENGTH; i++)
        bytes[i] = (unsigned char)((i * 2654435761u) >> 13);
    rig_scene_open(&scene, "o", "");
    int narrow = sock_open_stream(AF_INET);
    assert_int_equal(setsockopt(narrow, SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
    assert_int_equal(
        setsockopt(scene.sockets[0], SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int)), 0);
    assert_true(parked_put(&scene.rig.generation->services[0].ways[0].parked, AF_INET, narrow));
    scene.rig.relay.n_parked = 1;
    int client = rig_connect(&scene.rig, 0, &arrived);
    assert_int_equal(send(client, bytes, LENGTH, MSG_NOSIGNAL), LENGTH);
    while (there < LENGTH)
        assert_int_equal(ioctl(arrived, FIONREAD, &there), 0);
    rig_start(&scene.rig, 0, arrived);
    assert_int_equal(rig_newest(&scene.rig)->client.in_bytes, LENGTH);
    assert_true(rig_newest(&scene.rig)->client.wait.length > 0);
    int host = rig_scene_accept(&scene, 0);
    for (size_t n = 0; n < LENGTH;) {
        rig_turn(&scene.rig);
        ssize_t more = recv(host, got + n, LENGTH - n, 0);
        n += more > 0 ? (size_t)more : 0;
    }
    assert_memory_equal(got, bytes, LENGTH);
    close(client);
    close(host);
    rig_run_until_open(&scene.rig, 0);
    rig_scene_close(&scene);
}

static void client_that_ends_early_still_gets_its_answer(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "o", "");
    make_patient(&scene);
    int client = rig_client(&scene.rig, "GET");
    shutdown(client, SHUT_WR);
    int host = rig_scene_accept(&scene, 0);
    rig_expect(&scene.rig, host, "GET");
    rig_expect_end(&scene.rig, host);
    rig_say(host, "200");
    close(host);
    rig_expect(&scene.rig, client, "200");
    rig_expect_end(&scene.rig, client);
    rig_scene_assert_ended(&scene, OUTCOME_OK);
    close(client);
    rig_scene_close(&scene);
}

static void want_of_descriptors_blames_no_host(void **state)
{
    struct rig_scene scene;
    int arrived;

    (void)state;
    rig_scene_open(&scene, "oo", "");
    scene.rig.generation->model->groups[0].queue_timeout_ms = 0; /* nobody waits */
    int client = rig_connect(&scene.rig, 0, &arrived);
    uint64_t before = rig_exhaust_fds();
    rig_start(&scene.rig, 0, arrived);
    rig_limit_fds(before);
    rig_expect_reset(&scene.rig, client);
    rig_scene_assert_ended(&scene, OUTCOME_CONNECT_FAILED);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(failures_at(&scene, i), 0);
        assert_int_equal(atomic_load(&rig_host_row(&scene.rig, i)->fails_in_row), 0);
    }
    close(client);
    rig_scene_close(&scene);
}

static void want_of_descriptors_is_waited_out_in_line(void **state)
{
    struct rig_scene scene;
    int arrived;

    (void)state;
    rig_scene_open(&scene, "o", "");
    int client = rig_connect(&scene.rig, 0, &arrived);
    rig_say(client, "said meanwhile");
    uint64_t before = rig_exhaust_fds();
    rig_start(&scene.rig, 0, arrived);
    assert_int_equal(rig_newest(&scene.rig)->phase, PHASE_QUEUE);
    rig_advance(&scene.rig, 1000);
    assert_int_equal(rig_newest(&scene.rig)->phase, PHASE_QUEUE);
    rig_limit_fds(before);
    rig_advance(&scene.rig, DEADLINE_TICK_MS * 2);
    int host = rig_scene_accept(&scene, 0);
    rig_expect(&scene.rig, host, "said meanwhile");
    assert_int_equal(failures_at(&scene, 0), 0);
    close(client);
    close(host);
    rig_run_until_open(&scene.rig, 0);
    rig_scene_close(&scene);
}

/* ---- the host's socket serves again ---- */

static int visit(struct rig_scene *scene, const char *says)
{
    int client = rig_client(&scene->rig, says);
    int host = rig_scene_accept(scene, 0);

    rig_expect(&scene->rig, host, says);
    int fd = rig_newest(&scene->rig)->host.watch.fd;
    close(client);
    rig_expect_end(&scene->rig, host);
    close(host);
    rig_run_until_open(&scene->rig, 0);
    return fd;
}

static void host_socket_is_used_again_and_again(void **state)
{
    struct rig_scene scene;

    (void)state;
    rig_scene_open(&scene, "o", "");
    int fd = visit(&scene, "visit 0");
    for (int i = 1; i < 20; i++) {
        char says[32];
        snprintf(says, sizeof says, "visit %d", i);
        assert_int_equal(scene.rig.relay.n_parked, 1);
        assert_int_equal(scene.rig.generation->services[0].ways[0].parked.inet[0], fd);
        assert_int_equal(visit(&scene, says), fd);
    }
    assert_int_equal(rig_outcomes(&scene.rig, OUTCOME_OK), 20);
    rig_scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused_connect_goes_to_the_next_host),
        cmocka_unit_test(no_more_hosts_are_tried_than_asked_for),
        cmocka_unit_test(one_attempt_is_all_without_retries),
        cmocka_unit_test(no_host_is_tried_twice),
        cmocka_unit_test(without_a_usable_host_the_client_is_reset),
        cmocka_unit_test(what_was_said_early_arrives_once_and_first),
        cmocka_unit_test(first_bytes_may_go_in_parts),
        cmocka_unit_test(client_that_ends_early_still_gets_its_answer),
        cmocka_unit_test(want_of_descriptors_blames_no_host),
        cmocka_unit_test(want_of_descriptors_is_waited_out_in_line),
        cmocka_unit_test(host_socket_is_used_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
