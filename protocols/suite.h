/* suite.h -- a product of lists: datasets x methods x seeds x protocols.
 *
 * A cell that fails (it diverged, it has no meaning, it ran out of memory) becomes rows that say
 * why and never takes the suite down; a full disk or Ctrl-C ends the suite with everything computed
 * so far in place.  Run again, it goes on where it stood.
 */
#ifndef SSV_PROTOCOLS_SUITE_H
#define SSV_PROTOCOLS_SUITE_H

#include "protocols/cell.h"

enum suite_stages { SUITE_PRETRAIN = 1, SUITE_EVALUATE = 2 };

enum { SUITE_LIST = 256 };

/* The lists of a suite, looked up before anything runs: a typing error costs no hours. */
struct suite_lists {
    struct arena arena;
    const struct method *methods[SUITE_LIST];
    int protocols[SUITE_LIST];
    uint64_t seeds[SUITE_LIST];
    char **data;
    int n_methods, n_protocols, n_seeds, n_data;
};
/* *l is to be freed in any case. */
int suite_read_lists(struct suite_lists *l, const struct settings *s, struct error *err);
void suite_free_lists(struct suite_lists *l);

/* STATUS_FINDING when at least one cell failed. */
int suite_run(const struct settings *s, const struct context *context, unsigned stages,
              struct error *err);
/* Evaluates the run in a folder, with the protocols of `s`. */
int suite_evaluate_folder(const struct settings *s, const char *folder,
                          const struct context *context, struct error *err);

#endif
