/* SPDX-License-Identifier: MIT */
/* Reads the fields of a call's body from JSON or a form. */
#include "admin/fields.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

enum { BAD_REQUEST = 400, UNSUPPORTED_TYPE = 415 };

/* Takes both strings over, also when it refuses. */
static bool add(struct fields *fields, char *name, char *value, const char **why)
{
    *why = NULL;
    if (name == NULL || value == NULL)
        *why = "out of memory";
    else if (*name == '\0')
        *why = "a field has no name";
    else if (fields_find(fields, name) != NULL)
        *why = "a field is given twice";
    else if (fields->n == FIELDS_MOST)
        *why = "too many fields";
    if (*why != NULL) {
        free(name);
        free(value);
        return false;
    }
    fields->at[fields->n].name = name;
    fields->at[fields->n].value = value;
    fields->n++;
    return true;
}

/* A JSON value as the text a form would carry; NULL for what no field can be. */
static char *value_text(const json_t *value)
{
    char number[32];
    if (json_is_string(value))
        return strdup(json_string_value(value));
    if (json_is_boolean(value))
        return strdup(json_is_true(value) ? "yes" : "no");
    if (json_is_integer(value)) {
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return strdup(number);
    }
    return NULL;
}

static bool parse_json(struct fields *fields, const char *body, size_t length, const char **why)
{
    /* Without JSON_ALLOW_NUL a string cannot hide its end behind \u0000. */
    json_t *object = json_loadb(body, length, JSON_REJECT_DUPLICATES, NULL);
    bool is_read = json_is_object(object);
    if (!is_read)
        *why = "the body is not one JSON object without repeated names";
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        char *text = is_read ? value_text(value) : NULL;
        if (is_read && text == NULL) {
            *why = "a field's value must be a string, a whole number or a boolean";
            is_read = false;
        }
        if (is_read)
            is_read = add(fields, strdup(name), text, why);
    }
    json_decref(object);
    return is_read;
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* A decoded copy of a form's name or value; NULL with *why when it is none. */
static char *decode(const char *from, size_t length, const char **why)
{
    char *out = malloc(length + 1), *to = out;
    if (out == NULL) {
        *why = "out of memory";
        return NULL;
    }
    for (size_t i = 0; i < length; i++) {
        char byte = from[i] == '+' ? ' ' : from[i];
        if (byte == '%') {
            int high = length - i > 2 ? hex_digit(from[i + 1]) : -1;
            int low = length - i > 2 ? hex_digit(from[i + 2]) : -1;
            if (high < 0 || low < 0) {
                byte = '\0';
            } else {
                byte = (char)(high * 16 + low);
                i += 2;
            }
        }
        if (byte == '\0') {
            *why = "the form holds a NUL or a broken %HH";
            free(out);
            return NULL;
        }
        *to++ = byte;
    }
    *to = '\0';
    return out;
}

static bool parse_form(struct fields *fields, const char *body, size_t length, const char **why)
{
    for (const char *at = body, *end = body + length; at < end;) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        if (stop == NULL)
            stop = end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        if (equals == NULL) {
            *why = "a form's field is NAME=VALUE";
            return false;
        }
        char *name = decode(at, (size_t)(equals - at), why);
        if (name == NULL)
            return false;
        char *value = decode(equals + 1, (size_t)(stop - equals - 1), why);
        if (value == NULL) {
            free(name);
            return false;
        }
        if (!add(fields, name, value, why))
            return false;
        at = stop + 1;
    }
    return true;
}

static bool is_type(const char *type, const char *wanted)
{
    size_t length = strcspn(type, "; \t");
    return length == strlen(wanted) && strncasecmp(type, wanted, length) == 0;
}

unsigned int fields_parse(struct fields *fields, const char *type, const char *body,
                          size_t length, const char **why)
{
    *fields = (struct fields){0};
    if (length == 0)
        return 0;
    bool is_read;
    if (type != NULL && is_type(type, "application/json")) {
        is_read = parse_json(fields, body, length, why);
    } else if (type != NULL && is_type(type, "application/x-www-form-urlencoded")) {
        is_read = parse_form(fields, body, length, why);
    } else {
        *why = "a body is application/json or application/x-www-form-urlencoded";
        return UNSUPPORTED_TYPE;
    }
    if (is_read)
        return 0;
    fields_fini(fields);
    return BAD_REQUEST;
}

const char *fields_find(const struct fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->n; i++) {
        if (strcmp(fields->at[i].name, name) == 0)
            return fields->at[i].value;
    }
    return NULL;
}

void fields_fini(struct fields *fields)
{
    for (size_t i = 0; i < fields->n; i++) {
        free(fields->at[i].name);
        free(fields->at[i].value);
    }
    *fields = (struct fields){0};
}
