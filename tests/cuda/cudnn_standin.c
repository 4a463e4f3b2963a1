/* cudnn_standin.c -- as much of cuDNN's graph interface as kernels/cuda uses, on the emulator's
 * memory: a library of its own, which finds the emulator in the program that opens it.
 *
 * A descriptor is a bag of attributes.  What is used before it is finished, has not what it needs
 * or ends before those that refer to it is an error, or memory that a sanitizer knows to be freed.
 * The engines that it offers, in this order, are traps but for the last:
 */
#include "tests/cuda/cudnn_standin.h"

#include <math.h>
#include <stdlib.h>

enum engine {
    UNSTEADY, /* says that its bits differ from call to call, and computes NaN */
    TENSOR,   /* rounds as tensor cores do, and says so */
    BROKEN,   /* has no plan */
    STEADY,
    ENGINES,
    KNOB = 70 /* + engine: what its knob must be */
};

struct cudnnContext {
    cudaStream_t stream;
};

static void put(struct bag *b, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                int64_t count, const void *values) {
    struct attribute *a = &b->has[b->count++];
    a->name = name;
    a->type = type;
    a->count = count;
    memcpy(a->values, values, (size_t)count * size_of(type));
}

/* $CUDNN_STANDIN_VERSION: an older one, which does not know all attributes. */
size_t cudnnGetVersion(void) {
    const char *asked = getenv("CUDNN_STANDIN_VERSION");
    return asked ? strtoul(asked, NULL, 10) : 91900;
}

const char *cudnnGetErrorString(cudnnStatus_t status) {
    return status == CUDNN_STATUS_NOT_SUPPORTED_SHAPE ? "CUDNN_STATUS_NOT_SUPPORTED_SHAPE"
           : status == CUDNN_STATUS_EXECUTION_FAILED  ? "CUDNN_STATUS_EXECUTION_FAILED"
                                                      : "another status";
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
    *handle = calloc(1, sizeof **handle);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
    free(handle);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t *descriptor) {
    struct bag *b = calloc(1, sizeof *b);
    b->type = type;
    *descriptor = b;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
    free(descriptor);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void *values) {
    struct bag *b = descriptor;
    if (b->finished || find(b, name) || b->count == MOST_ATTRIBUTES ||
        (size_t)count * size_of(type) > sizeof b->has->values)
        return CUDNN_STATUS_BAD_PARAM;
    put(b, name, type, count, values);
    return CUDNN_STATUS_SUCCESS;
}

/* ---- finishing ---- */

/* Where an operation has what. */
struct operation {
    const struct bag *of, *x, *w, *y, *windows;
    float alpha, beta;
};

