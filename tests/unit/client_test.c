/* SPDX-License-Identifier: MIT */
/* Tests of the TLS handshake with a host. */
#include "tls/client.h"

#include "cert_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEM_BYTES = 8192 };

static struct cert authority, other_authority, good, expired, foreign;
static unsigned char ca[PEM_BYTES];
static size_t ca_length;

static int make_certificates(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    authority = cert_new("authority", NULL, 10, NULL);
    other_authority = cert_new("other", NULL, 10, NULL);
    good = cert_new("app", "DNS:app.example,DNS:*.wild.example,IP:127.0.0.1", 10, &authority);
    expired = cert_new("old", "DNS:app.example", 0, &authority);
    foreign = cert_new("foreign", "DNS:app.example", 10, &other_authority);
    ca_length = cert_print(&authority, ca, 0, sizeof ca);
    return 0;
}

static int free_certificates(void **state)
{
    (void)state;
    struct cert *const all[] = {&authority, &other_authority, &good, &expired, &foreign};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cert_free(all[i]);
    return 0;
}

static struct tls_trust *trust_new(const unsigned char *bytes, size_t length)
{
    char reason[TLS_REASON_BYTES];
    struct tls_trust *trust = tls_trust_new(bytes, length, reason);
    if (trust == NULL)
        fail_msg("%s", reason);
    return trust;
}

/* A client and a server at the two ends of a socket pair; both go on in turns. */
struct meeting {
    int fds[2];
    struct tls_client *client;
    SSL_CTX *context;
    SSL *server;
};

static void open_meeting(struct meeting *meeting, const struct tls_trust *trust,
                         const char *name, const struct cert *shown)
{
    *meeting = (struct meeting){.fds = {-1, -1}};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, meeting->fds), 0);
    meeting->client = tls_client_new(trust, meeting->fds[0], name);
    assert_non_null(meeting->client);
    if (shown == NULL)
        return;
    meeting->context = cert_serve(shown);
    meeting->server = SSL_new(meeting->context);
    SSL_set_fd(meeting->server, meeting->fds[1]);
}

static void close_meeting(struct meeting *meeting)
{
    tls_client_free(meeting->client);
    SSL_free(meeting->server);
    SSL_CTX_free(meeting->context);
    close(meeting->fds[0]);
    close(meeting->fds[1]);
    ERR_clear_error();
}

static enum tls_step shake(struct meeting *meeting)
{
    enum tls_step step = TLS_WANTS_READ;
    for (int i = 0; i < 20 && step != TLS_DONE && step != TLS_FAILED; i++) {
        step = tls_client_shake(meeting->client);
        (void)SSL_accept(meeting->server);
    }
    return step;
}

static void expect_good(const struct tls_trust *trust, const char *name,
                        const struct cert *shown)
{
    struct meeting meeting;
    open_meeting(&meeting, trust, name, shown);
    assert_int_equal(shake(&meeting), TLS_DONE);
    close_meeting(&meeting);
}

static void expect_bad(const struct tls_trust *trust, const char *name,
                       const struct cert *shown, const char *reason)
{
    struct meeting meeting;
    open_meeting(&meeting, trust, name, shown);
    assert_int_equal(shake(&meeting), TLS_FAILED);
    assert_string_equal(tls_client_reason(meeting.client), reason);
    close_meeting(&meeting);
}

static void takes_a_certificate_that_is_trusted(void **state)
{
    (void)state;
    struct tls_trust *trust = trust_new(ca, ca_length);
    expect_good(trust, "app.example", &good);
    expect_good(trust, "APP.example", &good);
    expect_good(trust, "a.wild.example", &good);
    expect_good(trust, "127.0.0.1", &good);
    expect_good(trust, "", &good); /* no name is asked for */
    tls_trust_free(trust);
}

static void names_what_is_wrong_with_a_certificate(void **state)
{
    (void)state;
    struct tls_trust *trust = trust_new(ca, ca_length);
    expect_bad(trust, "web.example", &good, "certificate is for another name");
    expect_bad(trust, "wild.example", &good, "certificate is for another name");
    expect_bad(trust, "127.0.0.2", &good, "certificate is for another name");
    expect_bad(trust, "app.example", &expired, "certificate has expired");
    expect_bad(trust, "app.example", &foreign, "certificate is not by one that tls_ca trusts");
    expect_bad(trust, "", &other_authority, "certificate is not by one that tls_ca trusts");
    tls_trust_free(trust);
}

