/* clock.h -- time. */
#ifndef SSV_CORE_CLOCK_H
#define SSV_CORE_CLOCK_H

double clock_seconds(void); /* monotonic */
/* Between two looks for something outside of this process that may take long: at first only another
 * process is let through; who has waited longer sleeps, for up to 2 ms. */
void clock_rest(double waited);
void clock_utc(char out[sizeof "2026-01-01T00:00:00Z"]);

#endif
