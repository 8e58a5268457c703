/* SPDX-License-Identifier: MIT */
/* Asks the scheduler to run the calling thread soon rather than for long. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

/*
 * For a loop, which works in short pieces: when there is one, it is to be taken before threads that compute. Linux 6.12 and
 * later do so for a short slice (sched_setattr(2)); older ones pass over the word, and a policy of the user's is left alone.
 */
void slice_shorten(void);

#endif
