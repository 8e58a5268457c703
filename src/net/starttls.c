/* SPDX-License-Identifier: MIT */
/* What is said in plain before TLS begins, by protocols that begin it so: bytes in, answers out. */
#include "net/starttls.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

/* ---- PostgreSQL ---- */

enum { REQUEST_BYTES = 8, TLS_RECORD = 0x16 };
static const unsigned char ssl_request[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};
static const unsigned char gss_request[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30};

/* As the server says that a client must use TLS, so that people read it. */
static const char needs_tls[] = "E\0\0\0\x3dSFATAL\0VFATAL\0C28000\0M"
                                "TLS is required (sslmode=require)\0";

static enum starttls_verdict take_postgres(const unsigned char *bytes, size_t length,
                                           size_t *used, struct text *answer, const char **why)
{
    size_t n = length < REQUEST_BYTES ? length : REQUEST_BYTES;
    *used = 0;
    if (bytes[0] == TLS_RECORD) /* sslnegotiation=direct */
        return STARTTLS_BEGINS;
    bool may_be_ssl = memcmp(bytes, ssl_request, n) == 0;
    bool may_be_gss = memcmp(bytes, gss_request, n) == 0;
    if (n < REQUEST_BYTES && (may_be_ssl || may_be_gss))
        return STARTTLS_MORE;
    if (n < REQUEST_BYTES && bytes[0] == 0) /* another message's length, most likely */
        return STARTTLS_MORE;
    *used = n;
    if (may_be_ssl || may_be_gss) {
        text_add(answer, may_be_ssl ? "S" : "N");
        return may_be_ssl ? STARTTLS_BEGINS : STARTTLS_MORE;
    }
    text_append(answer, needs_tls, sizeof needs_tls);
    *why = "no request for TLS comes first";
    return STARTTLS_INVALID;
}

static size_t welcome_nobody(const unsigned char *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    return SIZE_MAX; /* such a host does not speak first */
}

const struct starttls_talk starttls_postgres = {
    .greeting = "", .welcome = welcome_nobody, .take = take_postgres};

/* ---- lines ---- */

/* The first line without its end; used is 0 while it is not whole. */
struct line {
    const char *at;
    size_t length;
};

static enum starttls_verdict take_line(const unsigned char *bytes, size_t length, size_t *used,
                                       struct line *line, const char **why)
{
    const unsigned char *end = memchr(bytes, '\n', length);
    *used = 0;
    *line = (struct line){.at = (const char *)bytes};
    *why = "a line without end";
    if (end == NULL)
        return length < STARTTLS_LINE_BYTES ? STARTTLS_MORE : STARTTLS_INVALID;
    *used = (size_t)(end - bytes) + 1;
    line->length = *used - 1;
    if (line->length > 0 && line->at[line->length - 1] == '\r')
        line->length--;
    *why = "a line that no client sends";
    for (size_t i = 0; i < line->length; i++)
        if ((unsigned char)line->at[i] < ' ' || line->at[i] == 0x7f)
            return STARTTLS_INVALID;
    return *used <= STARTTLS_LINE_BYTES ? STARTTLS_BEGINS : STARTTLS_INVALID;
}

/* Whether the line is this word, alone or with something behind a blank. */
static bool is_command(const struct line *line, const char *word)
{
    size_t n = strlen(word);
    return line->length >= n && strncasecmp(line->at, word, n) == 0 &&
           (line->length == n || line->at[n] == ' ');
}

static bool is_alone(const struct line *line, const char *word)
{
    return is_command(line, word) && line->length == strlen(word);
}

/* ---- SMTP ---- */

