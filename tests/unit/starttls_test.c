/* SPDX-License-Identifier: MIT */
/* Promises of net/starttls: what clients say before TLS is answered, whatever the pieces; nothing else is taken. */
#include "net/starttls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

/* Takes all of the bytes, as they would lie in a buffer; the last verdict. */
static enum starttls_verdict take(const struct starttls_talk *talk, const char *said,
                                  size_t length, struct text *answer, size_t *left,
                                  const char **why)
{
    const unsigned char *at = (const unsigned char *)said;
    enum starttls_verdict verdict = STARTTLS_MORE;
    *why = NULL;
    while (length > 0 && verdict == STARTTLS_MORE) {
        size_t used = 0;
        verdict = talk->take(at, length, &used, answer, why);
        assert_in_range(used, 0, length);
        at += used;
        length -= used;
        if (used == 0)
            break;
    }
    *left = length;
    return verdict;
}

static void assert_talk(const struct starttls_talk *talk, const char *said, size_t length,
                        enum starttls_verdict verdict, const char *answered,
                        size_t answered_length)
{
    struct text answer = {0};
    const char *why;
    size_t left;
    assert_int_equal(take(talk, said, length, &answer, &left, &why), verdict);
    assert_int_equal(answer.length, answered_length);
    if (answered_length > 0)
        assert_memory_equal(answer.at, answered, answered_length);
    assert_int_equal(why != NULL && verdict == STARTTLS_INVALID, verdict == STARTTLS_INVALID);
    text_fini(&answer);
    /* Cut anywhere it is not whole: nothing that the whole does not say is said, and no TLS begins. */
    for (size_t n = 1; n < length && verdict == STARTTLS_BEGINS; n++) {
        enum starttls_verdict early = take(talk, said, n, &answer, &left, &why);
        assert_int_equal(early, STARTTLS_MORE);
        assert_in_range(answer.length, 0, answered_length);
        if (answer.length > 0)
            assert_memory_equal(answer.at, answered, answer.length);
        text_fini(&answer);
    }
}

#define TALK(talk, said, verdict, answered)                                                    \
    assert_talk(&(talk), said, sizeof(said) - 1, verdict, answered, sizeof(answered) - 1)

static void postgres_asks_for_tls(void **state)
{
    (void)state;
    TALK(starttls_postgres, "\0\0\0\x08\x04\xd2\x16\x2f", STARTTLS_BEGINS, "S");
    TALK(starttls_postgres, "\0\0\0\x08\x04\xd2\x16\x30\0\0\0\x08\x04\xd2\x16\x2f",
         STARTTLS_BEGINS, "NS");
    assert_talk(&starttls_postgres, "\x16", 1, STARTTLS_BEGINS, "", 0);
    struct text answer = {0};
    const char *why, start[] = "\0\0\0\x17\0\x03\0\0user\0eve\0\0";
    size_t left;
    assert_int_equal(take(&starttls_postgres, start, sizeof start - 1, &answer, &left, &why),
                     STARTTLS_INVALID);
    assert_string_equal(why, "no request for TLS comes first");
    /* An error as the protocol has it: its length is that of all behind the letter. */
    assert_int_equal(answer.at[0], 'E');
    assert_int_equal((unsigned char)answer.at[4], answer.length - 1);
    assert_int_equal(answer.at[answer.length - 1], 0);
    text_fini(&answer);
    assert_int_equal(take(&starttls_postgres, "GET / HTTP", 10, &answer, &left, &why),
                     STARTTLS_INVALID);
    text_fini(&answer);
}

