#include "kernels/cases_device.h"
#include "kernels/cases_make.h"

#include "core/rng.h"

#include <math.h>
#include <string.h>

static const struct kernel_case *const families[] = {cases_table, cases_conv, cases_net,
                                                     cases_rows,  cases_copy, cases_views};

const struct kernel_case *kernel_case_at(int i) {
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const struct kernel_case *kc = families[f]; kc->name; kc++)
            if (i-- == 0)
                return kc;
    return NULL;
}

int kernel_case_dims(const struct kernel_case *kernel) {
    int n = 1;
    for (const char *s = kernel->dims; *s; s++)
        n += *s == ' ';
    return n;
}

enum { GUARD = CASE_GUARD, ALIGN = 64 };
_Static_assert(sizeof(real) == sizeof(uint32_t), "buffers are filled word by word");

/* NaNs that no arithmetic makes: before the first write, and around the buffers. */
static const uint32_t poison = CASE_POISON, guard = 0x7fc0dead;

static void fill_word(void *p, size_t n, uint32_t word) {
    for (size_t i = 0; i < n; i++)
        memcpy((uint32_t *)p + i, &word, sizeof word);
}

static int is_word(const void *p, size_t n, uint32_t word) {
    for (size_t i = 0; i < n; i++)
        if (memcmp((const uint32_t *)p + i, &word, sizeof word) != 0)
            return 0;
    return 1;
}

/* n words between two guards */
static void *guarded(struct case_run *r, size_t n) {
    size_t before = ALIGN / sizeof(real), room = n + 2 * (GUARD + before);
    real *base = arena_alloc(&r->arena, room * sizeof *base);
    size_t shift = (ALIGN - (uintptr_t)base % ALIGN) % ALIGN / sizeof *base;
    real *data = base + shift + GUARD + r->offset;
    fill_word(data - GUARD, GUARD, guard);
    fill_word(data, n, poison);
    fill_word(data + n, GUARD, guard);
    return data;
}

static struct case_buffer *make(struct case_run *r, enum case_role role, size_t rows, size_t width,
                                size_t stride) {
    CHECK(r->n_buffers < CASE_BUFFERS, "%s: more than %d buffers", r->kernel->name, CASE_BUFFERS);
    struct case_buffer *b = &r->buffer[r->n_buffers++];
    *b = (struct case_buffer){.role = role, .rows = rows, .width = width, .stride = stride};
    return b;
}

static struct rng stream(const struct case_run *r) {
    return rng_at((struct rng_key){.seed = r->seed, .purpose = RNG_TEST}, 0,
                  (uint32_t)r->n_buffers);
}

static struct case_buffer *made(struct case_run *r) {
    CHECK(r->next < r->n_buffers, "%s: buffer %d was not made", r->kernel->name, r->next);
    return &r->buffer[r->next++];
}

static void keep_start(struct case_run *r, struct case_buffer *b) {
    size_t n = b->rows * b->stride;
    if (!b->start)
        b->start = ARENA_ARRAY(&r->arena, real, n + 1);
    memcpy(b->start, b->data, n * sizeof *b->start);
}

/* Drawing normals takes longer than most kernels: those of a large buffer repeat, with a prime
 * period, so that no two rows or columns of it are the same. */
static void fill_normal(struct case_run *r, struct case_buffer *b) {
    enum { PERIOD = 16381 };
    size_t n = b->rows * b->width, drawn = n < PERIOD ? n : PERIOD, next = 0;
    double *normal = ARENA_ARRAY(&r->arena, double, drawn + 1);
    struct rng random = stream(r);
    rng_normals(&random, normal, drawn);
    for (size_t i = 0; i < b->rows; i++)
        for (size_t j = 0; j < b->width; j++, next++) {
            next = next < drawn ? next : 0;
            b->data[i * b->stride + j] = (real)normal[next];
        }
}

/* Stands for the newest buffer where only sizes are asked for: nobody follows it. */
static void *nowhere(struct case_run *r) {
    static real stand_in[CASE_BUFFERS];
    r->buffer[r->n_buffers - 1].at = &stand_in[r->n_buffers - 1];
    return &stand_in[r->n_buffers - 1];
}

