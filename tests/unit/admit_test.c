/* SPDX-License-Identifier: MIT */
/* An admitted connection is in every list, table and counter; one that cannot be is in none. */
#include "relay/admit.h"

#include <string.h>

#include "relay_rig.h"

#define HOST "host = a 127.0.0.1:1\n"

static const char text[] =
    "[service first]\nlisten = 127.0.0.1:8081\ngroup = main\n" RIG_SERVICE RIG_GROUP HOST;

static void on_nothing(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    (void)loop;
    (void)watch;
    (void)revents;
}

static struct addr v4_client(void)
{
    return (struct addr){.in = {.sin_family = AF_INET,
                                .sin_port = htons(50123),
                                .sin_addr = {htonl(0xc0000207)}},
                         .length = sizeof(struct sockaddr_in)};
}

/* At the second service. The descriptor is the connection's, should there be one. */
static struct conn *admit(struct relay_rig *rig, int fd, const struct addr *client)
{
    const struct life_arrival arrival = {.fd = fd,
                                         .client = client,
                                         .generation = rig->generation,
                                         .service = &rig->generation->services[1],
                                         .entrance = rig->generation->services[1].entrances};
    return admit_new(&rig->relay, &arrival, on_nothing);
}

static int some_fd(void)
{
    int fd = sock_open_stream(AF_INET);
    assert_true(fd >= 0);
    return fd;
}

static struct service_shard *shard(const struct relay_rig *rig)
{
    return rig->generation->services[1].shard;
}

static void halves_know_each_other(void **state)
{
    struct relay_rig rig;
    struct addr client = v4_client();

    (void)state;
    rig_open(&rig, "%s", text);
    int fd = some_fd();
    struct conn *c = admit(&rig, fd, &client);
    assert_non_null(c);
    assert_int_equal(c->client.watch.fd, fd);
    assert_int_equal(c->host.watch.fd, -1);
    assert_ptr_equal(c->client.peer, &c->host);
    assert_ptr_equal(c->host.peer, &c->client);
    assert_true(c->client.is_client);
    assert_false(c->host.is_client);
    assert_false(ev_is_active(&c->client.watch));
    assert_ptr_equal(ev_cb(&c->client.watch), on_nothing);
    assert_ptr_equal(ev_cb(&c->host.watch), on_nothing);
    assert_int_equal(c->outcome, OUTCOME_OPEN);
    assert_false(c->has_claim);
    assert_int_equal(c->since_ns, rig.relay.now_ns);
    assert_int_equal(c->phase_ns, rig.relay.now_ns);
    assert_int_equal(c->active_ns, rig.relay.now_ns);
    assert_int_equal(c->end_ns, 0);
    rig_dismiss(&rig, c);
    rig_close(&rig);
}

static void is_counted_and_listed_oldest_first(void **state)
{
    struct relay_rig rig;
    struct addr client = v4_client();

    (void)state;
    rig_open(&rig, "%s", text);
    struct conn *a = admit(&rig, some_fd(), &client), *b = admit(&rig, some_fd(), &client);
    assert_int_equal(rig.relay.n_open, 2);
    assert_ptr_equal(rig.relay.all.next, &a->all);
    assert_ptr_equal(rig.relay.all.prev, &b->all);
    assert_int_equal(rig.generation->references, 3);
    assert_int_equal(atomic_load(&shard(&rig)->connections), 2);
    assert_int_equal(atomic_load(&shard(&rig)->connections_total), 2);
    assert_int_equal(atomic_load(&rig_service_shard(&rig)->connections_total), 0);
    rig_dismiss(&rig, a);
    assert_int_equal(rig.generation->references, 2);
    assert_int_equal(atomic_load(&shard(&rig)->connections), 1);
    assert_int_equal(atomic_load(&shard(&rig)->connections_total), 2);
    rig_dismiss(&rig, b);
    rig_close(&rig);
}

static void row_tells_who_it_is(void **state)
{
    struct relay_rig rig;
    struct addr client = v4_client();

    (void)state;
    rig_open(&rig, "%s", text);
    int64_t before_ns = clock_wall_ns();
    struct conn *a = admit(&rig, some_fd(), &client), *b = admit(&rig, some_fd(), &client);
    struct live_row *row = live_row(&rig.segment, RIG_SLOT, a->live);
    assert_int_equal(atomic_load(&row->service), RIG_FIRST_SERVICE + 1);
    assert_int_equal(atomic_load(&row->host), UINT32_MAX);
    assert_true(atomic_load(&row->since_ns) >= before_ns);
    assert_true(atomic_load(&row->since_ns) <= clock_wall_ns());
    assert_int_equal(row->client_family, AF_INET);
    assert_int_equal(row->client_port, 50123);
    assert_memory_equal(row->client_address, "\xc0\x00\x02\x07", 4);
    uint64_t id = atomic_load(&row->id);
    assert_int_not_equal(id, 0);
    assert_int_not_equal(a->live, b->live);
    assert_int_equal(atomic_load(&live_row(&rig.segment, RIG_SLOT, b->live)->id), id + 1);
    rig_dismiss(&rig, a);
    assert_int_equal(atomic_load(&row->id), 0);
    rig_dismiss(&rig, b);
    rig_close(&rig);
}

