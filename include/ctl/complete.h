/* SPDX-License-Identifier: MIT */
/* What could stand next on a command line of gaidarosctl, for shells. */
#ifndef CTL_COMPLETE_H
#define CTL_COMPLETE_H

/*
 * Prints the candidates for the last of the words, a line each: commands and calls, then a command's own words or a
 * call's fields, then what a daemon that answers within two seconds has to fill in for service, group and name. Where
 * nothing is known nothing is printed; files are the shell's to complete.
 * socket  where to ask, unless the words name another
 * words   the command line without the program's name; the last one is being typed and may be empty
 * Returns an exit status: always 0.
 */
int complete_words(const char *socket, char *const *words, int n_words);

/* Prints the lines that make a shell ask: bash, zsh, fish. Returns an exit status. */
int complete_script(const char *shell);

#endif
