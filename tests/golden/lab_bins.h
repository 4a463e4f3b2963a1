/* Written by tests/golden/lab_bins.py. */
static const struct {
    double grid;
    int bins;
} occupied[] = {
    {10, 261}, {25, 51}};
