/* journal.h -- the append-only record of a run: one JSON object per line.
 *
 * Each line is written with one write(2), so that a kill leaves at most one torn last line, which
 * journal_open cuts off.  It is what a watcher reads while the run goes on, and what run.h5 is
 * rebuilt from.
 *
 *   {"type":"step","step":1,"epoch":0,"loss":..,"lr":..,"grad_norm":..,"img_per_s":..,"wall_s":..,
 *    "feature_std":..,"effective_rank":..}                       numbers may be null (unknown, NaN)
 *                    and where they are known: "wait_s", "entropy", "loss_1".., "norm_1"..
 *   {"type":"event","utc":"..","what":"start|resume|checkpoint|interrupted|complete|diverged|..",..}
 *   "read again": "images" that the disk or network failed to give at first, for the batch of
 * "step"
 */
#ifndef SSV_RESULTS_JOURNAL_H
#define SSV_RESULTS_JOURNAL_H

#include "core/arena.h"
#include "core/error.h"

struct journal {
    int fd;
    char path[4096];
};

enum { STEP_PARTS = 4 };

struct step_row {
    long step;
    double epoch, loss, lr, grad_norm, img_per_s, wall_s, feature_std, effective_rank;
    double wait_s;           /* of wall_s, how long data were waited for */
    double entropy;          /* of predicted distributions, in nats */
    double part[STEP_PARTS]; /* each objective in its method's own scale */
    double norm[STEP_PARTS]; /* the encoder's gradient from each objective alone */
};

int journal_open(struct journal *j, const char *path, struct error *err);
int journal_step(struct journal *j, const struct step_row *row, struct error *err);
/* detail: a JSON object text whose members are added to the event, or NULL. */
int journal_event(struct journal *j, const char *what, const char *detail, struct error *err);
int journal_sync(struct journal *j, struct error *err);
/* Cuts every step row with step > last: a resumed run repeats them.  Atomic. */
int journal_rewind(struct journal *j, long last_step, struct error *err);
/* The step rows of a journal that may be growing: a last line without its end is left out, as is a
 * row that a later one with the same or a lower step repeats.  A missing file has no rows.
 * Status 2 names the line that is not JSON. */
int journal_read(const char *path, struct arena *a, struct step_row **rows, long *n_rows,
                 struct error *err);
/* Of the last event of that name the member, a number; NAN when there is none. */
int journal_find(const char *path, const char *what, const char *member, double *value,
                 struct error *err);
void journal_close(struct journal *j);

#endif
