#include "reports/figures_internal.h"

#include "core/file.h"
#include "core/log.h"
#include "core/sha256.h"
#include "reports/text_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "# sha256 of the lines below, as ssvbench wrote them: "

enum { CAPTION = 124 };

char *figure_text(const char *text, int columns, struct arena *a) {
    char *clean = text_for_fonts(text, a);
    for (char *c = clean; *c; c++)
        if (*c == '"')
            *c = '\''; /* gnuplot takes a quote for the start of a longer field */
        else if (*c == '\\')
            *c = '/'; /* and what follows a backslash for a sign of its own */
    return text_cut_settings(clean, columns, a);
}

double figure_step(double range, int ticks) {
    double power = pow(10, floor(log10(range / ticks)));
    if (!isnormal(power)) /* no range, or one without an end */
        return 1;
    for (;; power *= 10) {
        const double steps[] = {power, 2 * power, 5 * power};
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
            if (range / steps[i] <= ticks)
                return steps[i];
    }
}

/* Returns the number of the last line; `end` closes each. */
static int put_lines(const char *text, int columns, int number, const char *end, FILE *dat,
                     struct arena *a) {
    char *rest = NULL, *lines = text_wrap(figure_text(text, 1 << 20, a), columns, a);
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        fprintf(dat, "%d\t%s%s\n", ++number, line, end);
    return number;
}

void figure_caption(const char *text, int columns, FILE *dat, struct arena *a) {
    fputs("\n\n# caption\n# line\ttext\n", dat);
    put_lines(text, columns, 0, "", dat, a);
}

void figure_caption_flagged(const struct report_input *in, const char *text, unsigned kinds,
                            FILE *dat) {
    struct arena *a = in->summary->a;
    const char *flags = "";
    fputs("\n\n# caption\n# line\ttext\t1: what keeps this from being one comparison\n", dat);
    for (int i = 0; i < in->n_flags; i++)
        if (in->flag[i].kind & kinds)
            flags = arena_printf(a, "%s%s%s", flags, *flags ? "; " : "! ", in->flag[i].text);
    int n = put_lines(text, CAPTION, 0, "\t0", dat, a);
    if (*flags)
        put_lines(arena_printf(a, "%s.", flags), CAPTION - 6, n, "\t1", dat, a);
}

void figure_head(const char *name, FILE *dat) {
    fprintf(dat,
            "# What %s.gp draws; written again by each report.  Columns are separated by tabs.\n\n"
            "\n",
            name);
}

/* The first line of a script vouches for the rest; without it, or when it is wrong, the user has
 * been there. */
static int is_edited(const char *text, size_t bytes) {
    const size_t head = strlen(HEAD);
    char hash[SHA256_HEX + 1];
    if (bytes < head + SHA256_HEX + 1 || strncmp(text, HEAD, head) != 0 ||
        text[head + SHA256_HEX] != '\n')
        return 1;
    sha256_hex(text + head + SHA256_HEX + 1, bytes - head - SHA256_HEX - 1, hash);
    return strncmp(text + head, hash, SHA256_HEX) != 0;
}

static int write_script(const char *folder, const char *file, const char *const *lines, int *edited,
                        struct error *err) {
    struct arena a = {0};
    const char *path = arena_printf(&a, "%s/%s", folder, file);
    char *old = NULL, hash[SHA256_HEX + 1], *body;
    size_t bytes = 0, used = 0;
    int status = 0;
    if (file_exists(path)) {
        TRY(file_read(path, &a, &old, &bytes, err));
        if (is_edited(old, bytes)) {
            *edited = 1;
            log_message(LOG_INFO, "%s was edited: it is used as it is; delete it to get ours back",
                        path);
            goto out;
        }
    }
    for (int i = 0; lines[i]; i++)
        used += strlen(lines[i]) + 1;
    body = arena_alloc(&a, used + 1);
    used = 0;
    for (int i = 0; lines[i]; i++)
        used += (size_t)sprintf(body + used, "%s\n", lines[i]);
    sha256_hex(body, used, hash);
    const char *text = arena_printf(&a, "%s%s\n%s", HEAD, hash, body);
    if (!old || strcmp(old, text))
        TRY(file_write_atomic(path, text, strlen(text), err));
out:
    arena_free(&a);
    return status;
}

/* The data of a figure; NULL when there is nothing to draw. */
static int make_data(const struct figure *figure, const void *data, char **text, size_t *bytes,
                     struct error *err) {
    int drawn = 0, failed = 1;
    FILE *dat = open_memstream(text, bytes);
    if (dat) {
        drawn = figure->put(data, dat) != 0;
        failed = ferror(dat);
        failed |= fclose(dat);
    }
    if (failed)
        return error_set(err, STATUS_MACHINE, "no memory for the data of figure %s", figure->name);
    if (!drawn) {
        free(*text);
        *text = NULL;
    }
    return 0;
}

