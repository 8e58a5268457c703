/* SPDX-License-Identifier: MIT */
/* Checks of well-known protocols, each written in the language of send and expect. */
#include "conf/presets.h"

#include <assert.h>
#include <string.h>

#include "conf/quotes.h"

/*
 * Each ends as its protocol wants it, so that a host does not log its checks. What is said here
 * is for the answers only: whether one has come at all is known from the texts.
 */

#define NAME_MOST 63 /* bytes of an account's or a database's name, as PostgreSQL has them */

struct preset {
    const char *name, *form; /* form: as a file spells it */
    const char *steps;       /* without arguments */
    size_t most;             /* arguments */
    void (*write)(struct text *out, const char *const *arguments, size_t n); /* with some */
};

static void add_send(struct text *out, const struct text *bytes)
{
    text_add(out, "send ");
    quotes_add_bytes(out, bytes->at, bytes->length);
    out->failed |= bytes->failed;
}

/* A name with the NUL that ends it. */
static void add_name(struct text *out, const char *name)
{
    text_append(out, name, strlen(name) + 1);
}

/*
 * PostgreSQL, protocol 3.0 (chapter "Message Formats" of its manual). Without an account the
 * check asks for encryption as GSSAPI: a yes and a no both come from a server that works, and a
 * client that goes away after either is not logged, while after a yes to SSLRequest it is.
 */
#define POSTGRES_STEPS "send \"\\x00\\x00\\x00\\x08\\x04\\xd2\\x16\\x30\" expect \"G\" or \"N\""

/*
 * With an account it logs in: good is a session that is ready (Z), or being asked for a password
 * in clear (3), by MD5 (5) or by SCRAM. A client that leaves at either point is not logged. A
 * Terminate must not be sent: where a password was asked for, the server would log that.
 */
static void write_postgres(struct text *out, const char *const *arguments, size_t n)
{
    struct text body = {0}, message = {0};
    static const char version[] = {0, 3, 0, 0};
    text_append(&body, version, sizeof version);
    add_name(&body, "user");
    add_name(&body, arguments[0]);
    if (n > 1) {
        add_name(&body, "database");
        add_name(&body, arguments[1]);
    }
    text_append(&body, "", 1);
    size_t length = body.length + 4;
    const unsigned char head[] = {0, 0, (unsigned char)(length >> 8), (unsigned char)length};
    text_append(&message, head, sizeof head);
    text_append(&message, body.at, body.length);
    message.failed |= body.failed;
    add_send(out, &message);
    text_add(
        out,
        " expect \"Z\\x00\\x00\\x00\\x05I\" or \"R\\x00\\x00\\x00\\x08\\x00\\x00\\x00\\x03\""
        " or \"R\\x00\\x00\\x00\\x0c\\x00\\x00\\x00\\x05\""
        " or \"\\x00\\x00\\x00\\x0aSCRAM-SHA-256\"");
    text_fini(&body);
    text_fini(&message);
}

/*
 * MySQL and MariaDB (client/server protocol, "Connection Phase"): the greeting is packet 0 and
 * begins with the protocol's version, 10. A server that refuses sends 0xff in its place.
 */
#define MYSQL_GREETING "expect \"\\x00\\x0a\""

/* HandshakeResponse41 for an account without a password; an OK is packet 2 and begins with 0. */
static void write_mysql(struct text *out, const char *const *arguments, size_t n)
{
    (void)n;
    /* CLIENT_PROTOCOL_41 and CLIENT_SECURE_CONNECTION, packets up to 16 MiB, utf8. */
    static const unsigned char fixed[4 + 4 + 1 + 23] = {0x00, 0x82, 0, 0, 0, 0, 0, 1, 0x21};
    struct text body = {0}, message = {0};
    text_append(&body, fixed, sizeof fixed);
    add_name(&body, arguments[0]);
    text_append(&body, "", 1); /* the length of the password */
    const unsigned char head[] = {(unsigned char)body.length, 0, 0, 1};
    text_append(&message, head, sizeof head);
    text_append(&message, body.at, body.length);
    message.failed |= body.failed;
    text_add(out, MYSQL_GREETING " ");
    add_send(out, &message);
    /* COM_QUIT; the server says nothing to it. */
    text_add(out, " expect \"\\x00\\x00\\x02\\x00\" send \"\\x01\\x00\\x00\\x00\\x01\"");
    text_fini(&body);
    text_fini(&message);
}

