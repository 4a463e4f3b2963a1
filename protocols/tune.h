/* tune.h -- a copy of a pretrained encoder, trained further with a head.
 *
 * For protocols that train on more than features: fine-tuning, segmentation.  The copy starts with
 * the subject's weights; the subject stays as it is.
 *
 *     TRY(tune_train(&t, &config, err));
 *     TRY(tune_answers(t, SPLIT_TEST, NULL, n, logits, err));
 *     tune_close(t);
 *
 * A function of (weights, task, config, seed): threads change nothing, neither in training nor in
 * the answers.  Ranks (config.in->ranks) share both and change nothing either; all call the same,
 * and what fails on one fails on all.
 */
#ifndef SSV_PROTOCOLS_TUNE_H
#define SSV_PROTOCOLS_TUNE_H

#include "protocols/protocol.h"

#define TUNE_GROUP "task" /* where a head's parameters live */

/* What is trained, for one image as for many. */
struct tune_task {
    const char *name;     /* for progress: "finetune" */
    struct recipe recipe; /* optimizer and its constants; rate, decay, warm-up are the config's */
    int masks;            /* whether prepare wants a record's mask */
    /* REQUIRED.  The answers (N,..) from what the encoder gave: logits.  No inputs. */
    struct tensor *(*answer)(const void *self, struct builder *b, const struct encoded *e);
    /* REQUIRED.  Declares what is needed beside the images, slot 0, and what is minimised. */
    int (*objective)(const void *self, struct builder *b, struct tensor *answers,
                     struct error *err);
    /* REQUIRED.  One training image becomes its part of every slot; thread-safe.  The image, after
     * whatever is done to it, goes through subject_view. */
    void (*prepare)(const void *self, const struct subject *subject, const struct sample *s);
    /* As a stage's. */
    void (*mix)(const void *self, struct step *s);
};

struct tune_config {
    const struct protocol_input *in;
    const struct tune_task *task;
    const void *self; /* the task's options */
    uint64_t seed;    /* of the head, of order and views */
    const int32_t *subset;
    long n; /* training images (n): rows of the training split; NULL: all of them */
    double epochs;
    int batch;                       /* more than there are images: all of them */
    double lr, weight_decay, warmup; /* lr for 256 images a step; warm-up a share of the steps */
    double layer_decay;              /* of the rate, from a block to the one before it; 1: none */
    double drop_path;                /* of a ViT's last block */
};

struct tuned;

/* STATUS_INTERRUPTED after a stop.  A divergence is no error, see tune_diverged. */
int tune_train(struct tuned **out, const struct tune_config *config, struct error *err);
int tune_diverged(const struct tuned *t);
double tune_loss(const struct tuned *t);               /* of the last step */
size_t tune_width(const struct tuned *t);              /* of one image's answers */
const struct model *tune_model(const struct tuned *t); /* the copy with its head */
/* Called with answers (n, width) of images index (n), in the order of the split or the subset; of
 * several ranks each has its own part of them. */
typedef int tune_visit(void *to, const int32_t *index, int n, const float *answers,
                       struct error *err);
/* Answers for rows `subset` (n) of a split, or for its first n.  In evaluation mode. */
int tune_each(struct tuned *t, enum split split, const int32_t *subset, long n, tune_visit *visit,
              void *to, struct error *err);
/* The same into out (n, width), of all on all ranks. */
int tune_answers(struct tuned *t, enum split split, const int32_t *subset, long n, float *out,
                 struct error *err);
void tune_close(struct tuned *t); /* NULL: nothing */

/* The block that a parameter of an encoder belongs to: 0 what embeds patches, the stem; 1.. blocks
 * or stages; n + 1 what stands behind them.  *n is the number of blocks. */
int tune_layer(const struct backbone *b, const char *parameter, int *n);

#endif
