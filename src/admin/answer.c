/* SPDX-License-Identifier: MIT */
/* Builds the short answers that both doors share. */
#include "admin/answer.h"

#include <stdarg.h>

#include "admin/connections.h"

void answer_plain(struct answer *answer, unsigned int status, const char *line)
{
    answer->status = status;
    answer->type = ANSWER_PLAIN;
    text_clear(&answer->body);
    text_printf(&answer->body, "%s\n", line);
}

void answer_refusal(struct answer *answer, unsigned int status, const char *format, ...)
{
    struct text error = {0};
    va_list arguments;
    va_start(arguments, format);
    text_vprintf(&error, format, arguments);
    va_end(arguments);

    answer->status = status;
    answer->type = ANSWER_JSON;
    text_clear(&answer->body);
    text_add(&answer->body, "{\"ok\":false,\"error\":");
    text_add_json(&answer->body, error.failed ? "out of memory" : error.at);
    if (answer->is_unknown_call)
        text_add(&answer->body, ",\"unknown_call\":true");
    text_add(&answer->body, "}\n");
    text_fini(&error);
}

void answer_done(struct answer *answer, const char *message)
{
    answer->status = 200;
    answer->type = ANSWER_JSON;
    text_clear(&answer->body);
    text_add(&answer->body, "{\"ok\":true,\"message\":");
    text_add_json(&answer->body, message);
    text_add(&answer->body, "}\n");
}

void answer_fini(struct answer *answer)
{
    text_fini(&answer->body);
    connection_list_free(answer->list);
    *answer = (struct answer){0};
}
