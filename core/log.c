#include "core/log.h"

#include "core/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW_SECONDS 0.1
#define PLAIN_SECONDS 30.0
enum { BAR = 24, COLUMNS = 80, LINE_BYTES = 512 };

/* Guarded by the lock of stderr. */
static struct {
    enum log_level most;
    int line_open; /* a progress line stands on the terminal without its newline */
} say = {LOG_INFO, 0};

void log_setup(enum log_level most) {
    flockfile(stderr);
    say.most = most;
    funlockfile(stderr);
}

static int is_terminal(void) {
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static int has_colour(void) {
    const char *no = getenv("NO_COLOR");
    return is_terminal() && !(no && no[0]);
}

static void clear_line(void) {
    if (say.line_open)
        fputs("\r\033[K", stderr);
    say.line_open = 0;
}

void log_message(enum log_level level, const char *format, ...) {
    static const struct {
        const char *word, *colour;
    } looks[] = {
        [LOG_ERROR] = {"ssvbench: ", "\033[31m"},
        [LOG_WARN] = {"ssvbench: warning: ", "\033[33m"},
        [LOG_INFO] = {"", ""},
        [LOG_DEBUG] = {"debug: ", ""},
    };
    flockfile(stderr);
    if (level <= say.most) {
        int colour = looks[level].colour[0] && has_colour();
        clear_line();
        fprintf(stderr, "%s%s%s", colour ? looks[level].colour : "", looks[level].word,
                colour ? "\033[0m" : "");
        va_list args;
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
    }
    funlockfile(stderr);
}

/* "4.2 s", "3:07", "2:03:07" */
static const char *duration(double seconds, char out[32]) {
    long whole = seconds < 1e9 ? (long)(seconds + 0.5) : 1000000000;
    if (seconds < 10)
        snprintf(out, 32, "%.1f s", seconds);
    else if (whole < 3600)
        snprintf(out, 32, "%ld:%02ld", whole / 60, whole % 60);
    else
        snprintf(out, 32, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    return out;
}

/* "/5000 24% 12.3/s ETA 5:12": what can be said about the way so far. */
static void describe(const struct progress *p, double now, const char *detail, char *out,
                     size_t room) {
    char left[32], share[64] = "", rate[64] = "", eta[64] = "";
    if (p->total > 0)
        snprintf(share, sizeof share, "/%ld %ld%%", p->total,
                 (long)(100.0 * (double)p->done / (double)p->total));
    double seconds = now - p->first_at;
    if (p->first >= 0 && p->done > p->first && seconds > 0) {
        double per_second = (double)(p->done - p->first) / seconds;
        snprintf(rate, sizeof rate, "  %.3g/s", per_second);
        if (p->total > p->done)
            snprintf(eta, sizeof eta, "  ETA %s",
                     duration((double)(p->total - p->done) / per_second, left));
    }
    snprintf(out, room, "%ld%s%s%s%s%s", p->done, share, rate, eta, detail[0] ? "  " : "", detail);
}

static int columns(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return COLUMNS;
}

/* A line longer than the terminal would wrap, and the next redraw would leave its head behind. */
static void fit(char *line) {
    int room = columns() - 1;
    for (char *c = line; *c; c++) {
        int continues = ((unsigned char)*c & 0xc0) == 0x80; /* inside a UTF-8 character */
        if (!continues && room-- == 0) {
            *c = '\0';
            return;
        }
    }
}

static void draw(const struct progress *p, double now, const char *detail) {
    char bar[BAR + 4] = "", text[LINE_BYTES - 128], line[LINE_BYTES];
    if (p->total > 0) {
        long done = p->done < 0 ? 0 : p->done > p->total ? p->total : p->done;
        int full = (int)((double)done / (double)p->total * BAR);
        memset(bar, ' ', BAR + 2);
        bar[0] = '[';
        memset(bar + 1, '=', (size_t)full);
        bar[BAR + 1] = ']';
        bar[BAR + 2] = ' ';
        bar[BAR + 3] = '\0';
    }
    describe(p, now, detail, text, sizeof text);
    snprintf(line, sizeof line, "%s %s%s", p->label, bar, text);
    fit(line);
    fprintf(stderr, "\r%s\033[K", line);
    say.line_open = 1;
}

static int is_quiet(void) {
    return say.most < LOG_INFO;
}

void progress_begin(struct progress *p, const char *label, long total) {
    *p = (struct progress){.total = total, .first = -1, .terminal = is_terminal()};
    snprintf(p->label, sizeof p->label, "%s", label);
    p->started = p->shown = clock_seconds();
    flockfile(stderr);
    if (p->terminal && !is_quiet())
        draw(p, p->started, "");
    funlockfile(stderr);
}

void progress_update(struct progress *p, long done, const char *detail) {
    double now = clock_seconds();
    p->done = done;
    if (p->first < 0) {
        p->first = done;
        p->first_at = now;
    }
    if (now - p->shown < (p->terminal ? REDRAW_SECONDS : PLAIN_SECONDS))
        return;
    p->shown = now;
    flockfile(stderr);
    if (!is_quiet()) {
        if (p->terminal) {
            draw(p, now, detail);
        } else {
            char text[LINE_BYTES];
            describe(p, now, detail, text, sizeof text);
            fprintf(stderr, "%s: %s\n", p->label, text);
        }
    }
    funlockfile(stderr);
}

void progress_end(struct progress *p) {
    char took[32];
    flockfile(stderr);
    clear_line();
    if (!is_quiet())
        fprintf(stderr, "%s: %ld in %s\n", p->label, p->done,
                duration(clock_seconds() - p->started, took));
    funlockfile(stderr);
}
