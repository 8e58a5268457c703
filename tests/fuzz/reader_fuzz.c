/* SPDX-License-Identifier: MIT */
/* The reader of configuration files: what it hands on is whole, clean and not cut. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "conf/quotes.h"
#include "conf/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_clean(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        assert((unsigned char)*c >= 0x20 || *c == '\t');
}

static void on_section(void *argument, const char *title, const struct origin *origin)
{
    const uint32_t *n_lines = argument;
    assert(title[0] != '\0' && strlen(title) <= READER_NAME_BYTES);
    assert(origin->line >= 1 && origin->line <= *n_lines);
    assert_clean(title);
}

static void on_pair(void *argument, const char *key, const char *value,
                    const struct origin *origin)
{
    const uint32_t *n_lines = argument;
    struct arena arena = {0};
    struct quotes_words words;
    const char *text, *why;
    assert(key[0] != '\0' && strlen(key) <= READER_NAME_BYTES);
    assert(origin->line >= 1 && origin->line <= *n_lines);
    assert_clean(value);
    if (quotes_split(&arena, value, &words, &why))
        assert(words.n <= QUOTES_WORDS);
    if (quotes_unwrap(&arena, value, &text, &why))
        assert(strlen(text) <= strlen(value));
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t n_lines = 1;
    for (size_t i = 0; i < size; i++)
        n_lines += data[i] == '\n';
    struct problems problems = {0};
    const struct reader_sink sink = {&n_lines, on_section, on_pair};
    reader_run("fuzz", (const char *)data, size, &sink, &problems);
    problems_fini(&problems);
    return 0;
}
