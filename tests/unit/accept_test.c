/* SPDX-License-Identifier: MIT */
/* Accepting: for the right service, in batches, no more than there is room for, no longer than agreed. */
#include "worker/accept.h"

#include <fcntl.h>

#include "relay_rig.h"

enum { ID = RIG_FIRST_LISTENER, OTHER_SLOT = RIG_SLOT - 1, BATCH = 64, MOST = 1000 };

static const char two_services[] =
    "[service web]\nlisten = 127.0.0.1:8080\nlisten = 127.0.0.1:8081\ngroup = main\n"
    "[service two]\nlisten = 127.0.0.1:8082\ngroup = main\n"
    "[group main]\nhost = a 127.0.0.1:1\n";
static const char one_service[] = "[service web]\nlisten = 127.0.0.1:8080\ngroup = "
                                  "main\n[group main]\nhost = a 127.0.0.1:1\n";

/*
 * Every connection ends at once, as the only host is down, but its figures tell of it; with a
 * silent host (its address is full) it lasts.
 */
struct fixture {
    struct relay_rig rig;
    struct accepts accepts;
    struct addr addresses[3];
    int held[3]; /* what master would keep of each listening socket */
};

static void on_room(void *owner)
{
    accepts_make_room(owner);
}

/* Hands one listening socket over; the address is kept under the index. */
static int add(struct fixture *f, size_t index, uint32_t slot)
{
    int fd = open_listening(&f->addresses[index]);

    assert_int_equal(sock_listen(fd, 200), 0);
    assert_int_equal(accepts_add(&f->accepts, ID + (uint32_t)index, slot, fd), 0);
    f->held[index] = dup(fd);
    assert_true(f->held[index] >= 0);
    return fd;
}

static void open_fixture(struct fixture *f, const char *text, uint64_t most_open)
{
    rig_open(&f->rig, "%s", text);
    host_set_admin(&f->rig.segment, RIG_FIRST_HOST, ADMIN_DOWN);
    accepts_init(&f->accepts, &f->rig.relay, most_open);
    f->rig.relay.on_end = on_room;
    f->rig.relay.owner = &f->accepts;
    for (int i = 0; i < 3; i++)
        f->held[i] = -1;
}

static void close_fixture(struct fixture *f)
{
    life_end_all(&f->rig.relay, OUTCOME_SHUTDOWN);
    life_bury(&f->rig.relay);
    accepts_fini(&f->accepts);
    assert_true(accepts_is_empty(&f->accepts));
    for (int i = 0; i < 3; i++)
        if (f->held[i] >= 0)
            close(f->held[i]);
    rig_close(&f->rig);
}

static uint64_t accepted(const struct fixture *f)
{
    return atomic_load(&f->rig.segment.slots[RIG_SLOT].accepted_total);
}

static uint64_t paused(const struct fixture *f)
{
    return atomic_load(&f->rig.segment.slots[RIG_SLOT].accept_paused_total);
}

static uint64_t served(const struct fixture *f, size_t service)
{
    return atomic_load(&f->rig.generation->services[service].shard->connections_total);
}

static void run_until_accepted(struct fixture *f, uint64_t total)
{
    uint64_t end_ns = clock_now_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;

    for (rig_turn(&f->rig); accepted(f) < total; rig_turn(&f->rig))
        assert_true(clock_now_ns() < end_ns);
    assert_int_equal(accepted(f), total);
}

static void assert_accepts(struct fixture *f, size_t index)
{
    uint64_t before = accepted(f);
    int client = connect_to(&f->addresses[index]);

    run_until_accepted(f, before + 1);
    close(client);
}

/* Somebody waits there; not one of many turns takes it. The client is the caller's. */
static int assert_leaves_waiting(struct fixture *f, size_t index)
{
    uint64_t before = accepted(f);
    int client = connect_to(&f->addresses[index]);

    assert_true(is_ready(f->held[index], POLLIN, PATIENCE_MS));
    for (int i = 0; i < 10; i++)
        rig_turn(&f->rig);
    assert_int_equal(accepted(f), before);
    return client;
}

