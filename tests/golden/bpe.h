/* Written by tests/golden/bpe.py. */
/* clang-format off */
struct golden_text {
    const char *text;
    int n;
    const int32_t *ids;
};
static const int32_t golden_published_0[] = {49406, 320, 1125, 539, 320, 2368, 49407};
static const int32_t golden_published_1[] = {49406, 320, 3086, 539, 320, 2368, 49407};
static const int32_t golden_published_2[] = {49406, 647, 4091, 786, 49407};
static const int32_t golden_published_3[] = {49406, 3306, 267, 1002, 256, 49407};
static const int32_t golden_published_4[] = {49406, 10525, 568, 273, 1166, 5950, 49407};
static const int32_t golden_published_5[] = {49406, 15304, 2566, 572, 585, 49407};
static const int32_t golden_published_6[] = {49406, 2583, 268, 24659, 5873, 267, 275, 330, 49407};
static const int32_t golden_published_7[] = {49406, 3306, 1002, 49407};
static const int32_t golden_published_8[] = {49406, 20617, 2630, 272, 277, 268, 6523, 49407};
static const int32_t golden_published_9[] = {49406, 320, 8853, 539, 550, 18376, 6765, 320, 4558, 49407};
static const int32_t golden_published_10[] = {49406, 49407};
static const int32_t golden_published_11[] = {49406, 49407};
static const int32_t golden_published_12[] = {49406, 256, 49407};
static const int32_t golden_published_13[] = {49406, 320, 49407};
static const int32_t golden_published_14[] = {49406, 889, 982, 649, 1342, 328, 880, 797, 1896, 585, 568, 753, 713, 649, 1200, 49407};
static const int32_t golden_published_15[] = {49406, 8445, 338, 568, 764, 1258, 568, 262, 334, 262, 6716, 1342, 49407};
static const int32_t golden_published_16[] = {49406, 585, 6, 129, 379, 49407};
static const int32_t golden_published_17[] = {49406, 518, 935, 273, 271, 273, 275, 267, 33613, 1937, 267, 158, 227, 371, 41175, 1667, 369, 49407};
static const int32_t golden_published_18[] = {49406, 15304, 157, 118, 505, 136, 352, 127, 354, 127, 354, 49407};
static const int32_t golden_published_19[] = {49406, 329, 136, 490, 131, 364, 49407};
static const int32_t golden_published_20[] = {49406, 26302, 16370, 29503, 110, 22176, 141, 480, 267, 38018, 16701, 141, 478, 256, 49407};
static const int32_t golden_published_21[] = {49406, 39121, 44353, 34002, 252, 21575, 2429, 228, 47121, 32421, 486, 49407};
static const int32_t golden_published_22[] = {49406, 15197, 250, 32495, 478, 49407};
static const int32_t golden_published_23[] = {49406, 3124, 101, 48254, 28505, 19389, 27263, 25130, 49407};
static const int32_t golden_published_24[] = {49406, 138, 123, 138, 112, 138, 123, 139, 481, 127, 509, 127, 509, 49407};
static const int32_t golden_published_25[] = {49406, 43722, 2481, 25023, 26304, 964, 356, 49407};
static const int32_t golden_published_26[] = {49406, 871, 2568, 3184, 2270, 9844, 5848, 49407};
static const int32_t golden_published_27[] = {49406, 27, 347, 40786, 4160, 91, 285, 34308, 342, 285, 49407};
static const int32_t golden_published_28[] = {49406, 320, 318, 321, 268, 322, 678, 323, 2835, 49407};
static const int32_t golden_published_29[] = {49406, 72, 41901, 49407};
static const int32_t golden_published_30[] = {49406, 320, 2913, 530, 320, 3360, 2595, 533, 9877, 705, 320, 1167, 539, 9577, 530, 550, 5362, 923, 269, 49407};
static const int32_t golden_published_31[] = {49406, 1642, 2857, 13093, 2076, 5868, 26850, 835, 639, 38466, 49407};
static const int32_t golden_published_32[] = {49406, 23126, 23126, 23126, 320, 49407};
static const int32_t golden_published_33[] = {49406, 39802, 2481, 47356, 39802, 47356, 39802, 47356, 47356, 39802, 345, 39802, 49407};
static const struct golden_text golden_published[] = {
    {"a photo of a cat", 7, golden_published_0},
    {"a painting of a cat", 7, golden_published_1},
    {"bozuman", 5, golden_published_2},
    {"Hello, world!", 6, golden_published_3},
    {"grandma's 2 birthday cakes", 7, golden_published_4},
    {"caf\303\251 au lait", 6, golden_published_5},
    {"snow-capped mountains, 4k", 9, golden_published_6},
    {"  HELLO   World  ", 4, golden_published_7},
    {"MacBook Pro 16-inch", 8, golden_published_8},
    {"A photograph of an astronaut riding a horse", 10, golden_published_9},
    {"", 2, golden_published_10},
    {" \011\012", 2, golden_published_11},
    {"!", 3, golden_published_12},
    {"a", 3, golden_published_13},
    {"they'RE we'll I'm he'd it's can't we've", 16, golden_published_14},
    {"''s 'student's' o'clock 'll", 13, golden_published_15},
    {"it'\305\277", 6, golden_published_16},
    {"the year 2024, \302\275 cup, \342\205\247 \302\262\342\201\265", 18, golden_published_17},
    {"cafe\314\201 \341\272\233\314\243 \342\204\253 A\314\212", 12, golden_published_18},
    {"J\314\214 \307\260", 7, golden_published_19},
    {"\320\237\321\200\320\270\320\262\320\265\321\202, \320\274\320\270\321\200!", 15, golden_published_20},
    {"\346\227\245\346\234\254\350\252\236\343\201\256\343\203\206\343\202\255\343\202\271\343\203\210", 12, golden_published_21},
    {"\341\204\222\341\205\241\341\206\253\352\270\200", 6, golden_published_22},
    {"\340\244\250\340\244\256\340\244\270\340\245\215\340\244\244\340\245\207", 9, golden_published_23},
    {"\316\237\316\224\316\237\316\243 \303\237 \341\272\236", 14, golden_published_24},
    {"\360\237\221\215\360\237\217\275 ok \360\237\221\250\342\200\215\360\237\221\251\342\200\215\360\237\221\247", 8, golden_published_25},
    {"no\302\240break\343\200\200wide\342\200\203em\342\200\213zero", 8, golden_published_26},
    {"<|endoftext|> </w>", 11, golden_published_27},
    {"a_b-c...d\077!", 10, golden_published_28},
    {"\304\260\304\261", 4, golden_published_29},
    {"A child in a pink dress is climbing up a set of stairs in an entry way .", 20, golden_published_30},
    {"supercalifragilisticexpialidocious", 11, golden_published_31},
    {"aaaaaaaaaaaaaaaaaaaaaaaaa", 6, golden_published_32},
    {"\377 ok \342\202 \300\257 \355\240\200z\365", 13, golden_published_33},
};
static const char *const golden_captions[] = {
    "A red circle above a blue square.",
    "a Red square, below two red circles",
    "the circle's squares aren't red",
    "bananas, banana; ana nana anana",
    "aaaa aaa aa aaaaaa",
    "t\303\252te-\303\240-t\303\252te \346\227\245\346\234\254 \346\227\245\346\234\254",
    "12 121 1212",
    "\377\377 a\376\376",
};
static const char golden_vocabulary[] =
    "#version: 0.2\n"
    "a n\n"
    "a a\n"
    "r e\n"
    "\303\257 \302\277\n"
    "an a</w>\n"
    "re d</w>\n"
    "a a</w>\n"
    "c i\n"
    "c l\n"
    "q u\n"
    "r cl\n"
    "s qu\n"
    "ci rcl\n"
    "squ a\n"
    "b an\n"
    "r e</w>\n"
    "t \303\203\n"
    "t e</w>\n"
    "\302\245 \303\246\n"
    "\302\252 te</w>\n"
    "\302\275 \303\257\302\277\n"
    "\303\246 \304\271\n"
    "\304\276 \302\254</w>\n"
    "aa aa</w>\n"
    "\303\257\302\277 \302\275\303\257\302\277\n"
    "circl e</w>\n"
    "squa re</w>\n"
    "t\303\203 \302\252te</w>\n"
    "\302\245\303\246 \304\276\302\254</w>\n"
    "\303\246\304\271 \302\245\303\246\304\276\302\254</w>\n"
    "\303\257\302\277\302\275\303\257\302\277 \302\275</w>\n"
    ;
