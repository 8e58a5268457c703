/* SPDX-License-Identifier: MIT */
/* What stands between accept and the choice of a host: PROXY headers at an entrance that wants them. */
#include "relay/opening.h"

#include <stdlib.h>
#include <string.h>

#include "net/proxyproto.h"
#include "relay/admit.h"
#include "relay/generation.h"
#include "relay_rig.h"

#define ENTRANCE "[service web]\nlisten = 127.0.0.1:8080 accept_proxy=%s\ngroup = main\n"
#define HEADER "PROXY TCP4 192.0.2.1 198.51.100.2 1234 80\r\n"

struct fixture {
    struct relay_rig rig;
    struct conn *c;
    int client;
};

static void open_fixture(struct fixture *f, const char *networks, const char *group)
{
    rig_open(&f->rig, ENTRANCE RIG_GROUP "%s\nhost = a 127.0.0.1:1\n", networks, group);
    f->c = rig_admit(&f->rig, &f->client);
}

static void close_fixture(struct fixture *f)
{
    opening_forget(f->c);
    rig_dismiss(&f->rig, f->c);
    close(f->client);
    rig_close(&f->rig);
}

static const char *client_of(const struct conn *c)
{
    static char text[ADDR_TEXT_BYTES];
    struct addr client;
    admit_read_client(c, &client);
    return addr_print(text, &client);
}

static void only_named_proxies_may_begin(void **state)
{
    (void)state;
    struct fixture f;
    struct addr client;
    open_fixture(&f, "192.0.2.0/24", "");
    admit_read_client(f.c, &client);
    assert_false(opening_may_begin(f.c, &client));
    assert_int_equal(opening_first(f.c), PHASE_PROXY);
    assert_int_equal(opening_next(f.c, PHASE_PROXY), PHASE_QUEUE);
    close_fixture(&f);
    open_fixture(&f, "192.0.2.0/24,127.0.0.0/8", "");
    assert_true(opening_may_begin(f.c, &client));
    close_fixture(&f);
}

static void a_plain_entrance_asks_for_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct addr client;
    rig_open(&f.rig, RIG_SERVICE RIG_GROUP "host = a 127.0.0.1:1\n");
    f.c = rig_admit(&f.rig, &f.client);
    admit_read_client(f.c, &client);
    assert_true(opening_may_begin(f.c, &client));
    assert_int_equal(opening_first(f.c), PHASE_QUEUE);
    close_fixture(&f);
}

static void a_header_is_taken_to_the_byte(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "127.0.0.0/8", "");
    assert_int_equal(opening_step(f.c), OPENING_MORE);
    rig_say(f.client, "PROXY TCP4 192.0.2.1 ");
    assert_int_equal(opening_step(f.c), OPENING_MORE);
    assert_int_equal(f.c->client.in_bytes, 0);
    rig_say(f.client, "198.51.100.2 1234 80\r\nhello");
    assert_int_equal(opening_step(f.c), OPENING_DONE);
    assert_string_equal(client_of(f.c), "192.0.2.1:1234");
    assert_int_equal(f.c->client.wait.length, 5);
    assert_memory_equal(buffer_bytes(&f.c->client.wait), "hello", 5);
    assert_int_equal(f.c->client.in_bytes, 5);
    assert_int_equal(atomic_load(&rig_service_shard(&f.rig)->bytes_in), 5);
    assert_null(f.c->proxied); /* no host of it gets a header */
    close_fixture(&f);
}

static void what_is_passed_on_is_kept(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "127.0.0.0/8", "send_proxy = v2\n");
    rig_say(f.client, HEADER);
    assert_int_equal(opening_step(f.c), OPENING_DONE);
    assert_non_null(f.c->proxied);
    assert_int_equal(addr_port(&f.c->proxied->target), 80);
    assert_false(proxied_has(f.c->proxied, PROXY_TLV_UNIQUE_ID));
    close_fixture(&f);
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "127.0.0.0/8", "");
    rig_say(f.client, "GET / HTTP/1.1\r\n\r\n");
    assert_int_equal(opening_step(f.c), OPENING_REFUSED);
    close_fixture(&f);
    open_fixture(&f, "127.0.0.0/8", "");
    rig_say(f.client, "PROXY TCP4 ");
    shutdown(f.client, SHUT_WR);
    assert_int_equal(opening_step(f.c), OPENING_MORE);
    assert_int_equal(opening_step(f.c), OPENING_REFUSED);
    close_fixture(&f);
}

static void time_is_counted_from_the_accept(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, "127.0.0.0/8", "");
    assert_int_equal(opening_due(f.c), f.c->since_ns + 10 * CLOCK_NS_PER_S);
    f.c->active_ns = f.c->phase_ns = f.c->since_ns + 5 * CLOCK_NS_PER_S;
    assert_int_equal(opening_due(f.c), f.c->since_ns + 10 * CLOCK_NS_PER_S);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_named_proxies_may_begin),
        cmocka_unit_test(a_plain_entrance_asks_for_nothing),
        cmocka_unit_test(a_header_is_taken_to_the_byte),
        cmocka_unit_test(what_is_passed_on_is_kept),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(time_is_counted_from_the_accept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
