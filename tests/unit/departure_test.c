/* SPDX-License-Identifier: MIT */
/* Leaving: who is told what when addresses and workers go, and that a slot that has left can be used again. */
#include "master/departure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "master_rig.h"
#include "net/halfopen.h"
#include "sock_rig.h"

enum { LONG_MS = 60000, FIRST_PORT = 8000 };

/* A configuration of so many workers that listens on the ports; kept in a buffer of the caller's. */
static const char *conf(struct text *out, uint32_t workers, const uint16_t *ports, size_t n)
{
    text_clear(out);
    text_printf(out, "[global]\nlog = /dev/null\npidfile =\ncontrol =\nworkers = %u\n",
                workers);
    text_add(out, "[service web]\ngroup = main\n");
    for (size_t i = 0; i < n; i++)
        master_rig_print_listen(out, ports[i]);
    text_add(out, "[group main]\nhost = a 127.0.0.1:1\n");
    return out->at;
}

/* A daemon that serves on the ports, nobody of which has anything left to hear. */
static void serve(struct master_rig *rig, struct text *text, uint32_t workers,
                  const uint16_t *ports, size_t n)
{
    master_rig_open(rig, conf(text, workers, ports, n), workers);
    master_rig_ask(rig, NULL);
    master_rig_agree(rig);
    master_rig_forget(rig);
}

/* As if the addresses that leave had been quiet for long. */
static void let_addresses_rest(struct master_rig *rig)
{
    LIST_FOREACH(node, &rig->master->listeners.all) {
        struct listener *listener = container_of(node, struct listener, node);
        listener->busy_ns -= LONG_MS * CLOCK_NS_PER_MS;
        listener->moved_ns -= LONG_MS * CLOCK_NS_PER_MS;
        listener->dropped_ns -= LONG_MS * CLOCK_NS_PER_MS;
    }
    master_rig_tick(rig);
}

/* As if nobody had come to the workers that leave for long. */
static void let_workers_rest(struct master_rig *rig)
{
    for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++)
        rig->master->departure.leavers[slot].since_ns -= LONG_MS * CLOCK_NS_PER_MS;
    master_rig_tick(rig);
}

static size_t n_addresses(const struct master_rig *rig)
{
    size_t n = 0;
    LIST_FOREACH(node, &rig->master->listeners.all) {
        n++;
    }
    return n;
}

static void a_slot_whose_addresses_leave_too_can_be_used_again(void **state)
{
    struct master_rig rig;
    struct text text = {0};
    const uint16_t ports[] = {FIRST_PORT, FIRST_PORT + 1};

    (void)state;
    serve(&rig, &text, 2, ports, 1);
    master_rig_ask(&rig, conf(&text, 1, ports + 1, 1));
    master_rig_agree(&rig);
    assert_true(rig.master->listeners.is_going[1]);
    let_addresses_rest(&rig); /* the old address is dropped */
    let_addresses_rest(&rig); /* and closed: the slot has no socket left */
    assert_int_equal(n_addresses(&rig), 1);
    assert_false(rig.master->listeners.is_going[1]);
    assert_int_equal(master_rig_count(&rig, 1, MSG_DRAIN), 1);

    master_rig_leave(&rig, 1);
    master_rig_seat(&rig, 1);
    master_rig_ask(&rig, conf(&text, 2, ports + 1, 1));
    master_rig_agree(&rig);
    struct listener *listener =
        container_of(rig.master->listeners.all.next, struct listener, node);
    for (int i = 0; i < 4; i++)
        let_workers_rest(&rig);
    assert_true(listener->fds[1] >= 0);
    assert_true(sock_queue_length(listener->fds[1]) >= 0); /* it listens */
    master_rig_close(&rig);
    text_fini(&text);
}

static void a_slot_that_still_leaves_is_not_chosen(void **state)
{
    struct master_rig rig;
    struct text text = {0};
    const uint16_t ports[] = {FIRST_PORT, FIRST_PORT + 1};

    (void)state;
    serve(&rig, &text, 2, ports, 1);
    master_rig_ask(&rig, conf(&text, 1, ports + 1, 1));
    master_rig_agree(&rig);
    master_rig_leave(&rig, 1); /* its process ends before its address is closed */
    LIST_FOREACH_SAFE(node, after, &rig.master->listeners.all) {
        struct listener *listener = container_of(node, struct listener, node);
        if (!listener->is_live)
            listener_close(listener);
    }
    assert_true(rig.master->listeners.is_going[1]);
    master_rig_ask(&rig, conf(&text, 2, ports + 1, 1));
    assert_int_equal(rig.master->rollout.n_slots, 2);
    assert_int_equal(rig.master->rollout.slots[1], 2);
    master_rig_close(&rig);
    text_fini(&text);
}

