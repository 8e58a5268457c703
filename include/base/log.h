/* SPDX-License-Identifier: MIT */
/* The log: levels; stderr, file, pipe or syslog; repeated lines folded; never blocks. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

#define LOG_LINE_BYTES                                                                         \
    4000 /* longest line with its newline: below PIPE_BUF, so that lines of several processes never tear */

/*
 * The only mutable global of the program (STYLE §6): one log a process. Used from the
 * process's main thread alone. A line reads
 *   2026-11-22T07:00:00.123Z warning worker 2[4711]: text
 * and is written by one write(2). A descriptor that is not ready to take it at once (poll with
 * no timeout) or that fails loses the line, which is counted. Bytes below 0x20 and 0x7f
 * become \xHH. Consecutive equal texts are folded: the first is written, then
 * "last line repeated N times" when another text comes or log_flush is called; a text that has
 * rested from one log_flush to the next is written again. errno stays as it was. SIGPIPE must
 * be ignored: the reader of a pipe may go between poll and write.
 */

/* Names the process, as "master", "director", "worker 2"; copied. Before it: level info, stderr. */
void log_set_name(const char *name);

/* Lines less urgent than level are dropped. */
void log_set_level(enum log_level level);
enum log_level log_level(void);

/* Lines go to the descriptor from now on; it stays the caller's and is not closed. */
void log_to_fd(int fd);

/*
 * Lines go to syslog (/dev/log, non-blocking datagrams of our own, reconnected at most
 * once a second) with the facility of syslog(3), as LOG_DAEMON; time and name as RFC 3164.
 */
void log_to_syslog(int facility);

/* As log_to_syslog, with the datagrams sent to the unix socket at path (at most 107 bytes). */
void log_to_syslog_at(const char *path, int facility);

/*
 * Lines go as datagrams in the form of RFC 5424 through a connected non-blocking socket, which stays the
 * caller's. That an earlier one reached nobody is told at a later one: it counts as dropped.
 */
void log_to_server(int fd, int facility);

/* The descriptor given last with log_to_fd, -1 for syslog and servers. */
int log_fd(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes a pending "repeated" line; a loop calls it once a second. */
void log_flush(void);

/* Lines lost so far because the target could not take them. */
uint64_t log_dropped(void);

/* The same since this was asked last: for counters that outlive the process. */
uint64_t log_take_dropped(void);

/*
 * For places that can fail every connection: true at most once a second for each state,
 * and *suppressed is how often it was false since (say so in the line).
 */
struct log_limit {
    uint64_t next_ns, suppressed;
};
bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint64_t *suppressed);

#endif
