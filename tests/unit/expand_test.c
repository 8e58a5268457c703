/* SPDX-License-Identifier: MIT */
/* Promises of conf/expand: lines with names become hosts, and are still written as lines. */
#include "conf/expand.h"

#include "conf/write.h"
#include "conf_fixture.h"

static void know(struct addresses *addresses, const char *lookup, size_t n,
                 const char *const *texts)
{
    struct address found[4];
    for (size_t i = 0; i < n; i++) {
        struct addr_spec spec;
        const char *why;
        assert_int_equal(addr_parse(texts[i], &spec, &why), 0);
        found[i] = (struct address){spec.address, 100};
    }
    assert_int_equal(addresses_set(addresses, lookup, found, n), 1);
}

static void assert_host(const struct model *model, size_t i, const char *name,
                        const char *address_text, const char *line_name, int64_t weight)
{
    const struct model_host *host = &model->groups[0].hosts[i];
    assert_string_equal(host->name, name);
    assert_string_equal(host->address_text, address_text);
    assert_string_equal(host->line_name, line_name);
    assert_int_equal(host->weight, weight);
}

#define NAME_LINES                                                                             \
    "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\n[group main]\n"                     \
    "host = one One.Example:80 weight=3\nhost = plain 10.0.0.9:80\n"                           \
    "host = many many.example:81 state=drain\nhost = far far.example:82\n"                     \
    "host = srv srv:_http._tcp.example weight=2\n"                                             \
    "[group last]\nhost = x 10.0.0.8:80\n"

static struct model *load_names(const struct addresses *addresses, struct problems *problems)
{
    const struct conf_request request = {.text = NAME_LINES, .addresses = addresses};
    struct model *model = conf_load(&request, problems);
    if (model == NULL)
        fail_msg("%s", errors_of(problems));
    return model;
}

static void a_name_becomes_a_host_for_each_address(void **state)
{
    (void)state;
    struct addresses addresses = {0};
    struct problems problems = {0};
    know(&addresses, "one.example", 1, (const char *const[]){"10.0.0.1:1"});
    know(&addresses, "many.example", 2, (const char *const[]){"[2001:db8::1]:1", "10.0.0.2:1"});
    know(&addresses, "srv:_http._tcp.example", 2,
         (const char *const[]){"10.0.0.3:90", "[2001:db8::3]:91"});
    struct model *model = load_names(&addresses, &problems);
    addresses_fini(&addresses); /* the model has its own */
    assert_int_equal(model->groups[0].n_hosts, 7);
    assert_int_equal(model->groups[1].first_host, 7);
    assert_int_equal(model->n_hosts, 8);
    assert_host(model, 0, "one", "10.0.0.1:80", "one", 3);
    assert_host(model, 1, "plain", "10.0.0.9:80", "plain", 1);
    assert_host(model, 2, "many@10.0.0.2", "10.0.0.2:81", "many", 1);
    assert_host(model, 3, "many@2001:db8::1", "[2001:db8::1]:81", "many", 1);
    assert_host(model, 4, "far", "far.example:82", "far", 1);
    assert_host(model, 5, "srv@10.0.0.3:90", "10.0.0.3:90", "srv", 200);
    assert_host(model, 6, "srv@[2001:db8::3]:91", "[2001:db8::3]:91", "srv", 200);
    const struct model_host *hosts = model->groups[0].hosts;
    assert_string_equal(hosts[0].lookup, "one.example");
    assert_int_equal(addr_port(&hosts[3].address), 81);
    assert_int_equal(hosts[3].state, HOST_SET_DRAIN);
    assert_ptr_equal(hosts[2].line, hosts[3].line);
    assert_int_equal(hosts[4].address.any.sa_family, AF_UNSPEC);
    assert_int_equal(addr_port(&hosts[6].address), 91);
    assert_int_equal(hosts[6].origin.line, hosts[5].origin.line);
    conf_free(model);
    problems_fini(&problems);
}

