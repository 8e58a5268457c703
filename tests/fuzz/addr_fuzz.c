/* SPDX-License-Identifier: MIT */
/* Addresses and networks: whatever parses is printed as text that parses to the same again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names of unix sockets may hold control bytes, which are shown as question marks. */
static bool has_control_byte(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

static void check_spec(const char *text)
{
    struct addr_spec spec;
    struct addr_spec again;
    char printed[ADDR_TEXT_BYTES + 256];
    const char *why = NULL;
    if (addr_parse(text, &spec, &why) != 0) {
        assert(why != NULL);
        return;
    }
    addr_spec_print(printed, &spec);
    if (has_control_byte(text))
        return;
    assert(addr_parse(printed, &again, &why) == 0);
    assert(spec.kind == again.kind && spec.port == again.port);
    assert(strcmp(spec.name, again.name) == 0);
    if (spec.kind == ADDR_SOCKET)
        assert(addr_is_equal(&spec.address, &again.address));
}

static void check_network(const char *text)
{
    struct addr_network network;
    struct addr_network again;
    char printed[ADDR_TEXT_BYTES];
    const char *why = NULL;
    if (addr_parse_network(text, &network, &why) != 0) {
        assert(why != NULL);
        return;
    }
    addr_print_network(printed, &network);
    assert(addr_parse_network(printed, &again, &why) == 0);
    assert(network.prefix_bits == again.prefix_bits);
    assert(addr_network_has(&again, &network.address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    check_spec(text);
    check_network(text);
    free(text);
    return 0;
}
