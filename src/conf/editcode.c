/* SPDX-License-Identifier: MIT */
/* An edit as words for people, and as bytes for a message. */
#include "conf/editcode.h"

#include <string.h>

/* The calls that make them; needs: the strings a kind cannot do without, see letters. */
static const struct {
    const char *call, *needs;
} kinds[EDIT_KINDS] = {
    [EDIT_ADD_HOST] = {"addHost", "sgnv"},
    [EDIT_DELETE_HOST] = {"delHost", "sgn"},
    [EDIT_DELETE_ALL_HOSTS] = {"delAllHosts", "sg"},
    [EDIT_CHANGE_SCHEDULER] = {"changeScheduler", "sgv"},
    [EDIT_NEW_SERVICE] = {"newService", "sgv"},
    [EDIT_DELETE_SERVICE] = {"delService", "s"},
    [EDIT_NEW_GROUP] = {"newGroup", "sgv"},
    [EDIT_DELETE_GROUP] = {"delGroup", "sg"},
    [EDIT_ADD_USER] = {"addUser", "nv"},
    [EDIT_DELETE_USER] = {"delUser", "n"},
};

void edit_print_path(struct text *out, const struct edit *edit)
{
    const char *const parts[] = {edit->service, edit->group, edit->name};
    bool is_first = true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i] == NULL)
            continue;
        text_printf(out, "%s%s", is_first ? "" : "/", parts[i]);
        is_first = false;
    }
}

void edit_print(struct text *out, const struct edit *edit)
{
    text_printf(out, "%s ", kinds[edit->kind].call);
    edit_print_path(out, edit);
    if (edit->value != NULL && edit->kind != EDIT_ADD_USER) /* a hash is nobody's business */
        text_printf(out, " %s", edit->value);
}

/* ---- as bytes: the kind, then for each string whether it is there, its bytes and a NUL ---- */

enum { STRINGS = 5 };
static const char letters[] = "sgnvb"; /* of the strings, in their order */

void edit_encode(struct text *out, const struct edit *edit)
{
    const char *const strings[STRINGS] = {edit->service, edit->group, edit->name, edit->value,
                                          edit->by};
    const unsigned char kind = (unsigned char)edit->kind;
    text_append(out, &kind, 1);
    for (size_t i = 0; i < STRINGS; i++) {
        text_append(out, strings[i] != NULL ? "1" : "0", 1);
        if (strings[i] != NULL)
            text_append(out, strings[i], strlen(strings[i]) + 1);
    }
}

bool edit_decode(struct edit *edit, const char *bytes, size_t length)
{
    const char *strings[STRINGS] = {NULL};
    const char *at = bytes + 1, *end = bytes + length;
    if (length == 0 || (unsigned char)bytes[0] >= EDIT_KINDS)
        return false;
    for (size_t i = 0; i < STRINGS; i++) {
        if (at == end)
            return false;
        if (*at++ == '0')
            continue;
        const char *nul = memchr(at, '\0', (size_t)(end - at));
        if (nul == NULL)
            return false;
        strings[i] = at;
        at = nul + 1;
    }
    *edit = (struct edit){.kind = (enum edit_kind)(unsigned char)bytes[0],
                          .service = strings[0],
                          .group = strings[1],
                          .name = strings[2],
                          .value = strings[3],
                          .by = strings[4]};
    for (const char *need = kinds[edit->kind].needs; *need != '\0'; need++)
        if (strings[strchr(letters, *need) - letters] == NULL)
            return false;
    return at == end;
}
