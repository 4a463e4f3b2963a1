/* checkpoint.h -- a model and where its training stands, as one safetensors file.
 *
 * Tensors: GROUP.NAME for the weights, optim.m.GROUP.NAME and optim.v.GROUP.NAME for the optimizer.
 * Convolutions are stored in PyTorch's order, (out,in,kh,kw).  Metadata: format, step, config (the
 * run's full INI text), run (a hash of what decides the weights), and the hash of the tensors.
 */
#ifndef SSV_NN_CHECKPOINT_H
#define SSV_NN_CHECKPOINT_H

#include "nn/moments.h"
#include "nn/safetensors.h"

/* Atomic: the old file stays until the new one is complete.  With moments that ranks share, all
 * ranks call this, and the first one writes what it gets, one tensor after another: never are all
 * moments on one rank.  The file is the same.  Without any (NULL), this process has all. */
int checkpoint_save(const char *path, const struct model *m, const struct moments *moments,
                    long step, const char *config, const char *run, struct error *err);
/* Status 2 when it is no checkpoint, or says that it is of another run. */
int checkpoint_check_run(const char *path, const char *run, struct error *err);
/* Weights of the whole model, optimizer state too when m has it; with moments, the first rank's
 * alone, which it calls by itself.  Status 2, naming the tensor, when the file lacks one, has it in
 * another shape, or holds values that are not finite, whoever keeps them. */
int checkpoint_load(const char *path, struct model *m, const struct moments *moments, long *step,
                    struct error *err);
/* Then, on all ranks: the moments of the others, which the first one reads again for them. */
int checkpoint_hand_on(const char *path, struct model *m, const struct moments *moments,
                       struct error *err);
/* Weights alone, by name, from any safetensors file. */
int checkpoint_weights(const char *path, struct model *m, struct error *err);
/* One entry for each parameter, in the file's order of dimensions: of the weights, or of a gradient
 * (m->count reals) with the same layout.  In `a`, copies included. */
struct st_tensor *checkpoint_tensors(const struct model *m, const real *values, struct arena *a,
                                     int *n);
/* Whether a file says that it is one. */
int checkpoint_is(const struct st_file *f);
/* The stored configuration, owned by `a`, and the step, without a model. */
int checkpoint_config(const char *path, struct arena *a, char **config, long *step,
                      struct error *err);

#endif