static void nothing_is_accepted_before_a_commit(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, one_service, MOST);
    add(&f, 0, RIG_SLOT);
    f.accepts.is_full = true;
    accepts_make_room(&f.accepts); /* room is not all it takes */
    int client = assert_leaves_waiting(&f, 0);
    accepts_commit(&f.accepts, f.rig.generation);
    run_until_accepted(&f, 1);
    assert_int_equal(served(&f, 0), 1);
    close(client);
    close_fixture(&f);
}

static void each_listener_serves_its_service(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, two_services, MOST);
    for (size_t i = 0; i < 3; i++)
        add(&f, i, RIG_SLOT);
    accepts_commit(&f.accepts, f.rig.generation);
    assert_accepts(&f, 0);
    assert_accepts(&f, 1);
    assert_int_equal(served(&f, 0), 2);
    assert_int_equal(served(&f, 1), 0);
    assert_accepts(&f, 2);
    assert_int_equal(served(&f, 0), 2);
    assert_int_equal(served(&f, 1), 1);
    close_fixture(&f);
}

static void client_is_known_by_its_address(void **state)
{
    struct fixture f;
    struct addr host;
    int filler, full = rig_open_full(&host, &filler);

    (void)state;
    open_fixture(&f, one_service, MOST);
    host_set_admin(&f.rig.segment, RIG_FIRST_HOST, ADMIN_UP);
    f.rig.generation->model->groups[0].hosts[0].address = host;
    add(&f, 0, RIG_SLOT);
    accepts_commit(&f.accepts, f.rig.generation);
    int client = connect_to(&f.addresses[0]);
    run_until_accepted(&f, 1);
    struct addr address = bound_address(client);
    const struct live_row *row = live_row(&f.rig.segment, RIG_SLOT, rig_newest(&f.rig)->live);
    assert_int_equal(row->client_port, addr_port(&address));
    assert_int_equal(row->client_family, AF_INET);
    close(client);
    close_fixture(&f);
    close(filler);
    close(full);
}

static void listener_out_of_the_configuration_goes_on_as_it_was(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, two_services, MOST);
    add(&f, 0, RIG_SLOT);
    add(&f, 2, RIG_SLOT);
    accepts_commit(&f.accepts, f.rig.generation);
    assert_int_equal(f.rig.generation->references, 3);
    struct generation *next = rig_generation(&f.rig, 2, one_service);
    accepts_commit(&f.accepts, next);
    assert_int_equal(f.rig.generation->references, 2);
    assert_int_equal(next->references, 2);
    assert_accepts(&f, 2);
    assert_int_equal(served(&f, 1), 1);
    accepts_drop(&f.accepts, &(uint32_t){ID + 2}, 1);
    assert_accepts(&f, 0);
    accepts_abandon(&f.accepts);
    assert_int_equal(f.rig.generation->references, 1);
    assert_int_equal(next->references, 1);
    generation_put(next);
    close_fixture(&f);
}

static void adopted_socket_of_a_leaving_address_is_served_as_our_own(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, two_services, MOST);
    add(&f, 2, RIG_SLOT);
    int own = f.held[2];
    accepts_commit(&f.accepts, f.rig.generation);
    struct generation *next = rig_generation(&f.rig, 2, one_service);
    accepts_commit(&f.accepts, next);
    add(&f, 2, OTHER_SLOT);
    accepts_commit(&f.accepts, next);
    assert_accepts(&f, 2);
    assert_int_equal(served(&f, 1), 1);
    accepts_abandon(&f.accepts);
    assert_int_equal(next->references, 1);
    generation_put(next);
    close(own);
    close_fixture(&f);
}

