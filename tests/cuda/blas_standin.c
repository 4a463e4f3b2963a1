/* blas_standin.c -- cuBLASLt's part in kernels/cuda/blas.c, column-major as the library is, on the
 * emulator's memory.  What the library would refuse ends with CUBLAS_STATUS_INVALID_VALUE. */
#include "kernels/cuda/blas_library.h"
#include "tests/cuda/emulator.h"

#include <stdlib.h>
#include <string.h>

enum { FINE = 0, INVALID = 7, NOT_SUPPORTED = 15 };
enum { BIAS_ALIGNMENT = 16 }; /* bytes; no attribute asks for it */

struct emulated_matmul {
    cublasOperation_t ta, tb;
    cublasLtEpilogue_t end;
    cublasComputeType_t compute;
    cudaDataType bias_type;
    const void *bias;
};
struct emulated_layout {
    size_t rows, cols, ld;
    cudaDataType type;
};
struct emulated_preference {
    unsigned alignment;
};

cublasStatus_t cublasLtCreate(cublasLtHandle_t *out) {
    *out = malloc(1);
    return *out ? FINE : INVALID;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
    free(handle);
    return FINE;
}

const char *cublasLtGetStatusString(cublasStatus_t status) {
    return status == INVALID ? "an unsupported value" : "emulated status";
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, cublasComputeType_t compute,
                                        cudaDataType scale) {
    struct emulated_matmul *d = calloc(1, sizeof *d);
    if (d)
        *d = (struct emulated_matmul){.end = CUBLASLT_EPILOGUE_DEFAULT, .compute = compute};
    *out = d;
    return d && compute && scale == CUDA_R_32F ? FINE : INVALID;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) {
    free(d);
    return FINE;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d,
                                              cublasLtMatmulDescAttributes_t name,
                                              const void *value, size_t bytes) {
    void *to = name == CUBLASLT_MATMUL_DESC_TRANSA           ? (void *)&d->ta
               : name == CUBLASLT_MATMUL_DESC_TRANSB         ? (void *)&d->tb
               : name == CUBLASLT_MATMUL_DESC_EPILOGUE       ? (void *)&d->end
               : name == CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE ? (void *)&d->bias_type
                                                             : (void *)&d->bias;
    if (bytes != (name == CUBLASLT_MATMUL_DESC_BIAS_POINTER ? sizeof d->bias : sizeof d->ta))
        return INVALID;
    memcpy(to, value, bytes);
    return FINE;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, cudaDataType type,
                                          uint64_t rows, uint64_t cols, int64_t ld) {
    struct emulated_layout *l = calloc(1, sizeof *l);
    *out = l;
    if (!l || (type != CUDA_R_32F && type != CUDA_R_16BF) || ld < (int64_t)rows)
        return INVALID;
    *l = (struct emulated_layout){rows, cols, (size_t)ld, type};
    return FINE;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
    free(layout);
    return FINE;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out) {
    *out = calloc(1, sizeof **out);
    return *out ? FINE : INVALID;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
    free(p);
    return FINE;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
                                                    cublasLtMatmulPreferenceAttributes_t name,
                                                    const void *value, size_t bytes) {
    if (name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
        return bytes == sizeof(size_t) ? FINE : INVALID;
    if (bytes != sizeof p->alignment)
        return INVALID;
    memcpy(&p->alignment, value, bytes);
    return p->alignment && p->alignment % sizeof(uint16_t) == 0 ? FINE : INVALID;
}

/* Rows and columns of op(x). */
static int fits(const struct emulated_layout *x, cublasOperation_t op, size_t rows, size_t cols) {
    return op == CUBLAS_OP_N ? x->rows == rows && x->cols == cols
                             : x->rows == cols && x->cols == rows;
}

/* The combinations of the library's table that are used: factors alike, the result as they are or
 * float, the bias as the result; what is rounded on the way is of floats alone. */
static int types_fit(const struct emulated_matmul *d, const struct emulated_layout *a,
                     const struct emulated_layout *b, const struct emulated_layout *c,
                     const struct emulated_layout *y) {
    return a->type == b->type && c->type == y->type &&
           (y->type == CUDA_R_32F || y->type == a->type) &&
           (d->end != CUBLASLT_EPILOGUE_BIAS || d->bias_type == y->type) &&
           (a->type == CUDA_R_32F || d->compute == CUBLAS_COMPUTE_32F);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t d,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t y,
                                              cublasLtMatmulPreference_t p, int most,
                                              cublasLtMatmulHeuristicResult_t *out, int *n) {
    size_t k = d->ta == CUBLAS_OP_N ? a->cols : a->rows;
    *n = 0;
    if (!types_fit(d, a, b, c, y))
        return NOT_SUPPORTED;
    if (!handle || !p || most < 1 || c->rows != y->rows || c->cols != y->cols ||
        !fits(a, d->ta, y->rows, k) || !fits(b, d->tb, k, y->cols) ||
        (d->end == CUBLASLT_EPILOGUE_BIAS && !d->bias))
        return INVALID;
    /* There is not a kernel for everything, which is said in one of two ways. */
    if (y->rows == 1 && y->cols == 1)
        return NOT_SUPPORTED;
    memset(out, 0, sizeof *out);
    out->state = y->rows % 2 && y->cols % 2 ? NOT_SUPPORTED : FINE;
    out->algo.data[0] = out->state ? 0 : k;
    *n = 1;
    return FINE;
}

struct work {
    struct emulated_matmul how;
    struct emulated_layout a, b, c, y;
    const void *from_a, *from_b, *from_c;
    float alpha, beta;
    void *to;
    size_t k;
};

static double get(const void *x, cudaDataType type, size_t i) {
    float out = 0;
    if (type == CUDA_R_32F)
        memcpy(&out, (const float *)x + i, sizeof out);
    else
        memcpy((char *)&out + 2, (const uint16_t *)x + i, 2); /* the upper half */
    return (double)out;
}

static void put(void *x, cudaDataType type, size_t i, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value == value) /* NaN stays it; else to the nearest, ties to even */
        bits += 0x7fff + (bits >> 16 & 1);
    if (type == CUDA_R_32F)
        ((float *)x)[i] = value;
    else
        ((uint16_t *)x)[i] = (uint16_t)(bits >> 16);
}

