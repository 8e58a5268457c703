/* SPDX-License-Identifier: MIT */
/* A configuration file: a good one is written as text that makes the same model, a bad one says why. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "conf/build.h"
#include "conf/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct model *load(const char *text, struct problems *problems)
{
    return conf_load(&(struct conf_request){.text = text}, problems);
}

static void check_round_trip(const struct model *model)
{
    struct problems problems = {0};
    struct text first = {0};
    struct text second = {0};
    conf_write(&first, model);
    struct model *again = load(first.at, &problems);
    assert(again != NULL);
    conf_write(&second, again);
    assert(strcmp(first.at, second.at) == 0);
    conf_free(again);
    problems_fini(&problems);
    text_fini(&first);
    text_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    struct problems problems = {0};
    struct model *model = load(text, &problems);
    assert((model == NULL) == (problems.n_errors > 0));
    if (model)
        check_round_trip(model);
    conf_free(model);
    problems_fini(&problems);
    free(text);
    return 0;
}