/* Nor more than its ration: how many that are is for the machine to say. */
static void one_turn_takes_no_more_than_a_batch(void **state)
{
    struct fixture f;
    int clients[BATCH + 6];

    (void)state;
    open_fixture(&f, one_service, MOST);
    add(&f, 0, RIG_SLOT);
    for (int i = 0; i < BATCH + 6; i++)
        clients[i] = connect_to(&f.addresses[0]);
    accepts_commit(&f.accepts, f.rig.generation);
    rig_turn(&f.rig);
    assert_in_range(accepted(&f), 1, BATCH);
    run_until_accepted(&f, BATCH + 6);
    close_all(clients, BATCH + 6);
    close_fixture(&f);
}

static void a_turn_that_has_spent_its_ration_takes_one(void **state)
{
    struct fixture f;
    int clients[3];

    (void)state;
    open_fixture(&f, one_service, MOST);
    add(&f, 0, RIG_SLOT);
    for (int i = 0; i < 3; i++)
        clients[i] = connect_to(&f.addresses[0]);
    accepts_commit(&f.accepts, f.rig.generation);
    f.rig.relay.ration.spent_ns = RATION_NS;
    ev_run(f.rig.relay.loop, EVRUN_NOWAIT);
    assert_int_equal(accepted(&f), 1);
    f.rig.relay.ration.puts_off = true;
    rig_turn(&f.rig);
    assert_int_equal(accepted(&f), 2);
    run_until_accepted(&f, 3);
    close_all(clients, 3);
    close_fixture(&f);
}

/* A fixture whose connections last, as their host answers nothing. */
struct lasting {
    struct fixture f;
    int full, filler, clients[4];
};

static void open_lasting(struct lasting *l, uint64_t most_open)
{
    struct addr host;

    l->full = rig_open_full(&host, &l->filler);
    open_fixture(&l->f, one_service, most_open);
    host_set_admin(&l->f.rig.segment, RIG_FIRST_HOST, ADMIN_UP);
    l->f.rig.generation->model->groups[0].hosts[0].address = host;
    add(&l->f, 0, RIG_SLOT);
    accepts_commit(&l->f.accepts, l->f.rig.generation);
    for (int i = 0; i < 4; i++)
        l->clients[i] = connect_to(&l->f.addresses[0]);
}

static void close_lasting(struct lasting *l)
{
    close_all(l->clients, 4);
    l->f.accepts.most_open = 0; /* so that nobody who waits comes in at the end */
    close_fixture(&l->f);
    close(l->filler);
    close(l->full);
}

static void on_time(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    (void)loop;
    (void)revents;
    *(bool *)timer->data = true;
}

/* Nothing wakes the loop before a timer does: who waits outside costs nothing. */
static void assert_sleeps(struct relay_rig *rig)
{
    struct ev_timer timer;
    bool is_over = false;

    ev_timer_init(&timer, on_time, 0.05, 0.);
    timer.data = &is_over;
    ev_timer_start(rig->relay.loop, &timer);
    ev_run(rig->relay.loop, EVRUN_ONCE);
    assert_true(is_over);
}

static void full_worker_leaves_clients_waiting(void **state)
{
    struct lasting l;

    (void)state;
    open_lasting(&l, 2);
    run_until_accepted(&l.f, 2);
    for (int i = 0; i < 10; i++)
        rig_turn(&l.f.rig);
    assert_int_equal(accepted(&l.f), 2);
    assert_int_equal(l.f.rig.relay.n_open, 2);
    assert_true(l.f.accepts.is_full);
    assert_int_equal(paused(&l.f), 0);
    assert_sleeps(&l.f.rig);
    close_lasting(&l);
}

static void end_of_a_connection_makes_room(void **state)
{
    struct lasting l;

    (void)state;
    open_lasting(&l, 2);
    run_until_accepted(&l.f, 2);
    rig_turn(&l.f.rig);
    life_end(rig_newest(&l.f.rig), OUTCOME_KILLED);
    run_until_accepted(&l.f, 3);
    assert_int_equal(l.f.rig.relay.n_open, 2);
    close_lasting(&l);
}

