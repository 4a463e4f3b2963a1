/* streams.cpp -- in which order work is done: streams, events, copies, graphs.
 *
 * Nothing is done when it is asked for, but when somebody waits for it: what reads without waiting
 * reads what was there before.  Streams that do not block others can be early instead: then they do
 * what they are asked for as soon as no event holds them back, and what others still need is
 * overwritten.  A wait that is missing so gives other numbers in one of the two.
 */
#include "tests/cuda/emulator_internal.h"

#include <cstdlib>
#include <deque>
#include <map>
#include <unistd.h>
#include <vector>

namespace {

struct operation {
    std::function<void()> work;
    struct emulated_stream *held_by; /* not before this one has done so much; nullptr: no wait */
    unsigned long until;
    const char *reads;                /* pinned memory, or nullptr */
    std::function<bool()> ready = {}; /* not before it says so */
};

} // namespace

struct emulated_stream {
    std::deque<struct operation> asked;
    unsigned long put, done; /* operations so far */
    bool blocks;
};

struct emulated_event {
    struct emulated_stream *of; /* nullptr: recorded by none */
    unsigned long at;
};

struct emulated_graph {
    std::vector<std::function<void()>> launches;
};

namespace {

/* Never taken down: events may still name a stream that is gone. */
std::vector<struct emulated_stream *> &streams = *new std::vector<struct emulated_stream *>();
enum emulated_copies timing;

struct emulated_graph *capturing; /* nullptr: none */
cudaStream_t captured;
cudaError_t capture_error, last_error;

/* Whether it has done so much: without `waits` something outside of the emulator may hold it up. */
bool run_until(struct emulated_stream *s, unsigned long n, bool waits = true) {
    while (s->done < n) {
        const struct operation o = s->asked.front();
        if (o.held_by && !run_until(o.held_by, o.until, waits))
            return false;
        while (o.ready && !o.ready()) {
            if (!waits)
                return false;
            usleep(200);
        }
        s->asked.pop_front();
        if (o.work)
            o.work();
        s->done++;
    }
    return true;
}

/* What is early does what it can. */
void advance() {
    if (timing != EMULATED_EARLY)
        return;
    for (struct emulated_stream *s : streams)
        while (!s->blocks && !s->asked.empty()) {
            const struct operation &next = s->asked.front();
            if (next.held_by && next.held_by->done < next.until)
                break;
            if (!run_until(s, s->done + 1, false))
                break;
        }
}

cudaError_t put(struct emulated_stream *s, const struct operation &o) {
    s->asked.push_back(o);
    s->put++;
    advance();
    return cudaSuccess;
}

cudaError_t make(cudaStream_t *out, bool blocks) {
    *out = new emulated_stream();
    (*out)->blocks = blocks;
    streams.push_back(*out);
    return cudaSuccess;
}

/* ---- pinned memory ---- */

std::map<const char *, size_t> &pinned = *new std::map<const char *, size_t>();
size_t most_pinned = SIZE_MAX;
bool reads_pages; /* all memory is as if it were pinned, but for unpinning it */
enum { PAGE = 4096 };

/* The part that p is in, or nullptr. */
const char *pin_of(const void *p) {
    const char *at = static_cast<const char *>(p);
    auto after = pinned.upper_bound(at);
    if (after == pinned.begin())
        return nullptr;
    --after;
    return at < after->first + after->second ? after->first : nullptr;
}

} // namespace

void emulated_finish() {
    for (struct emulated_stream *s : streams)
        run_until(s, s->put);
}

void emulated_copying(enum emulated_copies when) {
    timing = when;
}

bool emulated_spoils(cudaStream_t stream) {
    if (!capturing || (stream && stream != captured))
        return false;
    capture_error = cudaErrorStreamCaptureUnsupported;
    return true;
}

cudaError_t emulated_ask(cudaStream_t stream, const std::function<void()> &work) {
    if (capturing && stream == captured)
        capturing->launches.push_back(work);
    else if (stream)
        return put(stream, {work, nullptr, 0, nullptr});
    else
        work();
    return cudaSuccess;
}

void emulated_work(void *stream, void (*work)(void *), void *self, size_t bytes) {
    const char *at = static_cast<const char *>(self);
    const std::vector<char> kept(at, at + bytes);
    emulated_ask(static_cast<cudaStream_t>(stream), [=] {
        std::vector<char> copy = kept;
        emulated_work_now(work, copy.data());
    });
}

void emulated_hold(void *stream, int (*ready)(void *), void *self) {
    put(static_cast<cudaStream_t>(stream),
        {nullptr, nullptr, 0, nullptr, [=] { return ready(self) != 0; }});
}

