/* SPDX-License-Identifier: MIT */
/* Promises of director/ticketing: keys change in time, and by a secret they are the same on every node. */
#include "director/ticketing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"

#define SPAN_NS (10 * CLOCK_NS_PER_S)

static struct model_global global_of(const char *secret)
{
    return (struct model_global){.ticket_rotation_ms = 10000,
                                 .ticket_secret = {.path = secret[0] != '\0' ? "/secret" : "",
                                                   .bytes = (const unsigned char *)secret,
                                                   .length = strlen(secret)}};
}

static void by_chance_they_change_when_their_time_is_over(void **state)
{
    (void)state;
    struct ticketing ticketing = {0};
    struct tickets tickets = {0};
    struct model_global global = global_of("");
    assert_int_equal(tickets_rotate(&tickets, NULL, SPAN_NS), 0);
    assert_int_equal(ticketing_look(&ticketing, &tickets, 9 * SPAN_NS, 0), 0);
    assert_int_equal(atomic_load(&tickets.newest), 1); /* there is no configuration yet */
    assert_int_equal(ticketing_use(&ticketing, &global), 0);
    assert_int_equal(ticketing_look(&ticketing, &tickets, 2 * SPAN_NS - 1, 0), 0);
    assert_int_equal(atomic_load(&tickets.newest), 1);
    assert_int_equal(ticketing_look(&ticketing, &tickets, 2 * SPAN_NS, 0), 0);
    assert_int_equal(ticketing_look(&ticketing, &tickets, 2 * SPAN_NS + 1, 0), 0);
    assert_int_equal(atomic_load(&tickets.newest), 2);
}

/* A node that has just started, at this time of the wall clock. */
static struct tickets start(const char *secret, uint64_t wall_ns)
{
    struct ticketing ticketing = {0};
    struct tickets tickets = {0};
    struct model_global global = global_of(secret);
    assert_int_equal(tickets_rotate(&tickets, NULL, 1), 0);
    assert_int_equal(ticketing_use(&ticketing, &global), 0);
    assert_int_equal(ticketing_look(&ticketing, &tickets, 2, wall_ns), 0);
    uint64_t newest = atomic_load(&tickets.newest);
    assert_int_equal(ticketing_look(&ticketing, &tickets, 3, wall_ns), 0);
    assert_int_equal(atomic_load(&tickets.newest), newest); /* nothing to do */
    return tickets;
}

static void nodes_with_one_secret_open_what_others_seal(void **state)
{
    (void)state;
    const uint64_t now_ns = 1000000 * SPAN_NS + 5;
    struct tickets one = start("a secret of some length or other", now_ns);
    struct ticket_key sealed, opened;
    bool is_newest;
    assert_true(tickets_seal(&one, &sealed));
    for (uint64_t spans = 0; spans <= TICKETS_PAST; spans++) {
        struct tickets other =
            start("a secret of some length or other", now_ns + spans * SPAN_NS);
        assert_true(tickets_open(&other, sealed.name, &opened, &is_newest));
        assert_memory_equal(&opened, &sealed, sizeof opened);
        assert_int_equal(is_newest, spans == 0);
    }
    struct tickets late =
        start("a secret of some length or other", now_ns + (TICKETS_PAST + 1) * SPAN_NS);
    struct tickets stranger = start("another secret of some length ...", now_ns);
    assert_false(tickets_open(&late, sealed.name, &opened, &is_newest));
    assert_false(tickets_open(&stranger, sealed.name, &opened, &is_newest));
}

static void a_node_that_runs_on_changes_with_the_span(void **state)
{
    (void)state;
    struct ticketing ticketing = {0};
    struct tickets tickets = {0};
    struct model_global global = global_of("a secret of some length or other");
    assert_int_equal(ticketing_use(&ticketing, &global), 0);
    for (uint64_t span = 100; span < 110; span++) {
        struct tickets fresh = start("a secret of some length or other", span * SPAN_NS);
        struct ticket_key here, there;
        assert_int_equal(ticketing_look(&ticketing, &tickets, 1, span * SPAN_NS), 0);
        assert_true(tickets_seal(&tickets, &here) && tickets_seal(&fresh, &there));
        assert_memory_equal(&here, &there, sizeof here);
    }
    assert_int_equal(atomic_load(&tickets.newest), TICKETS_PAST + 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_chance_they_change_when_their_time_is_over),
        cmocka_unit_test(nodes_with_one_secret_open_what_others_seal),
        cmocka_unit_test(a_node_that_runs_on_changes_with_the_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
