/* labels.h -- labels as people write them to class numbers. */
#ifndef SSV_DATA_LABELS_H
#define SSV_DATA_LABELS_H

#include "data/dataset.h"

/* numbers (n) and d's classes and class_names.  When all labels are whole numbers, class i is
 * called "i" and the highest says how many there are; otherwise the classes are the different
 * labels in the order of their bytes.  One class for all is no label: numbers are -1 and
 * d->classes 0.  Status 2 for a number beyond reason; *wrong is which. */
int labels_number(struct dataset *d, const char *const *labels, long n, int *numbers, long *wrong,
                  struct error *err);

#endif
