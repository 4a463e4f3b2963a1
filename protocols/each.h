/* each.h -- images of a split through a planned graph, batch by batch, as a protocol sees them.
 *
 *     const struct each e = {.in = in, .graph = &g, .images = images, .during = "segment",
 *                            .split = SPLIT_TEST, .n = n, .batch = 64};
 *     TRY(each_image(&e, visit, to, err));
 *
 * Of several ranks (in->ranks) each has a run of whole batches (communicator_share); all call the
 * same, go batch by batch, and what fails on one fails on all.
 */
#ifndef SSV_PROTOCOLS_EACH_H
#define SSV_PROTOCOLS_EACH_H

#include "nn/exec.h"
#include "protocols/protocol.h"

struct each {
    const struct protocol_input *in; /* subject (whose data and view), kernels, device, ranks */
    struct graph *graph;             /* planned, evaluating */
    const struct tensor *images;     /* its one input */
    const char *during;              /* for messages: "features of cifar10/test" */
    int shows;                       /* whether there is a line of progress, too */
    int whole;                       /* all of an image, as for masks: subject_view_whole */
    enum split split;
    const int32_t *subset; /* (n) rows of the split, in this order; NULL: its first n */
    long n;
    int batch;
};

/* n images that x just ran; at is the first one's place in the subset. */
struct each_batch {
    int n;
    long at;
    const int32_t *index, *label; /* (n) rows of the split, classes */
    const struct exec *x;
};

/* Returns a status. */
typedef int each_visit(void *to, const struct each_batch *b, struct error *err);

/* STATUS_INTERRUPTED after a stop; 2 and 3 as the data's reader has it. */
int each_image(const struct each *e, each_visit *visit, void *to, struct error *err);
/* How networks run for a protocol, in evaluation. */
struct exec_config each_exec(const struct protocol_input *in, int batch);

#endif
