/* SPDX-License-Identifier: MIT */
/* The master process: signals, start, reload, stop. */
#include "master/master.h"
#include "master/orphans.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/check.h"
#include "conf/write.h"
#include "master/adoption.h"
#include "master/context.h"
#include "master/daemon.h"
#include "master/departure.h"
#include "master/filewatch.h"
#include "master/greeting.h"
#include "master/naming.h"
#include "master/paths.h"
#include "master/processors.h"
#include "master/remote.h"
#include "master/requests.h"
#include "master/stop.h"
#include "master/trial.h"
#include "master/turns.h"
#include "master/versions.h"

#define HOUSEKEEPING_S 0.1
#define RENEW_AFTER_S 0.3 /* time for the director to give its last answer */

/* ---- logs ---- */

/* New files under the old names; where that fails, the old ones go on. Whoever asked is told. */
static void reopen_logs(struct master *master, const struct request *request)
{
    struct problems problems = {0};
    if (rollout_reopen_logs(master, &problems)) {
        log_info("logs reopened");
        requests_answer_one(master, request, true, "logs reopened");
    } else {
        log_error("the logs are not reopened: %.*s", (int)strcspn(problems.errors.at, "\n"),
                  problems.errors.at);
        requests_answer_one(master, request, false, problems.errors.at);
    }
    problems_fini(&problems);
}

/* ---- children ---- */

static void on_started(void *context, struct child *child)
{
    greeting_send(context, child);
}

static void on_message(void *context, struct child *child, struct received *message)
{
    struct master *master = context;
    char name[CHILD_NAME_BYTES];
    bool is_director = !child_is_worker(child);
    switch (message->head.kind) {
    case MSG_READY:
    case MSG_REFUSED:
    case MSG_COMMITTED:
    case MSG_RETIRED:
        rollout_take(master, child, message);
        return;
    case MSG_DROPPED:
        departure_take_dropped(master, message);
        return;
    case MSG_RELOAD:
        if (is_director)
            turns_request(master, ASKER_DIRECTOR, message->head.number, child->pid);
        return;
    case MSG_PROPOSE:
        if (is_director)
            turns_request_edit(master, message->head.number, child->pid, message->payload,
                               message->length);
        return;
    case MSG_SAVE:
        if (is_director)
            turns_request(master, ASKER_SAVE, message->head.number, child->pid);
        return;
    case MSG_REOPEN:
        if (is_director)
            reopen_logs(master, &(struct request){.asker = ASKER_DIRECTOR,
                                                  .number = message->head.number,
                                                  .pid = child->pid});
        return;
    case MSG_ADDRESSES:
        if (is_director)
            naming_take(master, message);
        return;
    case MSG_FETCHED:
        if (is_director)
            cache_take(master, message);
        return;
    case MSG_SHUTDOWN:
        if (is_director)
            stop_begin(master, STOP_IN_TIME);
        return;
    default:
        log_warning("%s [%d] says something unknown (%u)", child_name(name, child),
                    (int)child->pid, message->head.kind);
    }
}

static void on_ended(void *context, struct child *child)
{
    struct master *master = context;
    supervisor_forget(master->supervisor, child->place);
    child->seen_stage = STAGE_FINE;
    if (child_is_worker(child))
        adoption_forget(master, child);
    editions_forget(master, child);
    if (child->why != NULL)
        rollout_note_failure(master, child);
    rollout_advance(master);
    stop_advance(master);
}

static const struct child_events child_events = {on_started, on_message, on_ended};

/* ---- the supervisor ---- */

/* What the slot's row shows of it; a director has none. */
static void show_state(struct master *master, const struct child *child, enum slot_state state)
{
    if (child_is_worker(child))
        atomic_store(&master->segment.slots[child->place].state, state);
}

static void take_stage(struct master *master, struct child *child, enum supervisor_stage stage)
{
    char name[CHILD_NAME_BYTES];
    const struct rollout *rollout = &master->rollout;
    /* At the start one worker may be up while another is still waited for. */
    const struct edition *edition = rollout->current != NULL ? rollout->current : rollout->next;
    const struct model_global *global = &edition->model->global;
    child_name(name, child);
    switch (stage) {
    case STAGE_FINE:
        log_info("%s [%d] is back", name, (int)child->pid);
        show_state(master, child, child->is_leaving ? SLOT_DRAINING : SLOT_UP);
        break;
    case STAGE_ADOPT:
        log_warning("%s [%d] has been silent for %lld ms: others accept for it", name,
                    (int)child->pid, (long long)global->adopt_timeout_ms);
        show_state(master, child, SLOT_STUCK);
        break;
    case STAGE_ABORT:
        log_warning("%s [%d] is stuck, silent for %lld ms: sent SIGABRT", name, (int)child->pid,
                    (long long)global->stuck_timeout_ms);
        show_state(master, child, SLOT_STUCK);
        break;
    case STAGE_KILL:
        log_warning("%s [%d] did not end: sent SIGKILL", name, (int)child->pid);
        break;
    }
    child->seen_stage = stage;
}

