/* The lists of a suite: methods, seeds, protocols, backbones, datasets. */
#include "protocols/suite.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int unknown(const char *kind, const char *name, const char *const *names, int n,
                   struct error *err) {
    const char *near = nearest_name(name, names, n);
    char valid[512] = "";
    size_t at = 0;
    for (int i = 0; i < n && at < sizeof valid; i++)
        at += (size_t)snprintf(valid + at, sizeof valid - at, "%s%s", i ? ", " : "", names[i]);
    return error_set(err, STATUS_USAGE, "there is no %s \"%s\"%s%s%s; there are: %s", kind, name,
                     near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "", valid);
}

static int count(const char *key, int n, struct error *err) {
    if (n > 0 && n <= SUITE_LIST)
        return 0;
    return error_set(err, STATUS_USAGE, "%s: %d are named; 1 to %d can be", key, n, SUITE_LIST);
}

static int repeated(const char *key, char *const *items, int n, struct error *err) {
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (!strcmp(items[i], items[j]))
                return error_set(err, STATUS_USAGE, "%s: \"%.60s\" is named twice", key, items[i]);
    return 0;
}

/* The items of a list; none twice. */
static int items_of(struct suite_lists *l, const char *key, const char *text,
                    const char *separators, char ***items, int *n, struct error *err) {
    *n = settings_list(text, separators, &l->arena, items);
    int status = count(key, *n, err);
    return status ? status : repeated(key, *items, *n, err);
}

static int find_methods(struct suite_lists *l, const char *text, struct error *err) {
    char **items;
    int status = items_of(l, "methods", text, ", ", &items, &l->n_methods, err);
    for (int i = 0; i < l->n_methods && !status; i++)
        status = method_parse(items[i], &l->arena, &l->methods[i], err);
    return status;
}

static int find_protocols(struct suite_lists *l, const char *text, struct error *err) {
    char **items;
    const char *names[SUITE_LIST];
    int n_names = 0, n = settings_list(text, ", ", &l->arena, &items);
    int status = repeated("protocols", items, n, err);
    for (; protocols[n_names]; n_names++)
        names[n_names] = protocols[n_names]->name;
    for (int i = 0; i < n && !status; i++) {
        int found = 0;
        while (found < n_names && strcmp(names[found], items[i]))
            found++;
        if (found == n_names)
            return unknown("protocol", items[i], names, n_names, err);
        l->protocols[l->n_protocols++] = found;
    }
    return status;
}

static int find_backbones(struct suite_lists *l, const char *text, struct error *err) {
    int status = items_of(l, "backbone", text, ", ", &l->backbones, &l->n_backbones, err);
    int n_names = 0;
    while (backbone_names[n_names])
        n_names++;
    for (int i = 0; i < l->n_backbones && !status; i++) {
        int found = 0;
        while (found < n_names && strcmp(backbone_names[found], l->backbones[i]))
            found++;
        if (found == n_names && strcmp(l->backbones[i], BACKBONE_OWN) != 0)
            status = unknown("backbone", l->backbones[i], backbone_names, n_names, err);
    }
    return status;
}

static int seed_of(const char *text, size_t length, uint64_t *seed) {
    char digits[24], *end;
    if (!length || length >= sizeof digits)
        return 0;
    snprintf(digits, sizeof digits, "%.*s", (int)length, text);
    errno = 0;
    *seed = strtoull(digits, &end, 10);
    return !*end && !errno && strspn(digits, "0123456789") == length;
}

/* "0,1,2" and "0..2" are seeds, a single "3" says how many; "0" alone can only be the seed. */
static int find_seeds(struct suite_lists *l, const char *text, struct error *err) {
    char **items;
    int n = settings_list(text, ", ", &l->arena, &items);
    for (int i = 0; i < n; i++) {
        const char *dots = strstr(items[i], "..");
        uint64_t first = 0, last = 0;
        int good = dots ? seed_of(items[i], (size_t)(dots - items[i]), &first) &&
                              seed_of(dots + 2, strlen(dots + 2), &last) && first <= last
                        : seed_of(items[i], strlen(items[i]), &first);
        if (!good)
            return error_set(err, STATUS_USAGE,
                             "seeds: \"%.60s\" is neither a number from 0 to 2^64 - 1 nor a range "
                             "such as 0..2",
                             items[i]);
        if (!dots && n == 1 && first && !strchr(text, ',')) {
            last = first - 1;
            first = 0;
        } else if (!dots) {
            last = first;
        }
        if (last - first >= (uint64_t)(SUITE_LIST - l->n_seeds))
            return error_set(err, STATUS_USAGE, "seeds: more than %d of them", SUITE_LIST);
        for (uint64_t k = 0; k <= last - first; k++) {
            for (int j = 0; j < l->n_seeds; j++)
                if (l->seeds[j] == first + k)
                    return error_set(err, STATUS_USAGE, "seeds: %llu is named twice",
                                     (unsigned long long)l->seeds[j]);
            l->seeds[l->n_seeds++] = first + k;
        }
    }
    return count("seeds", l->n_seeds, err);
}

char *suite_seed_text(uint64_t seed, struct arena *a) {
    unsigned long long n = seed;
    return n ? arena_printf(a, "%llu..%llu", n, n) : arena_strdup(a, "0");
}

