#include "reports/flags.h"

#include "reports/text_internal.h"

#include <math.h>
#include <string.h>

/* Of one budget, runs that reached amounts further apart than this share had different ones. */
#define SAME_AMOUNT 0.05

enum { NAMED = 3, SHORT = 12, FLAGS = 16 };

/* Different texts in the order in which they come. */
struct texts {
    const char **text;
    int n;
};

static void add_text(struct texts *t, const char *text) {
    for (int i = 0; i < t->n; i++)
        if (!strcmp(t->text[i], text))
            return;
    t->text[t->n++] = text;
}

static struct texts texts_new(int most, struct arena *a) {
    return (struct texts){ARENA_ARRAY(a, const char *, most + 1), 0};
}

/* "a, b, c and 2 more" */
static const char *some_of(const struct texts *t, struct arena *a) {
    const char *text = "";
    for (int i = 0; i < t->n && i < NAMED; i++)
        text = arena_printf(a, "%s%s%s", text, i ? ", " : "", text_clean(t->text[i], a));
    return t->n > NAMED ? arena_printf(a, "%s and %d more", text, t->n - NAMED) : text;
}

struct flags {
    struct run *const *runs;
    int n_runs;
    struct report_flag *list;
    int n;
    struct arena *a;
};

static void add(struct flags *f, enum report_flag_kind kind, const char *text) {
    f->list[f->n++] = (struct report_flag){kind, text};
}

static const char *share(int n, const struct flags *f) {
    return arena_printf(f->a, "%d of %d runs %s", n, f->n_runs, n == 1 ? "is" : "are");
}

static void find_status(struct flags *f) {
    int n = 0, partial = 0;
    struct texts words = texts_new(f->n_runs, f->a);
    for (int i = 0; i < f->n_runs; i++) {
        const char *status = f->runs[i]->status;
        if (!strcmp(status, "partial")) {
            partial++;
        } else if (strcmp(status, "complete") && strcmp(status, "skipped")) {
            add_text(&words, status);
            n++;
        }
    }
    if (partial)
        add(f, FLAG_PARTIAL, arena_printf(f->a, "%s partial (--limit)", share(partial, f)));
    if (n)
        add(f, FLAG_UNFINISHED,
            arena_printf(f->a, "%s not complete (%s)", share(n, f), some_of(&words, f->a)));
}

/* What a run's budget is counted in, of what it reached; NAN: it does not train. */
static double reached(const struct run *r) {
    const struct {
        const char *unit;
        double amount;
    } units[] = {{"epochs:", r->achieved_epochs},
                 {"images:", r->achieved_images},
                 {"flops:", r->achieved_flops},
                 {"seconds:", r->achieved_seconds}};
    if (!r->budget || !(r->achieved_images > 0))
        return NAN;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strncmp(r->budget, units[i].unit, strlen(units[i].unit)))
            return units[i].amount;
    return NAN;
}

static void find_budgets(struct flags *f) {
    struct texts budgets = texts_new(f->n_runs, f->a);
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i < f->n_runs; i++) {
        const struct run *r = f->runs[i];
        double amount = reached(r);
        if (!isfinite(amount))
            continue;
        add_text(&budgets, r->budget);
        if (run_is_whole(r)) {
            least = fmin(least, amount);
            most = fmax(most, amount);
        }
    }
    if (budgets.n > 1)
        add(f, FLAG_BUDGET, arena_printf(f->a, "budgets differ (%s)", some_of(&budgets, f->a)));
    else if (budgets.n && most - least > SAME_AMOUNT * most)
        add(f, FLAG_BUDGET,
            arena_printf(f->a, "of the budget %s runs reached from %.3g to %.3g",
                         text_clean(budgets.text[0], f->a), least, most));
}

/* Text i of `versions`, "pretraining 2, mae 1", as its name and the rest; 0 behind the last. */
static int version_at(const char *versions, int i, char *name, size_t room, const char **number,
                      struct arena *a) {
    char *copy = arena_strdup(a, versions ? versions : ""), *rest = NULL;
    for (char *part = strtok_r(copy, ",", &rest); part; part = strtok_r(NULL, ",", &rest)) {
        part += strspn(part, " ");
        char *blank = strrchr(part, ' ');
        if (!blank || (size_t)(blank - part) >= room)
            continue;
        if (i-- > 0)
            continue;
        memcpy(name, part, (size_t)(blank - part));
        name[blank - part] = '\0';
        *number = blank + 1;
        return 1;
    }
    return 0;
}

