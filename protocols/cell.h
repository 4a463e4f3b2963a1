/* cell.h -- one run of a suite: (method, backbone, dataset, seed, budget) and its folder.
 *
 *     TRY(cell_open(&c, &suite_settings, method, &dataset, seed, &context, err));
 *     TRY(cell_pretrain(&c, err));            resumes from the folder's checkpoint
 *     TRY(cell_evaluate(&c, "linear", err));  skips what the folder already holds
 *     cell_close(&c);
 *
 * A run's folder is named after what decides its weights (settings, content of the data, version of
 * the code), so the same settings find their own results again and different settings never meet.
 * A folder of the same settings but other data or code is stale, and the cell is refused.
 */
#ifndef SSV_PROTOCOLS_CELL_H
#define SSV_PROTOCOLS_CELL_H

#include "methods/trainer.h"
#include "protocols/budget.h"
#include "protocols/protocol.h"
#include "protocols/settings.h"
#include "results/journal.h"
#include "results/run.h"

#include <signal.h>

/* The machine's side of a run, the same for all cells. */
struct context {
    const struct kernels *kernels;
    struct device *device; /* that networks run on; NULL: the processor */
    /* The processes that pretrain together; the first one alone has folders and judges.  NULL:
     * there is one. */
    struct communicator *ranks;
    int threads, loader_threads;
    const volatile sig_atomic_t *stop; /* set by Ctrl-C */
    const struct machine *machine;
    long steps; /* of a budget in seconds: a number measured before; 0: it is measured */
    int stored; /* the settings are those that a run is named after: as they are */
    int argc;
    char *const *argv;
};

/* What everything between a method and its optimizer may change in the weights of the same
 * settings: views, loader, backbones, schedules.  It counts up when such a change is made. */
enum { CELL_PRETRAINING_VERSION = 3 };
enum { CELL_VERSION = 16 }; /* room for a protocol's version and the hash of its options */

struct cell {
    const struct context *context;
    const struct dataset *data;   /* of pretraining */
    const struct dataset *judged; /* that features, subject and protocols are of: data at first */
    const struct method *method;
    uint64_t seed;
    struct arena arena;
    struct settings settings; /* of this cell: single method, seed and dataset, nothing automatic */
    struct backbone backbone;
    struct normalization norm;
    void *runtime; /* of a method with weights of its own */
    char *id, *folder, *checkpoint;
    char settings_hash[65], hash[65]; /* of the settings; of data and code version too */
    const char *versions;             /* "pretraining 2, mae 1" */
    struct budget budget;
    int lock;
    struct journal journal;
    struct run run;
    struct model model;
    struct moments *moments; /* of the model, shared among ranks; NULL: each has all */
    struct stage_plan {
        struct graph graph;
        struct builder builder;
        long first, steps; /* of the whole pretraining */
        double step_flops;
    } stages[METHOD_STAGES];
    struct graph encode;
    struct builder encode_builder;
    struct tensor *encode_images; /* the encoding graph's input */
    struct encoded encoded;
    struct subject subject;   /* all of this as protocols see it */
    struct graph encode_text; /* empty unless the method has a text tower */
    struct builder text_builder;
    struct text_coder text;
    const char *no_room; /* why nothing is pretrained: the device has not the memory; NULL */
    struct feature_set features; /* names from the start, data after extraction */
    struct slab feature_slab[SPLITS];
    char wanted[MAX_REPRESENTATIONS], extracted[MAX_REPRESENTATIONS];
    int labelled; /* the labels are there, and what was extracted */
    long steps; /* in the whole pretraining; of a budget in seconds a guess until it is measured */
    long done;  /* of them */
    double train_seconds;  /* that they took */
    double waited_seconds; /* of these, for data */
};

/* Every value of the training graphs can be read after a run; in these graphs batch norms use their
 * running statistics, and every value of the encoder's graph can be read too; logits of a
 * classifier that came with the weights are one of the representations. */
