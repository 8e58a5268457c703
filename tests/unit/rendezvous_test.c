/* SPDX-License-Identifier: MIT */
/* Tests of rendezvous hashing. */
#include "balance/rendezvous.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { FRACTION_BITS = 48 };

/* -log2(draw / 2^64) with 48 bits behind the point, by squaring, a bit at a time. */
static uint64_t cost_by_squaring(uint64_t draw)
{
    __extension__ typedef unsigned __int128 wide;
    int n_zeros = __builtin_clzll(draw);
    uint64_t x = draw << n_zeros; /* 1 to 2, as 2^63 to 2^64 */
    uint64_t logarithm = (uint64_t)(63 - n_zeros) << FRACTION_BITS;

    for (int bit = FRACTION_BITS - 1; bit >= 0; bit--) {
        wide square = (wide)x * x;
        bool is_two = square >> 127 != 0;
        x = (uint64_t)(is_two ? square >> 64 : square >> 63);
        logarithm |= (uint64_t)is_two << bit;
    }
    return (UINT64_C(64) << FRACTION_BITS) - logarithm;
}

static void takes_logarithms_of_powers_of_two_exactly(void **state)
{
    (void)state;
    for (uint32_t bit = 1; bit < 64; bit++)
        assert_int_equal(rendezvous_cost(UINT64_C(1) << bit), (uint64_t)(64 - bit)
                                                                  << FRACTION_BITS);
}

static void keeps_close_to_the_curve(void **state)
{
    struct random random;

    (void)state;
    random_init(&random, 3);
    for (int i = 0; i < 200000; i++) {
        uint64_t draw = random_next(&random) >> (random_next(&random) % 60) | 2;
        uint64_t exact = cost_by_squaring(draw), cost = rendezvous_cost(draw);
        uint64_t beside = cost > exact ? cost - exact : exact - cost;
        /* 2^-18 everywhere, and a fifth of a percent where costs are small. */
        assert_true(beside <= UINT64_C(1) << (FRACTION_BITS - 18));
        assert_true(exact < UINT64_C(1) << 20 || beside <= exact / 400);
    }
    for (uint64_t far = 1; far < UINT64_C(1) << 60; far *= 3) {
        uint64_t exact = cost_by_squaring(0 - far), cost = rendezvous_cost(0 - far);
        uint64_t beside = cost > exact ? cost - exact : exact - cost;
        assert_true(beside <= exact / 400 + (1 << 10));
    }
}

static void falls_as_draws_rise(void **state)
{
    struct random random;

    (void)state;
    random_init(&random, 4);
    assert_true(rendezvous_cost(0) >= rendezvous_cost(1));
    for (int i = 0; i < 200000; i++) {
        uint64_t one = random_next(&random), other = random_next(&random);
        if (i % 2 == 0)
            other = one + (other & 0xffffff);
        if (one != other)
            assert_true((one < other) == (rendezvous_cost(one) > rendezvous_cost(other)) ||
                        rendezvous_cost(one) == rendezvous_cost(other));
    }
    assert_true(rendezvous_cost(UINT64_MAX) < 1 << 10);
}

static void lets_the_heavier_win_as_often_as_it_should(void **state)
{
    static const uint32_t weights[][2] = {{1, 1}, {1, 2},     {3, 1},
                                          {1, 9}, {256, 256}, {128, 64}};
    struct random random;

    (void)state;
    random_init(&random, 6);
    for (size_t w = 0; w < sizeof weights / sizeof weights[0]; w++) {
        uint32_t n_wins = 0, sum = weights[w][0] + weights[w][1];
        for (int i = 0; i < 100000; i++) {
            struct rendezvous_bid one = {random_next(&random), weights[w][0]};
            struct rendezvous_bid other = {random_next(&random), weights[w][1]};
            assert_true(rendezvous_is_better(&one, &other) !=
                        rendezvous_is_better(&other, &one));
            n_wins += rendezvous_is_better(&one, &other);
        }
        assert_in_range(n_wins, 100000 * weights[w][0] / sum - 600,
                        100000 * weights[w][0] / sum + 600);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_logarithms_of_powers_of_two_exactly),
        cmocka_unit_test(keeps_close_to_the_curve),
        cmocka_unit_test(falls_as_draws_rise),
        cmocka_unit_test(lets_the_heavier_win_as_often_as_it_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
