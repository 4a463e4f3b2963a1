/* plans.c -- make cuda-plans: whether the cuDNN that is installed here has plans for the networks'
 * convolutions and attention on a device that is not here, which it knows from what it once said of
 * one.
 *
 *     plans tests/cuda/h200.json libcuda.so.1
 *
 * The second is loaded where there is no driver.  A choice is also to be the same for any number of
 * images, on which bits would depend otherwise.
 */
#include "kernels/cuda/dnn_plan.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { MOST_TEXT = 1 << 14, HALVES = (1 << DNN_ARGUMENTS) - 1 };

static const char *const kinds[DNN_CONVOLUTIONS] = {"forward", "backward_data", "backward_weight"};

/* h in out kernel stride pad, at 32 pixels; of ResNet-50 at 224 */
static const int shapes[][6] = {
    {32, 3, 64, 3, 1, 1},    {32, 64, 64, 3, 1, 1},   {32, 64, 128, 3, 2, 1},
    {32, 64, 128, 1, 2, 0},  {16, 128, 128, 3, 1, 1}, {16, 128, 256, 3, 2, 1},
    {16, 128, 256, 1, 2, 0}, {8, 256, 256, 3, 1, 1},  {8, 256, 512, 3, 2, 1},
    {8, 256, 512, 1, 2, 0},  {4, 512, 512, 3, 1, 1}, /* ResNet-18 */
    {32, 3, 96, 5, 1, 2},    {16, 96, 256, 5, 1, 2},  {8, 256, 384, 3, 1, 1},
    {8, 384, 384, 3, 1, 1},  {8, 384, 256, 3, 1, 1}, /* AlexNet */
    {224, 3, 64, 7, 2, 3},   {56, 64, 64, 1, 1, 0},   {56, 64, 256, 1, 1, 0},
    {56, 256, 128, 1, 1, 0}, {56, 128, 128, 3, 2, 1}, {56, 256, 512, 1, 2, 0},
    {7, 512, 512, 3, 1, 1},  {7, 2048, 512, 1, 1, 0}, /* ResNet-50 */
};

/* tokens heads columns causal biased: ViT-B/16, -S/16, -L/14 at 224, ViT-Tiny p4 and ViT-Micro p8
 * at 32; BEiT's ViT-B/16 and ViT-Tiny; CLIP's texts, its own and those here; a mask and a bias */
static const int attentions[][5] = {{197, 12, 64, 0, 0}, {197, 6, 64, 0, 0}, {257, 16, 64, 0, 0},
                                    {65, 3, 64, 0, 0},   {17, 4, 32, 0, 0},  {197, 12, 64, 0, 1},
                                    {65, 3, 64, 0, 1},   {77, 8, 64, 1, 0},  {32, 4, 32, 1, 0},
                                    {65, 3, 64, 1, 1}};

/* The descriptor of a device from its text. */
static cudnnStatus_t describe(const struct dnn_library *l, const char *text,
                              cudnnBackendDescriptor_t *out) {
    cudnnStatus_t status =
        l->cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, out);
    if (!status)
        status = l->cudnnBackendSetAttribute(*out, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                             CUDNN_TYPE_CHAR, (int64_t)strlen(text) + 1, text);
    return status ? status : l->cudnnBackendFinalize(*out);
}

/* The plans of one convolution, or one attention; prints why there is none for some n, or another.
 */
static int is_planned(const struct dnn_site *site, struct dnn_problem problem) {
    static const int batches[] = {DNN_BATCH, 1, 100, 256, 1024};
    const size_t asked = problem.kind < DNN_CONVOLUTIONS ? sizeof batches / sizeof *batches : 2;
    struct dnn_plan plan;
    int64_t engine = -1;
    for (size_t i = 0; i < asked; i++) {
        problem.n = batches[i];
        cudnnStatus_t status = dnn_plan_make(&plan, site, &problem);
        if (status) {
            printf(" no plan for %d images: %s\n", problem.n,
                   site->library->cudnnGetErrorString(status));
            return 0;
        }
        if (!i)
            printf(" %s engine %d, %.1f MiB",
                   problem.halves ? "bf16"
                   : site->tf32   ? "tf32"
                                  : "fp32",
                   (int)plan.engine, (double)plan.workspace / (1 << 20));
        int differs = i && plan.engine != engine;
        engine = plan.engine;
        dnn_plan_end(&plan);
        if (differs && problem.kind != DNN_BACKWARD_WEIGHT) {
            printf(" but engine %d for %d images\n", (int)engine, problem.n);
            return 0;
        }
    }
    return 1;
}