static void weights_of_records_are_capped(void **state)
{
    (void)state;
    struct addresses addresses = {0};
    struct problems problems = {0};
    know(&addresses, "srv:_a._tcp.x", 1, (const char *const[]){"10.0.0.3:90"});
    const struct conf_request request = {
        .text = "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\n[group main]\n"
                "host = a srv:_a._tcp.x weight=3\nhost = b srv:_a._tcp.x weight=0\n",
        .addresses = &addresses};
    struct model *model = conf_load(&request, &problems);
    assert_non_null(model);
    assert_host(model, 0, "a", "10.0.0.3:90", "a", 256);
    assert_host(model, 1, "b", "10.0.0.3:90", "b", 0);
    conf_free(model);
    addresses_fini(&addresses);
    problems_fini(&problems);
}

static void an_unknown_name_holds_one_place(void **state)
{
    (void)state;
    struct problems problems = {0};
    struct model *model = load_names(NULL, &problems);
    assert_int_equal(model->groups[0].n_hosts, 5);
    assert_int_equal(model->groups[0].hosts[0].address.any.sa_family, AF_UNSPEC);
    assert_host(model, 0, "one", "One.Example:80", "one", 3);
    assert_host(model, 4, "srv", "srv:_http._tcp.example", "srv", 2);
    conf_free(model);
    problems_fini(&problems);
}

static void hosts_are_counted_with_their_addresses(void **state)
{
    (void)state;
    struct addresses addresses = {0};
    struct problems problems = {0};
    struct text text = {0};
    struct address found[256];
    for (uint32_t i = 0; i < 256; i++)
        found[i] = (struct address){
            .at.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001U + i)},
            .at.length = sizeof(struct sockaddr_in),
            .weight = 1};
    assert_int_equal(addresses_set(&addresses, "a.example", found, 256), 1);
    text_add(&text, "[service web]\nlisten = 127.0.0.1:80\ngroup = main\n[group main]\n");
    for (unsigned i = 0; i < 256; i++)
        text_printf(&text, "host = h%u a.example:80\n", i);
    struct conf_request request = {.text = text.at, .addresses = &addresses};
    struct model *model = conf_load(&request, &problems);
    assert_non_null(model);
    assert_int_equal(model->n_hosts, 65536);
    conf_free(model);
    text_add(&text, "host = one 10.0.0.1:80\n");
    request.text = text.at;
    assert_null(conf_load(&request, &problems));
    assert_non_null(strstr(errors_of(&problems), "65537 hosts are more than 65536"));
    problems_fini(&problems);
    text_fini(&text);
    addresses_fini(&addresses);
}

static void lines_are_written_as_they_were(void **state)
{
    (void)state;
    struct addresses addresses = {0};
    struct problems problems = {0};
    struct text known = {0}, unknown = {0};
    know(&addresses, "many.example", 2, (const char *const[]){"[2001:db8::1]:1", "10.0.0.2:1"});
    know(&addresses, "one.example", 1, (const char *const[]){"10.0.0.1:1"});
    struct model *model = load_names(&addresses, &problems);
    conf_write(&known, model);
    conf_free(model);
    model = load_names(NULL, &problems);
    conf_write(&unknown, model);
    conf_free(model);
    assert_string_equal(known.at, unknown.at);
    assert_non_null(strstr(known.at, "\nhost = many many.example:81 state=drain\nhost = far "));
    model = load_good(known.at);
    assert_int_equal(model->groups[0].n_hosts, 5);
    conf_free(model);
    text_fini(&known);
    text_fini(&unknown);
    addresses_fini(&addresses);
    problems_fini(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_becomes_a_host_for_each_address),
        cmocka_unit_test(weights_of_records_are_capped),
        cmocka_unit_test(an_unknown_name_holds_one_place),
        cmocka_unit_test(hosts_are_counted_with_their_addresses),
        cmocka_unit_test(lines_are_written_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