static void row_holds_a_v6_client(void **state)
{
    struct relay_rig rig;
    struct addr client = {.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(7)},
                          .length = sizeof client.in6};

    (void)state;
    memcpy(&client.in6.sin6_addr, "0123456789abcdef", 16);
    rig_open(&rig, "%s", text);
    struct conn *c = admit(&rig, some_fd(), &client);
    const struct live_row *row = live_row(&rig.segment, RIG_SLOT, c->live);
    assert_int_equal(row->client_family, AF_INET6);
    assert_int_equal(row->client_port, 7);
    assert_memory_equal(row->client_address, "0123456789abcdef", 16);
    rig_dismiss(&rig, c);
    rig_close(&rig);
}

static void assert_turned_away(struct relay_rig *rig)
{
    struct addr client = v4_client();
    int fd = some_fd();

    assert_null(admit(rig, fd, &client));
    assert_int_equal(close(fd), 0); /* still the caller's */
    assert_int_equal(atomic_load(&shard(rig)->connections_total), 0);
    rig_assert_at_rest(rig);
}

static void want_of_memory_leaves_nothing_behind(void **state)
{
    struct relay_rig rig;

    (void)state;
    rig_open(&rig, "%s", text);
    size_t right = rig.relay.conns.objects_a_slab;
    rig.relay.conns.objects_a_slab = SIZE_MAX; /* no slab of the kind can be had */
    assert_turned_away(&rig);
    rig.relay.conns.objects_a_slab = right;
    rig_close(&rig);
}

static void want_of_rows_leaves_nothing_behind(void **state)
{
    struct relay_rig rig;

    (void)state;
    rig_open(&rig, "%s", text);
    /* As if every row were taken. */
    struct live_allot right = rig.relay.live;
    rig.relay.live.used = SEGMENT_LIVE;
    struct addr client = v4_client();
    int fd = some_fd();
    assert_null(admit(&rig, fd, &client));
    assert_int_equal(close(fd), 0);
    rig.relay.live = right;
    assert_int_equal(atomic_load(&shard(&rig)->connections_total), 0);
    rig_close(&rig);
}

/* The ends of n lives of the given length, in ns from the start. */
static void measure_ends(const char *lifetime, size_t n, uint64_t *least, uint64_t *most)
{
    struct relay_rig rig;
    struct addr client = v4_client();

    rig_open(&rig,
             "[service first]\nlisten = 127.0.0.1:8081\ngroup = main\n" RIG_SERVICE
             "lifetime = %s\n" RIG_GROUP HOST,
             lifetime);
    *least = UINT64_MAX;
    *most = 0;
    for (size_t i = 0; i < n; i++) {
        struct conn *c = admit(&rig, some_fd(), &client);
        uint64_t end_ns = c->end_ns - rig.relay.now_ns;
        *least = end_ns < *least ? end_ns : *least;
        *most = end_ns > *most ? end_ns : *most;
        rig_dismiss(&rig, c);
    }
    rig_close(&rig);
}

static void lifetime_ends_when_it_says(void **state)
{
    uint64_t least, most;

    (void)state;
    measure_ends("90s", 3, &least, &most);
    assert_int_equal(least, 90 * CLOCK_NS_PER_S);
    assert_int_equal(most, 90 * CLOCK_NS_PER_S);
}

static void lifetimes_are_spread_to_either_side(void **state)
{
    uint64_t least, most;

    (void)state;
    measure_ends("100s 20%", 300, &least, &most);
    assert_in_range(least, 80 * CLOCK_NS_PER_S, 83 * CLOCK_NS_PER_S);
    assert_in_range(most, 117 * CLOCK_NS_PER_S, 120 * CLOCK_NS_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_know_each_other),
        cmocka_unit_test(is_counted_and_listed_oldest_first),
        cmocka_unit_test(row_tells_who_it_is),
        cmocka_unit_test(row_holds_a_v6_client),
        cmocka_unit_test(want_of_memory_leaves_nothing_behind),
        cmocka_unit_test(want_of_rows_leaves_nothing_behind),
        cmocka_unit_test(lifetime_ends_when_it_says),
        cmocka_unit_test(lifetimes_are_spread_to_either_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
