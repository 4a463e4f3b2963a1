/* texts.h -- texts of a dataset, and their features. */
#ifndef SSV_PROTOCOLS_TEXTS_H
#define SSV_PROTOCOLS_TEXTS_H

#include "protocols/protocol.h"

/* Every caption of the images of a split, in their order. */
struct text_list {
    struct arena arena;
    const char **text; /* (n) */
    int32_t *image;    /* (n) row of the split */
    int n, room;
};

/* *all starts zeroed; texts_free in any case. */
int texts_read(struct text_list *all, const struct dataset *d, enum split split, struct error *err);
void texts_add(struct text_list *all, const char *text, int32_t image);
void texts_free(struct text_list *all);

/* Features (n, width) of texts, in evaluation mode, through a planned graph of a tower. */
int texts_encode(const struct text_coder *t, const struct protocol_input *in,
                 const char *const *texts, int n, float *out, struct error *err);

#endif