static const int32_t golden_tiny_0[] = {543, 320, 517, 537, 64, 65, 78, 85, 324, 320, 65, 75, 84, 324, 538, 269, 544};
static const int32_t golden_tiny_1[] = {543, 320, 517, 538, 267, 65, 68, 75, 78, 342, 83, 86, 334, 517, 524, 68, 338, 544};
static const int32_t golden_tiny_2[] = {543, 83, 71, 324, 537, 6, 338, 525, 514, 338, 64, 514, 333, 6, 339, 517, 544};
static const int32_t golden_tiny_3[] = {543, 526, 512, 64, 338, 267, 526, 516, 282, 516, 77, 516, 512, 516, 544};
static const int32_t golden_tiny_4[] = {543, 535, 513, 320, 518, 513, 535, 544};
static const int32_t golden_tiny_5[] = {543, 539, 268, 127, 510, 268, 539, 541, 541, 544};
static const int32_t golden_tiny_6[] = {543, 272, 273, 272, 273, 272, 272, 273, 272, 273, 544};
static const int32_t golden_tiny_7[] = {543, 542, 320, 542, 544};
static const int32_t golden_tiny_8[] = {543, 544};
static const int32_t golden_tiny_9[] = {543, 83, 71, 514, 324, 526, 512, 64, 338, 261, 320, 525, 517, 537, 544};
static const int32_t golden_tiny_10[] = {543, 513, 513, 513, 513, 513, 320, 544};
static const int32_t golden_tiny_11[] = {543, 533, 354, 544};
static const int32_t golden_tiny_12[] = {543, 84, 77, 514, 75, 64, 83, 68, 323, 86, 78, 81, 67, 338, 544};
static const struct golden_text golden_tiny[] = {
    {"A red circle above a blue square.", 17, golden_tiny_0},
    {"a Red square, below two red circles", 18, golden_tiny_1},
    {"the circle's squares aren't red", 17, golden_tiny_2},
    {"bananas, banana; ana nana anana", 15, golden_tiny_3},
    {"aaaa aaa aa aaaaaa", 8, golden_tiny_4},
    {"t\303\252te-\303\240-t\303\252te \346\227\245\346\234\254 \346\227\245\346\234\254", 10, golden_tiny_5},
    {"12 121 1212", 11, golden_tiny_6},
    {"\377\377 a\376\376", 5, golden_tiny_7},
    {"", 2, golden_tiny_8},
    {"three bananas & a SQUARED circle", 15, golden_tiny_9},
    {"aaaaaaaaaaa", 8, golden_tiny_10},
    {"\346\227\245", 4, golden_tiny_11},
    {"unrelated words", 15, golden_tiny_12},
};