static struct operation operation(const struct bag *b) {
    struct operation o = {.of = b};
#define TAKE(KIND, X_, W_, Y_)                                                                     \
    o.x = within(b, CUDNN_ATTR_OPERATION_CONVOLUTION_##KIND##_##X_);                               \
    o.w = within(b, CUDNN_ATTR_OPERATION_CONVOLUTION_##KIND##_##W_);                               \
    o.y = within(b, CUDNN_ATTR_OPERATION_CONVOLUTION_##KIND##_##Y_);                               \
    o.windows = within(b, CUDNN_ATTR_OPERATION_CONVOLUTION_##KIND##_CONV_DESC);                    \
    o.alpha = real_number(b, CUDNN_ATTR_OPERATION_CONVOLUTION_##KIND##_ALPHA);                     \
    o.beta = real_number(b, CUDNN_ATTR_OPERATION_CONVOLUTION_##KIND##_BETA)
    if (b->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR) {
        TAKE(FORWARD, X, W, Y);
    } else if (b->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR) {
        TAKE(BWD_DATA, DX, W, DY);
    } else {
        TAKE(BWD_FILTER, X, DW, DY);
    }
#undef TAKE
    return o;
}

static int64_t pad_of(const struct bag *windows) {
    return number(windows, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 0);
}

static int64_t stride_of(const struct bag *windows) {
    return number(windows, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 0);
}

static cudnnStatus_t finish_tensor(const struct bag *b) {
    int right = 1;
    for (int i = 0; i < DIMS; i++)
        right &= dim(b, i) > 0 && number(b, CUDNN_ATTR_TENSOR_STRIDES, i) > 0;
    return right && number(b, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 0) &&
                   number(b, CUDNN_ATTR_TENSOR_UNIQUE_ID, 0) && find(b, CUDNN_ATTR_TENSOR_DATA_TYPE)
               ? CUDNN_STATUS_SUCCESS
               : CUDNN_STATUS_BAD_PARAM;
}

/* Channels last. */
static int is_dense(const struct bag *b) {
    enum { N, C, H, W };
    const int64_t dense[DIMS] = {dim(b, C) * dim(b, H) * dim(b, W), 1, dim(b, W) * dim(b, C),
                                 dim(b, C)};
    int right = 1;
    for (int i = N; i < DIMS; i++)
        right &= number(b, CUDNN_ATTR_TENSOR_STRIDES, i) == dense[i];
    return right;
}

static cudnnStatus_t finish_windows(const struct bag *b) {
    int right = number(b, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 0) == 2 &&
                number(b, CUDNN_ATTR_CONVOLUTION_CONV_MODE, 0) == CUDNN_CROSS_CORRELATION &&
                find(b, CUDNN_ATTR_CONVOLUTION_COMP_TYPE);
    for (int i = 0; i < 2; i++)
        right &= number(b, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, i) == pad_of(b) &&
                 number(b, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, i) == pad_of(b) &&
                 number(b, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, i) == stride_of(b) &&
                 number(b, CUDNN_ATTR_CONVOLUTION_DILATIONS, i) == 1;
    return right ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}

static cudnnStatus_t finish_operation(const struct bag *b) {
    struct operation o = operation(b);
    if (!o.x || !o.w || !o.y || !o.windows || isnan(o.alpha) || isnan(o.beta))
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    int right =
        dim(o.x, 0) == dim(o.y, 0) && dim(o.x, 1) == dim(o.w, 1) && dim(o.y, 1) == dim(o.w, 0);
    right &= is_dense(o.x) && is_dense(o.w) && is_dense(o.y);
    for (int i = 2; i < DIMS; i++) {
        int64_t room = dim(o.x, i) + 2 * pad_of(o.windows) - dim(o.w, i);
        right &= room >= 0 && dim(o.y, i) == room / stride_of(o.windows) + 1;
    }
    if (!right)
        return CUDNN_STATUS_BAD_PARAM;
    /* All are of one type: as cuDNN 9.19 says of the H200 that tests/cuda/h200.json describes. */
    if (is_half(o.x) != is_half(o.w) || is_half(o.x) != is_half(o.y))
        return CUDNN_STATUS_NOT_SUPPORTED;
    /* so that there is something that it has no plan for */
    return pad_of(o.windows) > 2 * dim(o.w, 2) ? CUDNN_STATUS_NOT_SUPPORTED_SHAPE
                                               : CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finish_config(const struct bag *b) {
    const struct bag *engine = within(b, CUDNN_ATTR_ENGINECFG_ENGINE);
    const struct bag *knob = within(b, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES);
    if (!engine || !knob)
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    return number(knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, 0) ==
                   KNOB + number(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, 0)
               ? CUDNN_STATUS_SUCCESS
               : CUDNN_STATUS_BAD_PARAM;
}

static cudnnStatus_t finish_plan(const struct bag *b) {
    const struct bag *config = within(b, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    if (!config || !find(b, CUDNN_ATTR_EXECUTION_PLAN_HANDLE))
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    const struct bag *engine = within(config, CUDNN_ATTR_ENGINECFG_ENGINE);
    return number(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, 0) == BROKEN ? CUDNN_STATUS_NOT_SUPPORTED
                                                                       : CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t has_finished(const struct bag *b, cudnnBackendAttributeName_t name) {
    return within(b, name) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
}

static cudnnStatus_t finish(const struct bag *b) {
    switch (b->type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
        return finish_tensor(b);
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
        return finish_windows(b);
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
        return finish_operation(b);
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
        return has_finished(b, CUDNN_ATTR_OPERATIONGRAPH_OPS);
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
        return has_finished(b, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    case CUDNN_BACKEND_ENGINE_DESCRIPTOR:
        return has_finished(b, CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR:
        return finish_config(b);
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
        return finish_plan(b);
    default:
        return standin_is_attention(b) ? standin_finish(b) : CUDNN_STATUS_SUCCESS;
    }
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
    struct bag *b = descriptor;
    cudnnStatus_t status = b->finished ? CUDNN_STATUS_BAD_PARAM : finish(b);
    b->finished = !status;
    return status;
}

/* ---- asking ---- */

/* The workspace of a plan: as large as the result. */
static int64_t workspace_of(const struct bag *plan) {
    const struct bag *config = within(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    const struct bag *engine = within(config, CUDNN_ATTR_ENGINECFG_ENGINE);
    const struct bag *graph = within(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
    if (standin_is_attention(within(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS)))
        return standin_workspace(graph);
    struct operation o = operation(within(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS));
    return dim(o.y, 0) * dim(o.y, 1) * dim(o.y, 2) * dim(o.y, 3) * (int64_t)sizeof(float);
}

/* An engine with nothing but its number; in a configuration, and as what an engine is told of. */
static void be_engine(struct bag *b, int64_t engine) {
    put(b, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &engine);
    b->finished = 1;
}

static int64_t give(const struct bag *b, cudnnBackendAttributeName_t name, void *values) {
    struct bag *const *bags = values;
    int64_t engine = number(b, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, 0);
    const int32_t notes[] = {[UNSTEADY] = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC,
                             [TENSOR] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE};
    switch ((int)name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS:
        for (int64_t i = 0; i < ENGINES; i++)
            be_engine(bags[i], i);
        return ENGINES;
    case CUDNN_ATTR_ENGINECFG_ENGINE:
        be_engine(bags[0], engine);
        return 1;
    case CUDNN_ATTR_ENGINECFG_KNOB_CHOICES:
        engine += KNOB;
        put(bags[0], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &engine);
        bags[0]->finished = 1;
        return 1;
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
        memcpy(values, &engine, sizeof engine);
        return 1;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
        if (engine > TENSOR)
            return 0;
        memcpy(values, &notes[engine], sizeof *notes);
        return 1;
    default:
        engine = name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE ? workspace_of(b) : 0;
        memcpy(values, &engine, sizeof engine);
        return 1;
    }
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t asked,
                                       int64_t *count, void *values) {
    const struct bag *b = descriptor;
    (void)type;
    if (!b->finished || asked < 1)
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    if (name == CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE && cudnnGetVersion() < 90200)
        return CUDNN_STATUS_BAD_PARAM;
    *count = give(b, name, values);
    return CUDNN_STATUS_SUCCESS;
}

/* ---- computing ---- */

struct array {
    int64_t n, h, w, c;
    size_t count;
    int half;
    void *there;
    float *here;
};

static size_t bytes_of(const struct array *a) {
    return a->count * (a->half ? sizeof(uint16_t) : sizeof(float));
}

/* The numbers of 16 bits that lie in the first half of the copy, widened from the last on. */
static void widen(struct array *a) {
    for (size_t i = a->count; i-- > 0;) {
        uint16_t narrow;
        memcpy(&narrow, (char *)a->here + i * sizeof narrow, sizeof narrow);
        uint32_t bits = (uint32_t)narrow << 16;
        memcpy(&a->here[i], &bits, sizeof bits);
    }
}

/* To the nearest, ties to even. */
static void narrow(struct array *a) {
    for (size_t i = 0; i < a->count; i++) {
        uint32_t bits;
        memcpy(&bits, &a->here[i], sizeof bits);
        if (!isnan(a->here[i]))
            bits += 0x7fff + (bits >> 16 & 1);
        uint16_t upper = (uint16_t)(bits >> 16);
        memcpy((char *)a->here + i * sizeof upper, &upper, sizeof upper);
    }
}

/* A copy of an argument, rounded to 10 bits where tensor cores would. */
static cudnnStatus_t bring(struct array *a, const struct bag *tensor, const struct bag *pack,
                           int rounded) {
    enum { BITS = 13 };
    int64_t id = number(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, 0);
    int i = 0;
    while (number(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, i) != id)
        i++;
    int64_t pointer = number(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, i);
    if (!pointer || pointer % number(tensor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 0))
        return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
    *a = (struct array){.n = dim(tensor, 0),
                        .c = dim(tensor, 1),
                        .h = dim(tensor, 2),
                        .w = dim(tensor, 3),
                        .half = is_half(tensor),
                        .there = (void *)(uintptr_t)pointer};
    a->count = (size_t)(a->n * a->c * a->h * a->w);
    a->here = malloc(a->count * sizeof(float));
    cudaMemcpyAsync(a->here, a->there, bytes_of(a), cudaMemcpyDeviceToHost, NULL);
    if (a->half)
        widen(a);
    for (size_t k = 0; k < a->count && rounded; k++) {
        uint32_t bits;
        memcpy(&bits, &a->here[k], sizeof bits);
        bits = (bits + (1u << (BITS - 1))) >> BITS << BITS;
        memcpy(&a->here[k], &bits, sizeof bits);
    }
    return CUDNN_STATUS_SUCCESS;
}

static size_t at(const struct array *a, int64_t n, int64_t h, int64_t w) {
    return (size_t)(((n * a->h + h) * a->w + w) * a->c);
}

/* Adds to sum, which is x, w or y, what the other two make for one window and one tap. */
static void add_tap(const struct operation *o, struct array a[3], double *sum, size_t at_x,
                    size_t at_w, size_t at_y, int64_t co) {
    for (int64_t ci = 0; ci < a[0].c; ci++) {
        size_t x = at_x + (size_t)ci, w = at_w + (size_t)ci, y = at_y + (size_t)co;
        if (o->of->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
            sum[y] += (double)a[0].here[x] * (double)a[1].here[w];
        else if (o->of->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
            sum[x] += (double)a[2].here[y] * (double)a[1].here[w];
        else
            sum[w] += (double)a[0].here[x] * (double)a[2].here[y];
    }
}

static void add_window(const struct operation *o, struct array a[3], double *sum, int64_t n,
                       int64_t oy, int64_t ox) {
    int64_t stride = stride_of(o->windows), pad = pad_of(o->windows);
    for (int64_t co = 0; co < a[1].n; co++)
        for (int64_t ky = 0; ky < a[1].h; ky++)
            for (int64_t kx = 0; kx < a[1].w; kx++) {
                int64_t y = oy * stride + ky - pad, x = ox * stride + kx - pad;
                if (y >= 0 && y < a[0].h && x >= 0 && x < a[0].w)
                    add_tap(o, a, sum, at(&a[0], n, y, x), at(&a[1], co, ky, kx),
                            at(&a[2], n, oy, ox), co);
            }
}

/* Which of x, w, y is computed. */
static int result_of(const struct bag *operation) {
    return operation->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR         ? 2
           : operation->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? 0
                                                                                             : 1;
}

static void compute(const struct operation *o, struct array a[3], int spoilt) {
    struct array *to = &a[result_of(o->of)];
    double *sum = calloc(to->count, sizeof *sum);
    for (int64_t n = 0; n < a[2].n; n++)
        for (int64_t oy = 0; oy < a[2].h; oy++)
            for (int64_t ox = 0; ox < a[2].w; ox++)
                add_window(o, a, sum, n, oy, ox);
    for (size_t i = 0; i < to->count; i++) {
        float old = o->beta != 0 ? o->beta * to->here[i] : 0;
        to->here[i] = spoilt ? NAN : o->alpha * (float)sum[i] + old;
    }
    free(sum);
    if (to->half)
        narrow(to);
    cudaMemcpyAsync(to->there, to->here, bytes_of(to), cudaMemcpyHostToDevice, NULL);
}

static cudnnStatus_t convolve(const struct operation *o, const struct bag *pack, int64_t engine) {
    const struct bag *const tensors[3] = {o->x, o->w, o->y};
    struct array a[3] = {{0}};
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    for (int i = 0; i < 3 && !status; i++)
        status = bring(&a[i], tensors[i], pack, engine == TENSOR && i != result_of(o->of));
    if (!status)
        compute(o, a, engine == UNSTEADY);
    for (int i = 0; i < 3; i++)
        free(a[i].here);
    return status;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t variant_pack) {
    const struct bag *p = plan, *pack = variant_pack;
    if (!handle || !p->finished || !pack->finished)
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    if (getenv("CUDNN_STANDIN_FAILS"))
        return CUDNN_STATUS_EXECUTION_FAILED;
    const struct bag *config = within(p, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    const struct bag *engine = within(config, CUDNN_ATTR_ENGINECFG_ENGINE);
    const struct bag *graph = within(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
    int64_t number_of = number(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, 0);
    int64_t workspace = number(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, 0);
    /* all of it: what is too small shows in what lies behind it */
    cudaMemsetAsync((void *)(uintptr_t)workspace, 0xff, (size_t)workspace_of(p), handle->stream);
    cudaStreamSynchronize(handle->stream); /* it is computed now, on the processor */
    if (standin_is_attention(within(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS)))
        return standin_compute(graph, pack, number_of == UNSTEADY);
    struct operation o = operation(within(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS));
    return convolve(&o, pack, number_of);
}
