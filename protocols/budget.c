#include "protocols/budget.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {[BUDGET_EPOCHS] = "epochs",
                                    [BUDGET_IMAGES] = "images",
                                    [BUDGET_FLOPS] = "flops",
                                    [BUDGET_SECONDS] = "seconds"};
enum { KINDS = sizeof kinds / sizeof *kinds };

int budget_parse(struct budget *b, const char *text, struct error *err) {
    const char *colon = strchr(text, ':');
    int kind = 0;
    while (kind < KINDS && (!colon || strlen(kinds[kind]) != (size_t)(colon - text) ||
                            strncmp(kinds[kind], text, (size_t)(colon - text)) != 0))
        kind++;
    char *end = NULL;
    const char *number = colon ? colon + 1 : "";
    double amount = strtod(number, &end);
    if (kind == KINDS || !*number || *end || number[strspn(number, "0123456789+.eE")])
        return error_set(err, STATUS_USAGE,
                         "budget: \"%.60s\" is not epochs:N, images:N, flops:X or seconds:N", text);
    if (!(amount > 0) || !isfinite(amount))
        return error_set(err, STATUS_USAGE, "budget: \"%.60s\" is out of range: more than 0", text);
    *b = (struct budget){.kind = (enum budget_kind)kind, .amount = amount};
    return 0;
}

char *budget_text(const struct budget *b, struct arena *a) {
    const double readable = 1e6;
    char number[32];
    if (b->amount < readable && b->amount == floor(b->amount))
        return arena_printf(a, "%s:%.0f", kinds[b->kind], b->amount);
    for (int digits = 1; digits <= 17; digits++) { /* the shortest that reads back as the same */
        snprintf(number, sizeof number, "%.*g", digits, b->amount);
        if (strtod(number, NULL) == b->amount)
            break;
    }
    return arena_printf(a, "%s:%s", kinds[b->kind], number);
}

/* A share of all steps, at least one of them where it is not 0; one is left for each later stage.
 */
static long share_of(double share, long total, long left, int later) {
    long steps = lround(share * (double)total);
    if (share > 0 && steps < 1)
        steps = 1;
    return steps < left - later ? steps : left - later;
}

void budget_share(struct budget_stage *stages, int n, long total) {
    long first = 0;
    for (int i = 0; i < n; i++) {
        int later = n - 1 - i;
        stages[i].first = first;
        stages[i].steps = total - first;
        if (stages[i].share >= 0 && later)
            stages[i].steps = share_of(stages[i].share, total, total - first, later);
        first += stages[i].steps;
    }
}

long budget_least(const struct budget_stage *stages, int n) {
    long least = 1; /* the last takes what is left, whatever its share */
    for (int i = 0; i < n - 1; i++)
        least += stages[i].share != 0;
    return least;
}

static double cost_of(struct budget_stage *stages, int n, long total) {
    double cost = 0;
    budget_share(stages, n, total);
    for (int i = 0; i < n; i++)
        cost += stages[i].cost * (double)stages[i].steps;
    return cost;
}

/* One step more is one step more of one stage, so the cost rises with the number. */
long budget_steps(struct budget_stage *stages, int n, double amount) {
    const long most = 1L << 40;
    long low = budget_least(stages, n), high = low;
    if (cost_of(stages, n, low) > amount)
        return 0;
    while (high < most && cost_of(stages, n, high) <= amount)
        high *= 2;
    while (high - low > 1) {
        long middle = low + (high - low) / 2;
        if (cost_of(stages, n, middle) <= amount)
            low = middle;
        else
            high = middle;
    }
    budget_share(stages, n, low);
    return low;
}