static void on_supervisor(struct ev_loop *loop, struct ev_io *watch, int revents)
{
    struct master *master = watch->data;
    (void)loop;
    (void)revents;
    supervisor_collect(master->supervisor);
    for (uint32_t place = 0; place < CHILD_PLACES; place++) {
        struct child *child = &master->children.places[place];
        enum supervisor_stage stage = supervisor_stage_of(master->supervisor, place);
        if (child->state == CHILD_UP && stage != child->seen_stage)
            take_stage(master, child, stage);
    }
    adoption_review(master);
}

/* ---- signals and timers ---- */

static void on_signal(struct ev_loop *loop, struct ev_signal *watch, int revents)
{
    struct master *master = watch->data;
    struct text error = {0};
    (void)loop;
    (void)revents;
    switch (watch->signum) {
    case SIGHUP:
        log_info("reload asked for by signal");
        turns_request(master, ASKER_SIGNAL, 0, 0);
        break;
    case SIGQUIT:
        stop_begin(master, STOP_AT_LEISURE);
        break;
    case SIGUSR1:
        reopen_logs(master, &(struct request){.asker = ASKER_SIGNAL});
        break;
    case SIGUSR2:
        log_warning("SIGUSR2: upgrading the binary is not yet supported");
        break;
    default:
        stop_begin(master, STOP_IN_TIME);
    }
    text_fini(&error);
}

static void on_housekeeping(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct master *master = timer->data;
    uint64_t now_ns = clock_now_ns();
    (void)loop;
    (void)revents;
    if (master->phase == MASTER_SERVING) {
        adoption_review(master);
        filewatch_look(master, now_ns);
        cache_look(master, now_ns);
    }
    if (now_ns - master->flushed_ns < CLOCK_NS_PER_S)
        return;
    master->flushed_ns = now_ns;
    log_flush();
    atomic_fetch_add(&master->segment.daemon->lines_lost, log_take_dropped());
}

static void on_watchdog(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    const struct master *master = timer->data;
    (void)loop;
    (void)revents;
    notify_send(&master->notify, "WATCHDOG=1");
}

/* The director gets its doors with its greeting: changed ones mean a new director. */
static void on_renew(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct master *master = timer->data;
    struct child *director = &master->children.places[CHILD_DIRECTOR];
    (void)revents;
    /* Somebody may wait at it for how the reload under way goes; the timer comes again. */
    if (master->rollout.stage != ROLLOUT_IDLE)
        return;
    ev_timer_stop(loop, timer);
    director->is_renewed = true;
    child_tell(director, MSG_STOP, 0, 0);
}

static void start_watchers(struct master *master)
{
    static const int numbers[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        ev_signal_init(&master->signals[i], on_signal, numbers[i]);
        master->signals[i].data = master;
        ev_signal_start(master->loop, &master->signals[i]);
    }
    ev_io_init(&master->on_supervisor, on_supervisor, supervisor_fd(master->supervisor),
               EV_READ);
    ev_timer_init(&master->housekeeping, on_housekeeping, HOUSEKEEPING_S, HOUSEKEEPING_S);
    ev_timer_init(&master->renew, on_renew, RENEW_AFTER_S, RENEW_AFTER_S);
    double half_s = (double)master->notify.watchdog_ns / 2e9;
    ev_timer_init(&master->watchdog, on_watchdog, 0., half_s);
    master->on_supervisor.data = master->housekeeping.data = master;
    master->renew.data = master->watchdog.data = master;
    ev_io_start(master->loop, &master->on_supervisor);
    ev_timer_start(master->loop, &master->housekeeping);
    if (master->notify.watchdog_ns > 0)
        ev_timer_start(master->loop, &master->watchdog);
}

/* ---- the start ---- */

static int fail(const char *what, const char *why)
{
    (void)!dprintf(STDERR_FILENO, "gaidaros: %s%s%s\n", what, why != NULL ? ": " : "",
                   why != NULL ? why : "");
    return -1;
}

/* Warnings go where the one who starts us looks. */
static void say_notes(struct text *notes)
{
    if (notes->length > 0)
        (void)!dprintf(STDERR_FILENO, "gaidaros: warning: %s%s", notes->at,
                       notes->at[notes->length - 1] == '\n' ? "" : "\n");
    text_clear(notes);
}

