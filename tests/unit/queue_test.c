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

/* Who stands first in this worker's part of the line of the n-th group. */
static struct conn *first_of(struct fixture *f, uint32_t n)
{
    return queue_first(&f->rig.relay, RIG_FIRST_GROUP + n);
}

static const char one_group[] = RIG_SERVICE RIG_GROUP "host = a 127.0.0.1:1\n";

static void first_in_is_first_out(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, one_group);
    assert_null(first_of(&f, 0));
    for (int i = 0; i < MOST; i++)
        queue_join(f.c[i]);
    assert_int_equal(waiting(&f), MOST);
    for (int i = 0; i < MOST; i++) {
        assert_ptr_equal(first_of(&f, 0), f.c[i]);
        queue_leave(f.c[i]);
        assert_int_equal(waiting(&f), MOST - 1 - i);
    }
    assert_null(first_of(&f, 0));
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
    assert_ptr_equal(first_of(&f, 0), f.c[0]);
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
    assert_ptr_equal(first_of(&f, 0), f.c[0]);
    queue_leave(f.c[0]);
    assert_ptr_equal(first_of(&f, 0), f.c[2]);
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
    f.c[1]->way = &services[1].ways[0];
    f.c[2]->service = &services[2];
    f.c[2]->way = &services[2].ways[0];
    queue_join(f.c[1]);
    assert_null(first_of(&f, 0));
    queue_join(f.c[2]);
    queue_join(f.c[0]);
    assert_ptr_equal(first_of(&f, 0), f.c[2]);
    assert_ptr_equal(first_of(&f, 1), f.c[1]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(atomic_load(&services[i].shard->waiting), 1);
    close_fixture(&f);
}

/* Another worker, as its words in the segment make it. */
static void let_other_wait(const struct fixture *f, uint32_t slot, uint64_t ticket)
{
    struct slot_row *row = &f->rig.segment.slots[slot];

    atomic_store(&row->pid, 4711);
    atomic_store(&row->heartbeat_ns, f->rig.relay.now_ns);
    group_line_set_first(&f->rig.segment, RIG_FIRST_GROUP, slot, ticket);
}

static enum queue_next next_of(const struct fixture *f, uint32_t *slot)
{
    return queue_next(&f->rig.relay, RIG_FIRST_GROUP, slot);
}

static void the_oldest_over_all_workers_is_next(void **state)
{
    struct fixture f;
    uint32_t slot = 99;

    (void)state;
    open_fixture(&f, one_group);
    let_other_wait(&f, RIG_SLOT, 0); /* our own heart beats, too */
    assert_int_equal(next_of(&f, &slot), QUEUE_NOBODY);
    uint64_t theirs = group_line_ticket(&f.rig.segment.groups[RIG_FIRST_GROUP]);
    queue_join(f.c[0]);
    assert_int_equal(next_of(&f, &slot), QUEUE_OURS);
    let_other_wait(&f, 0, theirs);
    assert_int_equal(next_of(&f, &slot), QUEUE_THEIRS);
    assert_int_equal(slot, 0);
    let_other_wait(&f, 0, f.c[0]->ticket + 1);
    assert_int_equal(next_of(&f, &slot), QUEUE_OURS);
    queue_leave(f.c[0]);
    assert_int_equal(next_of(&f, &slot), QUEUE_THEIRS);
    let_other_wait(&f, 0, 0);
    assert_int_equal(next_of(&f, &slot), QUEUE_NOBODY);
    close_fixture(&f);
}

static void who_waits_at_a_silent_worker_is_passed_over(void **state)
{
    struct fixture f;
    uint32_t slot = 99;

    (void)state;
    open_fixture(&f, one_group);
    let_other_wait(&f, RIG_SLOT, 0);
    let_other_wait(&f, 0, group_line_ticket(&f.rig.segment.groups[RIG_FIRST_GROUP]));
    queue_join(f.c[0]);
    assert_int_equal(next_of(&f, &slot), QUEUE_THEIRS);
    f.rig.relay.now_ns += 2 * LINE_PATIENCE_NS;
    atomic_store(&f.rig.segment.slots[RIG_SLOT].heartbeat_ns, f.rig.relay.now_ns);
    assert_int_equal(next_of(&f, &slot), QUEUE_OURS);
    close_fixture(&f);
}

static void lines_with_somebody_in_them_are_listed(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, one_group);
    assert_true(list_is_empty(&f.rig.relay.busy_lines));
    queue_join(f.c[0]);
    queue_join(f.c[1]);
    assert_ptr_equal(f.rig.relay.busy_lines.next, &f.rig.relay.lines[RIG_FIRST_GROUP].busy);
    queue_leave(f.c[0]);
    assert_false(list_is_empty(&f.rig.relay.busy_lines));
    queue_leave(f.c[1]);
    assert_true(list_is_empty(&f.rig.relay.busy_lines));
    close_fixture(&f);
}

static void who_joins_another_groups_line_leaves_the_first(void **state)
{
    static const char text[] =
        RIG_SERVICE "[service two]\nlisten = 127.0.0.1:8081\ngroup = other\n" RIG_GROUP
                    "host = a 127.0.0.1:1\n[group other]\nhost = b 127.0.0.1:2\n";
    struct fixture f;

    (void)state;
    open_fixture(&f, text);
    queue_join(f.c[0]);
    struct way *before = f.c[0]->way;
    f.c[0]->way = &f.rig.generation->services[1].ways[0];
    queue_join(f.c[0]);
    assert_null(first_of(&f, 0));
    assert_ptr_equal(first_of(&f, 1), f.c[0]);
    assert_int_equal(waiting(&f), 1);
    queue_leave(f.c[0]);
    assert_null(first_of(&f, 1));
    f.c[0]->way = before;
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_is_first_out),
        cmocka_unit_test(who_waits_already_keeps_the_place),
        cmocka_unit_test(who_leaves_from_the_middle_disturbs_nobody),
        cmocka_unit_test(each_group_has_one_line),
        cmocka_unit_test(the_oldest_over_all_workers_is_next),
        cmocka_unit_test(who_waits_at_a_silent_worker_is_passed_over),
        cmocka_unit_test(lines_with_somebody_in_them_are_listed),
        cmocka_unit_test(who_joins_another_groups_line_leaves_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
