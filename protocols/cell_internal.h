/* cell_internal.h -- what the files that make a cell share. */
#ifndef SSV_PROTOCOLS_CELL_INTERNAL_H
#define SSV_PROTOCOLS_CELL_INTERNAL_H

#include "protocols/cell.h"

/* The suite's settings narrowed to this cell, backbone and normalisation; *why as cell_check. */
int cell_resolve(struct cell *c, const struct settings *suite, const char **why, struct error *err);
/* Of a built cell: the steps that the budget pays for. */
int cell_count_steps(struct cell *c, struct error *err);
/* That many, shared among the stages. */
void cell_set_steps(struct cell *c, long total);
/* As many as the budget pays for, when a step of a stage costs that much. */
int cell_pay_steps(struct cell *c, const double cost[METHOD_STAGES], struct error *err);
/* What trains a stage of a built cell. */
struct trainer_config cell_trainer(struct cell *c, int stage);
/* The most that a stage of a built cell needs. */
int cell_needs(struct cell *c, struct trainer_needs *out, struct error *err);
/* Says what the pretraining needs, into the log and the run; c->no_room where a device has less. */
int cell_ask_room(struct cell *c, struct error *err);
/* Protocol, version and dataset of a row, the dataset also among those of the run. */
void cell_name_row(struct cell *c, int protocol, const struct dataset *data, struct eval *e);
/* Status 2: images that nobody asked to be so small would be enlarged for published weights, whose
 * numbers are those of images as files have them.  A stored run's own data stay as they
 * were. */
int cell_check_sizes(const struct cell *c, const struct dataset *data, struct error *err);
/* Features are those of these data from here on. */
void cell_judge(struct cell *c, const struct dataset *data);
/* What the pretraining has done of each kind of budget, into the run. */
void cell_record_achieved(struct cell *c);

/* Before the first step, where --zero asks for it: c->moments. */
void cell_share_moments(struct cell *c);
/* The optimizer's state as before the first step. */
void cell_forget_moments(struct cell *c);
/* Weights and optimizer state that rank 0 read, on all that need them. */
int cell_share_model(struct cell *c, struct error *err);

/* The first rank's model and the step from the folder's checkpoint, where there is one of this run.
 */
int cell_load(struct cell *c, long *done, struct error *err);
/* Whether a checkpoint, the last one saved_at this clock, is due on this rank: on the first one,
 * and where moments are shared, of which it has a part only, on all. */
int cell_save_is_due(const struct cell *c, int wanted, double saved_at);

#endif
