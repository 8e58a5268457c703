/* SPDX-License-Identifier: MIT */
/* What a TLS client says first, looked at without an answer: the name it asks for, the protocols it offers. */
#include "tls/hello.h"

#include <string.h>

enum {
    RECORD_HEAD_BYTES = 5,
    RECORD_MOST_BYTES = 16384,
    MESSAGE_HEAD_BYTES = 4,
    TYPE_HANDSHAKE = 22,
    CLIENT_HELLO = 1,
    RANDOM_BYTES = 32,
    SESSION_MOST_BYTES = 32,
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_ALPN = 16,
    NAME_TYPE_HOST = 0
};

/* ---- reading lengths ---- */

struct span {
    const unsigned char *at, *end;
};

static bool take_number(struct span *span, size_t bytes, size_t *number)
{
    if ((size_t)(span->end - span->at) < bytes)
        return false;
    *number = 0;
    while (bytes-- > 0)
        *number = *number << 8 | *span->at++;
    return true;
}

/* A vector whose length has so many bytes. */
static bool take_vector(struct span *span, size_t length_bytes, struct span *out)
{
    size_t length;
    if (!take_number(span, length_bytes, &length) || (size_t)(span->end - span->at) < length)
        return false;
    *out = (struct span){span->at, span->at + length};
    span->at += length;
    return true;
}

/* ---- records ---- */

/*
 * Puts the message together out of its records; have is set to how much of it there is.
 * Returns HELLO_DONE: what there is may be looked at; or what is wrong.
 */
static enum hello_verdict assemble(const unsigned char *bytes, size_t length,
                                   unsigned char *room, size_t *have)
{
    static const unsigned char begin[] = {TYPE_HANDSHAKE, 3};
    size_t at = 0;
    *have = 0;
    while (at < length) {
        size_t left = length - at;
        if (memcmp(bytes + at, begin, left < sizeof begin ? left : sizeof begin) != 0)
            return at == 0 ? HELLO_NONE : HELLO_BAD;
        if (left < RECORD_HEAD_BYTES)
            break;
        size_t size = (size_t)bytes[at + 3] << 8 | bytes[at + 4];
        if (size == 0 || size > RECORD_MOST_BYTES)
            return HELLO_BAD;
        left -= RECORD_HEAD_BYTES;
        size_t part = size < left ? size : left;
        if (*have + part > HELLO_MOST_BYTES)
            part = HELLO_MOST_BYTES - *have; /* what is behind the message does not matter */
        memcpy(room + *have, bytes + at + RECORD_HEAD_BYTES, part);
        *have += part;
        at += RECORD_HEAD_BYTES + size;
    }
    return HELLO_DONE;
}

/* ---- extensions ---- */

/* A host name in its letters, as RFC 6066 has it: no address. False when it is none. */
static bool take_name(struct span name, char out[HELLO_NAME_BYTES])
{
    size_t length = (size_t)(name.end - name.at), label = 0;
    bool has_letter = false;
    if (length > 0 && name.at[length - 1] == '.')
        length--; /* some send it all the same */
    if (length == 0 || length >= HELLO_NAME_BYTES)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = (char)name.at[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        bool is_letter = (c >= 'a' && c <= 'z') || c == '-' || c == '_';
        if (c == '.' ? label == 0 : !is_letter && !(c >= '0' && c <= '9'))
            return false;
        label = c == '.' ? 0 : label + 1;
        has_letter |= is_letter;
        out[i] = c;
    }
    out[length] = '\0';
    return has_letter && label > 0;
}

bool hello_plain_name(const char *name, char out[HELLO_NAME_BYTES])
{
    const unsigned char *at = (const unsigned char *)name;
    const struct span whole = {at, at + strlen(name)};
    bool is_name = take_name(whole, out);
    if (!is_name)
        out[0] = '\0';
    return is_name;
}