static void addresses_that_leave_together_are_dropped_together(void **state)
{
    enum { MANY = 40 };
    struct master_rig rig;
    struct text text = {0};
    uint16_t ports[MANY + 1];

    (void)state;
    for (size_t i = 0; i <= MANY; i++)
        ports[i] = (uint16_t)(FIRST_PORT + i);
    serve(&rig, &text, 3, ports, MANY + 1);
    master_rig_ask(&rig, conf(&text, 3, ports, 1));
    master_rig_agree(&rig);
    master_rig_forget(&rig);
    rig.master->children.places[2].adopter = 1; /* 1 accepts for 2 */
    let_addresses_rest(&rig);
    assert_int_equal(n_addresses(&rig), MANY + 1);
    size_t n_drops = 0, n_ids = 0, n_adopts = 0;
    while (master_rig_hear(&rig, 1)) {
        bool is_drop = rig.received.head.kind == MSG_DROP;
        n_drops += is_drop;
        n_adopts += rig.received.head.kind == MSG_ADOPT;
        n_ids += is_drop ? rig.received.length / sizeof(uint32_t) : 0;
    }
    assert_int_equal(n_drops, 1);
    assert_int_equal(n_ids, MANY);
    assert_int_equal(n_adopts, 1);
    assert_int_equal(master_rig_count(&rig, 0, MSG_DROP), 1);
    assert_int_equal(master_rig_count(&rig, 2, MSG_DROP), 1);
    master_rig_close(&rig);
    text_fini(&text);
}

static void address_is_closed_when_every_worker_has_dropped_it(void **state)
{
    struct master_rig rig;
    struct text text = {0};
    const uint16_t ports[] = {FIRST_PORT, FIRST_PORT + 1};
    struct received answer = {.length = sizeof(uint32_t)};

    (void)state;
    serve(&rig, &text, 2, ports, 2);
    master_rig_ask(&rig, conf(&text, 2, ports, 1));
    master_rig_agree(&rig);
    master_rig_tick(&rig);
    const struct listener *leaves =
        container_of(rig.master->listeners.all.prev, struct listener, node);
    answer.payload = answer.bytes;
    memcpy(answer.bytes, &leaves->id, sizeof leaves->id);
    assert_false(leaves->is_dropped);
    let_addresses_rest(&rig);
    assert_true(leaves->is_dropped);
    assert_int_equal(leaves->n_holders, 2);
    departure_take_dropped(rig.master, &answer);
    master_rig_tick(&rig);
    assert_int_equal(n_addresses(&rig), 2);
    departure_take_dropped(rig.master, &answer);
    master_rig_tick(&rig);
    assert_int_equal(n_addresses(&rig), 1);
    master_rig_close(&rig);
    text_fini(&text);
}

/* As if the only address that leaves had been quiet, and had refused, for so long. */
static void rest_for(struct master_rig *rig, struct listener *listener, uint64_t ms)
{
    uint64_t now_ns = clock_now_ns();
    listener->busy_ns = listener->moved_ns = now_ns - ms * CLOCK_NS_PER_MS;
    master_rig_tick(rig);
}

static void address_waits_for_lost_packets_of_handshakes(void **state)
{
    struct master_rig rig;
    struct text text = {0};
    const uint16_t ports[] = {FIRST_PORT, FIRST_PORT + 1};

    (void)state;
    serve(&rig, &text, 1, ports, 2);
    master_rig_ask(&rig, conf(&text, 1, ports, 1));
    master_rig_agree(&rig);
    struct listener *listener =
        container_of(rig.master->listeners.all.prev, struct listener, node);
    rest_for(&rig, listener, 2500);
    assert_false(listener->is_dropped);
    rest_for(&rig, listener, 3500);
    assert_true(listener->is_dropped);
    master_rig_close(&rig);
    text_fini(&text);
}

/* A client whose handshake has not ended, as the table of the kernel shows it. */
static int half_open_client(const struct listener *listener)
{
    const int seconds = 30;
    struct halfopen seen = {0};
    assert_int_equal(
        setsockopt(listener->fds[0], IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds),
        0);
    int client = sock_open_stream(AF_INET);
    connect(client, &listener->address.any, listener->address.length);
    for (int i = 0; i < 1000 && !halfopen_has(&seen, addr_port(&listener->address)); i++) {
        assert_int_equal(halfopen_read(&seen), 0);
        usleep(1000);
    }
    return client;
}

static void idle_daemon_waits_for_nobody_but_the_half_open(void **state)
{
    struct master_rig rig;
    struct text text = {0};
    const uint16_t ports[] = {FIRST_PORT, FIRST_PORT + 1};

    (void)state;
    serve(&rig, &text, 1, ports, 2);
    struct listener *idle = container_of(rig.master->listeners.all.next, struct listener, node);
    struct listener *asked =
        container_of(rig.master->listeners.all.prev, struct listener, node);
    int client = half_open_client(asked);
    rig.master->phase = MASTER_DRAINING;
    departure_of_all(rig.master);
    rest_for(&rig, idle, 400);
    assert_true(idle->is_dropped);
    rest_for(&rig, asked, 400);
    assert_false(asked->is_dropped);
    asked->refused_ns -= 4 * CLOCK_NS_PER_S;
    rest_for(&rig, asked, 400);
    assert_true(asked->is_dropped);
    close(client);
    master_rig_close(&rig);
    text_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_whose_addresses_leave_too_can_be_used_again),
        cmocka_unit_test(a_slot_that_still_leaves_is_not_chosen),
        cmocka_unit_test(addresses_that_leave_together_are_dropped_together),
        cmocka_unit_test(address_is_closed_when_every_worker_has_dropped_it),
        cmocka_unit_test(address_waits_for_lost_packets_of_handshakes),
        cmocka_unit_test(idle_daemon_waits_for_nobody_but_the_half_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
