#include "bench/arguments.h"

#include <string.h>

const char *arguments_folder(const struct invocation *call, int first) {
    return call->argc > first ? call->argv[first] : call->settings->machine.out;
}

const char *arguments_folder_of(const char *path, struct arena *a) {
    const char *slash = strrchr(path, '/');
    return slash ? arena_printf(a, "%.*s", slash == path ? 1 : (int)(slash - path), path) : ".";
}

int arguments_runs_below(const char *const *folders, int n, struct arena *a,
                         struct runs_found *found, struct error *err) {
    int status = runs_find(folders, n, a, found, err);
    if (!status && !found->n && found->n_bad)
        status = arguments_done(found, 0, err);
    else if (!status && !found->n)
        status = error_set(err, STATUS_USAGE, "no run.h5 below %s: `ssvbench run` makes some",
                           folders[0]);
    return status;
}

int arguments_runs(const struct invocation *call, int first, struct arena *a,
                   struct runs_found *found, struct error *err) {
    const char *const by_default[] = {call->settings->machine.out};
    int n = call->argc - first;
    return n > 0 ? arguments_runs_below((const char *const *)call->argv + first, n, a, found, err)
                 : arguments_runs_below(by_default, 1, a, found, err);
}

int arguments_done(struct runs_found *found, int status, struct error *err) {
    for (int i = 0; i < found->n; i++)
        run_free(found->run[i]);
    found->n = 0;
    if (status || !found->n_bad)
        return status;
    return error_set(err, STATUS_FINDING, "%d file%s could not be read, see above", found->n_bad,
                     found->n_bad > 1 ? "s" : "");
}

int arguments_no_flags(const struct invocation *call, const struct option_def *flags,
                       const char *but, const char *what, struct error *err) {
    const struct option_set *set = call->alone.n ? &call->alone : &call->settings->options;
    for (const struct option_def *d = flags; d->name; d++)
        if (!settings_named(but, d->name) && options_origin(set, d->name) == FROM_FLAG)
            return error_set(err, STATUS_USAGE,
                             "--%s means nothing to `%s %s`: leave it out, or see `ssvbench help "
                             "%s`",
                             d->name, call->command, what, call->command);
    return 0;
}

void arguments_short_output(struct invocation *call, const char *flag) {
    struct arena *a = &call->settings->options.arena;
    int kept = 1;
    for (int i = 1; i < call->argc; i++) {
        char *word = call->argv[i];
        int is_short = !strncmp(word, "-o", 2), apart = is_short && !word[2];
        if (!strcmp(word, "--")) {
            while (i < call->argc)
                call->argv[kept++] = call->argv[i++];
        } else if (apart && i + 1 < call->argc) {
            call->argv[kept++] = arena_printf(a, "%s=%s", flag, call->argv[++i]);
        } else {
            call->argv[kept++] = apart      ? arena_strdup(a, flag)
                                 : is_short ? arena_printf(a, "%s=%s", flag, word + 2)
                                            : word;
        }
    }
    call->argc = kept;
    call->argv[kept] = NULL;
}