/* Where a call finds it. */
static void *place(const struct case_run *r, const struct case_buffer *b) {
    return r->device && !b->returned ? b->there : b->index ? (void *)b->index : b->data;
}

real *case_real(struct case_run *r, enum case_role role, size_t rows, size_t width, size_t stride) {
    if (r->c)
        return place(r, made(r));
    struct case_buffer *b = make(r, role, rows, width, stride);
    if (r->only_sizes)
        return nowhere(r);
    b->at = b->data = guarded(r, rows * stride);
    if (role == CASE_INPUT || role == CASE_UPDATE)
        fill_normal(r, b);
    if (role == CASE_UPDATE)
        keep_start(r, b);
    return b->data;
}

real *case_positive(struct case_run *r, enum case_role role, size_t n) {
    real *data = case_real(r, role, n, 1, 1);
    if (!case_fills(r))
        return data;
    for (size_t i = 0; i < n; i++)
        data[i] = (real)(0.1 + fabs((double)data[i]));
    if (role == CASE_UPDATE)
        keep_start(r, &r->buffer[r->n_buffers - 1]);
    return data;
}

real *case_returned(struct case_run *r, size_t n) {
    real *data = case_real(r, CASE_OUTPUT, 1, n, n);
    r->buffer[(r->c ? r->next : r->n_buffers) - 1].returned = 1;
    return data;
}

int32_t *case_index(struct case_run *r, size_t n, int first, int end) {
    if (r->c)
        return place(r, made(r));
    struct case_buffer *b = make(r, CASE_INPUT, n, 1, 1);
    if (r->only_sizes)
        return nowhere(r);
    b->at = b->index = guarded(r, n);
    struct rng random = stream(r);
    for (size_t i = 0; i < n; i++)
        b->index[i] = first + (int32_t)rng_below(&random, (uint32_t)(end - first));
    return b->index;
}

int32_t *case_index_out(struct case_run *r, size_t rows, size_t width) {
    if (r->c)
        return place(r, made(r));
    struct case_buffer *b = make(r, CASE_OUTPUT, rows, width, width);
    if (r->only_sizes)
        return nowhere(r);
    b->at = b->index = guarded(r, rows * width);
    return b->index;
}

/* To the nearest number of 16 bits, ties to even. */
static real half_of(real x) {
    uint32_t word;
    memcpy(&word, &x, sizeof word);
    word = (word + 0x7fff + (word >> 16 & 1)) & 0xffff0000u;
    memcpy(&x, &word, sizeof x);
    return x;
}

static void round_to_halves(struct case_buffer *b) {
    for (size_t i = 0; i < b->rows; i++)
        for (size_t j = 0; j < b->width; j++)
            b->data[i * b->stride + j] = half_of(b->data[i * b->stride + j]);
}

void case_arrays(struct case_run *r, size_t n, const void *const *arrays) {
    for (size_t a = 0; a < n && !r->c; a++)
        for (int i = 0; i < r->n_buffers && arrays[a] && r->halves >> a & 1; i++) {
            struct case_buffer *b = &r->buffer[i];
            if (b->at != arrays[a] || b->half)
                continue;
            b->half = 1;
            if (b->data && (b->role == CASE_INPUT || b->role == CASE_UPDATE))
                round_to_halves(b);
            if (b->data && b->start)
                keep_start(r, b);
        }
}

void case_spare(struct case_run *r, const void *array, double numbers) {
    for (int i = 0; i < r->n_buffers && !r->c && array; i++)
        if (r->buffer[i].at == array)
            r->buffer[i].spared = numbers;
}

void case_open(struct case_run *r, const struct kernel_case *kernel, const int dim[CASE_DIMS],
               const struct kernels *k, int offset, uint64_t seed) {
    *r = (struct case_run){.kernel = kernel, .k = k, .offset = offset, .seed = seed};
    memcpy(r->dim, dim, sizeof r->dim);
    kernel->run(r);
}

void case_open_stored(struct case_run *r, const struct kernel_case *kernel,
                      const int dim[CASE_DIMS], unsigned halves, const struct kernels *k,
                      uint64_t seed) {
    *r = (struct case_run){.kernel = kernel, .k = k, .halves = halves, .seed = seed};
    memcpy(r->dim, dim, sizeof r->dim);
    kernel->run(r);
}

