/* run.h -- the results of one run, schema 1.0, in memory and in run.h5.
 *
 * A run is one (method, backbone, dataset, seed, budget); an evaluation is one (protocol, dataset)
 * with one row per probe seed.  run_write rebuilds the whole file as run.h5.tmp, closes it
 * strongly, fsyncs and renames, so a reader always sees a complete file.  docs/results.md states
 * the schema.  HDF5 is not thread-safe: one thread at a time writes and reads.
 */
#ifndef SSV_RESULTS_RUN_H
#define SSV_RESULTS_RUN_H

#include "core/arena.h"
#include "core/error.h"
#include "results/journal.h"

#include <stdint.h>

#define RUN_FORMAT "ssvbench-run"
#define RUN_FORMAT_VERSION "1.0"

enum { RUN_DATA = 16 }; /* datasets of a run, at most */

enum outcome { OUTCOME_OK, OUTCOME_SKIPPED, OUTCOME_DIVERGED, OUTCOME_FAILED };

/* One row of the hyper-parameter search: every candidate and what it scored on validation. */
struct grid_row {
    char search[16];         /* which search of several: "10pct/3"; "" of the only one */
    char representation[32]; /* "layer3.cls", "last4.both" */
    char head[8];            /* what was trained: "sgd", "lars", "lbfgs"; "": nothing */
    double lr, weight_decay, k, temperature; /* NAN where it has no meaning */
    double val_top1;
    int chosen;
};

/* A number that is no accuracy of classes, for one seed; the rows of a name stand together. */
struct metric_row {
    char name[32]; /* "text_to_image_r1" */
    int64_t seed;
    double value; /* a fraction in [0,1], NAN: no meaning */
};

struct eval {
    char protocol[32]; /* "linear" */
    char dataset[64];
    enum outcome outcome;
    char reason[256]; /* why, unless OUTCOME_OK */
    int n_seeds, n_classes, n_samples;
    const int64_t *seed;           /* (n_seeds) of the probe */
    const char *const *class_name; /* (n_classes) */
    double *top1, *top5;           /* (n_seeds), fractions in [0,1]; top5 NAN when classes <= 5 */
    double *top1_per_class;        /* (n_seeds, n_classes), NAN for a class with no test sample */
    int32_t *confusion;            /* (n_seeds, n_classes true, n_classes predicted) */
    int16_t *pred;                 /* (n_seeds, n_samples) */
    int16_t *label;                /* (n_samples) */
    struct grid_row *grid;
    int n_grid;
    struct metric_row *metrics; /* of a protocol without classes instead of top1; the first name
                                 * is the one that tables show */
    int n_metrics;
    char selected_on[16]; /* "val" */
    char protocol_version[16];
    char split_sha256[65]; /* of the train/validation split's indices */
    double wall_s;
};

struct run_data_source {
    char name[64];
    char root_hash[65], split_sha256[65], class_order_sha256[65];
    const char *spec;      /* as it was named in the command; of the run's arena */
    long n;                /* training images */
    long n_bad;            /* left out because they are broken */
    const char *bad_names; /* "", or the first of them, one a line; of the run's arena */
    const char *audit;     /* JSON (data/audit.h), or NULL: none was made; of the run's arena */
};

struct run {
    struct arena arena; /* owns everything below */
    const char *folder; /* that run_read found it in; NULL: it was not read */
    char run_id[128];
    char status[16]; /* running, complete, failed, partial, interrupted */
    char method[64], backbone[64], dataset[64];
    int64_t seed;
    char created_utc[32];
    const char
        *objectives;      /* what loss_1.. and norm_1.. of the steps are of, separated by blanks */
    const char *finding;  /* "" or what went wrong without a failure: a collapse, since when */
    const char *config;   /* INI text */
    const char *suite;    /* the name of the suite it was made for, or "" */
    const char *versions; /* of the code that decides the weights: "pretraining 2, mae 1" */
    const char
        *settings_sha256; /* of the settings alone; config_sha256 is of data and versions too */
    const char *budget;   /* "flops:2e15"; NULL: written before there were budgets */
    double achieved_epochs, achieved_images, achieved_flops, achieved_seconds;
    double waited_seconds; /* of achieved_seconds, for data */
    const char *argv;      /* one argument a line */
    char config_sha256[65];
    long parameters;
    double step_gflops, step_peak_bytes;
    double needed_bytes, available_bytes;  /* before the first step; 0: not asked */
    struct run_data_source data[RUN_DATA]; /* of pretraining and of evaluations, by name */
    int n_data;
    struct step_row *steps; /* filled from the journal, by run_read from the file */
    long n_steps, steps_room;
    struct eval *evals; /* in arena, grown by run_add_eval */
    int n_evals;
    const char *log;  /* text or NULL */
    int has_checksum; /* as read: the file is as this program wrote it */
    /* environment; run_init fills all of it */
    const char *env_cpu, *env_isa, *env_mem, *env_kernel, *env_compiler, *env_cflags, *env_libs,
        *env_blas, *env_device, *code_commit;
    int env_cores, code_dirty;
};

void run_init(struct run *r); /* an empty run of today, on this machine */
/* Adds e (deep copy), or replaces the one with the same protocol and dataset.  An array of e may be
 * NULL where it has no meaning; seed and class_name may be when their numbers are 0. */
void run_add_eval(struct run *r, const struct eval *e);
/* The dataset of that name, NULL: the run has none; run_data adds it where there is room. */
const struct run_data_source *run_find_data(const struct run *r, const char *name);
struct run_data_source *run_data(struct run *r, const char *name);
const struct eval *run_find_eval(const struct run *r, const char *protocol, const char *dataset);
int run_is_whole(const struct run *r); /* to its end: its status is complete or partial */
/* What tables show of an evaluation: "top1", or the name of its first metric ("" when it has
 * neither), and that of the i-th of its seeds (NAN: none). */
const char *eval_shown(const struct eval *e);
double eval_value(const struct eval *e, int i);
/* The mean of the finite ones; NAN when there is none. */
double eval_mean(const struct eval *e);
/* Steps from a journal, between those of r that it does not reach: where it is missing, begins late
 * or ends early, they stay. */
int run_take_steps(struct run *r, const char *journal, struct error *err);
/* Takes the steps of folder/journal.jsonl, writes folder/run.h5. */
int run_write(struct run *r, const char *folder, struct error *err);
/* Fills *r, whatever it held, with evaluations sorted by protocol and dataset.  Status 2 for a
 * missing, broken or too new file, with its name; *r is then empty. */
int run_read(struct run *r, const char *h5_path, struct error *err);
void run_free(struct run *r);

/* Every run.h5 below the folders (or a run.h5 itself), sorted by path, each file once.  An
 * unreadable one is reported through log_message and counted in *n_bad; a folder that does not
 * exist is status
 * 2.  *runs is in `a`; run_free each of them. */
int runs_scan(const char *const *folders, int n_folders, struct arena *a, struct run ***runs,
              int *n_runs, int *n_bad, struct error *err);
/* The same, with the files and folders that could not be read and why, a line each, in `a`. */
struct runs_found {
    struct run **run;
    int n;
    const char **bad;
    int n_bad;
};
int runs_find(const char *const *folders, int n_folders, struct arena *a, struct runs_found *found,
              struct error *err);

#endif
