#include "reports/report.h"

#include "core/file.h"
#include "core/log.h"
#include "reports/figures_internal.h"
#include "reports/text_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "# sha256 of the lines below, as ssvbench wrote them: "

enum { SHA256_HEX = 64 };

char *figure_text(const char *text, int columns, struct arena *a) {
    char *clean = text_for_fonts(text, a);
    for (char *c = clean; *c; c++)
        if (*c == '"')
            *c = '\''; /* gnuplot takes a quote for the start of a longer field */
    return text_cut(clean, columns, a);
}

double figure_step(double range, int ticks) {
    double power = pow(10, floor(log10(range / ticks)));
    for (;; power *= 10) {
        const double steps[] = {power, 2 * power, 5 * power};
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
            if (range / steps[i] <= ticks)
                return steps[i];
    }
}

void figure_caption(const char *text, int columns, FILE *dat, struct arena *a) {
    char *rest = NULL, *lines = text_wrap(figure_text(text, 1 << 20, a), columns, a);
    int n = 0;
    fputs("\n\n# caption\n# line\ttext\n", dat);
    for (char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        fprintf(dat, "%d\t%s\n", ++n, line);
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
    char *old, hash[SHA256_HEX + 1], *body;
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
    TRY(file_write_atomic(path, text, strlen(text), err));
out:
    arena_free(&a);
    return status;
}

/* *drawn stays 0 when there is nothing to draw. */
static int write_data(const struct figure *figure, const void *data, const char *folder, int *drawn,
                      struct error *err) {
    struct arena a = {0};
    char *text = NULL;
    size_t bytes = 0;
    int status = 0;
    FILE *dat = open_memstream(&text, &bytes);
    if (!dat)
        return error_set(err, STATUS_MACHINE, "no memory for the data of figure %s", figure->name);
    *drawn = figure->put(data, dat) > 0;
    int failed = ferror(dat);
    if (fclose(dat) || failed)
        status =
            error_set(err, STATUS_MACHINE, "no memory for the data of figure %s", figure->name);
    else if (*drawn)
        status = file_write_atomic(arena_printf(&a, "%s/%s.dat", folder, figure->name), text, bytes,
                                   err);
    else
        log_message(LOG_INFO, "no figure \"%s\": there is nothing to draw in it", figure->name);
    free(text);
    arena_free(&a);
    return status;
}

int figures_draw(const struct figure *list, int n, const void *data, const char *folder,
                 struct error *err) {
    struct arena a = {0};
    int status = 0, style_edited = 0;
    int *edited = ARENA_ARRAY(&a, int, n), *drawn = ARENA_ARRAY(&a, int, n);
    const char *place = arena_printf(&a, "%s/figures", folder);
    TRY(make_folders(place, err));
    TRY(write_script(place, "style.gp", script_style, &style_edited, err));
    for (int i = 0; i < n; i++) {
        edited[i] = drawn[i] = 0;
        TRY(write_data(&list[i], data, place, &drawn[i], err));
        if (drawn[i])
            TRY(write_script(place, arena_printf(&a, "%s.gp", list[i].name), list[i].script,
                             &edited[i], err));
    }
    for (int i = 0; i < n; i++)
        if (drawn[i])
            TRY(gnuplot_render(place, list[i].name,
                               style_edited || edited[i] ? STATUS_USAGE : STATUS_MACHINE, err));
out:
    arena_free(&a);
    return status;
}

static int put_main(const void *summary, FILE *dat) {
    return figure_main(summary, dat);
}

static int put_loss(const void *summary, FILE *dat) {
    return figure_loss(summary, dat);
}

int report_figures(struct run *const *runs, int n_runs, const char *folder, struct error *err) {
    static const struct figure figures[] = {{"main", script_main, put_main},
                                            {"loss", script_loss, put_loss}};
    struct arena a = {0};
    if (n_runs < 1)
        return error_set(err, STATUS_USAGE, "no runs, so no figures");
    const struct summary s = summary_of(runs, n_runs, &a);
    int status = figures_draw(figures, sizeof figures / sizeof *figures, &s, folder, err);
    arena_free(&a);
    return status;
}
