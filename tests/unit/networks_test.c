/* SPDX-License-Identifier: MIT */
/* Promises of conf/networks: networks, resolvers, source addresses, prefix lengths. */
#include "conf/networks.h"

#include "conf_fixture.h"

#define SERVICE_LINES                                                                          \
    "[group main]\nhost = app1 10.0.0.11:8080\nhost = app2 [2001:db8::1]:80\n"                 \
    "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\n"
#define GROUP_LINES                                                                            \
    "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\n"                                   \
    "[group main]\nhost = app1 10.0.0.11:8080\nhost = app2 [2001:db8::1]:80\n"

static void assert_line_refused(const char *before, const char *line, const char *says)
{
    char text[1024];
    snprintf(text, sizeof text, "%s%s\n", before, line);
    assert_refused(text, says);
}

static void a_line_holds_one_or_more_networks(void **state)
{
    (void)state;
    struct model *model = load_good(SERVICE_LINES "allow = 10.0.0.0/8 2001:db8::/32\n"
                                                  "allow = 192.0.2.7\ndeny =\n"
                                                  "deny = 10.1.0.0/16\nretries = 1\n");
    const struct model_service *service = &model->services[0];
    static const char *const expected[] = {"10.0.0.0/8", "2001:db8::/32", "192.0.2.7"};
    assert_int_equal(service->n_allow, 3);
    for (size_t i = 0; i < 3; i++) {
        char text[ADDR_TEXT_BYTES];
        assert_string_equal(addr_print_network(text, &service->allow[i]), expected[i]);
    }
    assert_int_equal(service->n_deny, 1);
    assert_int_equal(service->retries, 1);
    conf_free(model);
    model = load_good(SERVICE_LINES);
    assert_int_equal(model->services[0].n_allow, 0);
    assert_int_equal(model->services[0].n_deny, 0);
    conf_free(model);
}

static void bad_networks_are_named(void **state)
{
    (void)state;
    assert_line_refused(SERVICE_LINES, "allow = 10.0.0.0/33",
                        "[service web] allow: \"10.0.0.0/33\": prefix length must be 0 to 32");
    assert_line_refused(SERVICE_LINES, "allow = 10.0.0.0/8 10.0.0.1/8 10.0.0.300",
                        "allow: \"10.0.0.1/8\": the address has bits set behind its prefix");
    assert_line_refused(SERVICE_LINES, "deny = name.example",
                        "[service web] deny: \"name.example\": not an IPv4 or IPv6 address");
    assert_line_refused(SERVICE_LINES, "allow =", "allow: needs a value");
    assert_line_refused(SERVICE_LINES, "deny = 10.0.0.0/8 \"x", "never closed");
    assert_line_refused(SERVICE_LINES, "deny = \"10.0.0.0/8 10.0.0.0/9\"", "deny: \"10.0.0.0");
}

static void ten_thousand_networks_are_read(void **state)
{
    (void)state;
    struct text text = {0};
    text_add(&text, SERVICE_LINES);
    for (unsigned i = 0; i < 100; i++) {
        text_add(&text, "deny =");
        for (unsigned k = 0; k < 100; k++)
            text_printf(&text, " 10.%u.%u.0/24", i, k);
        text_add(&text, "\n");
    }
    struct model *model = load_good(text.at);
    assert_int_equal(model->services[0].n_deny, 10000);
    conf_free(model);
    text_fini(&text);
}

