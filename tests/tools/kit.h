/* SPDX-License-Identifier: MIT */
/* What the test tools share: the clock, addresses, options, commands by line on stdin. */
#ifndef TOOLS_KIT_H
#define TOOLS_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* CLOCK_MONOTONIC in nanoseconds: the same clock as Python's time.monotonic_ns. */
uint64_t kit_now_ns(void);

/* Says why on stderr, with errno when it is set, and ends with status 2. */
__attribute__((noreturn, format(printf, 1, 2))) void kit_fail(const char *format, ...);

/* A whole number from text, or kit_fail naming the option. */
uint64_t kit_number(const char *option, const char *text);

/* "192.0.2.1:80" or "[::1]:80" into *address; returns its length, kit_fail when it is none. */
socklen_t kit_address(const char *text, struct sockaddr_storage *address);

/* Fills n bytes with a repeatable stream that depends on the seed and on where in it they lie. */
void kit_pattern(uint8_t *out, size_t n, uint64_t seed, uint64_t at);

/* Lines read from a descriptor as they come. */
struct kit_lines {
    char text[512];
    size_t used;
};

/*
 * Reads what is there and hands each whole line, without its newline, to on_line.
 * Returns false at end of file or on an error.
 */
bool kit_read_lines(struct kit_lines *lines, int fd, void (*on_line)(void *arg, char *line),
                    void *arg);

#endif