/* Over a limit that a reload has lowered, places come free that are none: it goes on asking to be called. */
static void who_waits_for_the_service_is_called_until_there_is_a_place(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, one_service, MOST);
    f.rig.generation->model->services[0].max_connections = 2;
    uint32_t number = f.rig.generation->services[0].number;
    struct service_row *row = &f.rig.segment.services[number];
    for (int i = 0; i < 3; i++)
        assert_true(service_claim(&f.rig.segment, number, 0)); /* by others */
    add(&f, 0, RIG_SLOT);
    accepts_commit(&f.accepts, f.rig.generation);
    int client = assert_leaves_waiting(&f, 0);
    for (int left = 2; left >= 1; left--) {
        assert_int_equal(row->is_full, 1);
        atomic_store(&row->is_full, 0); /* as whoever gives a place back does before he calls */
        service_release(&f.rig.segment, number);
        accepts_make_room(&f.accepts);
    }
    run_until_accepted(&f, 1);
    service_release(&f.rig.segment, number);
    close(client);
    close_fixture(&f);
}

/* A place taken for a client who was not there may be the one another worker has missed. */
static void place_for_nobody_calls_those_that_missed_it(void **state)
{
    struct lasting l;

    (void)state;
    open_lasting(&l, MOST);
    struct service_row *row = &l.f.rig.segment.services[l.f.rig.generation->services[0].number];
    atomic_store(&row->is_full, 1);
    run_until_accepted(&l.f, 4);
    assert_int_equal(row->open, 4);
    assert_int_equal(row->is_full, 0);
    close_lasting(&l);
}

static void raised_limit_makes_room(void **state)
{
    struct lasting l;

    (void)state;
    open_lasting(&l, 1);
    run_until_accepted(&l.f, 1);
    rig_turn(&l.f.rig);
    accepts_make_room(&l.f.accepts); /* there is none */
    rig_turn(&l.f.rig);
    assert_int_equal(accepted(&l.f), 1);
    l.f.accepts.most_open = 3;
    accepts_make_room(&l.f.accepts);
    run_until_accepted(&l.f, 3);
    close_lasting(&l);
}

static void want_of_descriptors_pauses_and_passes(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, one_service, MOST);
    add(&f, 0, RIG_SLOT);
    accepts_commit(&f.accepts, f.rig.generation);
    int client = connect_to(&f.addresses[0]);
    assert_true(is_ready(f.held[0], POLLIN, PATIENCE_MS));
    rig_turn(&f.rig); /* libev has opened all it needs */
    uint64_t total = accepted(&f);
    int second = connect_to(&f.addresses[0]);
    assert_true(is_ready(f.held[0], POLLIN, PATIENCE_MS));
    uint64_t before = rig_exhaust_fds();
    uint64_t begin_ns = clock_now_ns();
    for (int i = 0; i < 10; i++)
        rig_turn(&f.rig);
    uint64_t spent_ns = clock_now_ns() - begin_ns;
    rig_limit_fds(before);
    assert_int_equal(accepted(&f), total);
    if (spent_ns < 50 * CLOCK_NS_PER_MS)
        assert_int_equal(paused(&f), 1); /* no second try within the pause */
    assert_true(paused(&f) > 0);
    run_until_accepted(&f, total + 1);
    assert_true(clock_now_ns() - begin_ns > 80 * CLOCK_NS_PER_MS);
    close(client);
    close(second);
    close_fixture(&f);
}

static void socket_that_was_shut_stops_alone(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, two_services, MOST);
    int shut = add(&f, 0, RIG_SLOT);
    add(&f, 1, RIG_SLOT);
    accepts_commit(&f.accepts, f.rig.generation);
    assert_int_equal(shutdown(shut, SHUT_RD), 0);
    assert_accepts(&f, 1);
    for (int i = 0; i < 10; i++)
        rig_turn(&f.rig);
    assert_int_equal(paused(&f), 0);
    assert_sleeps(&f.rig);
    assert_accepts(&f, 1);
    close_fixture(&f);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Dropped sockets stop at once, but are closed a moment later: see accepts_drop. */
