/* SPDX-License-Identifier: MIT */
/* What a time limit costs a connection: hanging it up, taking it off, and the wheel's turning. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "relay/deadline.h"

enum { CONNECTIONS = 100000, TURNS = 2000 };

static const uint64_t idle_ns = UINT64_C(300) * 1000000000;

/* An idle connection whose limit is far away: hung up again each time it comes round. */
static uint64_t on_look(struct deadline *deadline, uint64_t now_ns)
{
    (void)deadline;
    return now_ns + idle_ns;
}

static void print_each(const char *what, uint64_t began_ns, uint64_t times)
{
    printf("  %-52s %8.1f ns\n", what, (double)(clock_now_ns() - began_ns) / (double)times);
}

int main(void)
{
    static struct deadline_wheel wheel;
    struct deadline *entries = calloc(CONNECTIONS, sizeof *entries);
    if (!entries) {
        perror("deadline_bench");
        return 1;
    }
    uint64_t start_ns = clock_now_ns();
    deadline_init(&wheel, start_ns);
    printf("%d idle connections on the wheel\n", CONNECTIONS);

    uint64_t began_ns = clock_now_ns();
    for (size_t i = 0; i < CONNECTIONS; i++)
        deadline_hang(&wheel, &entries[i], start_ns + idle_ns + i * 10000);
    print_each("hanging one up", began_ns, CONNECTIONS);

    began_ns = clock_now_ns();
    for (uint64_t i = 1; i <= TURNS; i++)
        deadline_advance(&wheel, start_ns + i * DEADLINE_TICK_MS * 1000000, on_look);
    print_each("a tick, which is due 31 times a second", began_ns, TURNS);

    began_ns = clock_now_ns();
    for (size_t i = 0; i < CONNECTIONS; i++)
        deadline_drop(&wheel, &entries[i]);
    print_each("taking one off", began_ns, CONNECTIONS);
    free(entries);
    return 0;
}
