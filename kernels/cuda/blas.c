#include "kernels/cuda/blas.h"

#include "kernels/cuda/blas_library.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A product with everything that its kernel depends on. */
struct key {
    int m, n, k, ta, tb, lda, ldb, ld_add, ldy, adds, bias, halves_in, halves_out;
    unsigned aligned[4]; /* bytes: a, b, add, y */
};

struct plan {
    struct key key; /* first: a key finds it */
    int none;       /* the library has no kernel for it */
    cublasLtMatmulDesc_t how;
    cublasLtMatrixLayout_t a, b, add, y; /* as the library sees them: exchanged */
    cublasLtMatmulAlgo_t algo;
    size_t workspace;
};

struct blas {
    struct blas_library f;
    cublasLtHandle_t handle;
    cudaStream_t stream;
    cublasComputeType_t compute;
    struct device *device;
    void *workspace;
    void *plans;  /* tree of struct plan, by key */
    void *packed; /* tree of struct packed_matrix, by packed */
    int without;  /* plans for which the library has no kernel */
    char first_without[96], note[192];
};

static int by_key(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct key));
}

static int by_packed(const void *a, const void *b) {
    const struct packed_matrix *x = a, *y = b;
    return (x->packed > y->packed) - (x->packed < y->packed);
}

/* What is like `like` in a tree; when it is not there yet a copy of its first bytes, the rest being
 * 0.  NULL: no memory. */
static void *get(void **tree, const void *like, size_t bytes, size_t size,
                 int (*compare)(const void *, const void *)) {
    void *const *there = tfind(like, tree, compare);
    if (there)
        return *there;
    void *made = calloc(1, size);
    if (made)
        memcpy(made, like, bytes);
    if (made && tsearch(made, tree, compare))
        return made;
    free(made);
    return NULL;
}

int blas_remember(struct blas *b, const struct packed_matrix *m) {
    struct packed_matrix *place = get(&b->packed, m, sizeof *m, sizeof *m, by_packed);
    if (!place)
        return BLAS_NONE;
    *place = *m;
    return 0;
}

const struct packed_matrix *blas_recall(const struct blas *b, const void *packed) {
    const struct packed_matrix like = {.packed = packed};
    void *const *there = tfind(&like, &b->packed, by_packed);
    return there ? *there : NULL;
}

int blas_open(struct blas **out, struct device *d, void *stream, enum device_math math,
              struct error *err) {
    static const cublasComputeType_t compute[] = {[DEVICE_FP32] = CUBLAS_COMPUTE_32F,
                                                  [DEVICE_TF32] = CUBLAS_COMPUTE_32F_FAST_TF32,
                                                  [DEVICE_BF16] = CUBLAS_COMPUTE_32F_FAST_16BF};
    struct blas *b = calloc(1, sizeof *b);
    *out = NULL;
    if (!b)
        return error_set(err, STATUS_MACHINE, "no memory");
    b->stream = stream;
    b->compute = compute[math];
    b->device = d;
    int status = blas_load(&b->f, err);
    if (!status && b->f.cublasLtCreate(&b->handle))
        status = error_set(err, STATUS_MACHINE, "cuBLASLt does not start");
    if (!status)
        status = d->allocate(d, &b->workspace, b->f.workspace, "cuBLASLt", err);
    if (status)
        blas_close(b);
    else
        *out = b;
    return status;
}

static void forget(struct blas *b, struct plan *p) {
    if (p->how)
        b->f.cublasLtMatmulDescDestroy(p->how);
    cublasLtMatrixLayout_t layouts[] = {p->a, p->b, p->add, p->y};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i])
            b->f.cublasLtMatrixLayoutDestroy(layouts[i]);
}

void blas_close(struct blas *b) {
    if (!b)
        return;
    while (b->plans) {
        struct plan *p = *(struct plan **)b->plans; /* a node begins with what is kept */
        tdelete(p, &b->plans, by_key);
        forget(b, p);
        free(p);
    }
    tdestroy(b->packed, free);
    if (b->workspace)
        b->device->release(b->device, b->workspace);
    if (b->handle)
        b->f.cublasLtDestroy(b->handle);
    free(b);
}

static cudaDataType storage(int halves) {
    return halves ? CUDA_R_16BF : CUDA_R_32F;
}

/* Stored (rows,cols) row-major is (cols,rows) column-major. */
static int layout(struct blas *b, cublasLtMatrixLayout_t *out, int halves, int rows, int cols,
                  int ld) {
    return b->f.cublasLtMatrixLayoutCreate(out, storage(halves), (uint64_t)cols, (uint64_t)rows,
                                           ld);
}

