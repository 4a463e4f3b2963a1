/* audit_text.c -- an audit as JSON, as it stands in results. */
#include "data/audit.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *range(const int r[2]) {
    return json_pack("[i, i]", r[0], r[1]);
}

static json_t *split_json(const struct audit_split *s, const struct dataset *d) {
    json_t *per_class = json_array(), *files = json_object();
    for (int c = 0; c < d->classes; c++)
        json_array_append_new(per_class, json_integer(s->per_class[c]));
    for (int i = 0; s->files && i < AUDIT_PROPERTIES; i++)
        if (s->property[i])
            json_object_set_new(files, audit_properties[i], json_integer(s->property[i]));
    return json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "images", (json_int_t)s->n,
                     "broken", (json_int_t)s->broken, "duplicates", (json_int_t)s->duplicates,
                     "grey", (json_int_t)s->grey, "height", range(s->height), "width",
                     range(s->width), "per_class", per_class, "files", files);
}

char *audit_json(const struct audit *a, const struct dataset *d, struct arena *out) {
    json_t *all =
        json_pack("{s:o, s:o, s:I}", split_names[SPLIT_TRAIN],
                  split_json(&a->split[SPLIT_TRAIN], d), split_names[SPLIT_TEST],
                  split_json(&a->split[SPLIT_TEST], d), "also_in_training", (json_int_t)a->overlap);
    char *text = json_dumps(all, JSON_PRESERVE_ORDER | JSON_COMPACT);
    CHECK(text, "an audit without a text");
    char *kept = arena_strdup(out, text);
    free(text);
    json_decref(all);
    return kept;
}
