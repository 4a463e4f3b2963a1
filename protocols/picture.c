#include "protocols/picture.h"

#include "core/file.h"
#include "core/log.h"
#include "nn/checkpoint.h"
#include "protocols/showing.h"
#include "protocols/suite.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int is_folder(const char *path) {
    struct stat info;
    return !stat(path, &info) && S_ISDIR(info.st_mode);
}

/* The checkpoint's file and configuration; the latter goes into s. */
static int read_checkpoint(struct settings *s, const struct picture *p, struct arena *a,
                           const char **path, long *step, struct error *err) {
    char *config;
    int folder = is_folder(p->checkpoint);
    *path = folder ? arena_printf(a, "%s/checkpoint.safetensors", p->checkpoint) : p->checkpoint;
    if (folder && !file_exists(*path))
        return error_set(err, STATUS_USAGE,
                         "%s holds no checkpoint.safetensors: name a checkpoint, or the folder of "
                         "a run that was pretrained",
                         p->checkpoint);
    int status = checkpoint_config(*path, a, &config, step, err);
    return status ? status : options_load_text(&s->options, config, *path, err);
}

/* Status 2 where there is nothing to see, with the methods that can be seen. */
static int check_method(const struct method *m, struct error *err) {
    char names[256] = "";
    if (m->show)
        return 0;
    for (int i = 0; methods[i]; i++)
        if (methods[i]->show)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
                     *names ? ", " : "", methods[i]->name);
    return error_set(err, STATUS_USAGE, "%s has no picture%s; there are pictures of: %s", m->name,
                     m->trains ? "" : ": it predicts nothing", names);
}

static void describe(struct showing *w) {
    const struct cell *c = &w->cell;
    char patch[16] = "";
    if (c->backbone.kind == BACKBONE_VIT)
        snprintf(patch, sizeof patch, "/%d", c->backbone.vit.patch);
    sheet_head(&w->show.sheet,
               arena_printf(&w->show.arena, "%s, %s%s on %s, seed %llu, step %ld of %ld",
                            c->method->name, c->backbone.name, patch, c->data->name,
                            (unsigned long long)c->seed, w->step, c->steps));
}

static int draw(const struct showing_of *what, const struct picture *p, struct error *err) {
    struct showing *w;
    int status = 0;
    TRY(showing_open(&w, what, err));
    describe(w);
    TRY(showing_draw(w, err));
    struct show *s = &w->show;
    struct canvas c = sheet_draw(&s->sheet, &s->arena);
    const struct canvas_note notes[] = {
        {"Title", s->sheet.head}, {"Description", s->said}, {"Software", "ssvbench"}};
    TRY(canvas_write_png(&c, p->out, notes, sizeof notes / sizeof *notes, err));
    fputs(s->said, p->lines);
    log_message(LOG_INFO, "%s: %d image%s, %d x %d pixels in %s", s->sheet.head, s->n,
                s->n == 1 ? "" : "s", c.width, c.height, p->out);
out:
    showing_close(w);
    return status;
}

int picture_make(struct settings *s, const struct picture *p, const struct context *context,
                 struct error *err) {
    struct arena a = {0};
    struct suite_lists l = {0};
    struct dataset data = {0};
    const char *path;
    long step = 0;
    int status = 0;
    TRY(read_checkpoint(s, p, &a, &path, &step, err));
    TRY(suite_read_lists(&l, s, err));
    if (l.n_methods != 1 || l.n_seeds != 1 || l.n_data != 1) {
        status =
            error_set(err, STATUS_USAGE,
                      "a picture is of one method, seed and dataset: %s says more than one", path);
        goto out;
    }
    TRY(check_method(l.methods[0], err));
    TRY(dataset_open(&data, l.data[0], err));
    const struct showing_of what = {.settings = s,
                                    .method = l.methods[0],
                                    .data = &data,
                                    .seed = l.seeds[0],
                                    .context = context,
                                    .checkpoint = path,
                                    .step = step,
                                    .count = p->count};
    status = draw(&what, p, err);
    dataset_close(&data);
out:
    suite_free_lists(&l);
    arena_free(&a);
    return status;
}
