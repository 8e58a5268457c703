/* SPDX-License-Identifier: MIT */
/* Certificates from a text in PEM. */
#ifndef TLS_PEM_H
#define TLS_PEM_H

#include <stddef.h>

struct stack_st_X509;

/*
 * All certificates of the text, in its order; what else stands there is passed over.
 * NULL when there is none, one is broken, or memory is out; else the caller's (sk_X509_pop_free).
 */
struct stack_st_X509 *pem_certificates(const unsigned char *bytes, size_t length);

#endif
