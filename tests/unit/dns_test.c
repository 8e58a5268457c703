/* SPDX-License-Identifier: MIT */
/* Tests of the channel to name servers: which these are, and when it is made anew. */
#include "director/dns.h"

#include <arpa/inet.h>
#include <ev.h>

#include "conf_fixture.h"

struct rig {
    char folder[FOLDER_BYTES], path[256];
    struct ev_loop *loop;
    struct dns *dns;
    int n_cut;
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    folder_make(rig->folder);
    folder_path(rig->path, rig->folder, "resolv.conf");
    file_make(rig->folder, "resolv.conf", "nameserver 192.0.2.53\n");
    rig->loop = ev_loop_new(EVFLAG_NOENV);
    rig->dns = dns_new(rig->loop, rig->path);
    *state = rig;
    return rig->dns != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    dns_free(rig->dns);
    ev_loop_destroy(rig->loop);
    folder_remove(rig->folder);
    free(rig);
    return 0;
}

/* The first server's address, or "none". */
static const char *server(const struct rig *rig)
{
    static char out[INET6_ADDRSTRLEN + 8];
    struct ares_addr_port_node *nodes = NULL;
    assert_int_equal(ares_get_servers_ports(dns_channel(rig->dns), &nodes), ARES_SUCCESS);
    strcpy(out, "none");
    if (nodes != NULL) {
        char shown[INET6_ADDRSTRLEN];
        inet_ntop(nodes->family, &nodes->addr, shown, sizeof shown);
        /* c-ares says 0 for the usual one. */
        snprintf(out, sizeof out, "%s:%d", shown, nodes->udp_port != 0 ? nodes->udp_port : 53);
    }
    ares_free_data(nodes);
    return out;
}

static void on_answer(void *context, int status, int timeouts, unsigned char *bytes, int length)
{
    struct rig *rig = context;
    (void)timeouts;
    (void)bytes;
    (void)length;
    rig->n_cut += status == ARES_EDESTRUCTION;
}

/* A file of another name put in place, as programs write resolv.conf. */
static void replace(const struct rig *rig, const char *text)
{
    char fresh[256];
    file_make(rig->folder, "fresh", text);
    assert_int_equal(rename(folder_path(fresh, rig->folder, "fresh"), rig->path), 0);
}

static void asks_the_servers_of_the_file(void **state)
{
    struct rig *rig = *state;
    assert_null(dns_channel(rig->dns));
    assert_int_equal(dns_refresh(rig->dns), 0);
    assert_string_equal(server(rig), "192.0.2.53:53");
}

static void another_file_means_another_channel(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(dns_refresh(rig->dns), 0);
    ares_query(dns_channel(rig->dns), "a.example", 1, 1, on_answer, rig);
    assert_int_equal(dns_refresh(rig->dns), 0);
    assert_int_equal(rig->n_cut, 0); /* the same as before */
    replace(rig, "nameserver 192.0.2.54\n");
    assert_int_equal(dns_refresh(rig->dns), 0);
    assert_int_equal(rig->n_cut, 1);
    assert_string_equal(server(rig), "192.0.2.54:53");
}

static void given_servers_stand_before_the_file_s(void **state)
{
    struct rig *rig = *state;
    struct addr_spec one, two;
    const char *why;
    assert_int_equal(addr_parse("192.0.2.1:5353", &one, &why), 0);
    assert_int_equal(addr_parse("[2001:db8::1]:53", &two, &why), 0);
    assert_int_equal(dns_set_servers(rig->dns, &one.address, 1), 1);
    assert_int_equal(dns_set_servers(rig->dns, &one.address, 1), 0);
    assert_int_equal(dns_refresh(rig->dns), 0);
    assert_string_equal(server(rig), "192.0.2.1:5353");
    assert_int_equal(dns_set_servers(rig->dns, &two.address, 1), 1);
    assert_int_equal(dns_refresh(rig->dns), 0);
    assert_string_equal(server(rig), "2001:db8::1:53");
    assert_int_equal(dns_set_servers(rig->dns, NULL, 0), 1);
    assert_int_equal(dns_refresh(rig->dns), 0);
    assert_string_equal(server(rig), "192.0.2.53:53");
}

static void does_without_a_file(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(unlink(rig->path), 0);
    assert_int_equal(dns_refresh(rig->dns), 0);
    replace(rig, "nameserver 192.0.2.54\n");
    assert_int_equal(dns_refresh(rig->dns), 0);
    assert_string_equal(server(rig), "192.0.2.54:53");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(asks_the_servers_of_the_file),
        TEST(another_file_means_another_channel),
        TEST(given_servers_stand_before_the_file_s),
        TEST(does_without_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
