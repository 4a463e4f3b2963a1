/* suite.h -- a product of lists: datasets x backbones x methods x values of swept options x seeds,
 * each with its protocols.
 *
 *     TRY(suite_open(&u, &settings, &context, err));   looks at everything, runs nothing
 *     for (int i = 0; i < suite_cells(&u); i++) { struct suite_cell c = suite_cell(&u, i); ... }
 *     suite_close(&u);
 *
 * A cell that fails (it diverged, it ran out of memory) becomes rows that say why and never takes
 * the suite down; a pair without meaning is a row that says so, and no failure; a full disk or
 * Ctrl-C ends the suite with everything computed so far in place.  Run again, it goes on where it
 * stood.  docs/suites.md has the format of suite files.
 */
#ifndef SSV_PROTOCOLS_SUITE_H
#define SSV_PROTOCOLS_SUITE_H

#include "protocols/cell.h"
#include "protocols/sweep.h"

enum suite_stages { SUITE_PRETRAIN = 1, SUITE_EVALUATE = 2 };

enum { SUITE_LIST = 256 };

/* The lists of a suite, looked up before anything runs: a typing error costs no hours. */
struct suite_lists {
    struct arena arena;
    const struct method *methods[SUITE_LIST];
    int protocols[SUITE_LIST];
    uint64_t seeds[SUITE_LIST];
    char **data, **eval_data, **backbones;
    int n_methods, n_protocols, n_seeds, n_data, n_eval_data, n_backbones;
};
/* *l is to be freed in any case. */
int suite_read_lists(struct suite_lists *l, const struct settings *s, struct error *err);
void suite_free_lists(struct suite_lists *l);
/* The seed in a list of one: "3..3", as "3" would be a count. */
char *suite_seed_text(uint64_t seed, struct arena *a);
/* One list alone. */
int suite_check_methods(const char *text, struct error *err);
int suite_check_protocols(const char *text, struct error *err);
int suite_check_seeds(const char *text, struct error *err);
int suite_check_backbones(const char *text, struct error *err);
int suite_check_name(const char *text, struct error *err);
/* Status 2 for a flag that none of the methods, protocols and backbones reads.  A suite's file, and
 * the environment, may say more than one call needs. */
int suite_check_flags(const struct settings *s, unsigned stages, struct error *err);

/* Cells that differ in the seed alone. */
struct suite_pair {
    int data, backbone, method, point; /* of the sweep */
    const char *why;                   /* the pair has no meaning, or NULL */
    const char *label;                 /* its values of swept options, or "" */
    char hash[65];                     /* of its settings, every "automatic" replaced */
};

struct suite_place {
    int pair, seed; /* its number in the list */
};

/* A suite with its datasets open and every pair looked at. */
struct suite {
    struct suite_lists lists;
    struct dataset *data; /* (n_data), then (n_eval_data) */
    int n_open;           /* of them */
    struct sweep sweep;
    struct settings **settings; /* (n_backbones, points of the sweep), each with one of them */
    int n_settings;
    struct suite_pair *pair;   /* (n_pairs) */
    struct suite_place *place; /* (n_places) of each cell, a pair's one after the other */
    int n_pairs, n_places;
    int shard, shards; /* cells shard, shard + shards, ... are this program's */
};
/* Status 2 when anything is wrong with the suite, or no pair has a meaning. */
int suite_open(struct suite *u, const struct settings *s, const struct context *context,
               struct error *err);
void suite_close(struct suite *u);

/* Warns of what will not be evaluated and of cells that will be refused; on the first rank alone.
 */
void suite_doubt(struct suite *u, const struct context *context, unsigned stages);

struct suite_cell {
    const struct settings *settings;
    const struct method *method;
    struct dataset *data;   /* changed by their audit only */
    struct dataset *judged; /* (n_judged) what the encoder is evaluated on */
    int n_judged;
    uint64_t seed;
    const char *why, *label; /* of its pair */
    int pair;                /* its number: cells that differ in the seed alone */
};
/* Evaluations of a cell: every protocol on every dataset that it is judged on. */
struct suite_row {
    int protocol;
    struct dataset *data;
};
int suite_rows(const struct suite_cell *one, const struct suite_lists *l);
struct suite_row suite_row(const struct suite_cell *one, const struct suite_lists *l, int i);
/* suite_audit.c.  Before an open cell is run: its datasets are audited, unless they or the cell
 * have it already or they are too large (--audit), and described again. */
int suite_audit(struct cell *c, const struct suite_cell *one, unsigned stages, struct error *err);
/* Of the shard. */
int suite_cells(const struct suite *u);
struct suite_cell suite_cell(const struct suite *u, int i);
/* A dataset as the settings want it, with their limit. */
int suite_open_data(struct dataset *d, const char *spec, const struct settings *s,
                    struct error *err);

/* STATUS_FINDING when at least one cell failed. */
int suite_run(const struct settings *s, const struct context *context, unsigned stages,
              struct error *err);
/* What suite_run would do: every cell, its state and its needs, on `out`.  machine_flops: what this
 * machine does at most in a second, measured; it stands in where there are no earlier runs. */
int suite_dry_run(const struct settings *s, const struct context *context, unsigned stages,
                  double machine_flops, FILE *out, struct error *err);
/* suite_verify.c.  Whether `out` holds what the suites stored there ask for, unharmed; a line on
 * `report` for each finding.  Returns their number in *n. */
int suite_verify(const char *out, const struct context *context, FILE *report, int *n,
                 struct error *err);
/* The cells of an open suite. */
int suite_run_opened(const struct suite *u, const struct context *context, unsigned stages,
                     struct error *err);

/* suite_stored.c.  Evaluates the run in a folder, with the protocols of `s`. */
int suite_evaluate_folder(const struct settings *s, const char *folder,
                          const struct context *context, struct error *err);

/* Runs the run in a folder again, below the folder `into`, and compares every number that is a
 * function of the settings; a difference is STATUS_FINDING, and is written to `out`. */
int suite_rerun(const struct settings *s, const char *folder, const char *into,
                const struct context *context, FILE *out, struct error *err);

/* suite_file.c.  The file of a suite: a path, or the name of one that comes with the program
 * (suites/NAME.ini beside the program's folder, or in share/ssvbench of where it is installed). */
int suite_find(const char *name, struct arena *a, char **path, struct error *err);
/* Those that come with it, by name; returns how many. */
int suite_names(struct arena *a, const char ***names);
/* Reads it into the settings, by origin FROM_SUITE. */
int suite_load(struct settings *s, const char *name, struct error *err);
/* A copy beside the results, OUT/suites/NAME-HASH.ini, for `verify`. */
int suite_store(const struct settings *s, const char *out, struct error *err);

#endif
