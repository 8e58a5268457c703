/* SPDX-License-Identifier: MIT */
/* Vectors that may never change: files of lines that a test computes anew and compares. */
#ifndef TESTS_UNIT_GOLDEN_H
#define TESTS_UNIT_GOLDEN_H

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "balance_rig.h"

enum { GOLDEN_CLIENTS = 10000, GOLDEN_LINE_BYTES = 256 };

/* Fills the line of the nth client, without its newline. */
typedef void golden_line(void *context, uint32_t n, char line[GOLDEN_LINE_BYTES]);

/*
 * Compares with tests/unit/golden/NAME, byte by byte. The files were written once, by the first
 * release that had the hashes, with GAIDAROS_WRITE_GOLDEN=yes in the environment; what they say
 * is where clients go, and is kept in every later release.
 */
static inline void golden_check(const char *name, golden_line *fill, void *context)
{
    bool is_writing = getenv("GAIDAROS_WRITE_GOLDEN") != NULL;
    char path[128], line[GOLDEN_LINE_BYTES], expected[GOLDEN_LINE_BYTES];

    snprintf(path, sizeof path, "tests/unit/golden/%s", name);
    FILE *file = fopen(path, is_writing ? "we" : "re");
    assert_non_null(file);
    for (uint32_t n = 0; n < GOLDEN_CLIENTS; n++) {
        fill(context, n, line);
        if (is_writing) {
            fprintf(file, "%s\n", line);
            continue;
        }
        assert_non_null(fgets(expected, sizeof expected, file));
        expected[strcspn(expected, "\n")] = '\0';
        assert_string_equal(line, expected);
    }
    if (!is_writing)
        assert_null(fgets(expected, sizeof expected, file));
    assert_int_equal(fclose(file), 0);
}

/* The client's address without its port. */
static inline void golden_print_client(char text[INET6_ADDRSTRLEN], const struct addr *client)
{
    const void *bytes = client->any.sa_family == AF_INET ? (const void *)&client->in.sin_addr
                                                         : (const void *)&client->in6.sin6_addr;
    assert_non_null(inet_ntop(client->any.sa_family, bytes, text, INET6_ADDRSTRLEN));
}

/* Ten hosts by name, for vectors of where clients go: once of equal weight, once of weights 1 to 10. */
struct golden_rigs {
    struct rig equal, weighted;
};

static inline void golden_open(struct golden_rigs *rigs, enum scheduler_kind kind)
{
    static const uint32_t weights[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

    rig_open(&rigs->equal, kind, 10, NULL);
    rig_open(&rigs->weighted, kind, 10, weights);
}

static inline void golden_close(struct golden_rigs *rigs)
{
    rig_close(&rigs->equal);
    rig_close(&rigs->weighted);
}

/* "ADDRESS HOST HOST": where the client goes in either. */
static inline void golden_print_homes(void *context, uint32_t n, char line[GOLDEN_LINE_BYTES])
{
    struct golden_rigs *rigs = context;
    const struct addr client = rig_client(n);
    char text[INET6_ADDRSTRLEN];

    golden_print_client(text, &client);
    uint32_t equal = rig_home(&rigs->equal.group, &client);
    uint32_t weighted = rig_home(&rigs->weighted.group, &client);
    snprintf(line, GOLDEN_LINE_BYTES, "%s %s %s", text, rigs->equal.names[equal].text,
             rigs->weighted.names[weighted].text);
}

#endif
