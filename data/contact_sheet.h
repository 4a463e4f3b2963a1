/* contact_sheet.h -- a picture of the first images of a dataset, with their labels or captions. */
#ifndef SSV_DATA_CONTACT_SHEET_H
#define SSV_DATA_CONTACT_SHEET_H

#include "data/dataset.h"

/* Both splits, up to `images` of each, as a PNG.  Masks stand beside their images. */
int contact_sheet(const struct dataset *d, int images, const char *path, struct error *err);

#endif
