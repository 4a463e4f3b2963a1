/* budget.h -- how long a pretraining is: epochs:N, images:N, flops:X or seconds:N.
 *
 * Epochs and images are the same work for the data, FLOPs and seconds the same for the machine.
 * FLOPs are those of forward and backward passes as docs/architecture.md counts them; stages of a
 * method that cost differently are summed.  Steps are whole and the budget is never exceeded, so
 * what was reached is stored beside it.
 */
#ifndef SSV_PROTOCOLS_BUDGET_H
#define SSV_PROTOCOLS_BUDGET_H

#include "core/arena.h"
#include "core/error.h"

enum budget_kind { BUDGET_EPOCHS, BUDGET_IMAGES, BUDGET_FLOPS, BUDGET_SECONDS };

struct budget {
    enum budget_kind kind;
    double amount;
};

int budget_parse(struct budget *b, const char *text, struct error *err);
/* "flops:2e15": equal budgets, equal text. */
char *budget_text(const struct budget *b, struct arena *a);

/* How many steps a stage gets of `total`; the last one gets what the others leave. */
struct budget_stage {
    double share; /* of all steps; negative: what the others leave */
    double cost;  /* of a step, in the budget's unit */
    long first, steps;
};
void budget_share(struct budget_stage *stages, int n, long total);
/* One of every stage whose share is not 0. */
long budget_least(const struct budget_stage *stages, int n);
/* The most steps, shared among the stages, that cost no more than `amount`; 0 when not even one for
 * each stage does. */
long budget_steps(struct budget_stage *stages, int n, double amount);

#endif
