/* beside.c -- what the config.json beside weights says of the network, and no tensor tells. */
#include "weights/family.h"

#include <string.h>

/* Networks whose tensors are those of another one that is read. */
static const struct {
    const char *begins, *differs;
} others[] = {{"resnetaa", "a mean of neighbours in front of its strides"},
              {"resnetblur", "a blur in front of its strides"},
              {"eva02_", "rotary positions beside a table, or norms behind its branches"}};

/* Arguments of timm's networks that leave no trace in shapes. */
static const struct {
    const char *path, *usual;
} arguments[] = {{"model_args.act_layer", "gelu"},
                 {"model_args.norm_layer", "layernorm"},
                 {"model_args.aa_layer", ""},
                 {"model_args.rope_grid_indexing", "ij"},
                 {"model_args.rope_type", "dinov3"}};
static const struct {
    const char *path;
    double usual;
} numbers[] = {{"model_args.output_stride", 32},
               {"model_args.pool_include_prefix", 0},
               {"model_args.use_post_norm", 0},
               {"model_args.rope_grid_offset", 0.5},
               {"model_args.rope_rotate_half", 1}};

static int refuse(const struct source *s, const char *path, const char *value, struct error *err) {
    return error_set(err, STATUS_USAGE,
                     "%s: %s beside it is \"%.40s\": a network that is not here, though its "
                     "tensors look like one that is",
                     s->path, path, value);
}

static int check_pool(const struct source *s, const struct network_options *o, struct error *err) {
    static const char *const known[] = {"", "token", "avg", "fast", "map"};
    const char *pool = source_text(s, "model_args.global_pool", source_text(s, "global_pool", ""));
    int is_known = o->pool && *o->pool;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        is_known |= !strcmp(pool, known[i]);
    if (is_known)
        return 0;
    return error_set(
        err, STATUS_USAGE,
        "%s: global_pool beside it is \"%.40s\", which is not here: choose cls or mean "
        "with --weights.pool",
        s->path, pool);
}

/* A norm of another eps than is said would be passed off as one of it. */
static int check_eps(const struct source *s, struct error *err) {
    static const char *const paths[] = {"layer_norm_eps", "vision_config.layer_norm_eps",
                                        "text_config.layer_norm_eps"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const double usual = 1e-6, eps = source_number(s, paths[i], usual);
        if (!(eps > 0 && eps < 1))
            return error_set(err, STATUS_USAGE, "%s: %s beside it is %g: it is above 0 and below 1",
                             s->path, paths[i], eps);
    }
    return 0;
}

int check_beside(const struct source *s, const struct network_options *o, struct error *err) {
    const char *name = source_text(s, "architecture", "");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strncmp(name, others[i].begins, strlen(others[i].begins)))
            return error_set(err, STATUS_USAGE,
                             "%s: %.60s, as the config.json beside it has it, has %s, which is not "
                             "here",
                             s->path, name, others[i].differs);
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) {
        const char *value = source_text(s, arguments[i].path, arguments[i].usual);
        if (strcmp(value, arguments[i].usual) != 0)
            return refuse(s, arguments[i].path, value, err);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char value[32];
        const double number = source_number(s, numbers[i].path, numbers[i].usual);
        snprintf(value, sizeof value, "%g", number);
        if (number < numbers[i].usual || number > numbers[i].usual)
            return refuse(s, numbers[i].path, value, err);
    }
    const int status = check_eps(s, err);
    return status ? status : check_pool(s, o, err);
}
