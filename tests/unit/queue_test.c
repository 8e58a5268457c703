/* SPDX-License-Identifier: MIT */
/* The waiting line: first in first out, one a group, counted. */
#include "relay/queue.h"

#include "base/counter.h"
#include "relay_rig.h"

enum { MOST = 4 };

/* Connections of the service, none of them in a line yet. */
struct fixture {
    struct relay_rig rig;
    struct conn *c[MOST];
    int clients[MOST];
};

static void open_fixture(struct fixture *f, const char *text)
{
    rig_open(&f->rig, "%s", text);
    for (int i = 0; i < MOST; i++)
        f->c[i] = rig_admit(&f->rig, &f->clients[i]);
}

static void close_fixture(struct fixture *f)
{
    for (int i = 0; i < MOST; i++)
        rig_dismiss(&f->rig, f->c[i]);
    close_all(f->clients, MOST);
    rig_close(&f->rig);
}

static int64_t waiting(const struct fixture *f)
{
    return atomic_load(&rig_service_shard(&f->rig)->waiting);
}

static const char one_group[] = RIG_SERVICE RIG_GROUP "host = a 127.0.0.1:1\n";

static void first_in_is_first_out(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, one_group);
    assert_null(queue_first(f.c[0]));
    for (int i = 0; i < MOST; i++)
        queue_join(f.c[i]);
    assert_int_equal(waiting(&f), MOST);
    for (int i = 0; i < MOST; i++) {
        assert_ptr_equal(queue_first(f.c[MOST - 1]), f.c[i]);
        queue_leave(f.c[i]);
        assert_int_equal(waiting(&f), MOST - 1 - i);
    }
    assert_null(queue_first(f.c[0]));
    close_fixture(&f);
}

static void who_waits_already_keeps_the_place(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, one_group);
    queue_join(f.c[0]);
    queue_join(f.c[1]);
    queue_join(f.c[0]);
    assert_int_equal(waiting(&f), 2);
    assert_ptr_equal(queue_first(f.c[1]), f.c[0]);
    close_fixture(&f);
}

static void who_leaves_from_the_middle_disturbs_nobody(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, one_group);
    for (int i = 0; i < 3; i++)
        queue_join(f.c[i]);
    queue_leave(f.c[1]);
    queue_leave(f.c[1]);
    queue_leave(f.c[3]);
    assert_int_equal(waiting(&f), 2);
    assert_ptr_equal(queue_first(f.c[1]), f.c[0]);
    queue_leave(f.c[0]);
    assert_ptr_equal(queue_first(f.c[1]), f.c[2]);
    close_fixture(&f);
}

/* Two services; the second one's group is shared where the text says so. */
static void each_group_has_one_line(void **state)
{
    static const char text[] =
        RIG_SERVICE "[service two]\nlisten = 127.0.0.1:8081\ngroup = other\n"
                    "[service three]\nlisten = 127.0.0.1:8082\ngroup = main\n" RIG_GROUP
                    "host = a 127.0.0.1:1\n[group other]\nhost = b 127.0.0.1:2\n";
    struct fixture f;

    (void)state;
    open_fixture(&f, text);
    struct service *services = f.rig.generation->services;
    gauge_add(&services[0].shard->connections, -2);
    gauge_add(&services[1].shard->connections, 1);
    gauge_add(&services[2].shard->connections, 1);
    f.c[1]->service = &services[1];
    f.c[2]->service = &services[2];
    queue_join(f.c[1]);
    assert_null(queue_first(f.c[0]));
    queue_join(f.c[2]);
    queue_join(f.c[0]);
    assert_ptr_equal(queue_first(f.c[0]), f.c[2]);
    assert_ptr_equal(queue_first(f.c[1]), f.c[1]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(atomic_load(&services[i].shard->waiting), 1);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_is_first_out),
        cmocka_unit_test(who_waits_already_keeps_the_place),
        cmocka_unit_test(who_leaves_from_the_middle_disturbs_nobody),
        cmocka_unit_test(each_group_has_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
