/* SPDX-License-Identifier: MIT */
/* Two ends of TLS that shake hands in memory, with certificates as texts. */
#ifndef TESTS_UNIT_STREAM_RIG_H
#define TESTS_UNIT_STREAM_RIG_H

#include "cert_rig.h"
#include "tls/stream.h"

enum { MOST = 16384, STEPS_MOST = 20 };

/* A certificate as texts. */
struct shown_text {
    unsigned char chain[MOST], key[MOST];
    struct tls_pair pair;
};

static inline void shown_text_fill(struct shown_text *text, const struct cert *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes;
    assert_int_equal(PEM_write_bio_PrivateKey(bio, cert->key, NULL, NULL, 0, NULL, NULL), 1);
    size_t length = (size_t)BIO_get_mem_data(bio, &bytes);
    assert_in_range(length, 1, MOST);
    memcpy(text->key, bytes, length);
    text->pair = (struct tls_pair){text->chain, text->key,
                                   cert_print(cert, text->chain, 0, MOST), length};
    BIO_free(bio);
}

/* Another certificate stands behind it. */
static inline void shown_text_add(struct shown_text *text, const struct cert *cert)
{
    text->pair.chain_length =
        cert_print(cert, text->chain, text->pair.chain_length, sizeof text->chain);
}

/* What one has to say goes to the other, so many bytes at a time. */
static inline size_t carry(struct tls_stream *from, struct tls_stream *to, size_t piece)
{
    size_t length, n;
    const unsigned char *bytes = tls_stream_answer(from, &length);
    n = length < piece ? length : piece;
    if (n > 0) {
        assert_true(tls_stream_feed(to, bytes, n));
        tls_stream_sent(from, n);
    }
    return n;
}

/* Both are DONE then; the verdict of whom has failed first else. */
static inline enum tls_step shake_both(struct tls_stream *client, struct tls_stream *server,
                                       size_t piece)
{
    enum tls_step here = tls_stream_shake(client, true), there = TLS_WANTS_READ;
    for (size_t turns = 0; turns < STEPS_MOST * MOST / piece; turns++) {
        size_t moved = 0, n;
        while ((n = carry(client, server, piece)) > 0) {
            moved += n;
            if (there == TLS_WANTS_READ)
                there = tls_stream_shake(server, true);
        }
        while ((n = carry(server, client, piece)) > 0) {
            moved += n;
            if (here == TLS_WANTS_READ)
                here = tls_stream_shake(client, true);
        }
        if (here == TLS_FAILED || there == TLS_FAILED)
            return TLS_FAILED;
        if (moved == 0)
            break;
    }
    assert_int_equal(here, TLS_DONE);
    assert_int_equal(there, TLS_DONE);
    return TLS_DONE;
}

#endif