/* *drawn stays 0 when there is nothing to draw. */
static int write_data(const struct figure *figure, const void *data, const char *folder, int *drawn,
                      struct error *err) {
    struct arena a = {0};
    char *text = NULL;
    size_t bytes = 0;
    int status = make_data(figure, data, &text, &bytes, err);
    *drawn = !status && text;
    if (*drawn)
        status = file_write_atomic(arena_printf(&a, "%s/%s.dat", folder, figure->name), text, bytes,
                                   err);
    free(text);
    arena_free(&a);
    return status;
}

int figure_formats(const char *text, const char *formats[FIGURE_FORMATS], int *n,
                   struct error *err) {
    static const char *const all[FIGURE_FORMATS] = {"svg", "png", "pdf"};
    struct arena a = {0};
    char *rest = NULL, *copy = arena_strdup(&a, *text ? text : "svg,png,pdf");
    int status = 0;
    *n = 0;
    for (char *word = strtok_r(copy, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest)) {
        int i = 0, there = 0;
        while (i < FIGURE_FORMATS && strcmp(word, all[i]))
            i++;
        if (i == FIGURE_FORMATS) {
            status = error_set(err, STATUS_USAGE,
                               "there is no format \"%.40s\"; there are: svg, png, pdf", word);
            break;
        }
        for (int k = 0; k < *n; k++)
            there |= formats[k] == all[i];
        if (!there)
            formats[(*n)++] = all[i];
    }
    if (!status && !*n)
        status = error_set(err, STATUS_USAGE, "no format is named; there are: svg, png, pdf");
    arena_free(&a);
    return status;
}

/* What has changed since it was drawn. */
static int render(const char *place, const struct rendering *all, int n, struct error *err) {
    struct arena a = {0};
    struct fresh fresh;
    struct error late;
    struct rendering *list = ARENA_ARRAY(&a, struct rendering, n);
    int *done = ARENA_ARRAY(&a, int, n), left = 0;
    fresh_open(&fresh, place);
    for (int i = 0; i < n; i++)
        if (!fresh_is(&fresh, all[i].name, all[i].format))
            list[left++] = all[i];
    int status = gnuplot_render(place, list, left, done, err), added = 0;
    for (int i = 0; i < left; i++)
        if (done[i]) {
            fresh_add(&fresh, list[i].name, list[i].format);
            added++;
        }
    if (added) {
        int failure = fresh_close(&fresh, &late);
        if (failure && !status) {
            *err = late;
            status = failure;
        }
    } else {
        arena_free(&fresh.arena);
    }
    arena_free(&a);
    return status;
}

int figures_draw(const struct figure *list, int n, const void *data, const struct drawing *d,
                 struct error *err) {
    struct arena a = {0};
    const char *formats[FIGURE_FORMATS], *missing = NULL;
    int status = 0, style_edited = 0, edited, n_formats, jobs = 0;
    struct rendering *job = ARENA_ARRAY(&a, struct rendering, FIGURE_FORMATS * n);
    const char *place = arena_printf(&a, "%s/figures", d->folder);
    TRY(figure_formats(d->format, formats, &n_formats, err));
    TRY(make_folders(place, err));
    TRY(write_script(place, "style.gp", script_style, &style_edited, err));
    for (int i = 0; i < n; i++) {
        int drawn = edited = 0;
        if (d->wanted && !d->wanted[i])
            continue;
        TRY(write_data(&list[i], data, place, &drawn, err));
        if (drawn)
            TRY(write_script(place, arena_printf(&a, "%s.gp", list[i].name), list[i].script,
                             &edited, err));
        else
            missing =
                arena_printf(&a, "no figure \"%s\": there is nothing to draw in it: it needs %s",
                             list[i].name, list[i].needs);
        if (missing && !drawn)
            log_message(d->named ? LOG_ERROR : LOG_DEBUG, "%s", missing);
        for (int k = 0; drawn && k < n_formats; k++)
            job[jobs++] = (struct rendering){
                list[i].name, formats[k], style_edited || edited ? STATUS_USAGE : STATUS_MACHINE};
    }
    TRY(render(place, job, jobs, err));
    if (missing && d->named)
        status = error_set(err, STATUS_FINDING, "not everything that --only names could be drawn");
out:
    arena_free(&a);
    return status;
}
