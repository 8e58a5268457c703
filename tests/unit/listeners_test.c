/* SPDX-License-Identifier: MIT */
/* Tests of the sockets master keeps. */
#include "master/listeners.h"

#include <dirent.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sock_rig.h"

static const uint32_t three[] = {0, 1, 2};

/* A configuration of one service that listens on up to two addresses. */
struct conf {
    struct model model;
    struct model_service service;
    struct model_listen listens[2];
};

static void fill(struct conf *conf, size_t n, const struct addr *addresses)
{
    *conf = (struct conf){.service = {.name = "web",
                                      .listens = conf->listens,
                                      .n_listens = n,
                                      .congestion = "",
                                      .nodelay = true}};
    for (size_t i = 0; i < n; i++)
        conf->listens[i] =
            (struct model_listen){.address = addresses[i], .interface = "", .backlog = 64};
    conf->model = (struct model){.services = &conf->service, .n_services = 1, .n_listens = n};
}

/* A port nobody uses just now. */
static struct addr free_address(void)
{
    struct addr any = loopback_v4(0);
    int fd = sock_open_listener(&any, NULL);
    assert_true(fd >= 0);
    struct addr address = bound_address(fd);
    close(fd);
    return address;
}

static size_t open_descriptors(void)
{
    size_t n = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static void roll_out(struct listeners *listeners, const struct conf *conf, size_t n_slots,
                     uint32_t *ids)
{
    struct problems problems = {0};
    assert_int_equal(
        listeners_prepare(listeners, &conf->model, three, n_slots, ids, 0, &problems), 0);
    assert_int_equal(listeners_commit(listeners, &problems), 0);
    problems_fini(&problems);
}

static struct listener *only(const struct listeners *listeners)
{
    return container_of(listeners->all.next, struct listener, node);
}

static void listens_with_a_socket_for_each_worker(void **state)
{
    (void)state;
    struct listeners listeners;
    struct addr address = free_address();
    struct conf conf;
    uint32_t ids[2];
    listeners_init(&listeners);
    fill(&conf, 1, &address);
    roll_out(&listeners, &conf, 3, ids);
    for (uint32_t slot = 0; slot < 3; slot++) {
        struct listener_batch batch = {0};
        assert_int_equal(listeners_collect(&listeners, slot, &batch), 0);
        assert_int_equal(batch.n, 1);
        assert_int_equal(batch.ids[0], ids[0]);
        assert_int_equal(sock_queue_length(batch.fds[0]), 0);
        listener_batch_fini(&batch);
    }
    assert_false(listeners_has_slot(&listeners, 3));
    int client = connect_to(&address);
    assert_int_equal(listener_waiting(only(&listeners)), 1);
    close(client);
    listeners_fini(&listeners);
}

static void prepared_address_does_not_answer_before_the_commit(void **state)
{
    (void)state;
    struct listeners listeners;
    struct addr address = free_address();
    struct conf conf;
    struct problems problems = {0};
    uint32_t ids[2];
    listeners_init(&listeners);
    fill(&conf, 1, &address);
    assert_int_equal(listeners_prepare(&listeners, &conf.model, three, 3, ids, 0, &problems),
                     0);
    int fd = start_connect(&address);
    assert_true(is_ready(fd, POLLOUT, PATIENCE_MS));
    assert_int_equal(sock_take_error(fd), ECONNREFUSED);
    close(fd);
    listeners_abort(&listeners);
    assert_true(list_is_empty(&listeners.all));
    assert_true(sock_is_free(&address, NULL));
    listeners_fini(&listeners);
}

static void all_or_nothing_with_no_descriptor_left(void **state)
{
    (void)state;
    struct listeners listeners;
    struct addr addresses[2] = {[0] = free_address()};
    struct conf conf;
    uint32_t ids[2];
    int taken = open_listening(&addresses[1]);
    listeners_init(&listeners);
    fill(&conf, 2, addresses);
    size_t before = open_descriptors();
    for (int i = 0; i < 100; i++) {
        struct problems problems = {0};
        assert_int_equal(
            listeners_prepare(&listeners, &conf.model, three, 3, ids, 0, &problems), -1);
        assert_int_equal(problems.n_errors, 1);
        assert_non_null(strstr(problems.errors.at, "Address already in use"));
        problems_fini(&problems);
    }
    assert_int_equal(open_descriptors(), before);
    assert_true(sock_is_free(&addresses[0], NULL));
    close(taken);
    listeners_fini(&listeners);
}

static void reload_keeps_the_sockets_it_has(void **state)
{
    (void)state;
    struct listeners listeners;
    struct addr address = free_address();
    struct conf conf;
    uint32_t first[2], second[2];
    listeners_init(&listeners);
    fill(&conf, 1, &address);
    roll_out(&listeners, &conf, 2, first);
    int kept = only(&listeners)->fds[0];
    conf.service.nodelay = false;
    roll_out(&listeners, &conf, 3, second);
    assert_int_equal(second[0], first[0]);
    assert_int_equal(only(&listeners)->fds[0], kept);
    assert_int_equal(only(&listeners)->lineup.n, 3);
    assert_int_equal(get_int(kept, IPPROTO_TCP, TCP_NODELAY), 0);
    listeners_fini(&listeners);
}

/* 200 connections: none may end in a queue that is about to be closed. */
static void nothing_new_comes_to_a_slot_that_leaves(void **state)
{
    (void)state;
    enum { CLIENTS = 200 };
    struct listeners listeners;
    struct addr address = free_address();
    struct conf conf;
    uint32_t ids[2];
    int clients[CLIENTS];
    listeners_init(&listeners);
    fill(&conf, 1, &address);
    conf.listens[0].backlog = 1024;
    roll_out(&listeners, &conf, 3, ids);
    listeners_steer_around(&listeners, 1);
    for (int i = 0; i < CLIENTS / 2; i++)
        clients[i] = connect_to(&address);
    assert_int_equal(listeners_waiting_for(&listeners, 1), 0);
    assert_true(listeners_waiting_for(&listeners, 2) > 0);

    listeners_close_slot(&listeners, 1);
    assert_false(listeners_has_slot(&listeners, 1));
    for (int i = CLIENTS / 2; i < CLIENTS; i++)
        clients[i] = connect_to(&address);
    assert_int_equal(listener_waiting(only(&listeners)), CLIENTS);
    assert_true(listeners_waiting_for(&listeners, 0) > 0);
    close_all(clients, CLIENTS);
    listeners_fini(&listeners);
}

static void leaving_address_refuses_new_ones_and_can_come_back(void **state)
{
    (void)state;
    struct listeners listeners;
    struct addr address = free_address();
    struct conf conf;
    uint32_t ids[2];
    listeners_init(&listeners);
    fill(&conf, 1, &address);
    roll_out(&listeners, &conf, 2, ids);
    int early = connect_to(&address);
    listener_refuse(only(&listeners));
    int late = start_connect(&address);
    assert_false(is_ready(late, POLLOUT, 200));
    assert_int_equal(listener_waiting(only(&listeners)), 1);
    listener_revive(only(&listeners));
    /* The kernel sends the SYN again after a second. */
    assert_true(is_ready(late, POLLOUT, PATIENCE_MS));
    assert_int_equal(sock_take_error(late), 0);
    assert_int_equal(listener_waiting(only(&listeners)), 2);
    close(early);
    close(late);
    listeners_fini(&listeners);
}

static void address_no_longer_wanted_is_no_longer_live(void **state)
{
    (void)state;
    struct listeners listeners;
    struct addr addresses[2] = {free_address(), free_address()};
    struct conf conf;
    uint32_t ids[2];
    listeners_init(&listeners);
    fill(&conf, 2, addresses);
    roll_out(&listeners, &conf, 1, ids);
    fill(&conf, 1, addresses);
    roll_out(&listeners, &conf, 1, ids);
    size_t n_live = 0;
    LIST_FOREACH(node, &listeners.all) {
        n_live += container_of(node, struct listener, node)->is_live;
    }
    assert_int_equal(n_live, 1);
    listeners_fini(&listeners);
}

static void unknown_congestion_control_is_refused_unopened(void **state)
{
    (void)state;
    struct addr address = free_address();
    struct conf conf;
    struct problems problems = {0};
    fill(&conf, 1, &address);
    conf.service.congestion = "nonesuch";
    assert_int_equal(listeners_check(&conf.model, &problems), -1);
    assert_non_null(strstr(problems.errors.at, "[service web] listen: cannot tune"));
    problems_fini(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listens_with_a_socket_for_each_worker),
        cmocka_unit_test(prepared_address_does_not_answer_before_the_commit),
        cmocka_unit_test(all_or_nothing_with_no_descriptor_left),
        cmocka_unit_test(reload_keeps_the_sockets_it_has),
        cmocka_unit_test(nothing_new_comes_to_a_slot_that_leaves),
        cmocka_unit_test(leaving_address_refuses_new_ones_and_can_come_back),
        cmocka_unit_test(address_no_longer_wanted_is_no_longer_live),
        cmocka_unit_test(unknown_congestion_control_is_refused_unopened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
