/* SPDX-License-Identifier: MIT */
/* Routes: what they say, what is none, where their groups stand. */
#include "conf/ways.h"

#include "conf_fixture.h"

#define TEXT                                                                                   \
    "[service web]\nlisten = 127.0.0.1:81\ngroup = main\nstandby = spare\n%s\n"                \
    "[group main]\nhost = a 10.0.0.1:80\n[group spare]\nhost = b 10.0.0.2:80\n"                \
    "[group api]\nhost = c 10.0.0.3:80\n"

static struct model *load_routes(const char *lines)
{
    char text[1024];
    snprintf(text, sizeof text, TEXT, lines);
    return load_good(text);
}

static void refuses(const char *line, const char *says)
{
    char text[1024];
    snprintf(text, sizeof text, TEXT, line);
    assert_refused(text, says);
}

static void each_kind(void **state)
{
    (void)state;
    struct model *model = load_routes("route = sni *.API.example. api\nroute = alpn h2 spare\n"
                                      "route = source 10.0.0.0/8 main\nroute = sni a api\n");
    const struct model_service *service = &model->services[0];
    assert_int_equal(service->n_routes, 4);
    assert_int_equal(service->routes[0].kind, ROUTE_SNI);
    assert_string_equal(service->routes[0].word, "*.api.example");
    assert_string_equal(model->groups[service->routes[0].group].name, "api");
    assert_int_equal(service->routes[1].kind, ROUTE_ALPN);
    assert_string_equal(service->routes[1].word, "h2");
    assert_int_equal(service->routes[2].network.prefix_bits, 8);
    conf_free(model);
}

static void a_group_has_one_place(void **state)
{
    (void)state;
    struct model *model =
        load_routes("route = sni x api\nroute = sni y spare\nroute = sni z api\n");
    const struct model_service *service = &model->services[0];
    assert_int_equal(service->n_places, 3);
    assert_string_equal(model->groups[service->places[0]].name, "main");
    assert_string_equal(model->groups[service->places[1]].name, "spare");
    assert_string_equal(model->groups[service->places[2]].name, "api");
    assert_int_equal(service->routes[0].place, 2);
    assert_int_equal(service->routes[1].place, 1);
    assert_int_equal(service->routes[2].place, 2);
    assert_int_equal(service->n_standby, 1);
    conf_free(model);
}

static void what_is_none_is_refused(void **state)
{
    (void)state;
    refuses("route = sni a", "is not one of");
    refuses("route = sni a b c", "is not one of");
    refuses("route = name a api", "is not one of");
    refuses("route = sni a other", "there is no [group other]");
    refuses("route = sni *. api", "host name");
    refuses("route = sni a.*.b api", "host name");
    refuses("route = sni -a..b api", "host name");
    refuses("route = source 10.0.0.1/8 api", "10.0.0.1/8");
    refuses("route = alpn \"\" api", "protocol");
    refuses("route = sni a api\nroute = sni A main", "is routed already");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind),
        cmocka_unit_test(a_group_has_one_place),
        cmocka_unit_test(what_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