/*
 * LDAP (RFC 4511): an anonymous bind as message 1, answered by a BindResponse [APPLICATION 1]
 * with resultCode success, or strongerAuthRequired (8) or inappropriateAuthentication (48) where
 * anonymous binds are switched off; then unbind. Lengths in between may be of any form.
 */
#define LDAP_STEPS                                                                             \
    "send \"\\x30\\x0c\\x02\\x01\\x01\\x60\\x07\\x02\\x01\\x03\\x04\\x00\\x80\\x00\" "         \
    "expect \"\\x02\\x01\\x01\\x61\" "                                                         \
    "expect \"\\x0a\\x01\\x00\" or \"\\x0a\\x01\\x08\" or \"\\x0a\\x01\\x30\" "                \
    "send \"\\x30\\x05\\x02\\x01\\x02\\x42\\x00\""

static const struct preset presets[] = {
    /* One that wants a password works; one that is loading or has lost its master does not. */
    {.name = "redis",
     .form = "redis",
     .steps = "send \"PING\\r\\n\" expect \"+PONG\" or \"-NOAUTH\" "
              "send \"QUIT\\r\\n\" expect \"+OK\""},
    {.name = "postgres",
     .form = "postgres [USER [DATABASE]]",
     .steps = POSTGRES_STEPS,
     .most = 2,
     .write = write_postgres},
    {.name = "mysql",
     .form = "mysql [USER]",
     .steps = MYSQL_GREETING,
     .most = 1,
     .write = write_mysql},
    /* The last line of a greeting of several; earlier, a QUIT would look like a spammer's haste. */
    {.name = "smtp",
     .form = "smtp",
     .steps = "expect \"220 \" or \"220\\r\\n\" send \"QUIT\\r\\n\" expect \"221\""},
    {.name = "imap",
     .form = "imap",
     .steps = "expect \"* OK\" or \"* PREAUTH\" send \"a1 LOGOUT\\r\\n\" expect \"a1 OK\""},
    {.name = "ldap", .form = "ldap", .steps = LDAP_STEPS},
};
#define N_PRESETS (sizeof presets / sizeof presets[0])

const char *const *presets_names(size_t *n)
{
    static const char *const names[] = {"redis", "postgres", "mysql", "smtp", "imap", "ldap"};
    static_assert(sizeof names / sizeof names[0] == N_PRESETS, "each preset has its name");
    *n = N_PRESETS;
    return names;
}

static bool refuse_argument(const char *argument, struct text *why)
{
    size_t length = strlen(argument);
    bool is_right = length >= 1 && length <= NAME_MOST;
    for (const char *c = argument; *c != '\0'; c++)
        is_right = is_right && (unsigned char)*c >= 0x20 && *c != 0x7f;
    if (!is_right)
        text_printf(why, "\"%.*s\": must be 1 to %d bytes without control bytes", NAME_MOST + 1,
                    argument, NAME_MOST);
    return !is_right;
}

bool presets_write(struct text *out, const char *name, const char *const *arguments, size_t n,
                   struct text *why)
{
    const struct preset *preset = presets;
    while (preset < presets + N_PRESETS && strcmp(preset->name, name) != 0)
        preset++;
    assert(preset < presets + N_PRESETS);
    if (n > preset->most) {
        text_printf(why, "\"%.80s\" is too much: must read %s", arguments[preset->most],
                    preset->form);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        if (refuse_argument(arguments[i], why))
            return false;
    if (n == 0)
        text_add(out, preset->steps);
    else
        preset->write(out, arguments, n);
    return true;
}
