/* file.h -- whole files, written so that a crash leaves the old one or the new one. */
#ifndef SSV_CORE_FILE_H
#define SSV_CORE_FILE_H

#include "core/arena.h"
#include "core/error.h"

#include <stddef.h>
#include <stdio.h>

/* Whether all that was printed has gone out.  Status 3 with the reason; what: "the table". */
int stream_written(FILE *out, const char *what, struct error *err);
/* Writes path.tmp, fsyncs it, renames it over path and fsyncs the folder.  Status 3 names the path
 * and the reason; the old file stays. */
int file_write_atomic(const char *path, const void *data, size_t bytes, struct error *err);
/* The same for a file that several processes, or machines, make at once and alike: nobody takes
 * away what another is about to rename.  A kill -9 may leave a file of its own name ending in .tmp.
 */
int file_write_shared(const char *path, const void *data, size_t bytes, struct error *err);
/* The last three steps alone, for a writer that made path.tmp itself (HDF5).  Status 2 where path
 * is a device or a pipe. */
int file_commit(const char *tmp_path, const char *path, struct error *err);
/* Makes an empty file at a path where there is nothing: status 3 with the reason. */
int file_claim(const char *path, struct error *err);
/* Before work whose results go there: whether a file can be made at path at all.  The status is
 * what writing it would end with; what is there stays. */
int file_try(const char *path, struct error *err);
/* Says why a library could not write a file, by trying to: status 3 names the path and, where it is
 * found, the reason.  unfinished, which it was writing, is removed. */
int file_blame_writing(const char *path, const char *unfinished, struct error *err);
/* The whole file plus a final NUL, owned by `a`.  When it cannot be read, file_blame's status. */
int file_read(const char *path, struct arena *a, char **data, size_t *bytes, struct error *err);
/* The same of what a table or folder names: a pipe, a socket or a device, whose reading might never
 * end, is refused. */
int file_read_stored(const char *path, struct arena *a, char **data, size_t *bytes,
                     struct error *err);
/* Of an errno from opening or reading: status 3 where disk, network or a limit of the system are to
 * blame and another try may do, 2 where the file is. */
int file_blame(int reason);
int file_exists(const char *path);
/* The path of a file that lies in the folder of this program, whether it is there or not. */
enum { FILE_PATH = 4096 };
int file_beside_program(const char *name, char path[FILE_PATH], struct error *err);
int make_folders(const char *path, struct error *err); /* mkdir -p */

#endif
