/* SPDX-License-Identifier: MIT */
/* Tests of base/hash. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The key 00 01 … 0f, as two little-endian words. */
static const struct hash_key paper_key = {
    {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};

static void hashes_the_vector_of_the_paper(void **state)
{
    (void)state;
    unsigned char input[15];
    for (unsigned char i = 0; i < sizeof input; i++)
        input[i] = i;
    assert_true(hash_bytes(&paper_key, input, sizeof input) == UINT64_C(0xa129ca6149be45e5));
}

static void hashes_the_authors_vectors_of_every_tail(void **state)
{
    (void)state;
    /* Inputs of 0, 1, … 9 bytes 00 01 …, as the reference program prints them. */
    static const unsigned char vectors[][8] = {
        {0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72},
        {0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74},
        {0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d},
        {0x2d, 0x7e, 0xfb, 0xd7, 0x96, 0x66, 0x67, 0x85},
        {0xb7, 0x87, 0x71, 0x27, 0xe0, 0x94, 0x27, 0xcf},
        {0x8d, 0xa6, 0x99, 0xcd, 0x64, 0x55, 0x76, 0x18},
        {0xce, 0xe3, 0xfe, 0x58, 0x6e, 0x46, 0xc9, 0xcb},
        {0x37, 0xd1, 0x01, 0x8b, 0xf5, 0x00, 0x02, 0xab},
        {0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93},
        {0xb0, 0xe4, 0xa9, 0x0b, 0xdf, 0x82, 0x00, 0x9e},
    };
    for (size_t length = 0; length < sizeof vectors / sizeof *vectors; length++) {
        unsigned char input[16];
        uint64_t expected = 0;
        for (size_t i = 0; i < length; i++)
            input[i] = (unsigned char)i;
        for (size_t i = 0; i < 8; i++)
            expected |= (uint64_t)vectors[length][i] << (8 * i);
        assert_true(hash_bytes(&paper_key, input, length) == expected);
    }
}

static void hash_does_not_depend_on_alignment(void **state)
{
    (void)state;
    char storage[64];
    uint64_t expected = hash_bytes(&paper_key, "192.0.2.1:80 and more", 21);
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(storage + shift, "192.0.2.1:80 and more", 21);
        assert_true(hash_bytes(&paper_key, storage + shift, 21) == expected);
    }
}

static void every_key_bit_changes_the_hash(void **state)
{
    (void)state;
    uint64_t before = hash_bytes(&paper_key, "key", 3);
    for (int bit = 0; bit < 128; bit++) {
        struct hash_key key = paper_key;
        key.word[bit / 64] ^= UINT64_C(1) << (bit % 64);
        assert_true(hash_bytes(&key, "key", 3) != before);
    }
}

static void random_follows_the_published_sequence(void **state)
{
    (void)state;
    struct random random = {{1, 2, 3, 4}};
    static const uint64_t expected[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240)};
    for (size_t i = 0; i < 4; i++)
        assert_true(random_next(&random) == expected[i]);
}

static void seed_makes_the_sequence_repeatable(void **state)
{
    (void)state;
    struct random a, b, other;
    random_init(&a, 7);
    random_init(&b, 7);
    random_init(&other, 8);
    int equal_to_other = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t number = random_next(&a);
        assert_true(number == random_next(&b));
        equal_to_other += number == random_next(&other);
    }
    assert_int_equal(equal_to_other, 0);
}

static void unseeded_sequences_differ(void **state)
{
    (void)state;
    struct random a, b;
    random_init(&a, 0);
    random_init(&b, 0);
    assert_true(random_next(&a) != random_next(&b));
}

static void bounded_numbers_are_uniform(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 42);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint64_t number = random_below(&random, 7);
        assert_true(number < 7);
        counts[number]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], 9600, 10400); /* over four standard deviations of 93 */
}

static void bounded_numbers_reach_both_ends(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 42);
    for (int i = 0; i < 100; i++)
        assert_true(random_below(&random, 1) == 0);
    /* A bound above 2^63 throws nearly half of the numbers away. */
    uint64_t bound = (UINT64_C(1) << 63) + 1;
    bool low = false, high = false;
    for (int i = 0; i < 1000; i++) {
        uint64_t number = random_below(&random, bound);
        assert_true(number < bound);
        low |= number < bound / 16;
        high |= number > bound - bound / 16;
    }
    assert_true(low && high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_the_vector_of_the_paper),
        cmocka_unit_test(hashes_the_authors_vectors_of_every_tail),
        cmocka_unit_test(hash_does_not_depend_on_alignment),
        cmocka_unit_test(every_key_bit_changes_the_hash),
        cmocka_unit_test(random_follows_the_published_sequence),
        cmocka_unit_test(seed_makes_the_sequence_repeatable),
        cmocka_unit_test(unseeded_sequences_differ),
        cmocka_unit_test(bounded_numbers_are_uniform),
        cmocka_unit_test(bounded_numbers_reach_both_ends),
    };
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
