# scaling.awk -- how long a step takes on R ranks, from what one of them takes alone: docs/scaling.md, "How long".
#
#     awk -f bench/scaling.awk weights=86e6 images=128 rate=4700 >table.md
#
# name=value, for images and ranks of a kind:
#   ranks=LIST      8,16,... (8,32,64,128,256,512,1024)
#   weights=P       trained
#   images=N        of each rank in a step
#   rate=IMAGES/S   of a rank alone
#   rows=R          numbers of an image that all ranks get, forth and back together: projections, ...
#   parts=R         numbers of a lane that all ranks get, such as mean and variance of batch norm; lanes a rank: 1
#   calls=K         how often a step waits for such rows or parts
#   back=SHARE      of a step during which gradients travel (0.66: all of the way back)
#   node=G          ranks of a node (8), which send each other inside=GB/S (450), others between=GB/S (50) a rank
#   latency=S       of an exchange (20e-6), and message=S of each message in it (1e-6)
#   levels=0        all goes straight from each rank to each other one, also between nodes
#   bucket=R        numbers of the gradient on their way at a time; 0: as the program chooses (nn/buckets.h)
BEGIN {
    set["ranks"] = "8,32,64,128,256,512,1024"
    set["weights"] = set["images"] = set["rate"] = set["rows"] = set["parts"] = set["calls"] = 0
    set["back"] = 0.66
    set["node"] = 8
    set["inside"] = 450
    set["between"] = 50
    set["latency"] = 20e-6
    set["message"] = 1e-6
    set["bucket"] = 0
    set["levels"] = 1
    for (i = 1; i < ARGC; i++) {
        if (split(ARGV[i], pair, "=") != 2 || !(pair[1] in set) || pair[2] == "") {
            print "scaling.awk: " ARGV[i] ": see the names in its first lines" >"/dev/stderr"
            exit 2
        }
        set[pair[1]] = pair[2]
    }
    if (!(set["weights"] > 0 && set["images"] > 0 && set["rate"] > 0)) {
        print "scaling.awk: weights, images and rate are needed" >"/dev/stderr"
        exit 2
    }
    n = split(set["ranks"], list, ",")
    print "| ranks | images a second | of R alone | step, ms | gradients | not hidden | rows |"
    print "|---|---|---|---|---|---|---|"
    for (i = 1; i <= n; i++)
        row(list[i] + 0)
}

function least(a, b) {
    return a < b ? a : b
}

function most(a, b) {
    return a > b ? a : b
}

# Seconds until a rank has got `bytes` of each of n others, which rates GB/s bring, and sent as much.
function seconds(bytes, n, rate) {
    return n * (bytes / (rate * 1e9) + set["message"]) + set["latency"]
}

# The same from R - 1 others, of which those of its own node send at the same time as the rest.
function from_all(bytes, R,    near) {
    near = least(R, set["node"]) - 1
    near = most(bytes * near / (set["inside"] * 1e9), bytes * (R - 1 - near) / (set["between"] * 1e9))
    return near + (R - 1) * set["message"] + set["latency"]
}

# Nodes between which it goes on a level of its own; 1: straight from each rank to all others.
function nodes(R,    M) {
    M = R / set["node"]
    return set["levels"] && M >= 2 && M == int(M) && set["node"] >= 2 ? M : 1
}

# There and back, of one bucket: on one level, or within nodes and between them.
function there_and_back(reals, R,    G, M) {
    G = set["node"]
    M = nodes(R)
    if (M == 1)
        return 2 * from_all(4 * reals / R, R)
    return 2 * (seconds(4 * reals / G, G - 1, set["inside"]) + seconds(4 * reals / G / M, M - 1, set["between"]))
}

# Each rank's `bytes` to all others: on one level, or between nodes and, with theirs, within.
function to_all(bytes, R,    M) {
    M = nodes(R)
    if (M == 1)
        return from_all(bytes, R)
    return seconds(bytes, M - 1, set["between"]) + seconds(M * bytes, set["node"] - 1, set["inside"])
}

function row(R,    alone, all, buckets, one, gradient, window, open, rows, step) {
    alone = set["images"] / set["rate"]
    all = set["weights"]
    bucket = set["bucket"] ? set["bucket"] : BUCKET(R)
    buckets = int((all + bucket - 1) / bucket)
    # Each rank sends every other one its slice, and gets the sums of the others.
    one = there_and_back(all / buckets, R)
    gradient = buckets * one
    window = set["back"] * alone * (buckets - 1) / buckets
    open = gradient - one > window ? gradient - window : one
    rows = set["rows"] * set["images"] + set["parts"]
    rows = to_all(4 * rows, R) + most(set["calls"] - 1, 0) * to_all(0, R)
    step = alone + open + rows
    printf "| %d | %d | %.1f %% | %.1f | %.1f | %.1f | %.1f |\n", R, R * set["images"] / step, 100 * alone / step,
        1e3 * step, 1e3 * gradient, 1e3 * open, 1e3 * rows
}

# As buckets_usual of nn/buckets.c.
function BUCKET(R) {
    return most(2097152, least(8388608, 32768 * R))
}