static int describe(struct blas *b, struct plan *p) {
    const struct key *k = &p->key;
    const cublasOperation_t a = k->ta ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t c = k->tb ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasLtEpilogue_t end = k->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    const cudaDataType bias = storage(k->halves_out);
    int s = b->f.cublasLtMatmulDescCreate(&p->how, k->halves_in ? CUBLAS_COMPUTE_32F : b->compute,
                                          CUDA_R_32F);
    const struct {
        cublasLtMatmulDescAttributes_t name;
        const void *value;
        size_t bytes;
    } set[] = {{CUBLASLT_MATMUL_DESC_TRANSA, &c, sizeof c},
               {CUBLASLT_MATMUL_DESC_TRANSB, &a, sizeof a},
               {CUBLASLT_MATMUL_DESC_EPILOGUE, &end, sizeof end},
               {CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &bias, sizeof bias}};
    for (size_t i = 0; i < sizeof set / sizeof *set && !s; i++)
        s = b->f.cublasLtMatmulDescSetAttribute(p->how, set[i].name, set[i].value, set[i].bytes);
    if (!s)
        s = layout(b, &p->a, k->halves_in, k->ta ? k->k : k->m, k->ta ? k->m : k->k, k->lda);
    if (!s)
        s = layout(b, &p->b, k->halves_in, k->tb ? k->n : k->k, k->tb ? k->k : k->n, k->ldb);
    if (!s)
        s = layout(b, &p->add, k->halves_out, k->m, k->n, k->ld_add);
    if (!s)
        s = layout(b, &p->y, k->halves_out, k->m, k->n, k->ldy);
    return s;
}

/* This product is computed without the library from now on. */
static void leave(struct blas *b, struct plan *p) {
    const struct key *k = &p->key;
    p->none = 1;
    if (!b->without++)
        snprintf(b->first_without, sizeof b->first_without, "%d %d %d %d %d, %d to %d bits", k->m,
                 k->n, k->k, k->ta, k->tb, k->halves_in ? 16 : 32, k->halves_out ? 16 : 32);
    snprintf(b->note, sizeof b->note, "own kernels for %d products, the first (m n k ta tb) %s",
             b->without, b->first_without);
}

static int choose(struct blas *b, struct plan *p) {
    const size_t room = b->f.workspace;
    const unsigned *to = p->key.aligned;
    cublasLtMatmulPreference_t wish = NULL;
    cublasLtMatmulHeuristicResult_t found;
    int n = 0, s = b->f.cublasLtMatmulPreferenceCreate(&wish);
    /* the library's A is our b */
    const struct {
        cublasLtMatmulPreferenceAttributes_t name;
        const void *value;
        size_t bytes;
    } set[] = {{CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room, sizeof room},
               {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &to[1], sizeof *to},
               {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &to[0], sizeof *to},
               {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &to[2], sizeof *to},
               {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &to[3], sizeof *to}};
    for (size_t i = 0; i < sizeof set / sizeof *set && !s; i++)
        s = b->f.cublasLtMatmulPreferenceSetAttribute(wish, set[i].name, set[i].value,
                                                      set[i].bytes);
    if (!s)
        s = b->f.cublasLtMatmulAlgoGetHeuristic(b->handle, p->how, p->b, p->a, p->add, p->y, wish,
                                                1, &found, &n);
    if (wish)
        b->f.cublasLtMatmulPreferenceDestroy(wish);
    if (s == BLAS_NONE || (!s && (!n || found.state)))
        leave(b, p);
    else if (!s) {
        p->algo = found.algo;
        p->workspace = found.workspaceSize;
    }
    return p->none ? 0 : s;
}

/* What of an address a kernel may count on. */
static unsigned alignment(const void *p) {
    enum { MOST = 256 };
    uintptr_t low = (uintptr_t)p & (MOST - 1);
    return low ? (unsigned)(low & -low) : MOST;
}

static int set_bias(struct blas *b, struct plan *plan, const void *bias) {
    return bias ? b->f.cublasLtMatmulDescSetAttribute(plan->how, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                                      &bias, sizeof bias)
                : 0;
}

static int make(struct blas *b, struct plan *plan, const void *bias) {
    int s = describe(b, plan);
    if (!s)
        s = set_bias(b, plan, bias);
    if (!s)
        s = choose(b, plan);
    if (s) {
        forget(b, plan);
        *plan = (struct plan){.key = plan->key};
    }
    return s;
}

int blas_product(struct blas *b, const struct product *p) {
    struct key key;
    const void *add = p->beta != 0 ? p->add : p->y;
    memset(&key, 0, sizeof key); /* its bytes are compared */
    key.m = p->m, key.n = p->n, key.k = p->k, key.ta = p->ta, key.tb = p->tb;
    key.lda = p->lda, key.ldb = p->ldb, key.ldy = p->ldy;
    key.ld_add = p->beta != 0 ? p->ld_add : p->ldy;
    key.adds = p->beta != 0, key.bias = p->bias != NULL;
    key.halves_in = p->halves_in, key.halves_out = p->halves_out;
    const void *at[] = {p->a, p->b, add, p->y};
    for (int i = 0; i < 4; i++)
        key.aligned[i] = alignment(at[i]);
    struct plan *plan = get(&b->plans, &key, sizeof key, sizeof *plan, by_key);
    if (!plan)
        return BLAS_NONE;
    if (!plan->how) {
        int s = make(b, plan, p->bias);
        if (s)
            return s;
    }
    if (plan->none)
        return BLAS_NONE;
    int s = set_bias(b, plan, p->bias);
    return s ? s
             : (int)b->f.cublasLtMatmul(b->handle, plan->how, &p->alpha, p->b, plan->b, p->a,
                                        plan->a, &p->beta, add, plan->add, p->y, plan->y,
                                        &plan->algo, b->workspace, plan->workspace, b->stream);
}

const char *blas_error(struct blas *b, int status) {
    return b->f.cublasLtGetStatusString((cublasStatus_t)status);
}

size_t blas_workspace(const struct blas *b) {
    return b->workspace ? b->f.workspace : 0;
}

const char *blas_note(const struct blas *b) {
    return b->note;
}