void case_call(struct case_run *r, const struct kctx *c) {
    r->c = c;
    r->next = 0;
    r->kernel->run(r);
    r->calls++;
}

struct case_cost case_cost(const struct kernel_case *kernel, const int dim[CASE_DIMS],
                           unsigned halves) {
    struct case_run r = {.kernel = kernel, .k = kernels_ref(), .only_sizes = 1, .halves = halves};
    memcpy(r.dim, dim, sizeof r.dim);
    kernel->run(&r);
    return (struct case_cost){r.flops, case_bytes(&r)};
}

int case_fills(const struct case_run *r) {
    return !r->c && !r->only_sizes;
}

int case_is_first(const struct case_run *r) {
    return !r->calls;
}

void case_restore(struct case_run *r) {
    for (int i = 0; i < r->n_buffers; i++) {
        struct case_buffer *b = &r->buffer[i];
        size_t n = b->rows * b->stride;
        if (b->role == CASE_UPDATE)
            memcpy(b->data, b->start, n * sizeof *b->data);
        if (b->role == CASE_OUTPUT)
            fill_word(b->index ? (void *)b->index : b->data, n, poison);
        if (r->device && (b->role == CASE_UPDATE || b->role == CASE_OUTPUT))
            case_resend(r, b);
    }
}

double case_distance(const struct case_buffer *a, const struct case_buffer *b) {
    double difference = 0, size = 0;
    for (size_t row = 0; row < a->rows; row++)
        for (size_t j = 0; j < a->width; j++) {
            double x = a->data[row * a->stride + j], y = b->data[row * b->stride + j];
            if (!isfinite(x) || !isfinite(y))
                return INFINITY;
            difference += (x - y) * (x - y);
            size += y * y;
        }
    return difference > 0 ? sqrt(difference / (size + 1e-30)) : 0;
}

static int same_words(const struct case_buffer *a, const struct case_buffer *b) {
    const void *x = a->index ? (const void *)a->index : a->data;
    const void *y = b->index ? (const void *)b->index : b->data;
    return !memcmp(x, y, a->rows * a->stride * sizeof(real));
}

int case_differs(const struct case_run *run, const struct case_run *ref, double tolerance,
                 double *worst) {
    *worst = 0;
    for (int i = 0; i < ref->n_buffers; i++) {
        const struct case_buffer *a = &run->buffer[i], *b = &ref->buffer[i];
        double distance = 0;
        if (a->role == CASE_SCRATCH)
            continue;
        if (a->index || a->role == CASE_INPUT)
            distance = same_words(a, b) ? 0 : INFINITY;
        else
            distance = case_distance(a, b);
        *worst = distance > *worst ? distance : *worst;
        if (!(distance < tolerance))
            return i;
    }
    return -1;
}

int case_overrun(const struct case_run *r) {
    for (int i = 0; i < r->n_buffers; i++) {
        const struct case_buffer *b = &r->buffer[i];
        const real *data = b->index ? (const real *)(const void *)b->index : b->data;
        int whole = !b->overrun && is_word(data - GUARD, GUARD, guard) &&
                    is_word(data + b->rows * b->stride, GUARD, guard);
        for (size_t row = 0; row < b->rows && whole; row++)
            whole = is_word(data + row * b->stride + b->width, b->stride - b->width, poison);
        if (!whole)
            return i;
    }
    return -1;
}

double case_bytes(const struct case_run *r) {
    double bytes = 0;
    for (int i = 0; i < r->n_buffers; i++) {
        const struct case_buffer *b = &r->buffer[i];
        const double once = (double)b->rows * (double)b->width;
        const double moved = (b->role == CASE_UPDATE ? 2 * once : once) - b->spared;
        const size_t size = b->half ? sizeof(uint16_t) : sizeof(real);
        bytes += b->role == CASE_SCRATCH ? 0 : moved * (double)size;
    }
    return bytes;
}

void case_close(struct case_run *r) {
    for (int i = 0; r->device && i < r->n_buffers; i++)
        r->device->release(r->device, r->buffer[i].memory);
    arena_free(&r->arena);
}
