/* SPDX-License-Identifier: MIT */
/* Durations, sizes and rates: whatever parses is printed as text that parses to the same again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct kind {
    int (*parse)(const char *text, int64_t *out);
    const char *(*print)(char out[UNITS_TEXT_BYTES], int64_t value);
};

/* As so many an hour, whatever it was written as. */
static const char *print_rate(char out[UNITS_TEXT_BYTES], int64_t per_hour)
{
    return units_print_rate(out, per_hour, per_hour);
}

static const struct kind kinds[] = {
    {units_parse_duration, units_print_duration},
    {units_parse_size, units_print_size},
    {units_parse_rate, print_rate},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char printed[UNITS_TEXT_BYTES];
        int64_t value;
        int64_t again;
        if (kinds[i].parse(text, &value) != 0)
            continue;
        assert(value >= 0);
        assert(kinds[i].parse(kinds[i].print(printed, value), &again) == 0);
        assert(value == again);
    }
    int64_t number;
    bool flag;
    if (units_parse_percent(text, &number) == 0)
        assert(number >= 0 && number <= 100);
    if (units_parse_number(text, &number) == 0)
        assert(number >= 0);
    (void)units_parse_bool(text, &flag);
    free(text);
    return 0;
}
