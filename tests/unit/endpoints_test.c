/* SPDX-License-Identifier: MIT */
/* Promises of conf/endpoints: listen lines, host lines. */
#include "conf/endpoints.h"

#include "conf/write.h"
#include "conf_fixture.h"

static struct model *load_host(const char *line)
{
    char text[1024];
    snprintf(text, sizeof text,
             "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\n[group main]\n"
             "host = first 10.0.0.1:80\nhost = %s\n",
             line);
    return load_good(text);
}

static void assert_host_refused(const char *line, const char *says)
{
    char text[1024];
    snprintf(text, sizeof text,
             "[service web]\nlisten = 127.0.0.1:8080\ngroup = main\n[group main]\n"
             "host = first 10.0.0.1:80\nhost = %s\n",
             line);
    assert_refused(text, says);
}

static void assert_listen_refused(const char *line, const char *says)
{
    char text[1024];
    snprintf(text, sizeof text,
             "[service web]\nlisten = 127.0.0.1:8080\nlisten = %s\ngroup = main\n"
             "[group main]\nhost = first 10.0.0.1:80\n",
             line);
    assert_refused(text, says);
}

static void host_has_defaults(void **state)
{
    (void)state;
    struct model *model = load_host("app2 10.0.0.2:8080");
    const struct model_host *host = &model->groups[0].hosts[1];
    assert_string_equal(host->name, "app2");
    assert_string_equal(host->address_text, "10.0.0.2:8080");
    assert_int_equal(addr_port(&host->address), 8080);
    assert_int_equal(host->weight, 1);
    assert_int_equal(host->max_connections, 0);
    assert_int_equal(host->state, HOST_SET_UP);
    assert_string_equal(host->line, "app2 10.0.0.2:8080");
    conf_free(model);
}

static void host_takes_options_in_any_order(void **state)
{
    (void)state;
    struct model *model =
        load_host("app2  [::1]:80 state=drain weight=0 max_connections=200 ; x");
    const struct model_host *host = &model->groups[0].hosts[1];
    assert_int_equal(host->weight, 0);
    assert_int_equal(host->max_connections, 200);
    assert_int_equal(host->state, HOST_SET_DRAIN);
    assert_string_equal(host->line, "app2  [::1]:80 state=drain weight=0 max_connections=200");
    conf_free(model);
}

static void host_takes_the_options_of_checks(void **state)
{
    (void)state;
    struct model *model = load_host("app2 10.0.0.2:80 slow_start=30s check=[::1]:9000");
    const struct model_host *host = &model->groups[0].hosts[1];
    assert_int_equal(host->slow_start_ms, 30000);
    assert_int_equal(host->check_address.any.sa_family, AF_INET6);
    assert_int_equal(addr_port(&host->check_address), 9000);
    assert_int_equal(model->groups[0].hosts[0].slow_start_ms, 0);
    assert_int_equal(model->groups[0].hosts[0].check_address.any.sa_family, AF_UNSPEC);
    conf_free(model);
}

static void a_host_may_be_a_name(void **state)
{
    (void)state;
    struct model *model = load_host("app2 App.Example:80 weight=3");
    const struct model_host *host = &model->groups[0].hosts[1];
    assert_string_equal(host->name, "app2");
    assert_string_equal(host->line_name, "app2");
    assert_string_equal(host->address_text, "App.Example:80");
    assert_string_equal(host->lookup, "app.example");
    assert_int_equal(host->lookup_port, 80);
    assert_int_equal(host->address.any.sa_family, AF_UNSPEC);
    assert_int_equal(host->weight, 3);
    assert_string_equal(model->groups[0].hosts[0].lookup, "");
    assert_int_equal(model->groups[0].hosts[0].lookup_port, 0);
    conf_free(model);
    model = load_host("app2 srv:_http._tcp.name.example");
    assert_string_equal(model->groups[0].hosts[1].lookup, "srv:_http._tcp.name.example");
    assert_int_equal(model->groups[0].hosts[1].lookup_port, 0);
    conf_free(model);
}

static void bad_hosts_are_refused(void **state)
{
    (void)state;
    assert_host_refused("app2", "must be NAME ADDRESS:PORT");
    assert_host_refused("app2 10.0.0.2", "10.0.0.2");
    assert_host_refused("app2 10.0.0.2:0", "port must be 1 to 65535");
    assert_host_refused("app2 10.0.0.2:65536", "port must be 1 to 65535");
    assert_host_refused("app2 10.0.0.2:http", "\"10.0.0.2:http\"");
    assert_host_refused("app2 1.2.3:80", "\"1.2.3:80\"");
    assert_host_refused("app2 1.2.3.4.5:80", "\"1.2.3.4.5:80\"");
    assert_host_refused("app2 [::1", "\"[::1\"");
    assert_host_refused("app2 ::1:80", "\"::1:80\"");
    assert_host_refused("app2 0.0.0.0:80", "no address that can be connected to");
    assert_host_refused("app2 [::]:80", "no address that can be connected to");
    assert_host_refused("app2 *:80", "no address that can be connected to");
    assert_host_refused("app2 224.0.0.1:80", "no address that can be connected to");
    assert_host_refused("app2 255.255.255.255:80", "no address that can be connected to");
    assert_host_refused("app2 -name.example:80", "starts with");
    assert_host_refused("app2 name.example", "port is missing");
    assert_host_refused("app2 srv:name.example", "srv:_SERVICE._PROTOCOL.NAME");
    assert_host_refused("app2 unix:/run/x.sock", "unix sockets are not yet supported");
    assert_host_refused("\"app 2\" 10.0.0.2:80", "without blanks");
    assert_host_refused("x2345678901234567890123456789012345678901234567890 10.0.0.2:80",
                        "1 to 49 bytes");
}

