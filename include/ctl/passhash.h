/* SPDX-License-Identifier: MIT */
/* gaidarosctl hash: the hash of a password for a user line. */
#ifndef CTL_PASSHASH_H
#define CTL_PASSHASH_H

/*
 * Asks the terminal for a password, twice and without showing it; a pipe is read for one line. Prints its yescrypt
 * hash. A password is never taken from the command line, where every user of the machine could read it.
 * Returns an exit status: 0, 1 when it could not be done, 2 when the two differ or there is none.
 */
int passhash_run(void);

#endif
