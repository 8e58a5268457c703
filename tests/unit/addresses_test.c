/* SPDX-License-Identifier: MIT */
/* Promises of conf/addresses: sets of what names mean, and their form on the wire. */
#include "conf/addresses.h"

#include <errno.h>

#include "base/hash.h"
#include "conf/sealed.h"
#include "conf_fixture.h"

/* An address as text; port 1 stands for none. */
static struct address at(const char *text, uint32_t weight)
{
    struct addr_spec spec;
    const char *why;
    assert_int_equal(addr_parse(text, &spec, &why), 0);
    return (struct address){spec.address, weight};
}

static void assert_means(const struct addresses *addresses, const char *lookup, size_t n,
                         const char *const *expected)
{
    const struct address_entry *entry = addresses_find(addresses, lookup);
    assert_non_null(entry);
    assert_string_equal(entry->lookup, lookup);
    assert_int_equal(entry->n, n);
    for (size_t i = 0; i < n; i++) {
        char text[ADDR_TEXT_BYTES];
        assert_string_equal(addr_print(text, &entry->addresses[i].at), expected[i]);
    }
}

static void a_set_is_sorted_and_free_of_doubles(void **state)
{
    (void)state;
    struct addresses set = {0};
    const struct address found[] = {at("[2001:db8::2]:1", 5), at("10.0.0.2:7", 0),
                                    at("10.0.0.1:1", 1), at("[2001:db8::1]:1", 1),
                                    at("10.0.0.2:1", 1)};
    assert_int_equal(addresses_set(&set, "a.example", found, 5), 1);
    assert_means(&set, "a.example", 4,
                 (const char *const[]){"10.0.0.1:0", "10.0.0.2:0", "[2001:db8::1]:0",
                                       "[2001:db8::2]:0"});
    assert_int_equal(addresses_find(&set, "a.example")->addresses[3].weight, 1);
    assert_null(addresses_find(&set, "b.example"));
    addresses_fini(&set);
    assert_int_equal(set.n, 0);
}

static void only_a_change_is_told(void **state)
{
    (void)state;
    struct addresses set = {0};
    struct address found[] = {at("10.0.0.2:80", 3), at("10.0.0.1:80", 1)};
    assert_int_equal(addresses_set(&set, "srv:_a._tcp.x", NULL, 0), 0);
    assert_int_equal(addresses_set(&set, "srv:_a._tcp.x", found, 2), 1);
    const struct address turned[] = {found[1], found[0], found[1]};
    assert_int_equal(addresses_set(&set, "srv:_a._tcp.x", turned, 3), 0);
    found[0].weight = 4;
    assert_int_equal(addresses_set(&set, "srv:_a._tcp.x", found, 2), 1);
    assert_int_equal(addresses_set(&set, "srv:_a._tcp.x", found, 1), 1);
    assert_int_equal(addresses_set(&set, "srv:_a._tcp.x", found, 0), 1);
    assert_int_equal(set.n, 0);
    addresses_fini(&set);
}

static void names_are_found_among_many(void **state)
{
    (void)state;
    struct addresses set = {0};
    const struct address found = at("10.0.0.1:1", 1);
    char name[32];
    for (unsigned i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "n%u.example", i * 7919 % 300);
        assert_int_equal(addresses_set(&set, name, &found, 1), 1);
    }
    assert_int_equal(set.n, 300);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "n%u.example", i);
        assert_non_null(addresses_find(&set, name));
        if (i > 0)
            assert_true(strcmp(set.entries[i - 1].lookup, set.entries[i].lookup) < 0);
    }
    addresses_fini(&set);
}

static void what_cannot_be_connected_to_is_left_out(void **state)
{
    (void)state;
    struct addresses set = {0};
    const struct address nothing = {.weight = 1};
    const struct address found[] = {
        at("0.0.0.0:1", 1),   at("[::]:1", 1), at("224.0.0.1:1", 1), at("255.255.255.255:1", 1),
        at("[ff02::1]:1", 1), nothing,         at("10.0.0.1:1", 1)};
    assert_int_equal(addresses_set(&set, "a.example", found, 7), 1);
    assert_means(&set, "a.example", 1, (const char *const[]){"10.0.0.1:0"});
    /* A good answer of which nothing is left forgets the name. */
    assert_int_equal(addresses_set(&set, "a.example", found, 6), 1);
    assert_null(addresses_find(&set, "a.example"));
    struct address no_port = at("10.0.0.1:1", 1);
    no_port.at.in.sin_port = 0;
    assert_int_equal(addresses_set(&set, "srv:_a._tcp.x", &no_port, 1), 0);
    addresses_fini(&set);
}

static void a_name_has_at_most_256(void **state)
{
    (void)state;
    struct addresses set = {0};
    struct address found[300];
    for (size_t i = 0; i < 300; i++) {
        found[i] = at("10.0.0.1:1", 1);
        found[i].at.in.sin_addr.s_addr = htonl(0x0a000001U + (uint32_t)(299 - i));
    }
    assert_int_equal(addresses_set(&set, "a", found, 300), 1);
    assert_int_equal(addresses_find(&set, "a")->n, ADDRESSES_A_NAME);
    char text[ADDR_TEXT_BYTES];
    assert_string_equal(addr_print(text, &addresses_find(&set, "a")->addresses[0].at),
                        "10.0.0.1:0");
    addresses_fini(&set);
}

static void fill(struct addresses *set)
{
    const struct address plain[] = {at("10.0.0.2:1", 1), at("[2001:db8::1]:1", 1)};
    const struct address of_srv[] = {at("10.0.0.2:81", 3), at("10.0.0.2:80", 999)};
    assert_int_equal(addresses_set(set, "a.example", plain, 2), 1);
    assert_int_equal(addresses_set(set, "b.example.", plain, 1), 1);
    assert_int_equal(addresses_set(set, "srv:_http._tcp.example", of_srv, 2), 1);
}

