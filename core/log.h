/* log.h -- messages and progress, on stderr only: stdout carries data.
 *
 * On a terminal a progress line is redrawn in place; otherwise one line is written every 30 s.
 * NO_COLOR and TERM=dumb are honoured.
 */
#ifndef SSV_CORE_LOG_H
#define SSV_CORE_LOG_H

enum log_level { LOG_NOTHING = -1, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* The only process-wide state in core: how much is said, and the terminal that says it. */
void log_setup(enum log_level most);
void log_message(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct progress {
    char label[64];
    long done, total;
    double started, shown; /* monotonic seconds */
    long first;            /* done at the first update, from where the rate counts: a resumed run */
    double first_at;
    int terminal;
};

void progress_begin(struct progress *p, const char *label, long total);
/* `detail` (may be "") is shown after the bar: "loss 0.42  lr 1.2e-4". */
void progress_update(struct progress *p, long done, const char *detail);
void progress_end(struct progress *p); /* clears the line on a terminal; says how long it took */

#endif
