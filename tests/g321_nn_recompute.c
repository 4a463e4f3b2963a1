/* What is computed a second time on the way back is what was there: the same gradients to the bit,
 * from less memory. */
#include "tests/gradient_net.h"

/* Values of a case that are made again: in any way, from others that are, in several phases. */
struct made_again {
    int any, chained, twice;
};

static void count_again(const struct tensor *t, struct made_again *n) {
    if (!t->again)
        return;
    n->any++;
    n->twice += t->again->next_of != NULL;
    for (int s = 0; s < t->n_src; s++)
        n->chained += t->src[s] && t->src[s]->again;
}

static struct made_again made_again(const char *name, int recompute) {
    struct made_again count = {0};
    for (int i = 0; i < CASES; i++) {
        struct net n;
        struct exec *x;
        void *data[8] = {NULL};
        if (strcmp(cases[i].name, name) != 0)
            continue;
        open_net(&n, &cases[i], &(struct net_run){.threads = 1, .recompute = recompute}, &x, data);
        for (int t = 0; t < n.graph.n; t++)
            count_again(n.graph.tensors[t], &count);
        close_net(&n, x, data);
    }
    return count;
}

/* The gradients above are right with what is computed again on the way back: it was. */
static void cheap_values_are_computed_again(void **state) {
    (void)state;
    assert_true(made_again("batch norm", 0).any > 0);
    assert_true(made_again("batch norm residual", 0).chained > 0);
    assert_true(made_again("resnet", 0).chained > 0);
    assert_true(made_again("resnet", 0).twice > 0);
    assert_int_equal(made_again("vit", 0).any, 0); /* no barrier */
}

struct trial {
    double loss;
    size_t crossing; /* reals kept for a sample of the batch */
    double *gradient;
    size_t count;
};

static struct trial try_case(const struct net_case *c, const struct net_run *run) {
    struct net n;
    struct exec *x;
    void *data[8] = {NULL};
    open_net(&n, c, run, &x, data);
    struct trial t = {
        .loss = exec_run(x, BATCH), .crossing = n.graph.batch_per_sample, .count = n.model.count};
    t.gradient = calloc(t.count, sizeof *t.gradient);
    assert_non_null(t.gradient);
    for (size_t i = 0; i < t.count; i++)
        t.gradient[i] = (double)exec_gradient(x)[i];
    close_net(&n, x, data);
    return t;
}

static void recomputing_does_not_change_a_bit(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        struct trial kept = try_case(&cases[i], &(struct net_run){.threads = 1});
        struct trial made = try_case(&cases[i], &(struct net_run){.threads = 3, .recompute = 1});
        assert_true(kept.loss == made.loss);
        assert_memory_equal(kept.gradient, made.gradient, kept.count * sizeof *kept.gradient);
        assert_true(made.crossing <= kept.crossing);
        free(kept.gradient);
        free(made.gradient);
    }
}

static const struct net_case *find_case(const char *name) {
    for (int i = 0; i < CASES; i++)
        if (!strcmp(cases[i].name, name))
            return &cases[i];
    fail_msg("there is no case %s", name);
    return NULL;
}

/* Below a contrastive loss only what it compares is kept, and its gradient; a ResNet keeps some of
 * its convolutions' outputs. */
static void recomputing_keeps_little(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double share;
    } most[] = {{"vit contrast", 0.05}, {"resnet", 0.8}};
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        const struct net_case *c = find_case(most[i].name);
        struct trial kept = try_case(c, &(struct net_run){.threads = 1});
        struct trial made = try_case(c, &(struct net_run){.threads = 1, .recompute = 1});
        print_message("%s: %zu of %zu\n", c->name, made.crossing, kept.crossing);
        assert_true((double)made.crossing <= most[i].share * (double)kept.crossing);
        free(kept.gradient);
        free(made.gradient);
    }
    assert_true(made_again("vit contrast", 1).chained > 10);
    assert_true(made_again("resnet", 1).any > made_again("resnet", 0).any);
    assert_int_equal(made_again("vit", 1).any, 0); /* no barrier */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cheap_values_are_computed_again),
        cmocka_unit_test(recomputing_does_not_change_a_bit),
        cmocka_unit_test(recomputing_keeps_little),
    };
    return cmocka_run_group_tests_name("recompute", tests, NULL, NULL);
}
