#include "nn/exec_internal.h"

#include <string.h>

void exec_profile_reset(struct exec *x) {
    x->seconds_prepare = x->seconds_reduce = x->seconds_total = 0;
    x->runs = x->samples = 0;
    for (int w = 0; w < x->config.threads; w++)
        if (x->workers[w].times)
            memset(x->workers[w].times, 0, sizeof(struct op_time) * (size_t)x->g->n);
}

/* One line per kind of operation: thread-seconds forward and backward, share, GFLOP/s. */
void exec_profile(const struct exec *x, FILE *out) {
    const struct graph *g = x->g;
    fprintf(out, "%-18s %10s %10s %7s %10s\n", "operation", "forward s", "backward s", "share",
            "GFLOP/s");
    double busy = 0;
    for (int w = 0; w < x->config.threads; w++)
        for (int i = 0; x->workers[w].times && i < g->n; i++)
            busy += x->workers[w].times[i].forward + x->workers[w].times[i].backward;
    for (int i = 0; i < g->n; i++) {
        const struct op *op = g->tensors[i]->op;
        int seen = 0;
        for (int j = 0; j < i && !seen; j++)
            seen = g->tensors[j]->op == op;
        if (!op || seen)
            continue;
        double forward = 0, backward = 0, flops = 0;
        for (int j = i; j < g->n; j++) {
            const struct tensor *t = g->tensors[j];
            if (t->op != op)
                continue;
            double f, b;
            op->flops(t, &f, &b);
            flops += (f + (t->needs_grad ? b : 0)) * (double)x->samples;
            for (int w = 0; w < x->config.threads; w++) {
                forward += x->workers[w].times ? x->workers[w].times[j].forward : 0;
                backward += x->workers[w].times ? x->workers[w].times[j].backward : 0;
            }
        }
        double seconds = forward + backward;
        fprintf(out, "%-18s %10.4f %10.4f %6.1f%% %10.1f\n", op->name, forward, backward,
                busy > 0 ? 100 * seconds / busy : 0, seconds > 0 ? flops / seconds * 1e-9 : 0);
    }
    fprintf(out, "%ld runs, %.4f s: packing weights %.4f s, adding lanes (%d) %.4f s\n", x->runs,
            x->seconds_total, x->seconds_prepare, x->lanes, x->seconds_reduce);
}