static void run_until_closed(struct fixture *f, int fd)
{
    uint64_t end_ns = clock_now_ns() + PATIENCE_MS * CLOCK_NS_PER_MS;

    assert_true(is_open(fd));
    for (rig_turn(&f->rig); is_open(fd); rig_turn(&f->rig))
        assert_true(clock_now_ns() < end_ns);
}

static void dropped_listener_accepts_no_more(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, two_services, MOST);
    int first = add(&f, 0, RIG_SLOT);
    add(&f, 1, RIG_SLOT);
    accepts_commit(&f.accepts, f.rig.generation);
    assert_accepts(&f, 0);
    accepts_drop(&f.accepts, &(uint32_t){ID}, 1);
    assert_false(accepts_is_empty(&f.accepts));
    int client = assert_leaves_waiting(&f, 0);
    assert_accepts(&f, 1);
    run_until_closed(&f, first);
    assert_int_equal(f.rig.generation->references, 2);
    accepts_drop(&f.accepts, &(uint32_t){ID + 1}, 1);
    assert_true(accepts_is_empty(&f.accepts));
    close(client);
    close_fixture(&f);
}

static void adopted_sockets_outlive_a_drop_until_released(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, two_services, MOST);
    int adopted = add(&f, 0, OTHER_SLOT);
    add(&f, 1, RIG_SLOT);
    accepts_commit(&f.accepts, f.rig.generation);
    accepts_drop(&f.accepts, &(uint32_t){ID}, 1);
    assert_accepts(&f, 0);
    accepts_release(&f.accepts, RIG_SLOT); /* nothing is adopted from ourselves */
    assert_accepts(&f, 1);
    accepts_release(&f.accepts, OTHER_SLOT);
    close(assert_leaves_waiting(&f, 0));
    run_until_closed(&f, adopted);
    assert_accepts(&f, 1);
    close_fixture(&f);
}

static void abandon_closes_at_once(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, two_services, MOST);
    int own = add(&f, 0, RIG_SLOT), adopted = add(&f, 1, OTHER_SLOT);
    int dropped = add(&f, 2, RIG_SLOT);
    accepts_commit(&f.accepts, f.rig.generation);
    accepts_drop(&f.accepts, &(uint32_t){ID + 2}, 1);
    accepts_abandon(&f.accepts);
    assert_false(is_open(own));
    assert_false(is_open(adopted));
    assert_false(is_open(dropped));
    assert_true(accepts_is_empty(&f.accepts));
    assert_int_equal(f.rig.generation->references, 1);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_accepted_before_a_commit),
        cmocka_unit_test(each_listener_serves_its_service),
        cmocka_unit_test(client_is_known_by_its_address),
        cmocka_unit_test(listener_out_of_the_configuration_goes_on_as_it_was),
        cmocka_unit_test(adopted_socket_of_a_leaving_address_is_served_as_our_own),
        cmocka_unit_test(one_turn_takes_no_more_than_a_batch),
        cmocka_unit_test(a_turn_that_has_spent_its_ration_takes_one),
        cmocka_unit_test(full_worker_leaves_clients_waiting),
        cmocka_unit_test(end_of_a_connection_makes_room),
        cmocka_unit_test(raised_limit_makes_room),
        cmocka_unit_test(who_waits_for_the_service_is_called_until_there_is_a_place),
        cmocka_unit_test(place_for_nobody_calls_those_that_missed_it),
        cmocka_unit_test(want_of_descriptors_pauses_and_passes),
        cmocka_unit_test(socket_that_was_shut_stops_alone),
        cmocka_unit_test(dropped_listener_accepts_no_more),
        cmocka_unit_test(adopted_sockets_outlive_a_drop_until_released),
        cmocka_unit_test(abandon_closes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
