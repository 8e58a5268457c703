/* SPDX-License-Identifier: MIT */
/* Bytes are counted where users see them; a cork holds back no longer than it should. */
#include "relay/traffic.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "relay_rig.h"

static const char text[] = RIG_SERVICE RIG_GROUP "host = a 127.0.0.1:1\nhost = b 127.0.0.1:2\n";
static const char corked[] = RIG_SERVICE "cork = yes\n" RIG_GROUP "host = a 127.0.0.1:1\n";

struct fixture {
    struct relay_rig rig;
    struct conn *c;
    int client, host; /* the far ends */
};

/* A connection whose host's end is a second pair of the door. */
static void open_fixture(struct fixture *f, const char *lines, uint32_t target)
{
    int near;

    rig_open(&f->rig, "%s", lines);
    f->c = rig_admit(&f->rig, &f->client);
    f->host = rig_connect(&f->rig, 0, &near);
    f->c->host.watch.fd = near;
    rig_claim(f->c, target);
}

static void close_fixture(struct fixture *f)
{
    rig_dismiss(&f->rig, f->c);
    close(f->client);
    close(f->host);
    rig_close(&f->rig);
}

static uint64_t host_in(const struct fixture *f, uint32_t index)
{
    return atomic_load(&rig_host_shard(&f->rig, index)->bytes_in);
}

static uint64_t host_out(const struct fixture *f, uint32_t index)
{
    return atomic_load(&rig_host_shard(&f->rig, index)->bytes_out);
}

static void early_bytes_reach_the_host_figure_with_the_host(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, text, 1);
    f.c->client.in_bytes = 70;
    traffic_count_early(f.c, 30);
    traffic_count_early(f.c, 40);
    assert_int_equal(atomic_load(&rig_service_shard(&f.rig)->bytes_in), 70);
    assert_int_equal(host_in(&f, 1), 0);
    traffic_begin(f.c);
    assert_int_equal(host_in(&f, 1), 70);
    assert_int_equal(host_in(&f, 0), 0);
    assert_int_equal(atomic_load(&rig_service_shard(&f.rig)->bytes_in), 70);
    close_fixture(&f);
}

static void each_way_has_its_figure(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, text, 1);
    traffic_count(f.c, &f.c->client, 5);
    traffic_count(f.c, &f.c->host, 700);
    traffic_count(f.c, &f.c->client, 6);
    assert_int_equal(atomic_load(&rig_service_shard(&f.rig)->bytes_in), 11);
    assert_int_equal(atomic_load(&rig_service_shard(&f.rig)->bytes_out), 700);
    assert_int_equal(host_in(&f, 1), 11);
    assert_int_equal(host_out(&f, 1), 700);
    assert_int_equal(host_in(&f, 0) + host_out(&f, 0), 0);
    close_fixture(&f);
}

static void only_bytes_make_it_active(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, text, 0);
    uint64_t start_ns = f.c->active_ns;
    f.rig.relay.now_ns += 1000;
    traffic_count(f.c, &f.c->client, 0);
    assert_int_equal(f.c->active_ns, start_ns);
    assert_int_equal(f.rig.relay.moved_ns, 0);
    traffic_count(f.c, &f.c->host, 1);
    assert_int_equal(f.c->active_ns, start_ns + 1000);
    assert_int_equal(f.rig.relay.moved_ns, start_ns + 1000);
    f.rig.relay.now_ns += 1000;
    traffic_begin(f.c);
    assert_int_equal(f.c->active_ns, start_ns + 2000);
    assert_int_equal(f.rig.relay.moved_ns, start_ns + 2000);
    close_fixture(&f);
}

static int unsent(int fd)
{
    int bytes = -1;
    assert_int_equal(ioctl(fd, SIOCOUTQNSD, &bytes), 0);
    return bytes;
}

static void assert_cork_gathers(struct fixture *f, const struct half *to, int far)
{
    char got[16];

    assert_int_equal(get_int(to->watch.fd, IPPROTO_TCP, TCP_CORK), 1);
    rig_say(to->watch.fd, "two ");
    rig_say(to->watch.fd, "pieces");
    assert_int_equal(unsent(to->watch.fd), 10);
    traffic_uncork(f->c, to);
    assert_int_equal(unsent(to->watch.fd), 0);
    assert_true(is_ready(far, POLLIN, PATIENCE_MS));
    assert_int_equal(recv(far, got, sizeof got, 0), 10);
    assert_memory_equal(got, "two pieces", 10);
    assert_int_equal(get_int(to->watch.fd, IPPROTO_TCP, TCP_CORK), 1);
}

static void cork_holds_back_until_the_burst_is_over(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, corked, 0);
    traffic_begin(f.c);
    assert_cork_gathers(&f, &f.c->client, f.client);
    assert_cork_gathers(&f, &f.c->host, f.host);
    close_fixture(&f);
}

static void nothing_is_corked_unasked(void **state)
{
    struct fixture f;

    (void)state;
    open_fixture(&f, text, 0);
    traffic_begin(f.c);
    traffic_uncork(f.c, &f.c->client);
    traffic_uncork(f.c, &f.c->host);
    assert_int_equal(get_int(f.c->client.watch.fd, IPPROTO_TCP, TCP_CORK), 0);
    assert_int_equal(get_int(f.c->host.watch.fd, IPPROTO_TCP, TCP_CORK), 0);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(early_bytes_reach_the_host_figure_with_the_host),
        cmocka_unit_test(each_way_has_its_figure),
        cmocka_unit_test(only_bytes_make_it_active),
        cmocka_unit_test(cork_holds_back_until_the_burst_is_over),
        cmocka_unit_test(nothing_is_corked_unasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