/* Separated by blanks, but for those within a path: what comes behind them has neither a source
 * nor a colon. */
static int datasets_of(struct suite_lists *l, const char *key, const char *text, char ***items,
                       int *n, struct error *err) {
    int n_parts = settings_list(text, " ", &l->arena, items);
    *n = 0;
    for (int i = 0; i < n_parts; i++) {
        char *part = (*items)[i], *before = *n ? (*items)[*n - 1] : NULL;
        if (before && strchr(before, ':') && !strchr(part, ':') && !dataset_has_source(part))
            before[strlen(before)] = ' '; /* where the list was cut: they lie in one text */
        else
            (*items)[(*n)++] = part;
    }
    int status = count(key, *n, err);
    return status ? status : repeated(key, *items, *n, err);
}

int suite_read_lists(struct suite_lists *l, const struct settings *s, struct error *err) {
    *l = (struct suite_lists){0};
    int status = 0;
    TRY(find_methods(l, s->plan.methods, err));
    TRY(find_backbones(l, s->plan.backbone, err));
    TRY(find_protocols(l, s->judging.protocols, err));
    TRY(find_seeds(l, s->plan.seeds, err));
    TRY(datasets_of(l, "data", s->plan.data, &l->data, &l->n_data, err));
    if (*s->judging.eval_data)
        TRY(datasets_of(l, "eval_data", s->judging.eval_data, &l->eval_data, &l->n_eval_data, err));
    if (l->n_eval_data >= RUN_DATA)
        status = error_set(err, STATUS_USAGE, "eval_data: %d are named; %d can be", l->n_eval_data,
                           RUN_DATA - 1);
out:
    return status;
}

void suite_free_lists(struct suite_lists *l) {
    arena_free(&l->arena);
}

/* ---- one list alone, as it is read ---- */

static int check(int (*find)(struct suite_lists *, const char *, struct error *), const char *text,
                 struct error *err) {
    struct suite_lists l = {0};
    int status = find(&l, text, err);
    arena_free(&l.arena);
    return status;
}

int suite_check_methods(const char *text, struct error *err) {
    return check(find_methods, text, err);
}

int suite_check_protocols(const char *text, struct error *err) {
    return check(find_protocols, text, err);
}

int suite_check_seeds(const char *text, struct error *err) {
    return check(find_seeds, text, err);
}

int suite_check_backbones(const char *text, struct error *err) {
    return check(find_backbones, text, err);
}

/* ---- flags that nothing in the lists reads ---- */

static int has_method(const struct suite_lists *l, const struct method *m) {
    int has = 0;
    for (int i = 0; i < l->n_methods; i++) {
        const struct compound *several = l->methods[i]->compound;
        has |= l->methods[i] == m;
        for (int k = 0; several && k < several->n; k++)
            has |= several->part[k] == m;
    }
    return has;
}

static int has_protocol(const struct suite_lists *l, int protocol) {
    int has = 0;
    for (int i = 0; i < l->n_protocols; i++)
        has |= l->protocols[i] == protocol;
    return has;
}

static int has_vit(const struct suite_lists *l) {
    int has = 0;
    for (int i = 0; i < l->n_backbones; i++)
        has |= !strcmp(l->backbones[i], BACKBONE_OWN) ||
               backbone_kind_of(l->backbones[i]) == BACKBONE_VIT;
    return has;
}

/* The list that has to name the section for its options to be read; NULL: they are. */
static const char *lacking_list(const struct suite_lists *l, const struct settings *s,
                                const struct option_section *section, unsigned stages) {
    for (int i = 0; methods[i] && stages & SUITE_PRETRAIN; i++)
        if (methods[i]->options && section->values == s->method[i])
            return has_method(l, methods[i]) ? NULL : "methods";
    for (int i = 0; protocols[i] && stages & SUITE_EVALUATE; i++)
        if (section->values == s->protocol[i])
            return has_protocol(l, i) ? NULL : "protocols";
    return NULL;
}

/* Not refused: whoever compares backbones has one line of flags for all. */
static void doubt_vit(const struct suite_lists *l, const struct settings *s) {
    for (int i = 0; settings_of_vit[i] && !has_vit(l); i++)
        if (options_origin(&s->options, settings_of_vit[i]) == FROM_FLAG)
            log_message(LOG_WARN, "--%s is read by a ViT alone, which %s is not",
                        settings_of_vit[i], l->backbones[0]);
}

int suite_check_flags(const struct settings *s, unsigned stages, struct error *err) {
    struct suite_lists l;
    int status = suite_read_lists(&l, s, err);
    for (int i = 0; i < s->options.n && !status; i++) {
        const struct option_section *section = &s->options.sections[i];
        const char *list = lacking_list(&l, s, section, stages);
        for (int d = 0; list && section->defs[d].type != OPT_END && !status; d++)
            if (section->origins[d] == FROM_FLAG)
                status = error_set(err, STATUS_USAGE,
                                   "--%s.%s is read by %s alone, which --%s does not name: leave "
                                   "it out, or name it there",
                                   section->name, section->defs[d].name, section->name, list);
    }
    if (!status && stages & SUITE_PRETRAIN)
        doubt_vit(&l, s);
    suite_free_lists(&l);
    return status;
}
