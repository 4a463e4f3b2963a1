/* webdataset_internal.h -- what the files of the tar-shard dataset share. */
#ifndef SSV_DATA_WEBDATASET_INTERNAL_H
#define SSV_DATA_WEBDATASET_INTERNAL_H

#include "core/arena.h"
#include "core/error.h"

#include <stdint.h>

struct shard {
    const char *path;
    int split;     /* -1: each sample's own */
    uint64_t size; /* of the file */
};

/* All members of a shard whose names are the same up to the first dot behind the last slash. */
struct sample {
    const char *key;
    const char *image; /* ending of the image: "jpg"; NULL: there is none */
    const char *wrong; /* what is wrong with its members, or NULL */
    unsigned seen;     /* a bit for each kind of member */
    int shard;
    uint64_t at; /* of the image in the shard */
    size_t bytes;
    const uint8_t *data; /* the image, when the shard is compressed */
    const char *label;   /* as written, or NULL */
    const char **captions;
    int n_captions, captions_of_json; /* those win over a text's */
};

struct samples {
    struct arena *arena;
    struct sample *all; /* (n) */
    long n, room;
    size_t held, most; /* bytes of images of compressed shards */
};

/* Adds the samples of a shard in the order in which they begin there; fills shard->size.  Status 2
 * with the offset for a broken or unknown archive. */
int shard_index(struct samples *s, struct shard *shard, int number, struct error *err);

/* Labels and captions out of a member's text (n bytes, a NUL behind them) of the kind "cls", "txt"
 * or "json". */
void sample_take_text(struct sample *s, const char *kind, const char *text, size_t n,
                      struct arena *a);

#endif
