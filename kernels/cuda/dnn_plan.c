#include "kernels/cuda/dnn_plan.h"

#include "kernels/cuda/dnn_attention.h"
#include "kernels/cuda/dnn_made.h"

typedef cudnnBackendDescriptor_t descriptor;

enum { MOST_CONFIGS = 64, MOST_KNOBS = 48, MOST_NOTES = 32, DIMS = 4 };
static const int64_t most_workspace = 1 << 30; /* bytes, of DNN_BATCH images */

/* ---- the graph ---- */

/* n images or filters of h x w, channels last; cuDNN names sizes in the order n c h w. */
static descriptor tensor(struct dnn_made *m, const struct dnn_problem *p, int64_t id, int64_t n,
                         int64_t h, int64_t w, int64_t channels) {
    const int64_t size[DIMS] = {n, channels, h, w};
    const int64_t stride[DIMS] = {h * w * channels, 1, w * channels, channels};
    const int half = (p->halves >> (id - DNN_X) & 1) != 0;
    const cudnnDataType_t type = half ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    descriptor d = dnn_make(m, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    dnn_set(m, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    dnn_set(m, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, DIMS, size);
    dnn_set(m, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, DIMS, stride);
    dnn_set_number(m, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
    dnn_set_number(m, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, p->alignment);
    dnn_finish(m, d);
    return d;
}

static descriptor windows(struct dnn_made *m, const struct conv_shape *s) {
    const int64_t pad[2] = {s->pad, s->pad}, stride[2] = {s->stride, s->stride}, ones[2] = {1, 1};
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    descriptor d = dnn_make(m, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    dnn_set(m, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    dnn_set(m, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    dnn_set_number(m, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
    dnn_set(m, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pad);
    dnn_set(m, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pad);
    dnn_set(m, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride);
    dnn_set(m, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, ones);
    dnn_finish(m, d);
    return d;
}

static const struct operation {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t x, w, y, windows, alpha, beta;
} operations[DNN_CONVOLUTIONS] = {
    [DNN_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [DNN_BACKWARD_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [DNN_BACKWARD_WEIGHT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                             CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

static descriptor convolution(struct dnn_made *m, const struct dnn_problem *p, int n) {
    const struct operation *o = &operations[p->kind];
    const struct conv_shape *s = &p->shape;
    const float one = 1, beta = p->acc ? 1 : 0;
    descriptor x = tensor(m, p, DNN_X, n, s->h, s->w, s->in);
    descriptor w = tensor(m, p, DNN_W, s->out, s->kh, s->kw, s->in);
    descriptor y = tensor(m, p, DNN_Y, n, conv_out_h(s), conv_out_w(s), s->out);
    descriptor how = windows(m, s), d = dnn_make(m, o->type);
    dnn_set_descriptor(m, d, o->x, x);
    dnn_set_descriptor(m, d, o->w, w);
    dnn_set_descriptor(m, d, o->y, y);
    dnn_set_descriptor(m, d, o->windows, how);
    dnn_set(m, d, o->alpha, CUDNN_TYPE_FLOAT, 1, &one);
    dnn_set(m, d, o->beta, CUDNN_TYPE_FLOAT, 1, &beta);
    dnn_finish(m, d);
    return d;
}

/* Of n images. */
static descriptor graph(struct dnn_made *m, const struct dnn_site *site,
                        const struct dnn_problem *p, int n) {
    descriptor operation[DNN_MOST_OPERATIONS];
    int count = 1;
    if (p->kind < DNN_CONVOLUTIONS)
        operation[0] = convolution(m, p, n);
    else
        count = dnn_attention_operations(m, p, n, operation);
    descriptor g = dnn_make(m, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    dnn_set(m, g, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, operation);
    if (site->handle)
        dnn_set(m, g, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &site->handle);
    dnn_finish(m, g);
    return g;
}

/* ---- engines ---- */

/* Engine configurations for a graph, what should be fastest first; how many. */
static int ask(struct dnn_made *m, const struct dnn_site *site, descriptor g,
               cudnnBackendHeurMode_t mode, descriptor config[MOST_CONFIGS]) {
    descriptor h = dnn_make(m, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    dnn_set_descriptor(m, h, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, g);
    dnn_set(m, h, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    if (!site->handle)
        dnn_set_descriptor(m, h, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, site->device);
    dnn_finish(m, h);
    for (int i = 0; i < MOST_CONFIGS; i++)
        config[i] = dnn_make(m, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    int count = dnn_get(m, h, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                        MOST_CONFIGS, config);
    return count < MOST_CONFIGS ? count : MOST_CONFIGS;
}

/* What rounds differently from call to call is never used, nor what loses more than float's sums
 * do; tensor cores, which round floats that they multiply to 10 bits, with tf32 or halves only. */
static int is_wanted(cudnnBackendNumericalNote_t note, int tensor_cores) {
    switch ((int)note) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
    case CUDNN_NUMERICAL_NOTE_FFT:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return 0;
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
        return tensor_cores;
    default:
        return 1;
    }
}

/* Of a configuration; before, cuDNN says it of a plan alone. */
static int tells_workspace(const struct dnn_made *m) {
    enum { SINCE = 90200 };
    return m->l->cudnnGetVersion() >= SINCE;
}

/* A configuration's engine, -1 for one that is not to be used. */
static int64_t engine_of(struct dnn_made *m, descriptor config, int tensor_cores) {
    cudnnBackendNumericalNote_t notes[MOST_NOTES];
    int64_t number = -1, workspace = 0;
    descriptor e = dnn_make(m, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    dnn_get(m, config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &e);
    dnn_get(m, e, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &number);
    int count = dnn_get(m, e, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                        MOST_NOTES, notes);
    if (tells_workspace(m))
        dnn_get(m, config, CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &workspace);
    int wanted = !m->status && count <= MOST_NOTES && workspace <= most_workspace;
    for (int i = 0; i < count && wanted; i++)
        wanted = is_wanted(notes[i], tensor_cores);
    return wanted ? number : -1;
}

/* The same engine with the same choices for another graph. */
static descriptor same_for(struct dnn_made *m, const struct dnn_site *site, descriptor g,
                           descriptor config, int64_t engine) {
    descriptor knobs[MOST_KNOBS], e, c;
    for (int i = 0; i < MOST_KNOBS; i++)
        knobs[i] = dnn_make(m, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    int count = dnn_get(m, config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                        MOST_KNOBS, knobs);
    if (count > MOST_KNOBS)
        m->status = CUDNN_STATUS_NOT_SUPPORTED;
    e = dnn_make(m, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    dnn_set_descriptor(m, e, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, g);
    dnn_set_number(m, e, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, engine);
    if (!site->handle)
        dnn_set_descriptor(m, e, CUDNN_ATTR_ENGINE_DEVICEPROP, site->device);
    dnn_finish(m, e);
    c = dnn_make(m, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    dnn_set_descriptor(m, c, CUDNN_ATTR_ENGINECFG_ENGINE, e);
    if (count)
        dnn_set(m, c, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, count,
                knobs);
    dnn_finish(m, c);
    return c;
}

/* ---- the plan ---- */

static cudnnStatus_t try_config(struct dnn_plan *out, const struct dnn_site *site, descriptor g,
                                descriptor config, int64_t engine) {
    struct dnn_made *m = out->made;
    int64_t workspace = 0;
    descriptor c = same_for(m, site, g, config, engine);
    descriptor plan = dnn_make(m, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    dnn_set_descriptor(m, plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, c);
    if (site->handle)
        dnn_set(m, plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &site->handle);
    else
        dnn_set_descriptor(m, plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, site->device);
    dnn_finish(m, plan);
    dnn_get(m, plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &workspace);
    if (!m->status && !tells_workspace(m) && workspace > most_workspace)
        m->status = CUDNN_STATUS_NOT_SUPPORTED;
    out->plan = plan;
    out->workspace = (size_t)workspace;
    out->engine = engine;
    return m->status;
}

/* The first of one mode's that can be used. */
static cudnnStatus_t first_of(struct dnn_plan *out, const struct dnn_site *site, descriptor g,
                              const struct dnn_problem *p, cudnnBackendHeurMode_t mode) {
    struct dnn_made *asked = dnn_begin(site->library);
    descriptor config[MOST_CONFIGS];
    descriptor usual = graph(asked, site, p, DNN_BATCH);
    int own = out->made->count, count = ask(asked, site, usual, mode, config);
    cudnnStatus_t status = asked->status ? asked->status : CUDNN_STATUS_NOT_SUPPORTED;
    int kept = asked->count;
    for (int i = 0; i < count && status; i++) {
        int64_t engine = engine_of(asked, config[i], site->tf32 || p->halves);
        if (engine >= 0)
            status = try_config(out, site, g, config[i], engine);
        if (status)
            dnn_go_back(out->made, own);
        dnn_go_back(asked, kept);
    }
    dnn_end(asked);
    return status;
}

static cudnnStatus_t first(struct dnn_plan *out, const struct dnn_site *site, descriptor g,
                           const struct dnn_problem *p) {
    static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_B,
                                                   CUDNN_HEUR_MODE_FALLBACK};
    cudnnStatus_t status = CUDNN_STATUS_NOT_SUPPORTED;
    for (size_t i = 0; i < sizeof modes / sizeof *modes && status; i++)
        status = first_of(out, site, g, p, modes[i]);
    return status;
}

cudnnStatus_t dnn_plan_make(struct dnn_plan *out, const struct dnn_site *site,
                            const struct dnn_problem *problem) {
    *out = (struct dnn_plan){.made = dnn_begin(site->library)};
    descriptor g = graph(out->made, site, problem, problem->n);
    cudnnStatus_t status = out->made->status;
    if (!status)
        status = first(out, site, g, problem);
    if (status)
        dnn_plan_end(out);
    return status;
}

void dnn_plan_end(struct dnn_plan *plan) {
    dnn_end(plan->made);
    *plan = (struct dnn_plan){.made = NULL};
}
