/* SPDX-License-Identifier: MIT */
/* The thread that finds stuck workers, and a stuck director, by their heartbeats. */
#include "master/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

/*
 * The thread sleeps, reads heartbeats, sends signals, writes an eventfd: it allocates, locks and
 * logs nothing, so that no other thread of master can make it wait. It looks at master's own list of
 * pids, not at the segment's: workers can write there, and master may be root.
 *
 * Silence is counted on a clock that runs only while this thread is run in time. When the machine
 * slept, or all processes were starved, hardly any of that counts for a worker. A worker that is
 * silent while the thread is run in time is silent all by itself, also when it is the only one.
 */

enum { STALL_PERIODS = 2, KILL_AFTER_MS = 500, PERIOD_MOST_MS = 100 };

/* One place, written by the main thread; stage by the supervisor. */
struct supervised {
    _Atomic int32_t pid;      /* 0 = nobody to watch */
    _Atomic uint32_t changes; /* grows with every watch and forget */
    _Atomic uint64_t stage;   /* by the thread: changes it saw * 4 + enum supervisor_stage */
};

struct supervisor {
    const struct segment *segment;
    pthread_t thread;
    int to_master; /* eventfd */
    int to_thread; /* eventfd: time to end */
    _Atomic uint64_t adopt_ns, stuck_ns;
    struct supervised places[SUPERVISED_PLACES];
    /* The thread's own. */
    struct supervisor_memory memories[SUPERVISED_PLACES];
    uint32_t seen_changes[SUPERVISED_PLACES];
};

uint64_t supervisor_count(uint64_t elapsed_ns, const struct supervisor_limits *limits,
                          bool *is_stalled)
{
    *is_stalled = elapsed_ns > STALL_PERIODS * limits->period_ns;
    return *is_stalled ? limits->period_ns : elapsed_ns;
}

static void note_beat(struct supervisor_memory *memory, uint64_t beat_ns)
{
    memory->beat_ns = beat_ns;
    memory->silent_ns = 0;
    memory->is_marked = false;
    memory->is_granted = false;
    if (memory->stage == STAGE_ADOPT)
        memory->stage = STAGE_FINE;
}

enum supervisor_stage supervisor_judge(struct supervisor_memory *memory, uint64_t beat_ns,
                                       uint64_t counted_ns, bool is_stalled,
                                       const struct supervisor_limits *limits)
{
    /* A worker that was sent SIGABRT is past saving, also if it should beat again. */
    if (memory->stage >= STAGE_ABORT) {
        memory->aborted_ns += counted_ns;
        if (memory->aborted_ns >= KILL_AFTER_MS * CLOCK_NS_PER_MS)
            memory->stage = STAGE_KILL;
        return memory->stage;
    }
    if (beat_ns != memory->beat_ns) {
        note_beat(memory, beat_ns);
        return memory->stage;
    }
    memory->silent_ns += counted_ns;
    if (is_stalled && !memory->is_granted) {
        memory->silent_ns = 0;
        memory->is_marked = false;
        memory->is_granted = true;
    }
    bool is_adopted = memory->stage == STAGE_ADOPT;
    uint64_t limit_ns = is_adopted || limits->adopt_ns >= limits->stuck_ns ? limits->stuck_ns
                                                                           : limits->adopt_ns;
    /* First the mark, one look early so that acting is not late; then, at another look, the deed. */
    if (memory->silent_ns + limits->period_ns < limit_ns)
        return memory->stage;
    if (!memory->is_marked || memory->silent_ns < limit_ns) {
        memory->is_marked = true;
        return memory->stage;
    }
    memory->is_marked = false;
    memory->stage = memory->silent_ns >= limits->stuck_ns ? STAGE_ABORT : STAGE_ADOPT;
    return memory->stage;
}

static uint64_t beat_of(const struct supervisor *supervisor, uint32_t place)
{
    const struct segment *segment = supervisor->segment;
    return place == SUPERVISED_DIRECTOR ? atomic_load(&segment->daemon->director_beat_ns)
                                        : atomic_load(&segment->slots[place].heartbeat_ns);
}

/* Looks at one place; true when its stage has changed. */
static bool look(struct supervisor *supervisor, uint32_t place, uint64_t counted_ns,
                 bool is_stalled, const struct supervisor_limits *limits)
{
    struct supervised *supervised = &supervisor->places[place];
    struct supervisor_memory *memory = &supervisor->memories[place];
    uint32_t changes = atomic_load(&supervised->changes);
    int32_t pid = atomic_load(&supervised->pid);
    uint64_t beat_ns = beat_of(supervisor, place);
    if (atomic_load(&supervised->changes) != changes)
        return false; /* the pid may be the next one's */
    if (changes != supervisor->seen_changes[place]) {
        supervisor->seen_changes[place] = changes;
        *memory = (struct supervisor_memory){.beat_ns = beat_ns};
        return false;
    }
    if (pid == 0)
        return false;
    enum supervisor_stage before = memory->stage;
    enum supervisor_stage now =
        supervisor_judge(memory, beat_ns, counted_ns, is_stalled, limits);
    if (now == before)
        return false;
    /* Said before it is done: whoever reaps the process knows why it ended. */
    atomic_store(&supervised->stage, (uint64_t)changes * 4 + now);
    /* Master forgets a process as soon as it has reaped it; pids come round much later than that. */
    if (now >= STAGE_ABORT && atomic_load(&supervised->changes) == changes)
        kill(pid, now == STAGE_ABORT ? SIGABRT : SIGKILL);
    return true;
}

