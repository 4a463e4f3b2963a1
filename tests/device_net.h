/* A network of tests/gradient_net.h run on a device and on the processor, and compared. */
#ifndef SSV_TESTS_DEVICE_NET_H
#define SSV_TESTS_DEVICE_NET_H

#include "tests/gradient_net.h"

#include <math.h>

enum { OUTCOME_MOST = 1 << 16 };

struct outcome {
    double loss[2];
    size_t count;
    real gradient[OUTCOME_MOST], value[OUTCOME_MOST];
};

/* Two runs: the second one with the statistics that the first one left. */
static inline void run_net_as(const struct net_case *c, const struct net_run *run,
                              struct outcome *out) {
    struct net n;
    struct exec *x;
    void *data[8] = {NULL};
    open_net(&n, c, run, &x, data);
    out->count = n.model.count;
    assert_true(out->count <= OUTCOME_MOST);
    for (int i = 0; i < 2; i++)
        out->loss[i] = exec_run(x, BATCH - i);
    memcpy(out->gradient, exec_gradient(x), out->count * sizeof(real));
    memcpy(out->value, n.model.value, out->count * sizeof(real));
    close_net(&n, x, data);
}

static inline void run_net(const struct net_case *c, struct device *d, struct outcome *out) {
    run_net_as(c, &(struct net_run){.threads = 1, .device = d}, out);
}

static double net_distance(const real *x, const real *y, size_t n) {
    double difference = 0, size = 1e-30;
    for (size_t i = 0; i < n; i++) {
        difference += pow((double)x[i] - (double)y[i], 2);
        size += pow((double)y[i], 2);
    }
    return sqrt(difference / size);
}

/* Losses and gradients, and running statistics, which are sums of fewer terms. */
static inline void compare_outcomes(const char *name, const struct outcome *there,
                                    const struct outcome *here, double tolerance) {
    double far = net_distance(there->gradient, here->gradient, here->count);
    for (int k = 0; k < 2; k++)
        assert_true(fabs(there->loss[k] - here->loss[k]) < tolerance * fabs(here->loss[k]));
    if (!(far < tolerance))
        fail_msg("%s: gradients are %g apart", name, far);
    assert_true(net_distance(there->value, here->value, here->count) < tolerance / 20);
}

#endif