static double at(const void *x, const struct emulated_layout *l, cublasOperation_t op, size_t i,
                 size_t j) {
    return get(x, l->type, op == CUBLAS_OP_N ? j * l->ld + i : i * l->ld + j);
}

static void compute(void *self) {
    const struct work *w = self;
    for (size_t j = 0; j < w->y.cols; j++)
        for (size_t i = 0; i < w->y.rows; i++) {
            double sum = 0;
            for (size_t p = 0; p < w->k; p++)
                sum +=
                    at(w->from_a, &w->a, w->how.ta, i, p) * at(w->from_b, &w->b, w->how.tb, p, j);
            sum *= (double)w->alpha;
            if (w->beta != 0)
                sum += (double)w->beta * get(w->from_c, w->c.type, j * w->c.ld + i);
            if (w->how.end == CUBLASLT_EPILOGUE_BIAS)
                sum += get(w->how.bias, w->how.bias_type, i);
            put(w->to, w->y.type, j * w->y.ld + i, (float)sum);
        }
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t d, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t layout_a, const void *b,
                              cublasLtMatrixLayout_t layout_b, const void *beta, const void *c,
                              cublasLtMatrixLayout_t layout_c, void *y,
                              cublasLtMatrixLayout_t layout_y, const cublasLtMatmulAlgo_t *algo,
                              void *workspace, size_t workspace_bytes, cudaStream_t stream) {
    struct work w = {.how = *d,
                     .a = *layout_a,
                     .b = *layout_b,
                     .c = *layout_c,
                     .y = *layout_y,
                     .from_a = a,
                     .from_b = b,
                     .from_c = c,
                     .to = y,
                     .k = algo->data[0]};
    (void)workspace;
    if (!handle || workspace_bytes ||
        (d->end == CUBLASLT_EPILOGUE_BIAS && (uintptr_t)d->bias % BIAS_ALIGNMENT))
        return INVALID;
    memcpy(&w.alpha, alpha, sizeof w.alpha);
    memcpy(&w.beta, beta, sizeof w.beta);
    emulated_work(stream, compute, &w, sizeof w);
    return FINE;
}

int blas_load(struct blas_library *out, struct error *err) {
    if (getenv("SSVBENCH_CUBLASLT"))
        return error_set(err, STATUS_MACHINE, "%s is not found", getenv("SSVBENCH_CUBLASLT"));
#define F(name) out->name = name;
    BLAS_FUNCTIONS(F)
#undef F
    out->workspace = 1 << 12;
    return 0;
}
