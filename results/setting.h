/* setting.h -- the lines of the configuration that is stored with a run. */
#ifndef SSV_RESULTS_SETTING_H
#define SSV_RESULTS_SETTING_H

#include "core/arena.h"

struct setting {
    const char *key, *value; /* "mae.mask_ratio", "0.6" */
};

/* config: INI text as options_text writes it, or NULL; *n of them in its order, owned by `a`. */
struct setting *settings_of_text(const char *config, struct arena *a, int *n);
/* NULL: there is none of that name. */
const char *setting_value(const struct setting *list, int n, const char *key);

#endif
