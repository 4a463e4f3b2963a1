#include "weights/source.h"

#include "core/file.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- what lies beside the file ---- */

static int read_beside(struct source *s, const char *name, struct error *err) {
    const char *slash = strrchr(s->path, '/');
    int folder = slash ? (int)(slash - s->path) + 1 : 0;
    const char *path = arena_printf(&s->arena, "%.*s%s", folder, s->path, name);
    char *text;
    size_t bytes;
    if (!file_exists(path))
        return 0;
    int status = file_read(path, &s->arena, &text, &bytes, err);
    if (status)
        return status;
    json_error_t problem;
    json_t *object = json_loadb(text, bytes, 0, &problem);
    if (object && !json_is_object(object)) {
        json_decref(object);
        return error_set(err, STATUS_USAGE, "%s: not a JSON object: mend it, or move it away",
                         path);
    }
    if (!object)
        return error_set(err, STATUS_USAGE,
                         "%s: not a JSON object (line %d: %s): mend it, or move it away", path,
                         problem.line, problem.text);
    json_object_update_missing(s->config, object);
    json_decref(object);
    return 0;
}

static const json_t *at_path(const struct source *s, const char *path) {
    const json_t *value = s->config;
    while (value && *path) {
        char key[64];
        size_t n = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)n, path);
        value = json_object_get(value, key);
        path += n + (path[n] == '.');
    }
    return value;
}

double source_number(const struct source *s, const char *path, double otherwise) {
    const json_t *value = at_path(s, path);
    return json_is_number(value)    ? json_number_value(value)
           : json_is_boolean(value) ? json_is_true(value)
                                    : otherwise;
}

int source_int(const struct source *s, const char *path, int otherwise) {
    const double most = 1 << 30, number = source_number(s, path, otherwise);
    return number > -most && number < most ? (int)number : 0;
}

const char *source_text(const struct source *s, const char *path, const char *otherwise) {
    const json_t *value = at_path(s, path);
    return json_is_string(value) ? json_string_value(value) : otherwise;
}

int source_list(const struct source *s, const char *path, double *out, int most) {
    const json_t *list = at_path(s, path);
    int n = (int)json_array_size(list);
    for (int i = 0; i < n && i < most; i++) {
        const json_t *value = json_array_get(list, (size_t)i);
        if (!json_is_number(value))
            return 0;
        out[i] = json_number_value(value);
    }
    return n < most ? n : most;
}

/* ---- tensors ---- */

int source_open(struct source **out, const char *path, struct error *err) {
    static const char *const beside[] = {"config.json", "preprocessor_config.json",
                                         "open_clip_config.json"};
    struct arena arena = {0};
    struct source *s = ARENA_NEW(&arena, struct source);
    int status = 0;
    s->arena = arena;
    s->path = arena_strdup(&s->arena, path);
    s->config = json_object();
    TRY(st_open(&s->file, path, err));
    s->n = st_count(s->file);
    s->tensors = ARENA_ARRAY(&s->arena, struct source_tensor, s->n + 1);
    for (int i = 0; i < s->n; i++)
        s->tensors[i].t = st_get(s->file, i);
    source_strip(s, "");
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        TRY(read_beside(s, beside[i], err));
out:
    if (status) {
        source_close(s);
        s = NULL;
    }
    *out = s;
    return status;
}

int source_strip(struct source *s, const char *prefix) {
    size_t length = strlen(prefix);
    int n = 0;
    s->prefix = arena_strdup(&s->arena, prefix);
    for (int i = 0; i < s->n; i++) {
        const char *name = s->tensors[i].t->name;
        int begins = !strncmp(name, prefix, length);
        s->tensors[i].name = begins ? name + length : NULL;
        n += begins;
    }
    return n;
}

struct source_tensor *source_find(const struct source *s, const char *name) {
    for (int i = 0; i < s->n; i++)
        if (s->tensors[i].name && !strcmp(s->tensors[i].name, name))
            return &s->tensors[i];
    return NULL;
}

struct source_tensor *source_findf(const struct source *s, const char *format, ...) {
    char name[256];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return source_find(s, name);
}

int source_count(const struct source *s, const char *format) {
    const char *number = strstr(format, "%d");
    CHECK(number, "%s: no number", format);
    int n = 0;
    while (source_findf(s, "%.*s%d%s", (int)(number - format), format, n, number + 2))
        n++;
    return n;
}

int source_dim(const struct source *s, const char *name, int i) {
    const struct source_tensor *t = source_find(s, name);
    return t && i < t->t->ndim && t->t->dim[i] < 1 << 30 ? (int)t->t->dim[i] : 0;
}

size_t source_entries(const struct source_tensor *t) {
    size_t n = 1;
    for (int i = 0; i < t->t->ndim; i++)
        n *= (size_t)t->t->dim[i];
    return n;
}

/* ---- numbers ---- */

static float of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* IEEE 754 binary16: 5 bits of exponent, 10 of fraction. */
static float of_half(uint16_t h) {
    uint32_t sign = (uint32_t)(h >> 15) << 31, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31)
        return of_bits(sign | 255u << 23 | fraction << 13);
    if (exponent)
        return of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float x = (float)fraction / (1 << 24); /* subnormal, or 0 */
    return sign ? -x : x;
}

enum { NOT_REAL, F64, F32, F16, BF16 };

static int type_of(const struct source_tensor *t) {
    static const char *const names[] = {
        [NOT_REAL] = "", [F64] = "F64", [F32] = "F32", [F16] = "F16", [BF16] = "BF16"};
    for (int i = F64; i <= BF16; i++)
        if (!strcmp(t->t->dtype, names[i]))
            return i;
    return NOT_REAL;
}

int source_is_real(const struct source_tensor *t) {
    return type_of(t) != NOT_REAL;
}

void source_reals(const struct source_tensor *t, size_t first, size_t n, float *out) {
    const void *data = t->t->data;
    const int type = type_of(t);
    CHECK(first + n <= source_entries(t), "%s: entries %zu..%zu of %zu", t->name, first, first + n,
          source_entries(t));
    switch (type) {
    case F32:
        memcpy(out, (const float *)data + first, n * sizeof *out);
        return;
    case F64:
        for (size_t i = 0; i < n; i++)
            out[i] = (float)((const double *)data)[first + i];
        return;
    case F16:
        for (size_t i = 0; i < n; i++)
            out[i] = of_half(((const uint16_t *)data)[first + i]);
        return;
    case BF16:
        for (size_t i = 0; i < n; i++)
            out[i] = of_bits((uint32_t)((const uint16_t *)data)[first + i] << 16);
        return;
    default:
        CHECK(0, "%s: %s is no type of real numbers", t->name, t->t->dtype);
    }
}

void source_close(struct source *s) {
    if (!s)
        return;
    st_close(s->file);
    json_decref(s->config);
    struct arena arena = s->arena; /* s lies in its own arena */
    arena_free(&arena);
}