static void trusts_anybody_when_nobody_is_named(void **state)
{
    (void)state;
    struct tls_trust *trust = trust_new(NULL, 0);
    expect_good(trust, "web.example", &good);
    expect_good(trust, "", &expired);
    expect_good(trust, "127.0.0.2", &foreign);
    tls_trust_free(trust);
}

static void trusts_all_that_are_named(void **state)
{
    (void)state;
    static unsigned char both[PEM_BYTES];
    memcpy(both, ca, ca_length);
    size_t length = cert_print(&other_authority, both, ca_length, sizeof both);
    struct tls_trust *trust = trust_new(both, length);
    expect_good(trust, "app.example", &good);
    expect_good(trust, "app.example", &foreign);
    tls_trust_free(trust);
}

static void sends_a_host_name_but_no_address_as_sni(void **state)
{
    (void)state;
    struct tls_trust *trust = trust_new(NULL, 0);
    struct meeting meeting;
    open_meeting(&meeting, trust, "app.example", &good);
    assert_int_equal(shake(&meeting), TLS_DONE);
    assert_string_equal(SSL_get_servername(meeting.server, TLSEXT_NAMETYPE_host_name),
                        "app.example");
    close_meeting(&meeting);
    open_meeting(&meeting, trust, "127.0.0.1", &good);
    assert_int_equal(shake(&meeting), TLS_DONE);
    assert_null(SSL_get_servername(meeting.server, TLSEXT_NAMETYPE_host_name));
    close_meeting(&meeting);
    tls_trust_free(trust);
}

static void ends_with_close_notify(void **state)
{
    (void)state;
    struct tls_trust *trust = trust_new(NULL, 0);
    struct meeting meeting;
    open_meeting(&meeting, trust, "", &good);
    assert_int_equal(shake(&meeting), TLS_DONE);
    (void)SSL_accept(meeting.server);
    tls_client_close(meeting.client);
    char byte;
    assert_int_equal(SSL_read(meeting.server, &byte, 1), 0);
    assert_true((SSL_get_shutdown(meeting.server) & SSL_RECEIVED_SHUTDOWN) != 0);
    close_meeting(&meeting);
    tls_trust_free(trust);
}

/* The other end says these bytes, or with none of them goes away. */
static void expect_no_tls(const char *said, const char *reason)
{
    struct tls_trust *trust = trust_new(NULL, 0);
    struct meeting meeting;
    open_meeting(&meeting, trust, "", NULL);
    assert_int_equal(tls_client_shake(meeting.client), TLS_WANTS_READ);
    if (said != NULL)
        assert_int_equal(write(meeting.fds[1], said, strlen(said)), (ssize_t)strlen(said));
    assert_int_equal(shutdown(meeting.fds[1], SHUT_WR), 0);
    assert_int_equal(tls_client_shake(meeting.client), TLS_FAILED);
    assert_string_equal(tls_client_reason(meeting.client), reason);
    close_meeting(&meeting);
    tls_trust_free(trust);
}

static void tells_a_host_that_speaks_no_tls(void **state)
{
    (void)state;
    expect_no_tls("HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "TLS: the answer is no TLS");
    expect_no_tls("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "TLS: the answer is no TLS");
    expect_no_tls(NULL, "TLS: closed by the host");
}

static void refuses_bytes_that_are_no_certificates(void **state)
{
    (void)state;
    static unsigned char torn[PEM_BYTES];
    char reason[TLS_REASON_BYTES] = "";
    assert_null(tls_trust_new((const unsigned char *)"hello", 5, reason));
    assert_true(reason[0] != '\0');
    assert_null(tls_trust_new(ca, ca_length / 2, reason));
    memcpy(torn, ca, ca_length);
    size_t length = cert_print(&other_authority, torn, ca_length, sizeof torn);
    torn[ca_length + 100] = '!';
    assert_null(tls_trust_new(torn, length, reason));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_certificate_that_is_trusted),
        cmocka_unit_test(names_what_is_wrong_with_a_certificate),
        cmocka_unit_test(trusts_anybody_when_nobody_is_named),
        cmocka_unit_test(trusts_all_that_are_named),
        cmocka_unit_test(sends_a_host_name_but_no_address_as_sni),
        cmocka_unit_test(ends_with_close_notify),
        cmocka_unit_test(tells_a_host_that_speaks_no_tls),
        cmocka_unit_test(refuses_bytes_that_are_no_certificates),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