static void bad_host_options_are_refused(void **state)
{
    (void)state;
    assert_host_refused("a 10.0.0.2:80 weight=257", "from 0 to 256");
    assert_host_refused("a 10.0.0.2:80 weight=-1", "from 0 to 256");
    assert_host_refused("a 10.0.0.2:80 weight=", "from 0 to 256");
    assert_host_refused("a 10.0.0.2:80 weight=01", "from 0 to 256");
    assert_host_refused("a 10.0.0.2:80 weight", "needs =VALUE");
    assert_host_refused("a 10.0.0.2:80 weight=1 weight=1", "given twice");
    assert_host_refused("a 10.0.0.2:80 wieght=1", "did you mean weight?");
    assert_host_refused("a 10.0.0.2:80 state=maybe", "one of up drain down");
    assert_host_refused("a 10.0.0.2:80 slow_start=x", "a duration from 0 to 1d");
    assert_host_refused("a 10.0.0.2:80 slow_start=2d", "a duration from 0 to 1d");
    assert_host_refused("a 10.0.0.2:80 check=10.0.0.2", "check=10.0.0.2: port is missing");
    assert_host_refused("a 10.0.0.2:80 check=name.example:90", "not a name");
    assert_host_refused("a 10.0.0.2:80 check=*:90", "no address that can be connected to");
    assert_host_refused("a 10.0.0.2:80 check=0.0.0.0:90", "can be connected to");
    assert_host_refused("a 10.0.0.2:80 check=unix:/x", "unix sockets are not yet supported");
}

static void listen_takes_options(void **state)
{
    (void)state;
    struct model *model =
        load_good("[service web]\nlisten = *:8080 backlog=77 interface=lo\n"
                  "listen = 127.0.0.2:81\ngroup = main\n[group main]\nhost = a 10.0.0.1:80\n");
    const struct model_listen *listens = model->services[0].listens;
    assert_int_equal(model->services[0].n_listens, 2);
    assert_int_equal(listens[0].backlog, 77);
    assert_string_equal(listens[0].interface, "lo");
    assert_int_equal(listens[0].address.any.sa_family, AF_INET6);
    assert_int_equal(listens[1].backlog, 4096);
    assert_string_equal(listens[1].interface, "");
    struct text written = {0};
    conf_write(&written, model);
    assert_non_null(strstr(written.at, "\nlisten = *:8080 backlog=77 interface=lo\n"));
    text_fini(&written);
    conf_free(model);
}

static void bad_listens_are_refused(void **state)
{
    (void)state;
    assert_listen_refused("", "needs a value");
    assert_listen_refused("*:0", "port must be");
    assert_listen_refused("8080", "8080");
    assert_listen_refused("localhost:80", "must be an IP address or *, not a name");
    assert_listen_refused("srv:_http._tcp.x", "must be an IP address or *, not a name");
    assert_listen_refused("unix:/run/x", "unix sockets are not yet supported");
    assert_listen_refused("127.0.0.1:81 tls", "tls needs a certificate");
    assert_listen_refused("127.0.0.1:81 tls=yes", "takes no value");
    assert_listen_refused("127.0.0.1:81 transparent", "transparent is not yet supported");
    assert_listen_refused("127.0.0.1:81 accept_proxy=10.0.0.1/8", "networks with commas");
    assert_listen_refused("127.0.0.1:81 accept_proxy=", "networks with commas");
    assert_listen_refused("127.0.0.1:81 accept_proxy=::1,", "networks with commas");
    assert_listen_refused("127.0.0.1:81 mode=0660", "mode is not yet supported");
    assert_listen_refused("127.0.0.1:81 backlog=0", "from 1 to 65535");
    assert_listen_refused("127.0.0.1:81 interface=0123456789abcdef", "1 to 15 bytes");
    assert_listen_refused("127.0.0.1:81 insecure", "unknown option \"insecure\"");
    assert_listen_refused("127.0.0.1:81 interface=nosuch0", "no interface nosuch0");
}

static void admin_listen_takes_insecure(void **state)
{
    (void)state;
    struct model *model =
        load_good(BASE_LINES "[admin]\nlisten = 0.0.0.0:7001 insecure\nlisten = [::1]:7002\n");
    assert_int_equal(model->admin.n_listens, 2);
    assert_true(model->admin.listens[0].insecure);
    assert_false(model->admin.listens[1].insecure);
    conf_free(model);
    assert_refused(BASE_LINES "[admin]\nlisten = 127.0.0.1:7001 tls\n",
                   "tls needs a certificate");
    assert_refused(BASE_LINES "[admin]\nlisten = 127.0.0.1:7001 tls=yes\n", "takes no value");
    assert_refused(BASE_LINES "[admin]\nlisten = 127.0.0.1:7001 insecure=yes\n",
                   "takes no value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_has_defaults),
        cmocka_unit_test(host_takes_options_in_any_order),
        cmocka_unit_test(host_takes_the_options_of_checks),
        cmocka_unit_test(a_host_may_be_a_name),
        cmocka_unit_test(bad_hosts_are_refused),
        cmocka_unit_test(bad_host_options_are_refused),
        cmocka_unit_test(listen_takes_options),
        cmocka_unit_test(bad_listens_are_refused),
        cmocka_unit_test(admin_listen_takes_insecure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
