#include "protocols/sweep.h"

#include <string.h>

int sweep_parse(struct sweep *w, const char *text, struct arena *a, struct error *err) {
    char **axes;
    int n = settings_list(text, " \t", a, &axes);
    *w = (struct sweep){.n_points = 1};
    if (n > SWEEP_AXES)
        return error_set(err, STATUS_USAGE, "sweep: %d options are named; %d can be", n,
                         SWEEP_AXES);
    for (int i = 0; i < n; i++) {
        struct sweep_axis *axis = &w->axis[i];
        char *values = strchr(axes[i], '=');
        if (!values || values == axes[i] || !values[1])
            return error_set(err, STATUS_USAGE,
                             "sweep: \"%.60s\" is not KEY=VALUE,VALUE, such as "
                             "mae.mask_ratio=0.5,0.75",
                             axes[i]);
        *values++ = '\0';
        axis->key = axes[i];
        for (char *dash = axes[i]; (dash = strchr(dash, '-'));) /* the same in a name */
            *dash = '_';
        axis->n = settings_list(values, ",", a, &axis->value);
        if (!axis->n)
            return error_set(err, STATUS_USAGE, "sweep: %.60s has no values", axis->key);
        for (int k = 0; k < i; k++)
            if (!strcmp(w->axis[k].key, axis->key))
                return error_set(err, STATUS_USAGE, "sweep: %.60s is named twice", axis->key);
        for (int k = 0; k < axis->n; k++)
            for (int j = 0; j < k; j++)
                if (!strcmp(axis->value[k], axis->value[j]))
                    return error_set(err, STATUS_USAGE, "sweep: %.60s has %.60s twice", axis->key,
                                     axis->value[k]);
        if (axis->n > SWEEP_POINTS / w->n_points)
            return error_set(err, STATUS_USAGE, "sweep: more than %d combinations", SWEEP_POINTS);
        w->n_points *= axis->n;
        w->n_axes++;
    }
    return 0;
}

int sweep_check(const char *text, struct error *err) {
    struct arena a = {0};
    struct sweep w;
    int status = sweep_parse(&w, text, &a, err);
    arena_free(&a);
    return status;
}

/* What a suite has lists of already, and what is about evaluation: rows of one run would take each
 * other's place. */
static int is_swept_elsewhere(const struct settings *s, const char *key) {
    static const char *const lists[] = {"methods", "seeds", "data", "backbone", "preset"};
    const char *dot = strchr(key, '.');
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!strcmp(key, lists[i]))
            return 1;
    for (int i = 0; i < s->options.n; i++) {
        const struct option_section *section = &s->options.sections[i];
        int is_method = 0;
        for (int m = 0; methods[m]; m++)
            is_method |= section->values == s->method[m];
        if (is_method || section->values == &s->plan)
            continue;
        for (int d = 0; section->defs[d].type != OPT_END; d++) {
            size_t n = strlen(section->name);
            int here =
                n ? dot && (size_t)(dot - key) == n && !strncmp(section->name, key, n) : !dot;
            if (here && !strcmp(section->defs[d].name, dot ? dot + 1 : key))
                return 1;
        }
    }
    return 0;
}

int sweep_check_keys(const struct sweep *w, const struct settings *s, struct error *err) {
    enum option_origin own = options_origin(&s->options, "sweep");
    for (int i = 0; i < w->n_axes; i++) {
        const char *key = w->axis[i].key;
        if (is_swept_elsewhere(s, key))
            return error_set(err, STATUS_USAGE,
                             "sweep: %s cannot be swept: options of pretraining and of methods can",
                             key);
        if (options_origin(&s->options, key) > own)
            return error_set(err, STATUS_USAGE,
                             "%s is set, and the suite sweeps it: leave out one of both (--sweep "
                             "\"\" sweeps nothing)",
                             key);
    }
    return 0;
}

