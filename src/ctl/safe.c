/* SPDX-License-Identifier: MIT */
/* Text of others as a terminal may get it: a name must not move the cursor or change the screen. */
#include "ctl/safe.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* U+0080 to U+009F, which some terminals obey like ESC and a letter. */
static bool is_upper_control(const char *at, size_t length)
{
    return length == 2 && (unsigned char)at[0] == 0xc2 && (unsigned char)at[1] < 0xa0;
}

static bool is_control(char byte)
{
    return (unsigned char)byte < ' ' || byte == 0x7f;
}

void safe_add(struct text *out, const char *text, size_t length, const char *kept)
{
    for (size_t i = 0; i < length;) {
        const char *at = text + i;
        size_t one = text_utf8_length(at);
        bool is_kept = *at != '\0' && strchr(kept, *at) != NULL;
        bool is_plain = one > 0 && !is_control(*at) && !is_upper_control(at, one);
        text_append(out, is_kept || is_plain ? at : "?", is_plain ? one : 1);
        i += one > 0 ? one : 1;
    }
}

size_t safe_width(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void safe_write(FILE *to, const char *text, size_t length)
{
    struct text safe = {0};
    if (length == 0)
        return;
    if (isatty(fileno(to)) == 0) {
        (void)fwrite(text, 1, length, to);
        return;
    }
    safe_add(&safe, text, length, "\n\t");
    (void)fwrite(safe.at != NULL ? safe.at : "", 1, safe.length, to);
    text_fini(&safe);
}

void safe_complain(const char *text)
{
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    fputs("gaidarosctl: ", stderr);
    safe_write(stderr, text, length);
    fputs("\n", stderr);
}
