/* settings.h -- everything that a run can be told, as option tables.
 *
 * The defaults are the demonstration: `ssvbench run` with no argument runs it.
 */
#ifndef SSV_PROTOCOLS_SETTINGS_H
#define SSV_PROTOCOLS_SETTINGS_H

#include "core/options.h"
#include "methods/compound.h"

enum { SETTINGS_METHODS = 24, SETTINGS_PROTOCOLS = 16, PROTOCOL_STATE = 256 };

/* What is run: decides the results. */
struct plan {
    const char *preset;
    const char *methods, *seeds, *data, *backbone; /* lists separated by commas (data: blanks) */
    int limit;
    const char *position, *pool;
    double drop_path, layer_scale;
    int relative_positions;
    int image, patch;
    double epochs;
    const char *budget; /* "": epochs says it */
    int batch, accumulate;
    double lr, weight_decay, warmup; /* negative: the method's recipe */
    int watch_every, stop_on_collapse;
    int chunk, lanes;
};

/* How the encoders are judged: decides nothing in their weights. */
struct judging {
    const char *name; /* of the suite */
    const char *protocols;
    const char *eval_data; /* "": the dataset of pretraining */
    const char *sweep;     /* options with several values, see sweep.h */
    int probe_seed, split_seed;
};

/* Where and how fast: decides nothing in the results. */
struct machine {
    const char *out;
    const char *shard; /* "2/8": of the cells each eighth, from the second on; "": all */
    const char *device, *math;
    const char *views;           /* of pretraining, made by the "processor" or the "device" */
    int threads, loader_threads; /* 0: by the number of processors */
    int recompute, recompute_norms;
    int zero;   /* 1: the optimizer's state is shared among ranks */
    int bucket; /* reals of the gradient that ranks send at a time; 0: nn/buckets.h says */
    double checkpoint_seconds;
    int cache_mib;
    int profile;
    int quiet;
    int audit;           /* images that a dataset has at most to be audited */
    double rank_seconds; /* that a rank may let others wait */
    int samples;         /* pictures in a run's samples.h5; 0: no such file */
};

struct settings {
    struct plan plan;
    struct judging judging;
    struct machine machine;
    _Alignas(16) unsigned char method[SETTINGS_METHODS][METHOD_STATE];
    _Alignas(16) unsigned char protocol[SETTINGS_PROTOCOLS][PROTOCOL_STATE];
    struct compound_options compound; /* of a method that is several */
    struct option_set options;
};

/* Options of the plan that only a ViT reads, NULL-terminated. */
extern const char *const settings_of_vit[];

/* Defaults; *s must not move afterwards. */
void settings_init(struct settings *s);
/* What the user writes into s is from now on checked as it is read, so that a wrong list has the
 * line of its file in the message. */
void settings_check_input(struct settings *s);
/* A suite file: the plan and the judging under [suite], options of methods and protocols in their
 * sections. */
int settings_load_suite(struct settings *s, const char *path, struct error *err);
/* The options of a suite, without the machine's: what is stored beside its results. */
char *settings_suite_text(const struct settings *s, struct arena *a);
void settings_free(struct settings *s);
/* "key=value key=value": values of a method's options that nobody has set. */
int settings_preset(struct settings *s, const struct method *m, const char *text,
                    struct error *err);
/* Gives the options that nobody set the values of the plan's preset, and says whether `epochs` or
 * `budget` counts.  Once, when everything that the user said is in. */
int settings_settle(struct settings *s, struct error *err);
/* Of a stored configuration what decides the weights: without the sections of protocols, whose
 * options another version of the program may not know. */
char *settings_without_protocols(const char *stored, struct arena *a);
/* Whether a key is in a list with blanks, in which "weights." stands for a whole section. */
int settings_named(const char *list, const char *key);
/* The name of an option of pretraining, the plan's or a method's, that was given as a flag, in a;
 * NULL: none was, besides those in the list `but`.  protocols_too: or of how it is judged. */
const char *settings_flag_of_run(const struct settings *s, int protocols_too, const char *but,
                                 struct arena *a);
/* Puts those options of pretraining back, whoever said them: a run's own take their place. */
void settings_forget_run(struct settings *s, const char *but);

/* Of all options those that mean something to a command. */
struct settings_taken {
    int run, judging;    /* those of pretraining; of protocols, and of how it is judged */
    const char *machine; /* names with blanks; NULL: all */
};
/* The name of a flag that means nothing there, in a; NULL: each means something. */
const char *settings_flag_idle(const struct settings *s, const struct settings_taken *taken,
                               struct arena *a);
/* The options that do, to be shown: origins are not theirs. */
struct option_set settings_taken(const struct settings *s, const struct settings_taken *taken,
                                 struct arena *a);
/* For a run of one method: what its functions get as self is then settings_method. */
void settings_use(struct settings *s, const struct method *m);
const void *settings_method(const struct settings *s, const struct method *m);

/* The text of the sections that decide the weights: the plan and one method's options. */
char *settings_pretrain_text(const struct settings *s, const struct method *m, struct arena *a);
/* The text of one protocol's options and of the seeds of evaluation. */
char *settings_protocol_text(const struct settings *s, int protocol, struct arena *a);

/* Both, with all protocols: what is stored with a run.  What the machine decides is not in it. */
char *settings_run_text(const struct settings *s, const struct method *m, struct arena *a);

/* That of now, but for protocols that are not in judging.protocols, whose rows were made before:
 * with the options that `before`, what was stored then, has for them.  NULL: nothing was. */
char *settings_keep_protocols(const struct settings *s, const char *now, const char *before,
                              struct arena *a);

/* Splits a list at any of the separators; returns the number of items, owned by `a`. */
int settings_list(const char *text, const char *separators, struct arena *a, char ***items);

#endif
