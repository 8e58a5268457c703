/* SPDX-License-Identifier: MIT */
/* What the test tools share: the clock, addresses, options, commands by line on stdin. */
#include "kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t kit_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void kit_fail(const char *format, ...)
{
    int error = errno;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, error ? ": %s\n" : "\n", strerror(error));
    exit(2);
}

uint64_t kit_number(const char *option, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-') {
        kit_fail("%s: not a number: %s", option, text);
    }
    return value;
}

socklen_t kit_address(const char *text, struct sockaddr_storage *address)
{
    char host[128];
    const char *colon = strrchr(text, ':');
    errno = 0;
    if (!colon || (size_t)(colon - text) >= sizeof host) {
        kit_fail("not an address: %s", text);
    }
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = 0;
    uint16_t port = htons((uint16_t)kit_number(text, colon + 1));
    memset(address, 0, sizeof *address);
    if (host[0] == '[') {
        host[strlen(host) - 1] = 0;
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
        six->sin6_family = AF_INET6;
        six->sin6_port = port;
        if (inet_pton(AF_INET6, host + 1, &six->sin6_addr) != 1) {
            kit_fail("not an address: %s", text);
        }
        return sizeof *six;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    four->sin_family = AF_INET;
    four->sin_port = port;
    if (inet_pton(AF_INET, host, &four->sin_addr) != 1) {
        kit_fail("not an address: %s", text);
    }
    return sizeof *four;
}

void kit_pattern(uint8_t *out, size_t n, uint64_t seed, uint64_t at)
{
    for (size_t i = 0; i < n;) {
        /* splitmix64 (Steele, Lea, Flood 2014) of the word's number: any place can be made at once. */
        uint64_t word = seed * 0xd1342543de82ef95u + (at + i) / 8 * 0x9e3779b97f4a7c15u;
        word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
        word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
        word ^= word >> 31;
        for (size_t byte = (at + i) % 8; byte < 8 && i < n; byte++, i++) {
            out[i] = (uint8_t)(word >> (8 * byte));
        }
    }
}

bool kit_read_lines(struct kit_lines *lines, int fd, void (*on_line)(void *arg, char *line),
                    void *arg)
{
    ssize_t n = read(fd, lines->text + lines->used, sizeof lines->text - lines->used);
    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    lines->used += (size_t)n;
    char *start = lines->text;
    char *end = lines->text + lines->used;
    for (char *newline; (newline = memchr(start, '\n', (size_t)(end - start)));) {
        *newline = 0;
        on_line(arg, start);
        start = newline + 1;
    }
    lines->used = (size_t)(end - start);
    if (lines->used == sizeof lines->text) {
        errno = 0;
        kit_fail("a command is too long");
    }
    memmove(lines->text, start, lines->used);
    return true;
}