static void resolvers_have_a_port_or_53(void **state)
{
    (void)state;
    struct model *model =
        load_good("[global]\nresolver = 192.0.2.53\nresolver = 192.0.2.53:5353\n"
                  "resolver = 2001:db8::53\nresolver = [2001:db8::53]:54\n" BASE_LINES);
    static const char *const expected[] = {"192.0.2.53:53", "192.0.2.53:5353",
                                           "[2001:db8::53]:53", "[2001:db8::53]:54"};
    assert_int_equal(model->global.n_resolvers, 4);
    for (size_t i = 0; i < 4; i++) {
        char text[ADDR_TEXT_BYTES];
        assert_string_equal(addr_print(text, &model->global.resolvers[i]), expected[i]);
    }
    conf_free(model);
    model = load_good("[global]\nresolver =\n" BASE_LINES);
    assert_int_equal(model->global.n_resolvers, 0);
    conf_free(model);
    assert_global_refused("resolver = dns.example", "\"dns.example\": not an IPv4");
    assert_global_refused("resolver = dns.example:53", "must be an IP address");
    assert_global_refused("resolver = unix:/x", "must be an IP address");
    assert_global_refused("resolver = 192.0.2.53:0", "port must be 1 to 65535");
    assert_global_refused("resolver = 192.0.2.0/24", "one address, without a prefix");
    assert_global_refused("resolver = 0.0.0.0", "no address that can be asked");
    assert_global_refused("resolver = *:53", "must be an IP address");
    assert_global_refused("resolver = [ff02::1]:53", "no address that can be asked");
    assert_global_refused("resolver = 192.0.2.1 192.0.2.2", "one address a line");
    assert_global_refused("resolver = 192.0.2.1\nresolver = 192.0.2.1:53",
                          "[global] resolver: 192.0.2.1:53 is named twice");
}

static void binds_are_addresses_or_client(void **state)
{
    (void)state;
    struct model *model = load_good(GROUP_LINES "bind = 127.0.0.9\nbind = ::1\n");
    const struct model_group *group = &model->groups[0];
    assert_int_equal(group->n_binds, 2);
    assert_false(group->binds[0].is_client);
    assert_int_equal(group->binds[0].address.any.sa_family, AF_INET);
    assert_int_equal(addr_port(&group->binds[0].address), 0);
    assert_int_equal(group->binds[1].address.any.sa_family, AF_INET6);
    assert_int_equal(group->n_hosts, 2);
    conf_free(model);
    model = load_good(GROUP_LINES "bind = client\n");
    assert_int_equal(model->groups[0].n_binds, 1);
    assert_true(model->groups[0].binds[0].is_client);
    conf_free(model);
    model = load_good(GROUP_LINES "bind =\n");
    assert_int_equal(model->groups[0].n_binds, 0);
    conf_free(model);
    assert_line_refused(GROUP_LINES, "bind = 127.0.0.1:80", "without a port");
    assert_line_refused(GROUP_LINES, "bind = [::1]", "without a port");
    assert_line_refused(GROUP_LINES, "bind = clients",
                        "an IP address without a port, or client");
    assert_line_refused(GROUP_LINES, "bind = 10.0.0.0/24", "one address, without a prefix");
    assert_line_refused(GROUP_LINES, "bind = 0.0.0.0", "can come from");
    assert_line_refused(GROUP_LINES, "bind = ff02::1", "can come from");
    assert_line_refused(GROUP_LINES, "bind = 10.0.0.1 10.0.0.2", "one address a line");
}

static void sources_share_two_prefixes(void **state)
{
    (void)state;
    struct model *model = load_good(SERVICE_LINES "share_sources = 0   128\n");
    assert_int_equal(model->services[0].share_sources.inet, 0);
    assert_int_equal(model->services[0].share_sources.inet6, 128);
    conf_free(model);
    model = load_good(SERVICE_LINES);
    assert_int_equal(model->services[0].share_sources.inet, 32);
    assert_int_equal(model->services[0].share_sources.inet6, 64);
    conf_free(model);
    assert_line_refused(SERVICE_LINES, "share_sources = 33 64",
                        "\"33\": the prefix length of IPv4 must be 0 to 32");
    assert_line_refused(SERVICE_LINES, "share_sources = 32 129",
                        "\"129\": the prefix length of IPv6 must be 0 to 128");
    assert_line_refused(SERVICE_LINES, "share_sources = 32", "is not two prefix lengths");
    assert_line_refused(SERVICE_LINES, "share_sources = 32 64 1", "is not two prefix lengths");
    assert_line_refused(SERVICE_LINES, "share_sources = /32 64", "prefix length of IPv4");
    assert_line_refused(SERVICE_LINES, "share_sources =", "needs a value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_holds_one_or_more_networks),
        cmocka_unit_test(bad_networks_are_named),
        cmocka_unit_test(ten_thousand_networks_are_read),
        cmocka_unit_test(resolvers_have_a_port_or_53),
        cmocka_unit_test(binds_are_addresses_or_client),
        cmocka_unit_test(sources_share_two_prefixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