static bool read_server_name(struct span extension, struct hello *out)
{
    struct span list, name;
    size_t type;
    if (!take_vector(&extension, 2, &list) || extension.at != extension.end ||
        list.at == list.end)
        return false;
    if (!take_number(&list, 1, &type) || type != NAME_TYPE_HOST ||
        !take_vector(&list, 2, &name))
        return false;
    /* There is one type of names, and one name of each type. */
    return list.at == list.end && take_name(name, out->name);
}

static bool read_alpn(struct span extension, struct hello *out)
{
    struct span list, protocol;
    if (!take_vector(&extension, 2, &list) || extension.at != extension.end ||
        list.at == list.end)
        return false;
    out->protocols = list.at;
    out->protocols_length = (size_t)(list.end - list.at);
    while (list.at < list.end)
        if (!take_vector(&list, 1, &protocol) || protocol.at == protocol.end)
            return false;
    return true;
}

static bool read_extensions(struct span extensions, struct hello *out)
{
    bool has_name = false, has_alpn = false;
    while (extensions.at < extensions.end) {
        size_t type;
        struct span extension;
        if (!take_number(&extensions, 2, &type) || !take_vector(&extensions, 2, &extension))
            return false;
        if (type == EXTENSION_SERVER_NAME) {
            if (has_name || !read_server_name(extension, out))
                return false;
            has_name = true;
        } else if (type == EXTENSION_ALPN) {
            if (has_alpn || !read_alpn(extension, out))
                return false;
            has_alpn = true;
        }
    }
    return true;
}

/* ---- the message ---- */

static bool read_message(struct span body, struct hello *out)
{
    struct span session, ciphers, compressions, extensions;
    size_t version;
    if (!take_number(&body, 2, &version) || version >> 8 != 3 ||
        (size_t)(body.end - body.at) < RANDOM_BYTES)
        return false;
    body.at += RANDOM_BYTES;
    if (!take_vector(&body, 1, &session) || session.end - session.at > SESSION_MOST_BYTES ||
        !take_vector(&body, 2, &ciphers) || ciphers.at == ciphers.end ||
        (ciphers.end - ciphers.at) % 2 != 0 || !take_vector(&body, 1, &compressions) ||
        compressions.at == compressions.end)
        return false;
    if (body.at == body.end)
        return true; /* as before TLS 1.2 */
    return take_vector(&body, 2, &extensions) && body.at == body.end &&
           read_extensions(extensions, out);
}

enum hello_verdict hello_look(const unsigned char *bytes, size_t length, unsigned char *room,
                              struct hello *out)
{
    size_t have, size;
    *out = (struct hello){0};
    enum hello_verdict verdict = assemble(bytes, length, room, &have);
    if (verdict != HELLO_DONE)
        return verdict;
    if (have > 0 && room[0] != CLIENT_HELLO)
        return HELLO_BAD;
    if (have < MESSAGE_HEAD_BYTES)
        return HELLO_MORE;
    struct span message = {room + 1, room + have};
    if (!take_number(&message, 3, &size) || size + MESSAGE_HEAD_BYTES > HELLO_MOST_BYTES)
        return HELLO_BAD;
    if (have < size + MESSAGE_HEAD_BYTES)
        return HELLO_MORE;
    message.end = message.at + size;
    return read_message(message, out) ? HELLO_DONE : HELLO_BAD;
}

bool hello_offers(const struct hello *hello, const char *protocol)
{
    const unsigned char *at = hello->protocols;
    const unsigned char *end = at + hello->protocols_length;
    size_t wanted = strlen(protocol);
    for (; at < end; at += 1 + *at)
        if (*at == wanted && memcmp(at + 1, protocol, wanted) == 0)
            return true;
    return false;
}

bool hello_matches(const char *pattern, const char *name)
{
    if (strncmp(pattern, "*.", 2) != 0)
        return strcmp(pattern, name) == 0;
    const char *dot = strchr(name, '.');
    return dot != NULL && dot > name && strcmp(pattern + 1, dot) == 0;
}
