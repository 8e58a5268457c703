/* SPDX-License-Identifier: MIT */
/* Counters in shared memory that one process writes and others read. */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

/* Adds without a locked instruction: right only where this thread is the one writer. */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t amount)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + amount, memory_order_relaxed);
}

/* As counter_add, for gauges that also fall. */
static inline void gauge_add(_Atomic int64_t *gauge, int64_t amount)
{
    int64_t value = atomic_load_explicit(gauge, memory_order_relaxed);
    atomic_store_explicit(gauge, value + amount, memory_order_relaxed);
}

#endif
