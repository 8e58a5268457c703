/* SPDX-License-Identifier: MIT */
/* What the daemon is asked with GET, and what is said when it does not answer well. */
#include "ctl/asked.h"

#include <stdio.h>
#include <string.h>

#include "ctl/exits.h"
#include "ctl/safe.h"

enum { OK = 200, NOT_FOUND = 404 };

int asked_nobody(struct text *why)
{
    safe_complain(why->at != NULL ? why->at : "out of memory");
    text_fini(why);
    return NO_DAEMON;
}

/* The daemon's own words where it has some. */
static void tell_refusal(const char *path, const struct ask_answer *answer)
{
    json_t *json = answer->body.at != NULL ? json_loads(answer->body.at, 0, NULL) : NULL;
    const char *said = json_string_value(json_object_get(json, "error"));
    struct text line = {0};
    if (said != NULL)
        text_add(&line, said);
    else if (answer->status == NOT_FOUND)
        text_printf(&line, "this daemon has no %.*s; is it of another version?",
                    (int)strcspn(path, "?"), path);
    else
        text_printf(&line, "the daemon refused: %s",
                    answer->body.at != NULL ? answer->body.at : "without a word");
    safe_complain(line.at != NULL ? line.at : "out of memory");
    text_fini(&line);
    json_decref(json);
}

int asked_get(const char *socket, const char *path, struct ask_answer *answer)
{
    struct text why = {0};
    *answer = (struct ask_answer){0};
    if (ask(socket, "GET", path, NULL, answer, &why) != 0)
        return asked_nobody(&why);
    if (answer->status == OK)
        return DONE;
    tell_refusal(path, answer);
    text_fini(&answer->body);
    return REFUSED;
}

int asked_show(const char *socket, const char *path)
{
    struct ask_answer answer;
    int status = asked_get(socket, path, &answer);
    if (status != DONE)
        return status;
    safe_write(stdout, answer.body.at, answer.body.length);
    text_fini(&answer.body);
    return DONE;
}

int asked_json(const char *socket, const char *path, json_t **json)
{
    struct ask_answer answer;
    int status = asked_get(socket, path, &answer);
    if (status != DONE)
        return status;
    *json = answer.body.at != NULL ? json_loads(answer.body.at, 0, NULL) : NULL;
    text_fini(&answer.body);
    if (json_is_object(*json))
        return DONE;
    json_decref(*json);
    *json = NULL;
    safe_complain("the daemon's answer is no JSON");
    return REFUSED;
}
