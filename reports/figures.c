#include "reports/report.h"

#include "core/file.h"
#include "core/log.h"
#include "reports/figures_internal.h"
#include "reports/text_internal.h"

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
static int write_data(const struct summary *s, const char *folder, const char *name,
                      int (*figure)(const struct summary *, FILE *), int *drawn,
                      struct error *err) {
    char *text = NULL;
    size_t bytes = 0;
    int status = 0;
    FILE *dat = open_memstream(&text, &bytes);
    if (!dat)
        return error_set(err, STATUS_MACHINE, "no memory for the data of figure %s", name);
    *drawn = figure(s, dat) > 0;
    int failed = ferror(dat);
    if (fclose(dat) || failed)
        status = error_set(err, STATUS_MACHINE, "no memory for the data of figure %s", name);
    else if (*drawn)
        status = file_write_atomic(arena_printf(s->a, "%s/%s.dat", folder, name), text, bytes, err);
    else
        log_message(LOG_INFO, "no figure \"%s\": the runs hold nothing to draw in it", name);
    free(text);
    return status;
}

int report_figures(struct run *const *runs, int n_runs, const char *folder, struct error *err) {
    static const struct {
        const char *name;
        const char *const *script;
        int (*figure)(const struct summary *, FILE *);
    } figures[] = {
        {"main", script_main, figure_main},
        {"loss", script_loss, figure_loss},
    };
    enum { FIGURES = sizeof figures / sizeof *figures };
    struct arena a = {0};
    int status = 0, style_edited = 0, edited[FIGURES] = {0}, drawn[FIGURES] = {0};
    if (n_runs < 1)
        return error_set(err, STATUS_USAGE, "no runs, so no figures");
    const char *place = arena_printf(&a, "%s/figures", folder);
    TRY(make_folders(place, err));
    TRY(write_script(place, "style.gp", script_style, &style_edited, err));
    const struct summary s = summary_of(runs, n_runs, &a);
    for (int i = 0; i < FIGURES; i++) {
        const char *script = arena_printf(&a, "%s.gp", figures[i].name);
        TRY(write_data(&s, place, figures[i].name, figures[i].figure, &drawn[i], err));
        if (drawn[i])
            TRY(write_script(place, script, figures[i].script, &edited[i], err));
    }
    for (int i = 0; i < FIGURES; i++)
        if (drawn[i])
            TRY(gnuplot_render(place, figures[i].name,
                               style_edited || edited[i] ? STATUS_USAGE : STATUS_MACHINE, err));
out:
    arena_free(&a);
    return status;
}
