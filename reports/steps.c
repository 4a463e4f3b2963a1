#include "reports/steps.h"

#include "core/file.h"
#include "reports/figures_internal.h"
#include "reports/steps_internal.h"
#include "reports/text_internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const char *or_unknown(const char *text) {
    return text && *text ? text : "unknown";
}

const char *steps_label(const struct step_times *t, struct arena *a) {
    const char *device = t->machine.env_device, *cpu = or_unknown(t->machine.env_cpu);
    const char *times = t->ranks > 1 ? arena_printf(a, "%d x ", t->ranks) : "";
    if (device && strncmp(device, "cpu", 3) != 0 && *device)
        return arena_printf(a, "%s%s, %s, %.9s", times, device, t->math,
                            or_unknown(t->machine.code_commit));
    return arena_printf(a, "%s%s, %d thread%s, %.9s", times, cpu, t->threads,
                        t->threads == 1 ? "" : "s", or_unknown(t->machine.code_commit));
}

int steps_table(const struct step_files *f, FILE *out, struct error *err) {
    struct arena a = {0};
    for (int i = 0; i < f->n; i++) {
        const struct step_times *t = &f->file[i];
        fprintf(out, "%s%s; %s\n", i ? "\n" : "", steps_label(t, &a), t->machine.created_utc);
        fprintf(out, "%-36s %7s %12s %23s %9s %9s %9s %9s\n", "step", "batch", "images_per_s",
                "quartiles", "GFLOP/s", "% of peak", "MiB", "first_s");
        for (int k = 0; k < t->n; k++) {
            const struct step_time *r = &t->rows[k];
            fprintf(out, "%-36s %7" PRId64 " %12.1f %10.1f - %10.1f %9.1f %9.1f %9.0f %9.2f\n",
                    r->step, r->batch, r->images_per_s, r->q1, r->q3, r->gflops, r->percent,
                    r->peak_bytes / (1 << 20), r->first_s);
        }
    }
    arena_free(&a);
    return stream_written(out, "the times", err);
}

int steps_csv(const struct step_files *f, FILE *out, struct error *err) {
    fputs("created_utc,commit,dirty,cpu,device,math,ranks,threads,step,batch,images_per_s,"
          "images_per_s_q1,images_per_s_q3,gflops,percent_of_peak,peak_bytes,resident_bytes,"
          "first_s,steps\r\n",
          out);
    for (int i = 0; i < f->n; i++)
        for (int k = 0; k < f->file[i].n; k++) {
            const struct step_times *t = &f->file[i];
            const struct step_time *r = &t->rows[k];
            const char *const texts[] = {
                t->machine.created_utc, t->machine.code_commit, t->machine.code_dirty ? "1" : "0",
                t->machine.env_cpu,     t->machine.env_device,  t->math};
            const double numbers[] = {(double)r->batch, r->images_per_s, r->q1,         r->q3,
                                      r->gflops,        r->percent,      r->peak_bytes, r->resident,
                                      r->first_s,       (double)r->n};
            for (size_t x = 0; x < sizeof texts / sizeof *texts; x++) {
                csv_put_text(out, texts[x] ? texts[x] : "");
                fputc(',', out);
            }
            fprintf(out, "%d,%d,", t->ranks, t->threads);
            csv_put_text(out, r->step);
            for (size_t x = 0; x < sizeof numbers / sizeof *numbers; x++) {
                fputc(',', out);
                csv_put_number(out, numbers[x]);
            }
            fputs("\r\n", out);
        }
    return stream_written(out, "the times", err);
}

int steps_figures(const struct step_files *f, const char *folder, struct error *err) {
    static const struct figure figures[] = {{"throughput", "Images a second over the batch",
                                             script_throughput, figure_throughput,
                                             "times of training steps"}};
    const struct drawing d = {.folder = folder, .format = ""};
    return figures_draw(figures, 1, f, &d, err);
}