static void smtp_answers_until_tls(void **state)
{
    (void)state;
    TALK(starttls_smtp, "EHLO a\r\nSTARTTLS\r\n", STARTTLS_BEGINS,
         "250-gaidaros\r\n250-ENHANCEDSTATUSCODES\r\n250 STARTTLS\r\n220 2.0.0 Ready to start "
         "TLS\r\n");
    TALK(starttls_smtp, "helo a\nnoop\r\nrset\r\nstarttls\r\n", STARTTLS_BEGINS,
         "250 gaidaros\r\n250 2.0.0 OK\r\n250 2.0.0 OK\r\n220 2.0.0 Ready to start TLS\r\n");
    TALK(starttls_smtp, "MAIL FROM:<a@b>\r\nEHLOX\r\nSTARTTLS now\r\n", STARTTLS_MORE,
         "530 5.7.0 Must issue a STARTTLS command first\r\n530 5.7.0 Must issue a STARTTLS "
         "command first\r\n"
         "501 5.5.4 No parameters allowed\r\n");
    TALK(starttls_smtp, "QUIT\r\n", STARTTLS_ENDS, "221 2.0.0 Bye\r\n");
    TALK(starttls_smtp, "EHLO \x01\r\n", STARTTLS_INVALID, "");
}

static void imap_answers_with_the_tag(void **state)
{
    (void)state;
    TALK(starttls_imap, "a1 capability\r\nA2 STARTTLS\r\n", STARTTLS_BEGINS,
         "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK done\r\nA2 OK begin TLS "
         "now\r\n");
    TALK(starttls_imap, "x NOOP\r\ny LOGIN eve secret\r\nz LOGOUT\r\n", STARTTLS_ENDS,
         "x OK done\r\ny NO [PRIVACYREQUIRED] STARTTLS first\r\n* BYE\r\nz OK done\r\n");
    TALK(starttls_imap, "STARTTLS\r\n\r\n+ x\r\n", STARTTLS_MORE,
         "* BAD a command has a tag\r\n* BAD a command has a tag\r\n* BAD a command has a "
         "tag\r\n");
}

static void a_line_without_end_is_refused(void **state)
{
    (void)state;
    static char line[STARTTLS_LINE_BYTES + 2];
    const struct starttls_talk *const talks[] = {&starttls_smtp, &starttls_imap};
    memset(line, 'a', sizeof line);
    for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
        struct text answer = {0};
        const char *why;
        size_t left;
        assert_int_equal(take(talks[i], line, STARTTLS_LINE_BYTES - 1, &answer, &left, &why),
                         STARTTLS_MORE);
        assert_int_equal(take(talks[i], line, STARTTLS_LINE_BYTES, &answer, &left, &why),
                         STARTTLS_INVALID);
        line[sizeof line - 1] = '\n';
        assert_int_equal(take(talks[i], line, sizeof line, &answer, &left, &why),
                         STARTTLS_INVALID);
        line[sizeof line - 1] = 'a';
        text_fini(&answer);
    }
}

static void a_welcome_is_known_from_its_first_byte(void **state)
{
    (void)state;
    static const struct {
        const struct starttls_talk *talk;
        const char *said;
        size_t length;
    } cases[] = {
        {&starttls_smtp, "220 mail.example ESMTP\r\n250 more", 24},
        {&starttls_smtp, "220-one\r\n220-two\r\n220 three\r\nrest", 29},
        {&starttls_smtp, "220\r\n", 5},
        {&starttls_smtp, "220-one\r\n554 no\r\n", SIZE_MAX},
        {&starttls_smtp, "554 no\r\n", SIZE_MAX},
        {&starttls_imap, "* OK [CAPABILITY] ready\r\n* more", 25},
        {&starttls_imap, "* PREAUTH\r\n", SIZE_MAX},
        {&starttls_postgres, "R", SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const unsigned char *said = (const unsigned char *)cases[i].said;
        size_t whole = strlen(cases[i].said);
        assert_int_equal(cases[i].talk->welcome(said, whole), cases[i].length);
        for (size_t n = 1; n < whole; n++) {
            size_t found = cases[i].talk->welcome(said, n);
            if (cases[i].length == SIZE_MAX)
                assert_true(found == 0 || found == SIZE_MAX);
            else
                assert_int_equal(found, n < cases[i].length ? 0 : cases[i].length);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(postgres_asks_for_tls),
        cmocka_unit_test(smtp_answers_until_tls),
        cmocka_unit_test(imap_answers_with_the_tag),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(a_welcome_is_known_from_its_first_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