static struct supervisor_limits read_limits(const struct supervisor *supervisor)
{
    struct supervisor_limits limits = {
        .period_ns = PERIOD_MOST_MS * CLOCK_NS_PER_MS,
        .adopt_ns = atomic_load(&supervisor->adopt_ns),
        .stuck_ns = atomic_load(&supervisor->stuck_ns),
    };
    if (limits.period_ns > limits.adopt_ns / 4)
        limits.period_ns = limits.adopt_ns / 4;
    if (limits.period_ns < CLOCK_NS_PER_MS)
        limits.period_ns = CLOCK_NS_PER_MS;
    return limits;
}

static void *run(void *argument)
{
    struct supervisor *supervisor = argument;
    uint64_t last_ns = clock_now_ns();
    for (;;) {
        struct supervisor_limits limits = read_limits(supervisor);
        struct pollfd end = {.fd = supervisor->to_thread, .events = POLLIN};
        if (poll(&end, 1, (int)(limits.period_ns / CLOCK_NS_PER_MS)) > 0)
            return NULL;
        uint64_t now_ns = clock_now_ns();
        bool is_stalled;
        uint64_t counted_ns = supervisor_count(now_ns - last_ns, &limits, &is_stalled);
        last_ns = now_ns;
        bool is_changed = false;
        uint32_t n = atomic_load(&supervisor->segment->daemon->slots_used);
        for (uint32_t slot = 0; slot < n && slot < SEGMENT_SLOTS; slot++)
            is_changed |= look(supervisor, slot, counted_ns, is_stalled, &limits);
        limits.adopt_ns = limits.stuck_ns;
        is_changed |= look(supervisor, SUPERVISED_DIRECTOR, counted_ns, is_stalled, &limits);
        uint64_t one = 1;
        if (is_changed)
            (void)!write(supervisor->to_master, &one, sizeof one);
    }
}

static int start_thread(struct supervisor *supervisor)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&supervisor->thread, NULL, run, supervisor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = result;
    return result == 0 ? 0 : -1;
}

struct supervisor *supervisor_new(const struct segment *segment)
{
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);
    if (supervisor == NULL)
        return NULL;
    supervisor->segment = segment;
    supervisor_set_limits(supervisor, 500, 5000);
    supervisor->to_master = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    supervisor->to_thread = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (supervisor->to_master >= 0 && supervisor->to_thread >= 0 &&
        start_thread(supervisor) == 0)
        return supervisor;
    int saved = errno;
    if (supervisor->to_master >= 0)
        close(supervisor->to_master);
    if (supervisor->to_thread >= 0)
        close(supervisor->to_thread);
    free(supervisor);
    errno = saved;
    return NULL;
}

void supervisor_free(struct supervisor *supervisor)
{
    if (supervisor == NULL)
        return;
    uint64_t one = 1;
    (void)!write(supervisor->to_thread, &one, sizeof one);
    pthread_join(supervisor->thread, NULL);
    close(supervisor->to_master);
    close(supervisor->to_thread);
    free(supervisor);
}

int supervisor_fd(const struct supervisor *supervisor)
{
    return supervisor->to_master;
}

void supervisor_collect(struct supervisor *supervisor)
{
    uint64_t count;
    (void)!read(supervisor->to_master, &count, sizeof count);
}

void supervisor_set_limits(struct supervisor *supervisor, int64_t adopt_ms, int64_t stuck_ms)
{
    atomic_store(&supervisor->adopt_ns, (uint64_t)adopt_ms * CLOCK_NS_PER_MS);
    atomic_store(&supervisor->stuck_ns, (uint64_t)stuck_ms * CLOCK_NS_PER_MS);
}

static void change(struct supervisor *supervisor, uint32_t place, int32_t pid)
{
    struct supervised *supervised = &supervisor->places[place];
    /* In this order, so that whoever reads changes, pid, changes knows whose pid it is. */
    atomic_store(&supervised->pid, 0);
    atomic_fetch_add(&supervised->changes, 1);
    atomic_store(&supervised->pid, pid);
}

void supervisor_watch(struct supervisor *supervisor, uint32_t place, int32_t pid)
{
    change(supervisor, place, pid);
}

void supervisor_forget(struct supervisor *supervisor, uint32_t place)
{
    change(supervisor, place, 0);
}

enum supervisor_stage supervisor_stage_of(const struct supervisor *supervisor, uint32_t place)
{
    const struct supervised *supervised = &supervisor->places[place];
    uint64_t word = atomic_load(&supervised->stage);
    /* A word about the process before says nothing. */
    return word / 4 == atomic_load(&supervised->changes) ? (enum supervisor_stage)(word % 4)
                                                         : STAGE_FINE;
}