enum cell_extras { CELL_VALUES = 1, CELL_EVALUATING = 2, CELL_LOGITS = 4 };
/* The first half of cell_open: settings, backbone, graphs and drawn weights, no folder. */
int cell_build(struct cell *c, const struct settings *suite, const struct method *method,
               const struct dataset *data, uint64_t seed, const struct context *context,
               unsigned extras, struct error *err);
int cell_open(struct cell *c, const struct settings *suite, const struct method *method,
              const struct dataset *data, uint64_t seed, const struct context *context,
              struct error *err);
/* What its networks give a protocol, on this process; a is for what goes into the result. */
struct protocol_input cell_input(const struct cell *c, struct arena *a);
/* With several ranks all call it, and all but the first have a cell without a folder.
 * STATUS_INTERRUPTED after a stop, with everything saved.  A divergence is not an error: the run's
 * status becomes "failed" and evaluations get rows that say so.  Nor is it one that a device has
 * not the memory: nothing is trained, and no_room says why. */
int cell_pretrain(struct cell *c, struct error *err);
/* Features are those of these data from here on, and cell_extract has what the protocol reads among
 * its own; protocol -1: all. */
void cell_want(struct cell *c, int protocol, const struct dataset *data);
/* What is wanted of both splits of what is judged, from the cache beside the checkpoint or
 * computed; of a cell without a folder computed. */
int cell_extract(struct cell *c, struct error *err);
/* The same, of the data of a row, by all ranks for the first one, where that one says that they are
 * wanted; one process does nothing.  After an error cell_extract is not spared. */
int cell_extract_shared(struct cell *c, const struct dataset *data, int wanted, struct error *err);
/* Whether the row is not there yet and the protocol has something to judge. */
int cell_can_judge(struct cell *c, int protocol, const struct dataset *data);
/* What the data have not that the protocol needs, in a; NULL: nothing. */
const char *cell_lacks(const struct protocol *p, const struct dataset *d, struct arena *a);
/* By the first rank.  Of a protocol that is shared, and can judge, the others assist. */
int cell_evaluate(struct cell *c, int protocol, const struct dataset *data, struct error *err);
int cell_assist(struct cell *c, int protocol, const struct dataset *data, struct error *err);
/* A pair without meaning (a method that does not run on the backbone, a method of labels on data
 * without) is no error: *why says so, in `a`; it is NULL for a pair that can be run.  hash: of the
 * settings that decide its weights, but for the seed.  Nothing is built. */
int cell_check(const struct settings *suite, const struct method *method,
               const struct dataset *data, const struct context *context, struct arena *a,
               const char **why, char hash[65], struct error *err);
/* As far as such a pair comes: it has settings and can be named. */
int cell_build_skipped(struct cell *c, const struct settings *suite, const struct method *method,
                       const struct dataset *data, uint64_t seed, const struct context *context,
                       struct error *err);
/* The folder of such a pair, with a row for every protocol that says why. */
int cell_open_skipped(struct cell *c, const struct settings *suite, const struct method *method,
                      const struct dataset *data, uint64_t seed, const struct context *context,
                      const char *why, struct error *err);
/* A row for a protocol that failed. */
void cell_fail(struct cell *c, int protocol, const struct dataset *data, const char *why);
void cell_skip(struct cell *c, int protocol, const struct dataset *data, const char *why);
/* The row that the protocol would write is there, made from these data with these options. */
int cell_has_row(const struct cell *c, const struct run *r, int protocol,
                 const struct dataset *data);
/* What is known of the dataset, into the run's results; again once it is audited. */
void cell_describe_data(struct cell *c, const struct dataset *data);
/* Of a built cell: id, folder, hashes, versions. */
void cell_name(struct cell *c);
/* "1.0+1234abcd": a protocol's version and what its options and seeds hash to. */
void cell_protocol_version(const struct settings *s, int protocol, char version[CELL_VERSION]);
/* run.h5, by the first rank. */
int cell_save(struct cell *c, const char *status, struct error *err);
void cell_close(struct cell *c);

#endif