/* The daemon before us was killed: what it left behind and cannot end by itself is ended. */
static void end_orphans(pid_t dead)
{
    size_t n = orphans_end_stopped(dead);
    if (n > 0)
        log_warning("killed %zu stopped processes that the killed daemon %d had left behind", n,
                    (int)dead);
}

/* Pidfile first: who loses the race for it touches nothing else. */
static int open_run_files(struct master *master)
{
    struct text notes = {0}, error = {0};
    struct run_paths paths =
        paths_resolve(&master->boot->global, master->request.path == NULL, &notes);
    say_notes(&notes);
    int result = 0;
    if (paths.pidfile != NULL)
        result = pidfile_open(&master->pidfile, paths.pidfile, &error);
    if (result == 0 && paths.pidfile != NULL)
        end_orphans(master->pidfile.left);
    if (result == 0 && paths.control != NULL)
        result = control_open(&master->control, paths.control, &error);
    if (result != 0)
        fail(error.at, NULL);
    text_fini(&notes);
    text_fini(&error);
    return result;
}

static int find_account(struct master *master)
{
    struct text notes = {0}, error = {0};
    int result = account_find(&master->spawn.account, &master->boot->global, &notes, &error);
    say_notes(&notes);
    if (result != 0)
        fail(error.at, NULL);
    text_fini(&notes);
    text_fini(&error);
    return result;
}

/* While it still may: what is dropped next is the right to. */
static int raise_descriptors(struct master *master)
{
    struct problems problems = {0};
    bool is_enough = descriptors_resolve(master->boot, true, &problems) > 0;
    if (!is_enough) {
        (void)!write(STDERR_FILENO, problems.errors.at, problems.errors.length);
        master->exit_status = 3;
    }
    problems_fini(&problems);
    return is_enough ? 0 : -1;
}

/* Everything that does not depend on a generation. Returns 0, or -1, said; exit_status may be set. */
static int open_all(struct master *master)
{
    if (open_run_files(master) != 0)
        return -1;
    if (spawn_init(&master->spawn) != 0)
        return fail("cannot open the own binary", strerror(errno));
    master->spawn.is_daemon = master->is_daemon;
    if (find_account(master) != 0)
        return -1;
    if (line_pipes_open(&master->pipes) != 0)
        return fail("cannot open the log pipes", strerror(errno));
    const struct segment_sizes sizes = {(uint64_t)master->boot->global.stick_entries,
                                        (uint64_t)master->boot->global.source_entries};
    if (segment_create(&master->segment, &sizes) != 0)
        return fail("cannot make the shared segment", strerror(errno));
    atomic_store(&master->segment.daemon->started_ns, clock_now_ns());
    master->rows = rows_new(&master->segment);
    if (master->rows == NULL)
        return fail("out of memory", NULL);
    if (raise_descriptors(master) != 0)
        return -1;
    master->spawn.is_transparent = model_is_transparent(master->boot);
    if (privileges_keep_needed(master->spawn.is_transparent) != 0)
        return fail("cannot drop capabilities", strerror(errno));
    /* After that, since a thread has its own capabilities. */
    master->supervisor = supervisor_new(&master->segment);
    if (master->supervisor == NULL)
        return fail("cannot start the supervisor", strerror(errno));
    master->loop = ev_default_loop(EVBACKEND_EPOLL | EVFLAG_NOENV);
    return master->loop != NULL ? 0 : fail("cannot make an event loop", strerror(errno));
}

static void close_all(struct master *master)
{
    if (master->loop != NULL) {
        children_fini(&master->children);
        rollout_fini(master);
    }
    supervisor_free(master->supervisor);
    listeners_fini(&master->listeners);
    doors_fini(&master->doors);
    rows_free(master->rows);
    control_close(&master->control);
    line_pipes_close(&master->pipes, &master->sinks);
    log_flush();
    log_to_fd(STDERR_FILENO);
    sinks_close(&master->sinks);
    if (master->segment.base != NULL)
        segment_fini(&master->segment);
    if (master->spawn.binary_fd >= 0)
        spawn_fini(&master->spawn);
    notify_close(&master->notify);
    conf_free(master->boot);
    addresses_fini(&master->addresses);
    cache_fini(&master->cache);
    free(master->config);
    if (master->loop != NULL)
        ev_loop_destroy(master->loop);
    pidfile_close(&master->pidfile);
}

