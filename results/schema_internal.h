/* schema_internal.h -- which field of a struct is which attribute or column of run.h5.
 *
 * One table serves the writer and the reader.  A table ends with a member without a name.
 */
#ifndef SSV_RESULTS_SCHEMA_INTERNAL_H
#define SSV_RESULTS_SCHEMA_INTERNAL_H

#include <stddef.h>

enum member_kind {
    MEMBER_CHARS,   /* char[size] */
    MEMBER_STRING,  /* const char *, absent when NULL */
    MEMBER_INTEGER, /* signed, of 4 or 8 bytes */
    MEMBER_REAL,    /* double */
};

struct member {
    const char *name;
    size_t offset, size;
    enum member_kind kind;
    int added; /* since the first version: 0 where a file does not have it */
};

extern const struct member schema_run[];         /* struct run, the attributes of / */
extern const struct member schema_environment[]; /* struct run, those of /environment */
extern const struct member schema_data[];        /* struct run_data_source, /data/NAME */
extern const struct member schema_eval[];        /* struct eval, /eval/PROTOCOL/DATASET */
extern const struct member schema_step[];        /* struct step_row, the columns of /pretrain */
extern const struct member schema_grid[];        /* struct grid_row, the columns of grid */
extern const struct member schema_metric[];      /* struct metric_row, those of metrics */

extern const struct member schema_kernel_run[];   /* struct run, the attributes of / of a file of */
extern const struct member schema_kernel_times[]; /* struct kernel_times, those beside them */
extern const struct member schema_kernel_row[];   /* struct kernel_row, the columns of summary */

extern const struct member schema_step_times[]; /* struct step_times, the attributes of / */
extern const struct member schema_step_time[];  /* struct step_time, the columns of summary */
/* Attributes of samples.h5: struct samples, those of /; of its groups features and segment. */
extern const struct member schema_samples[], schema_sample_features[], schema_sample_segment[];

/* The words for enum outcome. */
#define OUTCOMES 4
extern const char *const schema_outcomes[OUTCOMES];

#endif
