/* Runs of one method with different settings must not be averaged.  Which settings differ is seen
 * in the configuration that is stored with each run. */
#include "reports/difference_internal.h"

#include <string.h>

struct setting {
    const char *key, *value; /* "mae.mask_ratio", "0.6" */
};

struct settings_list {
    struct setting *one;
    int n;
};

int variant_ignores(const char *key) {
    static const char *const keys[] = {
        "methods",
        "seeds",
        "seed",
        "protocols",
        "backbone",
        "out",
        "name",
        "probe_seed",
        "split_seed",
        "threads",
        "quiet",
        "loader_threads",
        "checkpoint_seconds",
        "cache_mib",
        "profile",
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(key, keys[i]))
            return 1;
    return 0;
}

static char *trim(char *text) {
    text += strspn(text, " \t\r");
    size_t n = strlen(text);
    while (n && strchr(" \t\r", text[n - 1]))
        text[--n] = '\0';
    return text;
}

/* The general settings and those of the run's method: others had no part in it. */
static struct settings_list settings_of(const struct run *run, struct arena *a) {
    const char *config = run->config ? run->config : "";
    struct settings_list list = {ARENA_ARRAY(a, struct setting, strlen(config) / 2 + 1), 0};
    char *copy = arena_strdup(a, config), *section = copy + strlen(copy), *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        line = trim(line);
        char *equals = strchr(line, '=');
        if (*line == '[') {
            section = line + 1;
            section[strcspn(section, "]")] = '\0';
        } else if (*line != ';' && *line != '#' && equals) {
            *equals = '\0';
            char *key = trim(line);
            if (*section && strcmp(section, run->method))
                continue;
            if (!*section && variant_ignores(key))
                continue;
            list.one[list.n++] = (struct setting){
                *section ? arena_printf(a, "%s.%s", section, key) : key, trim(equals + 1)};
        }
    }
    return list;
}

static const char *value_of(const struct settings_list *list, const char *key) {
    for (int i = 0; i < list->n; i++)
        if (!strcmp(list->one[i].key, key))
            return list->one[i].value;
    return "?"; /* written by another version of the program */
}

static int same_family(const struct run *a, const struct run *b) {
    return !strcmp(a->method, b->method) && !strcmp(a->backbone, b->backbone);
}

struct member {
    struct settings_list settings;
    int family; /* the first run with the same method and backbone */
    int peer;   /* the first of those with the same dataset */
};

static struct member *members_of(struct run *const *runs, int n_runs, struct arena *a) {
    struct member *m = ARENA_ARRAY(a, struct member, n_runs);
    for (int i = 0; i < n_runs; i++) {
        m[i] = (struct member){settings_of(runs[i], a), i, i};
        for (int j = i - 1; j >= 0; j--)
            if (same_family(runs[i], runs[j])) {
                m[i].family = m[j].family;
                if (!strcmp(runs[i]->dataset, runs[j]->dataset))
                    m[i].peer = m[j].peer;
            }
    }
    return m;
}

/* Adds the keys of `these` whose value is another one in `those`. */
static void add_differing(const struct settings_list *these, const struct settings_list *those,
                          const char **keys, int *n_keys) {
    for (int k = 0; k < these->n; k++) {
        const char *key = these->one[k].key;
        int i = 0;
        while (i < *n_keys && strcmp(keys[i], key))
            i++;
        if (i == *n_keys && strcmp(these->one[k].value, value_of(those, key)))
            keys[(*n_keys)++] = key;
    }
}

/* "epochs=20 mae.mask_ratio=0.6" */
static const char *text_of(const struct variant *v, struct arena *a) {
    const char *text = "";
    for (int k = 0; k < v->n; k++)
        text = arena_printf(a, "%s%s%s=%s", text, k ? " " : "", v->key[k], v->value[k]);
    return text;
}

static const char **copy_keys(const char *const *keys, int n, struct arena *a) {
    const char **copy = ARENA_ARRAY(a, const char *, n);
    for (int k = 0; k < n; k++)
        copy[k] = arena_strdup(a, keys[k]);
    return copy;
}

/* Settings such as the image size follow from the dataset, so only runs on the same are compared;
 * what differs there is then named for all runs of the family. */
struct variant *run_variants(struct run *const *runs, int n_runs, struct arena *a) {
    struct variant *variants = ARENA_ARRAY(a, struct variant, n_runs);
    struct arena scratch = {0};
    const struct member *m = members_of(runs, n_runs, &scratch);
    int most = 0;
    for (int i = 0; i < n_runs; i++)
        most += m[i].settings.n;
    const char **keys = ARENA_ARRAY(&scratch, const char *, most);
    for (int f = 0; f < n_runs; f++) {
        int n_keys = 0;
        if (m[f].family != f)
            continue;
        for (int i = f; i < n_runs; i++)
            if (m[i].family == f) {
                const struct settings_list *first = &m[m[i].peer].settings;
                add_differing(first, &m[i].settings, keys, &n_keys);
                add_differing(&m[i].settings, first, keys, &n_keys);
            }
        const char **kept = n_keys ? copy_keys(keys, n_keys, a) : NULL;
        for (int i = f; i < n_runs; i++) {
            if (m[i].family != f)
                continue;
            struct variant *v = &variants[i];
            *v = (struct variant){"", n_keys, kept, ARENA_ARRAY(a, const char *, n_keys)};
            for (int k = 0; k < n_keys; k++)
                v->value[k] = arena_strdup(a, value_of(&m[i].settings, keys[k]));
            v->text = text_of(v, a);
        }
    }
    arena_free(&scratch);
    return variants;
}
