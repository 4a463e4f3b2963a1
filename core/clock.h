/* clock.h -- time. */
#ifndef SSV_CORE_CLOCK_H
#define SSV_CORE_CLOCK_H

double clock_seconds(void); /* monotonic */
void clock_utc(char out[sizeof "2026-01-01T00:00:00Z"]);

#endif
