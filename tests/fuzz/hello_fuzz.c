/* SPDX-License-Identifier: MIT */
/* The ClientHello look-ahead: reads nothing that is not there, and a whole message is whole at no shorter length. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tls/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char room[HELLO_MOST_BYTES];
    struct hello hello, again;
    unsigned char *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        return 0;
    if (size > 0)
        memcpy(exact, data, size);
    enum hello_verdict verdict = hello_look(exact, size, room, &hello);
    if (verdict == HELLO_DONE) {
        assert(strlen(hello.name) < HELLO_NAME_BYTES);
        (void)hello_offers(&hello, "h2");
        (void)hello_matches("*.example", hello.name);
        assert(hello_look(exact, size, room, &again) == HELLO_DONE);
        assert(strcmp(hello.name, again.name) == 0);
    }
    /* Where more is wanted, less could not do. */
    if (verdict == HELLO_MORE && size > 0)
        assert(hello_look(exact, size - 1, room, &again) == HELLO_MORE);
    free(exact);
    return 0;
}
