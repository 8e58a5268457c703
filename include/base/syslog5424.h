/* SPDX-License-Identifier: MIT */
/* The head of a message to a syslog server, RFC 5424, section 6.2. */
#ifndef BASE_SYSLOG5424_H
#define BASE_SYSLOG5424_H

#define SYSLOG5424_HEADER_BYTES 256 /* room for any head and its NUL */

/*
 * Prints what stands before the text: priority, version, time, this machine's name, gaidaros, pid, kind, no structured
 * data, a blank.
 * priority  facility | severity, as syslog(3) numbers them
 * when      time as the RFC has it, "2026-11-26T07:00:00.123Z"; at most 32 bytes
 * kind      of the message, without blanks; at most 16 bytes
 * Returns its length.
 */
int syslog5424_print(char out[SYSLOG5424_HEADER_BYTES], int priority, const char *when, int pid,
                     const char *kind);

#endif