static void run(struct master *master)
{
    children_init(&master->children, master->loop, &master->segment, &master->spawn);
    master->children.events = &child_events;
    master->children.context = master;
    rollout_init(master);
    departure_init(master);
    stop_init(master);
    start_watchers(master);
    turns_request(master, ASKER_START, 0, 0);
    if (!master->is_over)
        ev_run(master->loop, 0);
    log_info("ended");
}

/* Whatever was inherited: signals are as a daemon needs them, files are made for us and our group. */
static void reset_environment(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    umask(0027);
}

/* Goes into the background, from where a relative path no longer leads to the file. */
static int detach(struct master *master)
{
    if (master->request.path != NULL) {
        master->config = paths_make_absolute(master->request.path);
        if (master->config == NULL)
            return fail(master->request.path, strerror(errno));
        master->request.path = master->config;
    }
    master->ready_fd = daemon_detach();
    return master->ready_fd >= 0 ? 0 : fail("cannot become a daemon", strerror(errno));
}

static int run_daemon(const struct conf_request *request)
{
    struct problems problems = {0};
    struct model *boot = conf_load(request, &problems);
    if (problems.warnings.length > 0)
        fputs(problems.warnings.at, stderr);
    if (problems.errors.length > 0)
        fputs(problems.errors.at, stderr);
    fflush(stderr);
    problems_fini(&problems);
    if (boot == NULL)
        return 3;
    struct master *master = calloc(1, sizeof *master);
    if (master == NULL)
        return 1;
    master->request = *request;
    master->request.addresses = &master->addresses;
    master->boot = boot;
    master->is_daemon = boot->global.daemon;
    master->ready_fd = master->spawn.binary_fd = -1;
    master->pidfile.fd = master->control.fd = master->notify.fd = -1;
    master->pipes = (struct line_pipes){{-1, -1}, {-1, -1}};
    listeners_init(&master->listeners);
    reset_environment();
    if (master->is_daemon && detach(master) != 0)
        master->exit_status = 1;
    log_set_name("master");
    notify_open(&master->notify);
    if (master->exit_status == 0 && open_all(master) != 0 && master->exit_status == 0)
        master->exit_status = 1;
    if (master->exit_status == 0)
        run(master);
    int status = master->exit_status;
    close_all(master);
    free(master);
    return status;
}

/* ---- the command line ---- */

static int print(void (*printer)(struct text *))
{
    struct text out = {0};
    printer(&out);
    bool is_fine = !out.failed && fwrite(out.at, 1, out.length, stdout) == out.length &&
                   fflush(stdout) == 0;
    text_fini(&out);
    return is_fine ? 0 : 1;
}

/* The request by which the configuration is read now and at each reload. NULL path: one line. */
static struct conf_request make_request(const struct options *options)
{
    bool is_one_line = options->one_line.length > 0;
    const char *path = options->config != NULL ? options->config : OPTIONS_DEFAULT_FILE;
    return (struct conf_request){.path = is_one_line ? NULL : path,
                                 .text = is_one_line ? options->one_line.at : NULL,
                                 .overrides = options->overrides,
                                 .n_overrides = options->n_overrides};
}

static int run_command(const struct options *options, master_prepare *prepare)
{
    struct conf_request request = make_request(options);
    bool is_missing = options->config == NULL && request.path != NULL &&
                      access(request.path, F_OK) != 0 && errno == ENOENT;
    switch (options->command) {
    case COMMAND_VERSION:
        return print(versions_print);
    case COMMAND_HELP:
        return print(options_print_help);
    case COMMAND_MANUAL:
        return print(conf_write_manual);
    case COMMAND_ORDER:
        return remote_order(options, &request);
    case COMMAND_TEST:
    case COMMAND_DUMP:
    case COMMAND_RUN:
        break;
    }
    if (is_missing) {
        fprintf(stderr, "gaidaros: there is no %s: give -c FILE, or -l and -b (see --help)\n",
                OPTIONS_DEFAULT_FILE);
        return 2;
    }
    if (options->command == COMMAND_TEST)
        return trial_test(&request, request.path != NULL ? request.path : "command line",
                          prepare);
    if (options->command == COMMAND_DUMP)
        return trial_dump(&request);
    return run_daemon(&request);
}

int master_main(int argc, char **argv, master_prepare *prepare)
{
    struct options options;
    struct text error = {0};
    int status = 2;
    daemon_fill_standard();
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of a write, not our death */
    if (options_parse(&options, argc, argv, &error) == 0)
        status = run_command(&options, prepare);
    else
        fprintf(stderr,
                "gaidaros: %s\nusage: gaidaros [-c FILE] [options]; see gaidaros --help\n",
                error.at != NULL ? error.at : "out of memory");
    text_fini(&error);
    options_fini(&options);
    return status;
}
