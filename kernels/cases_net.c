/* cases_net.c -- activations, attention. */
#include "kernels/cases_make.h"

/* n act in_place */
static void act_forward(struct case_run *r) {
    int n = r->dim[0], in_place = r->dim[2];
    real *x = in_place ? update(r, n, 1) : in(r, n, 1), *y = in_place ? x : out(r, n, 1);
    r->flops = 20.0 * n;
    if (r->c)
        r->k->act_forward(r->c, (enum activation)r->dim[1], (size_t)n, x, y);
}

static const int act_forward_shapes[][CASE_DIMS] = {
    {0, ACT_GELU},           {1, ACT_NONE},         {1, ACT_GELU, 1},
    {7, ACT_RELU},           {8, ACT_TANH, 1},      {31, ACT_GELU},
    {31, ACT_LEAKY_RELU, 1}, {33, ACT_SIGMOID},     {1009, ACT_NONE},
    {1009, ACT_GELU},        {1009, ACT_RELU},      {1009, ACT_LEAKY_RELU},
    {1009, ACT_QUICK_GELU},  {1009, ACT_TANH},      {1009, ACT_SIGMOID},
    {520 * 768, ACT_GELU},   {520 * 768, ACT_RELU}, {520 * 768, ACT_QUICK_GELU},
    {520 * 768, ACT_TANH},
};

/* n act acc in_place */
static void act_backward(struct case_run *r) {
    int n = r->dim[0], acc = r->dim[2], in_place = r->dim[3];
    real *x = in(r, n, 1), *dy = in_place ? update(r, n, 1) : in(r, n, 1);
    real *dx = in_place ? dy : gradient(r, acc, n, 1);
    r->flops = (acc ? 41.0 : 40.0) * n;
    if (r->c)
        r->k->act_backward(r->c, (enum activation)r->dim[1], (size_t)n, x, dy, acc, dx);
}

static const int act_backward_shapes[][CASE_DIMS] = {
    {0, ACT_GELU, 0, 0},
    {0, ACT_RELU, 1, 0},
    {1, ACT_GELU, 0, 0},
    {1, ACT_NONE, 1, 0},
    {7, ACT_GELU, 0, 1},
    {8, ACT_TANH, 0, 0},
    {31, ACT_GELU, 1, 0},
    {31, ACT_QUICK_GELU, 0, 1},
    {33, ACT_NONE, 0, 1},
    {1009, ACT_NONE, 0, 0},
    {1009, ACT_GELU, 1, 0},
    {1009, ACT_RELU, 0, 0},
    {1009, ACT_LEAKY_RELU, 1, 0},
    {1009, ACT_QUICK_GELU, 1, 0},
    {1009, ACT_TANH, 1, 0},
    {1009, ACT_SIGMOID, 0, 1},
    {520 * 768, ACT_GELU, 0, 0},
    {520 * 768, ACT_RELU, 0, 1},
    {520 * 768, ACT_QUICK_GELU, 0, 0},
    {520 * 768, ACT_TANH, 0, 0},
};

enum { CAUSAL = 1, BIAS = 2 };

/* n t heads d options */
static void attention_forward(struct case_run *r) {
    const int *s = r->dim, t = s[1], causal = s[4] & CAUSAL;
    real *qkv = in(r, s[0], t * 3 * s[2] * s[3]);
    real *bias = s[4] & BIAS ? in(r, 1, s[2] * t * t) : NULL;
    real *p = out(r, s[0], s[2] * t * attention_stride(t)), *y = out(r, s[0], t * s[2] * s[3]);
    r->flops = (4.0 * s[3] + 5) * s[0] * s[2] * t * (causal ? (t + 1) / 2.0 : t);
    if (r->c)
        r->k->attention_forward(r->c, s[0], t, s[2], s[3], 0.3f, causal, bias, qkv, p, y);
}

/* p is not a softmax here: the gradient must be right for any p with its zeros. */
static void attention_backward(struct case_run *r) {
    const int *s = r->dim, t = s[1], rows = s[0] * s[2] * t, causal = s[4] & CAUSAL;
    int tp = attention_stride(t);
    real *qkv = in(r, s[0], t * 3 * s[2] * s[3]), *p = in(r, rows, tp);
    real *dy = in(r, s[0], t * s[2] * s[3]), *dqkv = out(r, s[0], t * 3 * s[2] * s[3]);
    real *dbias = s[4] & BIAS ? update(r, 1, s[2] * t * t) : NULL;
    r->flops = (8.0 * s[3] + 5) * s[0] * s[2] * t * (causal ? (t + 1) / 2.0 : t);
    for (int i = 0; i < rows && !r->c; i++)
        for (int j = causal ? i % t + 1 : t; j < tp; j++)
            p[(size_t)i * (size_t)tp + (size_t)j] = 0;
    if (r->c)
        r->k->attention_backward(r->c, s[0], t, s[2], s[3], 0.3f, causal, qkv, p, dy, dqkv, dbias);
}

static const int attention_shapes[][CASE_DIMS] = {
    {0, 5, 2, 3, 0},
    {2, 0, 2, 3, BIAS},
    {2, 3, 0, 4, CAUSAL},
    {2, 3, 2, 0, 0},
    {1, 1, 1, 1, CAUSAL | BIAS},
    {2, 2, 1, 3, 0},
    {2, 7, 3, 5, CAUSAL},
    {3, 8, 2, 8, BIAS},
    {2, 17, 2, 16, 0},
    {2, 17, 2, 16, CAUSAL | BIAS},
    {1, 31, 3, 7, BIAS},
    {2, 50, 2, 9, CAUSAL},
    {2, 65, 1, 33, 0},
    {2, 65, 1, 33, CAUSAL | BIAS},
    {8, 65, 3, 64, 0},
    {8, 65, 3, 64, BIAS},
    {8, 77, 8, 64, CAUSAL},
};

const struct kernel_case cases_net[] = {
    {"act_forward", "n act in_place", 0, act_forward, SHAPES(act_forward_shapes, 4)},
    {"act_backward", "n act acc in_place", 0, act_backward, SHAPES(act_backward_shapes, 4)},
    {"attention_forward", "n t heads d options", 0, attention_forward, SHAPES(attention_shapes, 3)},
    {"attention_backward", "n t heads d options", 0, attention_backward,
     SHAPES(attention_shapes, 3)},
    {NULL, NULL, -1, NULL, NULL, 0, 0},
};
