/* SPDX-License-Identifier: MIT */
/* Name and password as HTTP Basic authentication carries them (RFC 7617). */
#include "admin/basic.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { DECODED_MOST = 2 * BASIC_MOST, BAD_LETTER = -1 };

static int value_of(char letter)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = letter != '\0' ? strchr(letters, letter) : NULL;
    return at != NULL ? (int)(at - letters) : BAD_LETTER;
}

/* Returns how many bytes came out, or -1 when the text is no base64 or too long. */
static int decode(unsigned char *out, size_t most, const char *text)
{
    size_t length = strlen(text), n = 0;
    if (length == 0 || length % 4 != 0)
        return -1;
    for (size_t at = 0; at < length; at += 4) {
        unsigned int group = 0;
        bool is_last = at + 4 == length;
        int pads =
            is_last ? (text[at + 3] == '=') + (text[at + 3] == '=' && text[at + 2] == '=') : 0;
        for (int i = 0; i < 4; i++) {
            int value = i >= 4 - pads ? 0 : value_of(text[at + (size_t)i]);
            if (value == BAD_LETTER)
                return -1;
            group = group << 6 | (unsigned int)value;
        }
        if (n + 3 > most)
            return -1;
        for (int i = 0; i < 3 - pads; i++)
            out[n++] = (unsigned char)(group >> (16 - 8 * i));
    }
    return (int)n;
}

void basic_wipe(struct basic *basic)
{
    explicit_bzero(basic, sizeof *basic);
}

bool basic_parse(struct basic *out, const char *header)
{
    static const char scheme[] = "Basic ";
    unsigned char decoded[DECODED_MOST];
    basic_wipe(out);
    if (header == NULL || strncasecmp(header, scheme, sizeof scheme - 1) != 0)
        return false;
    header += sizeof scheme - 1;
    header += strspn(header, " ");
    int length = decode(decoded, sizeof decoded, header);
    const unsigned char *colon = length > 0 ? memchr(decoded, ':', (size_t)length) : NULL;
    bool is_fine = colon != NULL;
    for (int i = 0; is_fine && i < length; i++)
        is_fine = decoded[i] >= ' ' && decoded[i] != 0x7f;
    if (is_fine) {
        size_t name = (size_t)(colon - decoded), password = (size_t)length - name - 1;
        is_fine = name < BASIC_MOST && password < BASIC_MOST;
        if (is_fine) {
            memcpy(out->name, decoded, name);
            memcpy(out->password, colon + 1, password);
        }
    }
    explicit_bzero(decoded, sizeof decoded);
    return is_fine;
}