static enum starttls_verdict take_smtp(const unsigned char *bytes, size_t length, size_t *used,
                                       struct text *answer, const char **why)
{
    struct line line;
    enum starttls_verdict verdict = take_line(bytes, length, used, &line, why);
    if (verdict != STARTTLS_BEGINS)
        return verdict;
    if (is_alone(&line, "STARTTLS")) {
        text_add(answer, "220 2.0.0 Ready to start TLS\r\n");
        return STARTTLS_BEGINS;
    }
    if (is_alone(&line, "QUIT")) {
        text_add(answer, "221 2.0.0 Bye\r\n");
        return STARTTLS_ENDS;
    }
    if (is_command(&line, "EHLO"))
        text_add(answer, "250-gaidaros\r\n250-ENHANCEDSTATUSCODES\r\n250 STARTTLS\r\n");
    else if (is_command(&line, "HELO"))
        text_add(answer, "250 gaidaros\r\n");
    else if (is_command(&line, "NOOP") || is_alone(&line, "RSET"))
        text_add(answer, "250 2.0.0 OK\r\n");
    else if (is_command(&line, "STARTTLS"))
        text_add(answer, "501 5.5.4 No parameters allowed\r\n");
    else
        text_add(answer, "530 5.7.0 Must issue a STARTTLS command first\r\n");
    return STARTTLS_MORE;
}

/* "220-..." lines, the last one "220 ..."; SIZE_MAX for any other code. */
static size_t welcome_smtp(const unsigned char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        const unsigned char *end = memchr(bytes + at, '\n', length - at);
        size_t n = length - at < 3 ? length - at : 3;
        if (memcmp(bytes + at, "220", n) != 0)
            return SIZE_MAX;
        if (end == NULL)
            return 0;
        bool is_last = bytes[at + 3] != '-';
        at = (size_t)(end - bytes) + 1;
        if (is_last)
            return at;
    }
    return 0;
}

const struct starttls_talk starttls_smtp = {
    .greeting = "220 gaidaros ESMTP\r\n", .welcome = welcome_smtp, .take = take_smtp};

/* ---- IMAP ---- */

enum { TAG_MOST_BYTES = 64 };

/* Splits the tag off: letters, digits and a few signs. */
static bool take_tag(struct line *line, struct line *tag)
{
    size_t n = 0;
    while (n < line->length && line->at[n] != ' ')
        n++;
    *tag = (struct line){line->at, n};
    for (size_t i = 0; i < n; i++)
        if (strchr("+(){%*\"\\", line->at[i]) != NULL)
            return false;
    if (n == 0 || n > TAG_MOST_BYTES || n == line->length)
        return false;
    line->at += n + 1;
    line->length -= n + 1;
    return line->length > 0;
}

static void say(struct text *answer, const struct line *tag, const char *words)
{
    text_append(answer, tag->at, tag->length);
    text_add(answer, words);
}

static enum starttls_verdict take_imap(const unsigned char *bytes, size_t length, size_t *used,
                                       struct text *answer, const char **why)
{
    struct line line, tag;
    enum starttls_verdict verdict = take_line(bytes, length, used, &line, why);
    if (verdict != STARTTLS_BEGINS)
        return verdict;
    if (!take_tag(&line, &tag)) {
        text_add(answer, "* BAD a command has a tag\r\n");
        return STARTTLS_MORE;
    }
    if (is_alone(&line, "STARTTLS")) {
        say(answer, &tag, " OK begin TLS now\r\n");
        return STARTTLS_BEGINS;
    }
    if (is_alone(&line, "LOGOUT")) {
        text_add(answer, "* BYE\r\n");
        say(answer, &tag, " OK done\r\n");
        return STARTTLS_ENDS;
    }
    if (is_alone(&line, "CAPABILITY"))
        text_add(answer, "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n");
    bool is_fine = is_alone(&line, "CAPABILITY") || is_alone(&line, "NOOP");
    say(answer, &tag, is_fine ? " OK done\r\n" : " NO [PRIVACYREQUIRED] STARTTLS first\r\n");
    return STARTTLS_MORE;
}

static size_t welcome_imap(const unsigned char *bytes, size_t length)
{
    static const char ok[] = "* OK";
    const unsigned char *end = memchr(bytes, '\n', length);
    size_t n = length < sizeof ok - 1 ? length : sizeof ok - 1;
    if (strncasecmp((const char *)bytes, ok, n) != 0)
        return SIZE_MAX;
    return end != NULL ? (size_t)(end - bytes) + 1 : 0;
}

const struct starttls_talk starttls_imap = {
    .greeting = "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] gaidaros\r\n",
    .welcome = welcome_imap,
    .take = take_imap};
