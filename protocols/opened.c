#include "protocols/opened.h"

#include "core/file.h"
#include "nn/checkpoint.h"

#include <string.h>
#include <sys/stat.h>

/* What a user says of encoders that are made here would change nothing of one that is there. */
static int refuse_plan(const struct settings *s, struct error *err) {
    static const char *const instead[][2] = {{"image", "weights.image"}, {"pool", "weights.pool"}};
    struct arena a = {0};
    const char *flag = settings_flag_of_run(s, 0, "weights. data limit chunk", &a), *there = NULL;
    for (size_t i = 0; i < sizeof instead / sizeof *instead && flag; i++)
        if (!strcmp(flag, instead[i][0]))
            there = instead[i][1];
    int status = !flag
                     ? 0
                     : error_set(err, STATUS_USAGE,
                                 "--%s is of encoders that are made here, and changes nothing of "
                                 "published weights: %s%s",
                                 flag, there ? "there is --" : "leave it out", there ? there : "");
    arena_free(&a);
    return status;
}

int settings_take_weights(struct settings *s, const char *file, const char *as, struct error *err) {
    const char *const settings[][2] = {{"weights.file", file},
                                       {"weights.as", as},
                                       {"methods", "weights"},
                                       {"backbone", BACKBONE_OWN},
                                       {"seeds", "0"}};
    int status = refuse_plan(s, err);
    for (size_t i = 0; i < sizeof settings / sizeof *settings && !status; i++)
        if (*settings[i][1])
            status = options_assign(&s->options, settings[i][0], settings[i][1], FROM_FLAG, err);
    return status;
}

/* Flags and the environment would have the weights in another network than the one that they were
 * trained in, which shows only where shapes differ. */
static int take_stored(struct opened *o, struct settings *s, struct error *err) {
    static const char *const of_data = "limit";
    const char *flag = settings_flag_of_run(s, 0, of_data, &o->arena);
    char *config;
    long step;
    if (flag)
        return error_set(err, STATUS_USAGE,
                         "--%s is stored with the run that %s is of, and changes nothing of it: "
                         "leave it out",
                         flag, o->file);
    int status = checkpoint_config(o->file, &o->arena, &config, &step, err);
    if (status)
        return status;
    settings_forget_run(s, of_data);
    return options_load_text(&s->options, config, o->file, err);
}

static int choose_method(struct opened *o, struct settings *s, const char *named, const char *data,
                         struct error *err) {
    o->file = arena_printf(&o->arena, "%s/checkpoint.safetensors", named);
    if (!file_exists(o->file))
        o->file = arena_strdup(&o->arena, named);
    struct st_file *f;
    struct stat info;
    if (!stat(o->file, &info) && S_ISDIR(info.st_mode))
        return error_set(err, STATUS_USAGE,
                         "%s holds no checkpoint.safetensors: name the folder of a run that was "
                         "pretrained, or the file of published weights",
                         named);
    int status = st_open(&f, o->file, err);
    if (status)
        return status;
    o->ours = checkpoint_is(f);
    st_close(f);
    if (o->ours)
        return take_stored(o, s, err);
    status = settings_take_weights(s, o->file, "", err);
    return status ? status : options_assign(&s->options, "data", data, FROM_FLAG, err);
}

int opened_open(struct opened *o, struct settings *s, const char *file, const char *data,
                unsigned extras, const struct context *context, struct error *err) {
    *o = (struct opened){.has_cell = 0};
    int status = 0;
    TRY(choose_method(o, s, file, data, err));
    TRY(suite_read_lists(&o->lists, s, err));
    if (o->lists.n_methods != 1 || o->lists.n_data != 1 || o->lists.n_seeds != 1) {
        status = error_set(err, STATUS_USAGE, "%s: not of one method, dataset and seed", o->file);
        goto out;
    }
    TRY(suite_open_data(&o->data, o->lists.data[0], s, err));
    TRY(cell_build(&o->cell, s, o->lists.methods[0], &o->data, o->lists.seeds[0], context, extras,
                   err));
    o->has_cell = 1;
    if (o->ours)
        TRY(checkpoint_weights(o->file, &o->cell.model, err));
out:
    return status;
}

void opened_close(struct opened *o) {
    if (o->has_cell)
        cell_close(&o->cell);
    dataset_close(&o->data);
    suite_free_lists(&o->lists);
    arena_free(&o->arena);
}
