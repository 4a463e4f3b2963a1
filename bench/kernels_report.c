/* kernels_report.c -- what --out kept: `kernels csv` and `kernels report` of files, or of folders
 * that hold some. */
#include "bench/arguments.h"
#include "bench/kernels.h"
#include "core/log.h"
#include "reports/kernels.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct files {
    struct arena arena;
    struct kernel_history history;
    int room, n_bad;
};

static int is_of_hdf5(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return n > 3 && !strcmp(entry->d_name + n - 3, ".h5");
}

/* One that cannot be read is said and counted. */
static void add(struct files *f, const char *path) {
    struct kernel_history *h = &f->history;
    struct error err;
    if (h->n == f->room) {
        f->room = 2 * f->room + 16;
        struct kernel_times *more = ARENA_ARRAY(&f->arena, struct kernel_times, f->room);
        if (h->n)
            memcpy(more, h->file, (size_t)h->n * sizeof *more);
        h->file = more;
    }
    if (!kernel_times_read(&h->file[h->n], path, &err)) {
        h->n++;
        return;
    }
    log_message(LOG_ERROR, "%s", err.message);
    f->n_bad++;
}

static int add_path(struct files *f, const char *path, struct error *err) {
    struct dirent **list;
    int n = scandir(path, &list, is_of_hdf5, alphasort);
    if (n < 0 && errno == ENOTDIR) {
        add(f, path);
        return 0;
    }
    if (n < 0)
        return error_set(err, STATUS_USAGE, "%s: %s", path, strerror(errno));
    for (int i = 0; i < n; i++) {
        add(f, arena_printf(&f->arena, "%s/%s", path, list[i]->d_name));
        free(list[i]);
    }
    free(list);
    return 0;
}

static int by_time(const void *a, const void *b) {
    const struct kernel_times *x = a, *y = b;
    return strcmp(x->machine.created_utc, y->machine.created_utc);
}

/* Times of another machine, or on more threads, than the last file's would look like changes. */
static const char *differ(const struct kernel_times *t, const struct kernel_times *last,
                          struct arena *a) {
    return t->threads != last->threads
               ? arena_printf(a, "threads: %d, there %d", t->threads, last->threads)
               : kernel_times_differ(t, last, a);
}

static void keep_comparable(struct kernel_history *h) {
    struct arena scratch = {0};
    const struct kernel_times last = h->file[h->n - 1];
    int kept = 0;
    for (int i = 0; i < h->n; i++) {
        const char *differs = differ(&h->file[i], &last, &scratch);
        if (!differs) {
            h->file[kept++] = h->file[i];
            continue;
        }
        log_message(LOG_WARN, "left out, the times of %s, not to be compared with the last: %s",
                    h->file[i].machine.created_utc, differs);
        kernel_times_free(&h->file[i]);
    }
    h->n = kept;
    arena_free(&scratch);
}

static int is_folder(const char *path) {
    struct stat info;
    return !stat(path, &info) && S_ISDIR(info.st_mode);
}

static int draw(const struct kernel_history *h, const char *first, struct arena *a,
                struct error *err) {
    const char *folder = is_folder(first) ? first : arguments_folder_of(first, a);
    int status = 0;
    TRY(kernels_history_table(h, stdout, err));
    TRY(kernels_figures(h, folder, err));
    log_message(LOG_INFO, "figures are in %s/figures", folder);
out:
    return status;
}

int kernels_report(const struct invocation *call, int csv, struct error *err) {
    struct files f = {.n_bad = 0};
    struct kernel_history *h = &f.history;
    int status = 0;
    for (int i = 2; i < call->argc; i++)
        TRY(add_path(&f, call->argv[i], err));
    if (!h->n) {
        status = error_set(err, STATUS_USAGE,
                           "no times of kernels in what was named: `ssvbench kernels --out "
                           "FOLDER` makes some");
        goto out;
    }
    qsort(h->file, (size_t)h->n, sizeof *h->file, by_time);
    if (csv) {
        TRY(kernels_csv(h, stdout, err));
    } else {
        keep_comparable(h);
        TRY(draw(h, call->argv[2], &f.arena, err));
    }
    if (f.n_bad)
        status = error_set(err, STATUS_FINDING, "%d file%s could not be read, see above", f.n_bad,
                           f.n_bad > 1 ? "s" : "");
out:
    for (int i = 0; i < h->n; i++)
        kernel_times_free(&h->file[i]);
    arena_free(&f.arena);
    return status;
}