static void assert_same(const struct addresses *a, const struct addresses *b)
{
    struct text first = {0}, second = {0};
    addresses_add(&first, a);
    addresses_add(&second, b);
    assert_int_equal(first.length, second.length);
    assert_memory_equal(first.at, second.at, first.length);
    text_fini(&first);
    text_fini(&second);
}

static void an_equal_set_is_decoded(void **state)
{
    (void)state;
    struct addresses set = {0}, again, copy;
    fill(&set);
    int fd = addresses_encode(&set);
    assert_true(fd >= 0);
    assert_int_equal(addresses_decode(fd, &again), 0);
    assert_same(&set, &again);
    assert_int_equal(addresses_find(&again, "srv:_http._tcp.example")->addresses[0].weight,
                     256);
    assert_int_equal(addresses_copy(&copy, &again), 0);
    addresses_fini(&again);
    assert_same(&set, &copy);
    addresses_fini(&copy);
    close(fd);
    addresses_fini(&set);
    fd = addresses_encode(&set);
    assert_int_equal(addresses_decode(fd, &again), 0);
    assert_int_equal(again.n, 0);
    addresses_fini(&again);
    close(fd);
}

/* Decoded from bytes alone, at their very end. */
static int decode(const char *bytes, size_t length, struct addresses *out)
{
    int fd = sealed_make("test", bytes, length);
    int result = addresses_decode(fd, out);
    if (result != 0)
        assert_int_equal(errno, EPROTO);
    assert_true(result == 0 || (out->n == 0 && out->entries == NULL));
    close(fd);
    return result;
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    struct addresses set = {0}, out;
    struct text bytes = {0};
    fill(&set);
    addresses_add(&bytes, &set);
    for (size_t length = 0; length < bytes.length; length++)
        assert_int_equal(decode(bytes.at, length, &out), -1);
    assert_int_equal(decode(bytes.at, bytes.length, &out), 0);
    addresses_fini(&out);
    text_append(&bytes, "", 1);
    assert_int_equal(decode(bytes.at, bytes.length, &out), -1);
    text_fini(&bytes);
    addresses_fini(&set);
    assert_int_equal(addresses_decode(-1, &out), -1);
    assert_int_equal(errno, EPROTO);
}

static void changed_bytes_give_a_right_set_or_none(void **state)
{
    (void)state;
    struct addresses set = {0}, out;
    struct text bytes = {0};
    struct random random;
    random_init(&random, 7);
    fill(&set);
    addresses_add(&bytes, &set);
    for (size_t i = 0; i < 5000; i++) {
        char *copy = malloc(bytes.length);
        memcpy(copy, bytes.at, bytes.length);
        for (size_t k = random_below(&random, 3) + 1; k > 0; k--)
            copy[random_below(&random, bytes.length)] = (char)random_next(&random);
        if (decode(copy, bytes.length, &out) == 0) {
            /* What was taken is what a set could hold: setting it anew changes nothing. */
            for (size_t k = 0; k < out.n; k++)
                assert_int_equal(addresses_set(&out, out.entries[k].lookup,
                                               out.entries[k].addresses, out.entries[k].n),
                                 0);
            addresses_fini(&out);
        }
        free(copy);
    }
    text_fini(&bytes);
    addresses_fini(&set);
}

static void assert_not_taken(struct addresses *set)
{
    struct addresses out;
    struct text bytes = {0};
    addresses_add(&bytes, set);
    assert_int_equal(decode(bytes.at, bytes.length, &out), -1);
    text_fini(&bytes);
    addresses_fini(set);
}

static void lies_are_not_believed(void **state)
{
    (void)state;
    struct addresses set = {0};
    const struct address one = at("10.0.0.1:1", 1);
    static const char *const bad[] = {"A.example", "a b", "1.2.3.4", "", "*", "srv:a", "a:1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(addresses_set(&set, bad[i], &one, 1), 1);
        assert_not_taken(&set);
    }
    fill(&set);
    set.entries[0].addresses[0].at.in.sin_addr.s_addr = 0;
    assert_not_taken(&set);
    fill(&set);
    set.entries[0].addresses[1].at.in6.sin6_addr.s6_addr[0] = 0xff;
    assert_not_taken(&set);
    fill(&set);
    set.entries[0].addresses[0].at.in.sin_port = htons(80); /* a plain name has none */
    assert_not_taken(&set);
    fill(&set);
    set.entries[2].addresses[0].at.in.sin_port = 0; /* a service record has one */
    assert_not_taken(&set);
    fill(&set);
    set.entries[2].addresses[0].weight = 257;
    assert_not_taken(&set);
    fill(&set);
    set.entries[2].addresses[0].weight = 0;
    assert_not_taken(&set);
    fill(&set);
    set.entries[2].addresses[1] = set.entries[2].addresses[0]; /* twice */
    assert_not_taken(&set);
    fill(&set);
    set.entries[1].n = 0;
    assert_not_taken(&set);
    fill(&set);
    struct address_entry first = set.entries[0];
    set.entries[0] = set.entries[1]; /* out of order */
    set.entries[1] = first;
    assert_not_taken(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_is_sorted_and_free_of_doubles),
        cmocka_unit_test(only_a_change_is_told),
        cmocka_unit_test(names_are_found_among_many),
        cmocka_unit_test(what_cannot_be_connected_to_is_left_out),
        cmocka_unit_test(a_name_has_at_most_256),
        cmocka_unit_test(an_equal_set_is_decoded),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(changed_bytes_give_a_right_set_or_none),
        cmocka_unit_test(lies_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
