/* SPDX-License-Identifier: MIT */
/* The list of what is wrong with a configuration. */
#include "conf/problems.h"

#include <inttypes.h>

#include "conf/store.h"

static void problems_print(struct text *out, const struct origin *origin, const char *section,
                           const char *key, const char *what)
{
    if (origin != NULL && origin->file != NULL) {
        text_add(out, origin->file);
        if (origin->line > 0 && strcmp(origin->file, ORIGIN_COMMAND_LINE) != 0)
            text_printf(out, ":%u", (unsigned)origin->line);
        text_add(out, ": ");
    }
    if (section != NULL)
        text_printf(out, "[%s] ", section);
    if (key != NULL)
        text_printf(out, "%s: ", key);
    for (const char *c = what; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            text_printf(out, "\\x%02x", (unsigned)(unsigned char)*c);
        else
            text_append(out, c, 1);
    }
    text_append(out, "\n", 1);
}

static void problems_vadd(struct text *out, const struct origin *origin, const char *section,
                          const char *key, const char *format, va_list arguments)
    __attribute__((format(printf, 5, 0)));
static void problems_vadd(struct text *out, const struct origin *origin, const char *section,
                          const char *key, const char *format, va_list arguments)
{
    struct text what = {0};
    text_vprintf(&what, format, arguments);
    problems_print(out, origin, section, key, what.at != NULL ? what.at : "out of memory");
    text_fini(&what);
}

void problems_add(struct problems *problems, const struct origin *origin, const char *section,
                  const char *key, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    problems_vadd(&problems->errors, origin, section, key, format, arguments);
    va_end(arguments);
    problems->n_errors++;
}

void problems_warn(struct problems *problems, const struct origin *origin, const char *section,
                   const char *key, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    problems_vadd(&problems->warnings, origin, section, key, format, arguments);
    va_end(arguments);
    problems->n_warnings++;
}

void problems_fini(struct problems *problems)
{
    text_fini(&problems->errors);
    text_fini(&problems->warnings);
    *problems = (struct problems){0};
}