static size_t index_stride(const struct sweep *w, int axis) {
    size_t stride = 1;
    for (int i = axis + 1; i < w->n_axes; i++)
        stride *= (size_t)w->axis[i].n;
    return stride;
}

/* 0.5 and 0.50 are one setting, and their cells one run. */
int sweep_check_values(const struct sweep *w, struct settings *const *at, struct error *err) {
    struct arena a = {0};
    int status = 0;
    for (int i = 0; i < w->n_axes && !status; i++) {
        const struct sweep_axis *axis = &w->axis[i];
        const size_t stride = index_stride(w, i);
        const char **text = ARENA_ARRAY(&a, const char *, axis->n);
        for (int k = 0; k < axis->n && !status; k++) {
            text[k] = options_text(&at[(size_t)k * stride]->options, &a);
            for (int j = 0; j < k && !status; j++)
                if (!strcmp(text[k], text[j]))
                    status = error_set(err, STATUS_USAGE,
                                       "sweep: %.60s has %.60s and %.60s, which are the same",
                                       axis->key, axis->value[j], axis->value[k]);
        }
    }
    arena_free(&a);
    return status;
}

static int index_at(const struct sweep *w, int point, int axis) {
    for (int i = w->n_axes - 1; i > axis; i--)
        point /= w->axis[i].n;
    return point % w->axis[axis].n;
}

int sweep_assign(const struct sweep *w, int point, struct settings *s, struct error *err) {
    for (int i = 0; i < w->n_axes; i++) {
        const char *key = w->axis[i].key;
        int status = options_assign(&s->options, key, w->axis[i].value[index_at(w, point, i)],
                                    FROM_FLAG, err);
        if (status)
            return error_prefix(err, "sweep");
        if (!strcmp(key, "epochs"))
            s->plan.budget = "";
    }
    return 0;
}

static int names(const char *key, size_t section, const struct method *m) {
    return strlen(m->name) == section && !strncmp(m->name, key, section);
}

static int is_of_vit(const char *key) {
    const char *const *name = settings_of_vit;
    while (*name && strcmp(*name, key))
        name++;
    return *name != NULL;
}

static int concerns(const struct sweep_axis *axis, const struct method *m, const char *backbone) {
    const char *dot = strchr(axis->key, '.');
    if (!dot)
        return m->trains && (backbone_kind_of(backbone) == BACKBONE_VIT || !is_of_vit(axis->key));
    size_t section = (size_t)(dot - axis->key);
    int part = !m->compound && names(axis->key, section, m);
    for (int i = 0; m->compound && i < m->compound->n; i++)
        part |= names(axis->key, section, m->compound->part[i]);
    return part;
}

int sweep_check_use(const struct sweep *w, const struct method *const *ms, int n_methods,
                    char *const *backbones, int n_backbones, struct error *err) {
    for (int i = 0; i < w->n_axes; i++) {
        int used = 0;
        for (int k = 0; k < n_methods * n_backbones; k++)
            used |= concerns(&w->axis[i], ms[k / n_backbones], backbones[k % n_backbones]);
        if (!used)
            return error_set(err, STATUS_USAGE,
                             "sweep: none of the methods and backbones here reads %s",
                             w->axis[i].key);
    }
    return 0;
}

int sweep_has(const struct sweep *w, int point, const struct method *m, const char *backbone) {
    for (int i = 0; i < w->n_axes; i++)
        if (!concerns(&w->axis[i], m, backbone) && index_at(w, point, i))
            return 0;
    return 1;
}

char *sweep_label(const struct sweep *w, int point, const struct method *m, const char *backbone,
                  struct arena *a) {
    char *label = arena_strdup(a, "");
    for (int i = 0; i < w->n_axes; i++)
        if (concerns(&w->axis[i], m, backbone))
            label = arena_printf(a, "%s%s%s=%s", label, *label ? " " : "", w->axis[i].key,
                                 w->axis[i].value[index_at(w, point, i)]);
    return label;
}
