/* sweep.h -- options that take several values in one suite.
 *
 *     sweep = mae.mask_ratio=0.5,0.75,0.9 mae.decoder_depth=1,2 batch=64,128
 *
 * Each KEY=VALUE,VALUE is an axis; a point is one value of each.  An axis of a method's section
 * concerns that method, or a sum that it is a part of; one of a general option concerns whatever is
 * trained.  A method has one cell for each point of the axes that concern it: of the others it
 * takes the first value.  What only a ViT reads does not concern other backbones.
 */
#ifndef SSV_PROTOCOLS_SWEEP_H
#define SSV_PROTOCOLS_SWEEP_H

#include "protocols/settings.h"

enum { SWEEP_AXES = 8, SWEEP_POINTS = 1024 };

struct sweep_axis {
    const char *key; /* "mae.mask_ratio" */
    char **value;    /* (n) */
    int n;
};

struct sweep {
    struct sweep_axis axis[SWEEP_AXES];
    int n_axes, n_points; /* one point where there is no axis */
};

/* Owned by `a`.  Status 2 for what is no such list; keys and values are looked at by
 * sweep_assign. */
int sweep_parse(struct sweep *w, const char *text, struct arena *a, struct error *err);
int sweep_check(const char *text, struct error *err);
/* Status 2 when a key is set elsewhere with more weight than the sweep, or cannot be swept. */
int sweep_check_keys(const struct sweep *w, const struct settings *s, struct error *err);
/* The point's values into s, a copy of the suite's settings. */
int sweep_assign(const struct sweep *w, int point, struct settings *s, struct error *err);
/* Status 2 when two values of an axis are one; at (n_points): settings to which points have been
 * assigned. */
int sweep_check_values(const struct sweep *w, struct settings *const *at, struct error *err);
/* Status 2 when an axis concerns no pair of these. */
int sweep_check_use(const struct sweep *w, const struct method *const *ms, int n_methods,
                    char *const *backbones, int n_backbones, struct error *err);
/* Whether the method has a cell of its own at the point, on the backbone. */
int sweep_has(const struct sweep *w, int point, const struct method *m, const char *backbone);
/* "mae.mask_ratio=0.5 batch=64": the values that concern both, or "". */
char *sweep_label(const struct sweep *w, int point, const struct method *m, const char *backbone,
                  struct arena *a);

#endif
