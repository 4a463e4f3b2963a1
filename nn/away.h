/* away.h -- what crosses when a graph runs on a device: inputs and weights there, results back.
 *
 * Everything here is for one executor.  The processor's side of results stays until the next run.
 */
#ifndef SSV_NN_AWAY_H
#define SSV_NN_AWAY_H

#include "core/communicator.h"
#include "kernels/device.h"
#include "nn/graph.h"

/* Zeroed memory where kernels compute: the device's, or the processor's when it is NULL. */
int memory_get(struct device *d, struct slab *out, size_t bytes, const char *what,
               struct error *err);
void memory_put(struct device *d, struct slab *s);

struct away;

/* Room on the device for the model's values and a batch of every input, two with `ahead`; constants
 * are sent now and found in bound (g->n).  *out lies in a; status 3 when the device has not enough
 * memory. */
int away_open(struct away **out, struct device *d, struct communicator *ranks, struct arena *a,
              const struct graph *g, int batch, int ahead, const void **bound, struct error *err);
real *away_values(const struct away *w); /* the model's, on the device */
/* From here on they are changed there: the model's own are older, until they are fetched. */
void away_settle(struct away *w);
void away_fetch_values(struct away *w);
/* One parameter, brought into the model, and put back when it was changed there. */
void away_get(struct away *w, const struct param *p);
void away_put(struct away *w, const struct param *p);
/* data: the processor's, read at the next away_send. */
void away_bind(struct away *w, const struct tensor *input, const void *data);
/* Of n samples those that this process reads: first..end-1.  The others are not sent. */
struct away_samples {
    int n, first, end;
};
/* Samples that will be bound to it next, after what is bound now has been sent. */
void away_announce(struct away *w, const struct tensor *input, const void *data,
                   const struct away_samples *samples);
/* The samples of every input that was bound, and the weights when they have changed. */
void away_send(struct away *w, const void **bound, const struct away_samples *samples);
/* What was announced, beside the work that was asked for since away_send. */
void away_send_ahead(struct away *w);

struct away_results {
    const real *shared;
    int updated; /* running statistics were */
};
/* Where the device failed the program ends with one line and exit code 3, as where memory ends:
 * nothing that follows would be right, and a run goes on from its checkpoint.  Where another rank's
 * device did not answer, that rank is asked by the processor's way, and named when it is silent
 * there, too. */
void away_fetch(struct away *w, const struct away_results *from);
/* Each copied out when it is first asked for after a run; from: where the device has them all. */
const real *away_output(struct away *w, const real *from, const struct tensor *t);
const real *away_shared(const struct away *w);
/* Copied out when it is first asked for after a run. */
const real *away_gradient(struct away *w, const real *from);
void away_close(struct away *w); /* NULL: nothing */

#endif