cudaError_t cudaStreamCreate(cudaStream_t *stream) {
    return make(stream, true);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) {
    return make(stream, flags != cudaStreamNonBlocking);
}

/* What it was asked for is still done. */
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    run_until(stream, stream->put);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    if (emulated_spoils(stream))
        return capture_error;
    if (stream)
        run_until(stream, stream->put);
    advance();
    return cudaSuccess;
}

void emulated_go_on(void *stream) {
    struct emulated_stream *s = static_cast<cudaStream_t>(stream);
    run_until(s, s->put, false);
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
    if (emulated_spoils(stream))
        return capture_error;
    if (run_until(stream, stream->put, false))
        return cudaSuccess;
    return last_error = cudaErrorNotReady;
}

/* What is no error is told here, too, as a driver does. */
cudaError_t cudaGetLastError(void) {
    cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) {
    *event = new emulated_event();
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event;
    return cudaSuccess;
}

/* A device would record it in the graph, which nobody waits for. */
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    if (emulated_spoils(stream))
        return capture_error;
    *event = {stream, stream->put};
    return cudaSuccess;
}

/* Of what was recorded last, now; of an event that was not recorded, nothing. */
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    if (emulated_spoils(stream))
        return capture_error;
    if (!event->of)
        return cudaSuccess;
    return put(stream, {nullptr, event->of, event->at, nullptr});
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, enum cudaMemcpyKind kind,
                            cudaStream_t stream) {
    if (emulated_spoils(stream))
        return capture_error;
    const char *at = static_cast<const char *>(from);
    std::vector<char> kept;
    const char *pin = kind == cudaMemcpyHostToDevice ? pin_of(from) : nullptr;
    bool reads_now = kind == cudaMemcpyHostToDevice && !pin && !reads_pages;
    if (reads_now)
        kept.assign(at, at + n);
    const auto work = [=] {
        emulated_working now;
        if (n) // of nothing, either place may be null
            memcpy(to, reads_now ? kept.data() : from, n);
    };
    if (!stream) {
        work();
        return cudaSuccess;
    }
    put(stream, {work, nullptr, 0, pin});
    if (kind == cudaMemcpyDeviceToHost && !pin_of(to))
        run_until(stream, stream->put);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int byte, size_t n, cudaStream_t stream) {
    if (emulated_spoils(stream))
        return capture_error;
    return emulated_ask(stream, [=] {
        emulated_working now;
        memset(to, byte, n);
    });
}

cudaError_t cudaHostRegister(void *memory, size_t bytes, unsigned) {
    if (emulated_spoils(nullptr))
        return capture_error;
    const char *from = static_cast<const char *>(memory);
    for (const auto &p : pinned) /* page by page */
        if ((size_t)from / PAGE <= ((size_t)p.first + p.second - 1) / PAGE &&
            (size_t)p.first / PAGE <= ((size_t)from + bytes - 1) / PAGE)
            return cudaErrorHostMemoryAlreadyRegistered;
    if (emulated_pinned() + bytes > most_pinned)
        return cudaErrorMemoryAllocation;
    pinned[from] = bytes;
    return cudaSuccess;
}

cudaError_t cudaHostUnregister(void *memory) {
    if (emulated_spoils(nullptr))
        return capture_error;
    const char *at = static_cast<const char *>(memory);
    for (const struct emulated_stream *s : streams)
        for (const struct operation &o : s->asked)
            if (o.reads == at)
                emulated_die("memory is unpinned while a copy from it is still to come");
    return pinned.erase(at) ? cudaSuccess : cudaErrorHostMemoryNotRegistered;
}

size_t emulated_pinned(void) {
    size_t sum = 0;
    for (const auto &p : pinned)
        sum += p.second;
    return sum;
}

void emulated_reads_pages(int does) {
    reads_pages = does != 0;
}

void emulated_most_pinned(size_t bytes) {
    most_pinned = bytes;
}

cudaError_t cudaMallocHost(void **out, size_t bytes) {
    if (emulated_spoils(nullptr))
        return capture_error;
    *out = malloc(bytes);
    return *out ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void *p) {
    emulated_finish();
    free(p);
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode) {
    if (emulated_spoils(nullptr))
        return capture_error;
    capturing = new emulated_graph();
    captured = stream;
    capture_error = cudaSuccess;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t *out) {
    *out = capturing;
    capturing = nullptr;
    if (capture_error != cudaSuccess) {
        delete *out;
        *out = nullptr;
    }
    return capture_error;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long) {
    *out = new emulated_graph(*graph);
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete graph;
    return cudaSuccess;
}

/* A launch that is still to come keeps what it needs. */
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
    const std::vector<std::function<void()>> launches = graph->launches;
    return emulated_ask(stream, [=] {
        for (const auto &launch : launches)
            launch();
    });
}
