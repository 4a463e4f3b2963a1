#include "results/schema_internal.h"

#include "results/kernel_times.h"
#include "results/samples.h"
#include "results/step_times.h"

#define FIELD(type, field, name, kind, added)                                                      \
    { name, offsetof(struct type, field), sizeof((struct type *)0)->field, kind, added }
#define CHARS(type, field, name) FIELD(type, field, name, MEMBER_CHARS, 0)
#define STRING(type, field, name) FIELD(type, field, name, MEMBER_STRING, 0)
#define INTEGER(type, field, name) FIELD(type, field, name, MEMBER_INTEGER, 0)
#define REAL(type, field, name) FIELD(type, field, name, MEMBER_REAL, 0)
#define ADDED_CHARS(type, field, name) FIELD(type, field, name, MEMBER_CHARS, 1)
#define ADDED_INTEGER(type, field, name) FIELD(type, field, name, MEMBER_INTEGER, 1)
#define ADDED_REAL(type, field, name) FIELD(type, field, name, MEMBER_REAL, 1)
#define END                                                                                        \
    { NULL, 0, 0, MEMBER_CHARS, 0 }

const struct member schema_run[] = {
    CHARS(run, run_id, "run_id"),
    CHARS(run, status, "status"),
    CHARS(run, method, "method"),
    CHARS(run, backbone, "backbone"),
    CHARS(run, dataset, "dataset"),
    INTEGER(run, seed, "seed"),
    CHARS(run, created_utc, "created_utc"),
    CHARS(run, config_sha256, "config_sha256"),
    STRING(run, objectives, "objectives"),
    STRING(run, finding, "finding"),
    STRING(run, suite, "suite"),
    STRING(run, versions, "versions"),
    STRING(run, settings_sha256, "settings_sha256"),
    STRING(run, budget, "budget"),
    ADDED_REAL(run, achieved_epochs, "achieved_epochs"),
    ADDED_REAL(run, achieved_images, "achieved_images"),
    ADDED_REAL(run, achieved_flops, "achieved_flops"),
    ADDED_REAL(run, achieved_seconds, "achieved_seconds"),
    ADDED_REAL(run, waited_seconds, "waited_seconds"),
    STRING(run, code_commit, "code_commit"),
    INTEGER(run, code_dirty, "code_dirty"),
    INTEGER(run, parameters, "parameters"),
    REAL(run, step_gflops, "step_gflops"),
    REAL(run, step_peak_bytes, "step_peak_bytes"),
    ADDED_REAL(run, needed_bytes, "needed_bytes"),
    ADDED_REAL(run, available_bytes, "available_bytes"),
    END,
};

const struct member schema_environment[] = {
    STRING(run, env_cpu, "cpu"),
    STRING(run, env_isa, "isa"),
    INTEGER(run, env_cores, "cores"),
    STRING(run, env_mem, "mem"),
    STRING(run, env_kernel, "kernel"),
    STRING(run, env_compiler, "compiler"),
    STRING(run, env_cflags, "cflags"),
    STRING(run, env_libs, "libs"),
    STRING(run, env_blas, "blas"),
    STRING(run, env_device, "device"),
    END,
};

const struct member schema_data[] = {
    CHARS(run_data_source, root_hash, "root_hash"),
    CHARS(run_data_source, split_sha256, "split_sha256"),
    INTEGER(run_data_source, n, "n"),
    ADDED_CHARS(run_data_source, class_order_sha256, "class_order_sha256"),
    ADDED_INTEGER(run_data_source, n_bad, "n_bad"),
    STRING(run_data_source, spec, "spec"),
    STRING(run_data_source, bad_names, "bad_names"),
    STRING(run_data_source, audit, "audit"),
    END,
};

const struct member schema_eval[] = {
    CHARS(eval, reason, "reason"),
    CHARS(eval, selected_on, "selected_on"),
    CHARS(eval, protocol_version, "protocol_version"),
    CHARS(eval, split_sha256, "split_sha256"),
    REAL(eval, wall_s, "wall_s"),
    END,
};

const struct member schema_step[] = {
    INTEGER(step_row, step, "step"),
    REAL(step_row, epoch, "epoch"),
    REAL(step_row, loss, "loss"),
    REAL(step_row, lr, "lr"),
    REAL(step_row, grad_norm, "grad_norm"),
    REAL(step_row, img_per_s, "img_per_s"),
    REAL(step_row, wall_s, "wall_s"),
    REAL(step_row, feature_std, "feature_std"),
    REAL(step_row, effective_rank, "effective_rank"),
    REAL(step_row, wait_s, "wait_s"),
    REAL(step_row, entropy, "entropy"),
    REAL(step_row, part[0], "loss_1"),
    REAL(step_row, part[1], "loss_2"),
    REAL(step_row, part[2], "loss_3"),
    REAL(step_row, part[3], "loss_4"),
    REAL(step_row, norm[0], "norm_1"),
    REAL(step_row, norm[1], "norm_2"),
    REAL(step_row, norm[2], "norm_3"),
    REAL(step_row, norm[3], "norm_4"),
    END,
};