struct versions {
    struct version {
        const char *name, *number;
        int several;
    } * one;
    int n, room;
};

static void add_version(struct versions *v, const char *name, const char *number, struct arena *a) {
    for (int i = 0; i < v->n; i++)
        if (!strcmp(v->one[i].name, name)) {
            v->one[i].several |= !!strcmp(v->one[i].number, number);
            return;
        }
    if (v->n == v->room) {
        struct version *more = ARENA_ARRAY(a, struct version, v->room = 2 * v->room + 16);
        if (v->n)
            memcpy(more, v->one, sizeof *more * (size_t)v->n);
        v->one = more;
    }
    v->one[v->n++] = (struct version){arena_strdup(a, name), arena_strdup(a, number), 0};
}

static void find_versions(struct flags *f) {
    struct arena scratch = {0};
    struct versions all = {0};
    char name[64];
    const char *number;
    for (int i = 0; i < f->n_runs; i++) {
        const struct run *r = f->runs[i];
        for (int k = 0; version_at(r->versions, k, name, sizeof name, &number, &scratch); k++)
            add_version(&all, name, number, &scratch);
        for (int k = 0; k < r->n_evals; k++)
            add_version(&all, r->evals[k].protocol, r->evals[k].protocol_version, &scratch);
    }
    struct texts names = texts_new(all.n, f->a);
    for (int i = 0; i < all.n; i++)
        if (all.one[i].several)
            add_text(&names, arena_strdup(f->a, all.one[i].name));
    if (names.n)
        add(f, FLAG_VERSION,
            arena_printf(f->a, "of several versions or settings of: %s", some_of(&names, f->a)));
    arena_free(&scratch);
}

static void find_code(struct flags *f) {
    struct texts commits = texts_new(f->n_runs, f->a);
    int dirty = 0;
    for (int i = 0; i < f->n_runs; i++) {
        const struct run *r = f->runs[i];
        dirty += !!r->code_dirty;
        if (r->code_commit && *r->code_commit)
            add_text(&commits, arena_printf(f->a, "%.*s", SHORT, r->code_commit));
    }
    if (commits.n > 1)
        add(f, FLAG_CODE,
            arena_printf(f->a, "made by several commits (%s)", some_of(&commits, f->a)));
    if (dirty)
        add(f, FLAG_CODE, arena_printf(f->a, "%s of code with local changes", share(dirty, f)));
}

static void find_findings(struct flags *f) {
    int n = 0;
    for (int i = 0; i < f->n_runs; i++)
        n += f->runs[i]->finding && *f->runs[i]->finding;
    if (n)
        add(f, FLAG_FINDING,
            arena_printf(f->a, "the pretraining of %d of %d runs collapsed", n, f->n_runs));
}

static void find_hardware(struct flags *f) {
    struct texts machines = texts_new(f->n_runs, f->a);
    for (int i = 0; i < f->n_runs; i++) {
        const struct run *r = f->runs[i];
        const char *cpu = r->env_cpu ? r->env_cpu : "", *device = r->env_device;
        int away = device && *device && strcmp(device, "cpu");
        if (*cpu || away)
            add_text(&machines, away ? arena_strdup(f->a, device)
                                     : arena_printf(f->a, "%s, %d cores", cpu, r->env_cores));
    }
    if (machines.n > 1)
        add(f, FLAG_HARDWARE,
            arena_printf(f->a, "times are of several machines (%s)", some_of(&machines, f->a)));
}

int report_flags(struct run *const *runs, int n_runs, struct report_flag **flags, struct arena *a) {
    struct flags f = {runs, n_runs, ARENA_ARRAY(a, struct report_flag, FLAGS), 0, a};
    find_status(&f);
    find_budgets(&f);
    find_versions(&f);
    find_code(&f);
    find_findings(&f);
    find_hardware(&f);
    *flags = f.list;
    return f.n;
}
