/* shards.h -- the files that a pattern names.
 *
 *     train-{000..146}.tar       146 and one files, with as many digits
 *     {a,b}-{0..3}.tar.gz        eight
 *     FOLDER                     all archives in it, in the order of the bytes of their names
 */
#ifndef SSV_DATA_SHARDS_H
#define SSV_DATA_SHARDS_H

#include "core/arena.h"
#include "core/error.h"

struct shards {
    struct arena *arena;
    char **paths; /* (n) */
    int n, room;
};

/* Adds them.  Status 2 for a wrong pattern, and for a folder without archives. */
int shards_add(struct shards *s, const char *pattern, struct error *err);
int shards_is_folder(const char *pattern);

#endif