static int are_planned(struct dnn_site *site, const int *d, struct dnn_problem problem) {
    int right = 1;
    problem.shape = (struct conv_shape){d[0], d[0], d[1], d[2], d[3], d[3], d[4], d[5]};
    printf("%s %dx%d %d->%d %dx%d/%d acc %d alignment %d:", kinds[problem.kind], d[0], d[0], d[1],
           d[2], d[3], d[3], d[4], problem.acc, problem.alignment);
    /* What multiplies numbers of 16 bits is the same in every mode. */
    for (site->tf32 = problem.halves ? 1 : 0; site->tf32 < 2 && right; site->tf32++)
        right = is_planned(site, problem);
    if (right)
        puts("");
    return right;
}

static int all_planned(struct dnn_site *site) {
    static const struct dnn_problem problems[] = {
        {.kind = DNN_FORWARD},
        {.kind = DNN_BACKWARD_DATA},
        {.kind = DNN_BACKWARD_DATA, .acc = 1},
        {.kind = DNN_BACKWARD_WEIGHT, .acc = 1},
        {.kind = DNN_FORWARD, .halves = HALVES},
        {.kind = DNN_BACKWARD_DATA, .halves = HALVES},
        {.kind = DNN_BACKWARD_DATA, .acc = 1, .halves = HALVES},
        {.kind = DNN_BACKWARD_WEIGHT, .halves = HALVES}};
    int missing = 0;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t p = 0; p < 2 * sizeof problems / sizeof *problems; p++) {
            struct dnn_problem problem = problems[p / 2];
            problem.alignment = p % 2 ? 4 : 16;
            if (problem.halves && p % 2)
                continue; /* what lies so is not computed by cuDNN */
            missing += !are_planned(site, shapes[s], problem);
        }
    return missing;
}

static int attention_planned(struct dnn_site *site) {
    static const enum dnn_kind ways[] = {DNN_ATTENTION, DNN_ATTENTION_BACKWARD};
    int missing = 0;
    for (size_t k = 0; k < 2 * sizeof attentions / sizeof *attentions; k++) {
        const int way = k % 2, *a = attentions[k / 2];
        const struct dnn_problem problem = {.kind = ways[way],
                                            .tokens = a[0],
                                            .heads = a[1],
                                            .columns = a[2],
                                            .causal = a[3],
                                            .biased = a[4],
                                            .alignment = 16,
                                            .halves = 1};
        printf("attention %s %d tokens %dx%d%s%s:", way ? "backward" : "forward", problem.tokens,
               problem.heads, problem.columns, problem.causal ? " causal" : "",
               problem.biased ? " biased" : "");
        int right = is_planned(site, problem);
        missing += !right;
        if (right)
            puts("");
    }
    return missing;
}

int main(int argc, char **argv) {
    struct dnn_library library;
    struct error err;
    char text[MOST_TEXT];
    FILE *f = argc == 3 ? fopen(argv[1], "r") : NULL;
    if (!f)
        return STATUS_USAGE;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    if (!dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL))
        dlopen(argv[2], RTLD_NOW | RTLD_GLOBAL);
    if (dnn_library_open(&library, &err)) {
        printf("skip: %s\n", err.message);
        return 0;
    }
    struct dnn_site site = {.library = &library};
    cudnnStatus_t status = describe(&library, text, &site.device);
    if (status) {
        printf("the device of %s: %s\n", argv[1], library.cudnnGetErrorString(status));
        return STATUS_MACHINE;
    }
    printf("cuDNN %zu\n", library.cudnnGetVersion());
    int missing = all_planned(&site), lost = attention_planned(&site);
    library.cudnnBackendDestroyDescriptor(site.device);
    printf("%d convolutions and %d attentions have no plan\n", missing, lost);
    return missing || lost ? STATUS_FINDING : 0;
}
