/* once.h -- one deterministic step of a method, everything in it written to a file.
 *
 * For comparing with another implementation: weights and inputs go in from files or are drawn, and
 * come out beside every named value, loss and gradient.  Nothing is trained.
 */
#ifndef SSV_PROTOCOLS_ONCE_H
#define SSV_PROTOCOLS_ONCE_H

#include "protocols/cell.h"

struct once {
    const char *weights; /* safetensors; "": drawn from the seed */
    const char *batch;   /* HDF5 with /inputs; "": the first batch of the data */
    const char *out;
    const char *stage; /* "": the last one */
    int values;        /* every value of the graph, not only the outputs */
};

/* Writes out: /inputs, /weights and /gradients (PyTorch's order of dimensions), /outputs, /losses,
 * and with values /values/NNN.name. */
int once_run(const struct settings *s, const struct once *o, const struct context *context,
             struct error *err);

#endif
