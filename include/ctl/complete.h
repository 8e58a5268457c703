/* SPDX-License-Identifier: MIT */
/* What could stand next on a command line of gaidarosctl, for shells. */
#ifndef CTL_COMPLETE_H
#define CTL_COMPLETE_H

#include <stddef.h>

/*
 * Prints the candidates for the last of the words, a line each: commands and calls, then a call's fields, then what a
 * daemon that answers has to fill in for service, group and name. Where nothing is known nothing is printed.
 * socket    where to ask, unless the words name another
 * words     the command line without the program's name; the last one is being typed and may be empty
 * commands  gaidarosctl's own
 * Returns an exit status: always 0.
 */
int complete_words(const char *socket, char *const *words, int n_words,
                   const char *const *commands, size_t n_commands);

/* Prints the lines that make a shell ask: bash, zsh, fish. Returns 0, or 2 for another one. */
int complete_script(const char *shell);

#endif