const struct member schema_grid[] = {
    ADDED_CHARS(grid_row, search, "search"),      CHARS(grid_row, representation, "representation"),
    ADDED_CHARS(grid_row, head, "head"),          REAL(grid_row, lr, "lr"),
    REAL(grid_row, weight_decay, "weight_decay"), REAL(grid_row, k, "k"),
    REAL(grid_row, temperature, "temperature"),   REAL(grid_row, val_top1, "val_top1"),
    INTEGER(grid_row, chosen, "chosen"),          END,
};

const struct member schema_metric[] = {
    CHARS(metric_row, name, "name"),
    INTEGER(metric_row, seed, "seed"),
    REAL(metric_row, value, "value"),
    END,
};

const struct member schema_kernel_run[] = {
    CHARS(run, created_utc, "created_utc"),
    STRING(run, code_commit, "code_commit"),
    INTEGER(run, code_dirty, "code_dirty"),
    END,
};

const struct member schema_kernel_times[] = {
    STRING(kernel_times, filter, "filter"),       STRING(kernel_times, backends, "backends"),
    STRING(kernel_times, shapes, "shapes"),       INTEGER(kernel_times, threads, "threads"),
    INTEGER(kernel_times, seed, "seed"),          REAL(kernel_times, seconds, "seconds"),
    REAL(kernel_times, peak_flops, "peak_flops"), END,
};

const struct member schema_kernel_row[] = {
    CHARS(kernel_row, kernel, "kernel"),
    CHARS(kernel_row, dims, "dims"),
    CHARS(kernel_row, shape, "shape"),
    CHARS(kernel_row, backend, "backend"),
    INTEGER(kernel_row, calls, "calls"),
    REAL(kernel_row, flops, "flops"),
    REAL(kernel_row, bytes, "bytes"),
    REAL(kernel_row, distance, "distance"),
    REAL(kernel_row, warm, "warm_s"),
    REAL(kernel_row, q1, "warm_q1_s"),
    REAL(kernel_row, q3, "warm_q3_s"),
    REAL(kernel_row, cold, "cold_s"),
    REAL(kernel_row, joules, "warm_joules"),
    REAL(kernel_row, percent_of_roof, "percent_of_roof"),
    END,
};

const struct member schema_step_times[] = {
    STRING(step_times, math, "math"),           INTEGER(step_times, threads, "threads"),
    ADDED_INTEGER(step_times, ranks, "ranks"),  REAL(step_times, seconds, "seconds"),
    REAL(step_times, peak_flops, "peak_flops"), END,
};

const struct member schema_step_time[] = {
    CHARS(step_time, step, "step"),
    INTEGER(step_time, batch, "batch"),
    REAL(step_time, images_per_s, "images_per_s"),
    REAL(step_time, q1, "images_per_s_q1"),
    REAL(step_time, q3, "images_per_s_q3"),
    REAL(step_time, gflops, "gflops"),
    REAL(step_time, percent, "percent_of_peak"),
    REAL(step_time, peak_bytes, "peak_bytes"),
    REAL(step_time, resident, "resident_bytes"),
    REAL(step_time, first_s, "first_s"),
    INTEGER(step_time, n, "steps"),
    END,
};

const struct member schema_samples[] = {
    CHARS(samples, run_id, "run_id"),
    CHARS(samples, dataset, "dataset"),
    INTEGER(samples, asked, "asked"),
    END,
};

const struct member schema_sample_features[] = {
    CHARS(sample_features, representation, "representation"),
    REAL(sample_features, explained[0], "explained_1"),
    REAL(sample_features, explained[1], "explained_2"),
    END,
};

const struct member schema_sample_segment[] = {
    CHARS(sample_segment, dataset, "dataset"),
    CHARS(sample_segment, protocol_version, "protocol_version"),
    INTEGER(sample_segment, background, "background"),
    END,
};

const char *const schema_outcomes[OUTCOMES] = {[OUTCOME_OK] = "ok",
                                               [OUTCOME_SKIPPED] = "skipped",
                                               [OUTCOME_DIVERGED] = "diverged",
                                               [OUTCOME_FAILED] = "failed"};
