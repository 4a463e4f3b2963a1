/* emulator.cpp -- threads of a block as fibers, see cuda_runtime.h. */
#include "tests/cuda/emulator_internal.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <sys/mman.h>
#include <vector>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define FIBERS_ARE_WATCHED 1
#include <sanitizer/common_interface_defs.h>
#endif

uint3 emulated_thread, emulated_block;
dim3 emulated_block_size, emulated_grid_size;

namespace {

enum { WARP = 32 };
enum { STACK = 256 << 10, PAGE = 4096 };

enum state { NEW, READY, AT_WARP, AT_BLOCK, DONE };

struct fiber {
    void *at; /* its stack pointer while another runs */
    char *stack;
    void *watched; /* the sanitizer's */
    struct thread *thread;
};

struct thread {
    uint3 index;
    int warp, lane;
    enum state state;
    struct fiber *fiber;
    uint64_t given, got; /* at a warp's exchange */
    int from;
};

/* Lanes on their way into an exchange. */
struct meeting {
    unsigned mask, arrived;
    enum emulated_exchange kind;
};

struct warp {
    unsigned done;                 /* lanes that have returned */
    struct meeting meetings[WARP]; /* of masks whose lowest lane it is */
};

/* One pass over the threads of a warp, each as far as it gets. */
struct pass {
    size_t first;
    int n, visited;
    std::vector<int> lanes; /* their order when it is random */
};

struct machine {
    std::vector<struct thread> threads;
    std::vector<struct warp> warps;
    struct pass pass;
    std::vector<struct fiber *> idle;
    struct fiber scheduler, *running, *left; /* the one that ran before */
    struct thread *now;
    void (*run)(void *);
    void *self;
    char *shared;
    size_t shared_bytes;
    unsigned long blocks, launches; /* so far */
    enum emulated_order order;
    unsigned seed;
};

/* Never taken down: fibers rest in it until the program ends. */
struct machine &m = *new machine();

} // namespace

void emulated_die(const char *what) {
    fprintf(stderr, "CUDA emulator: %s; block %u %u %u", what, blockIdx.x, blockIdx.y, blockIdx.z);
    if (m.now)
        fprintf(stderr, ", thread %u %u %u", m.now->index.x, m.now->index.y, m.now->index.z);
    fputc('\n', stderr);
    abort();
}

namespace {

/* ---- fibers ---- */

#ifdef __x86_64__
extern "C" void emulated_swap(void **save, void *to);
asm(".text\n"
    ".globl emulated_swap\n"
    "emulated_swap:\n"
    "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq "
    "%r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
    "    ret\n");

void begin_at(struct fiber *f, void (*entry)(void)) {
    enum { SAVED = 6 };
    void **top = reinterpret_cast<void **>(f->stack + STACK);
    *--top = nullptr; /* keeps the stack aligned as after a call */
    *--top = reinterpret_cast<void *>(entry);
    for (int i = 0; i < SAVED; i++)
        *--top = nullptr;
    f->at = top;
}

void swap(struct fiber *from, struct fiber *to) {
    emulated_swap(&from->at, to->at);
}
#else
#include <ucontext.h>

void begin_at(struct fiber *f, void (*entry)(void)) {
    ucontext_t *u = new ucontext_t;
    getcontext(u);
    u->uc_stack.ss_sp = f->stack;
    u->uc_stack.ss_size = STACK;
    u->uc_link = nullptr;
    makecontext(u, entry, 0);
    f->at = u;
}

void swap(struct fiber *from, struct fiber *to) {
    if (!from->at)
        from->at = new ucontext_t;
    swapcontext(static_cast<ucontext_t *>(from->at), static_cast<ucontext_t *>(to->at));
}
#endif

#ifdef FIBERS_ARE_WATCHED
const void *scheduler_stack;
size_t scheduler_stack_bytes;
#endif

/* Behind a change of fibers, on the new one. */
void arrive(const struct fiber *here) {
#ifdef FIBERS_ARE_WATCHED
    bool home = m.left == &m.scheduler;
    __sanitizer_finish_switch_fiber(here->watched, home ? &scheduler_stack : nullptr,
                                    home ? &scheduler_stack_bytes : nullptr);
#endif
    (void)here;
}

void go_on_with(struct fiber *to) {
    struct fiber *from = m.running;
    m.running = to;
    m.left = from;
#ifdef FIBERS_ARE_WATCHED
    int home = to == &m.scheduler;
    __sanitizer_start_switch_fiber(&from->watched, home ? scheduler_stack : to->stack,
                                   home ? scheduler_stack_bytes : (size_t)STACK);
#endif
    swap(from, to);
    arrive(from);
}

/* The next thread of the pass that can go on; NULL: there is none. */
struct thread *next_thread(void) {
    while (m.pass.visited < m.pass.n) {
        int i = m.pass.visited++;
        int lane = m.order == EMULATED_RANDOM    ? m.pass.lanes[(size_t)i]
                   : m.order == EMULATED_REVERSE ? m.pass.n - 1 - i
                                                 : i;
        struct thread *t = &m.threads[m.pass.first + (size_t)lane];
        if (t->state == NEW || t->state == READY)
            return t;
    }
    return nullptr;
}

void is_next(struct thread *t, struct fiber *f) {
    t->fiber = f;
    f->thread = t;
    t->state = READY;
    m.now = t;
    emulated_thread = t->index;
}

void go_on_from_here(struct thread *t);

/* A fiber runs one thread after the other, and rests where the next one has its own. */
void fiber_main(void) {
    arrive(m.running);
    for (;;) {
        m.run(m.self);
        struct fiber *f = m.running;
        struct thread *t = f->thread;
        t->state = DONE;
        m.warps[(size_t)t->warp].done |= 1u << t->lane;
        t = next_thread();
        if (t && t->state == NEW) {
            is_next(t, f);
            continue;
        }
        f->thread = nullptr;
        m.idle.push_back(f);
        go_on_from_here(t);
    }
}

struct fiber *get_fiber(void) {
    if (!m.idle.empty()) {
        struct fiber *f = m.idle.back();
        m.idle.pop_back();
        return f;
    }
    struct fiber *f = new struct fiber();
    void *stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED || mprotect(stack, PAGE, PROT_NONE))
        emulated_die("no memory for a stack");
    f->stack = static_cast<char *>(stack);
    begin_at(f, fiber_main);
    return f;
}

/* ---- the threads of a block ---- */

void go_on_from_here(struct thread *t) {
    if (t)
        is_next(t, t->state == NEW ? get_fiber() : t->fiber);
    else
        m.now = nullptr;
    go_on_with(t ? t->fiber : &m.scheduler);
}

void wait_as(enum state state) {
    m.now->state = state;
    go_on_from_here(next_thread());
}

unsigned random_number(void) {
    m.seed ^= m.seed << 13, m.seed ^= m.seed >> 17, m.seed ^= m.seed << 5;
    return m.seed;
}

void put_in_order(std::vector<int> *out, int n) {
    out->resize((size_t)n);
    for (int i = 0; i < n; i++)
        (*out)[(size_t)i] = m.order == EMULATED_REVERSE ? n - 1 - i : i;
    for (int i = n - 1; i > 0 && m.order == EMULATED_RANDOM; i--)
        std::swap((*out)[(size_t)i], (*out)[random_number() % (unsigned)(i + 1)]);
}

/* A warp as far as it gets; whether any of its threads ran. */
bool run_warp(size_t first, size_t end) {
    for (bool any = false;; any = true) {
        m.pass.first = first;
        m.pass.n = (int)(end - first);
        m.pass.visited = 0;
        if (m.order == EMULATED_RANDOM)
            put_in_order(&m.pass.lanes, m.pass.n);
        struct thread *t = next_thread();
        if (!t)
            return any;
        go_on_from_here(t);
    }
}

/* When nobody can go on, everybody waits at the block's barrier, or something is wrong. */
size_t release_barrier(void) {
    size_t waiting = 0, done = 0;
    for (const struct thread &t : m.threads) {
        waiting += t.state == AT_BLOCK;
        done += t.state == DONE;
    }
    if (done == m.threads.size())
        return 0;
    if (waiting < m.threads.size())
        emulated_die(waiting && done ? "some threads returned, others wait in __syncthreads"
                                     : "threads wait at different places");
    for (struct thread &t : m.threads)
        t.state = READY;
    return waiting;
}

void run_block(void) {
    size_t n = m.threads.size();
    std::vector<int> warps;
    const dim3 size = emulated_block_size;
    for (size_t i = 0; i < n; i++) {
        unsigned at = (unsigned)i;
        m.threads[i] = {};
        m.threads[i].index = {at % size.x, at / size.x % size.y, at / (size.x * size.y)};
        m.threads[i].warp = (int)(i / WARP);
        m.threads[i].lane = (int)(i % WARP);
    }
    m.warps.assign((n + WARP - 1) / WARP, {});
    m.blocks++;
    if (m.shared)
        memset(m.shared, 0xff, m.shared_bytes);
    do {
        bool any = true;
        while (any) {
            any = false;
            put_in_order(&warps, (int)((n + WARP - 1) / WARP));
            for (int w : warps) {
                size_t first = (size_t)w * WARP;
                any |= run_warp(first, first + WARP < n ? first + WARP : n);
            }
        }
    } while (release_barrier());
}

/* ---- memory ----
 *
 * One stretch of addresses, of which the lowest gap that is wide enough is handed out.  Without
 * permission but while somebody works; huge pages, since permission is by the page. */

enum { MEMORY = EMULATED_MEMORY, PIECE = 256, HUGE = 1 << 21 };

struct {
    char *base;
    size_t used;                     /* where the last piece ends */
    std::map<size_t, size_t> pieces; /* where they begin, how long they are */
    std::map<size_t, size_t> asked;  /* for each the bytes that were asked for */
} memory;

void permit(int how) {
    size_t pages = (memory.used + HUGE - 1) / HUGE * HUGE;
    if (pages && mprotect(memory.base, pages, how))
        emulated_die("no permission for memory");
}

} // namespace

emulated_working::emulated_working() {
    permit(PROT_READ | PROT_WRITE);
}

emulated_working::~emulated_working() {
    permit(PROT_NONE);
}

void emulated_work_now(void (*work)(void *), void *self) {
    emulated_working now;
    m.launches++;
    work(self);
}

cudaError_t cudaMalloc(void **out, size_t bytes) {
    if (emulated_spoils(nullptr))
        return cudaErrorStreamCaptureUnsupported;
    const size_t piece = PIECE;
    size_t room = (bytes + piece - 1) / piece * piece;
    if (!memory.base) {
        void *p = mmap(nullptr, MEMORY + HUGE, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED)
            emulated_die("no addresses for memory");
        memory.base = static_cast<char *>(p) + (HUGE - reinterpret_cast<size_t>(p) % HUGE) % HUGE;
        madvise(memory.base, MEMORY, MADV_HUGEPAGE); /* else it is slow */
    }
    room = room ? room : piece;
    size_t at = 0;
    for (const auto &taken : memory.pieces) {
        if (taken.first - at >= room)
            break;
        at = taken.first + taken.second;
    }
    if (at + room > MEMORY || at + room < room)
        return cudaErrorMemoryAllocation;
    *out = memory.base + at;
    memory.pieces[at] = room;
    memory.asked[at] = bytes;
    memory.used = at + room > memory.used ? at + room : memory.used;
    emulated_working now;
    memset(*out, 0xff, room);
    return cudaSuccess;
}

cudaError_t cudaFree(void *p) {
    if (!p)
        return cudaSuccess;
    if (emulated_spoils(nullptr))
        return cudaErrorStreamCaptureUnsupported;
    emulated_finish();
    size_t at = (size_t)(static_cast<char *>(p) - memory.base);
    if (!memory.pieces.erase(at))
        emulated_die("memory that was not handed out is given back");
    memory.asked.erase(at);
    const auto last = memory.pieces.rbegin();
    memory.used = last == memory.pieces.rend() ? 0 : last->first + last->second;
    return cudaSuccess;
}

size_t emulated_bytes(void) {
    size_t sum = 0;
    for (const auto &piece : memory.asked)
        sum += piece.second;
    return sum;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *all) {
    *free_bytes = MEMORY;
    for (const auto &piece : memory.pieces)
        *free_bytes -= piece.second;
    *all = MEMORY;
    return cudaSuccess;
}

void emulated_launch(dim3 grid, dim3 block, size_t shared, void (*run)(void *), void *self) {
    size_t blocks = (size_t)grid.x * grid.y * grid.z;
    emulated_grid_size = grid;
    emulated_block_size = block;
    m.threads.resize((size_t)block.x * block.y * block.z);
    m.run = run;
    m.self = self;
    m.running = &m.scheduler;
    m.shared_bytes = shared;
    m.shared = shared ? static_cast<char *>(malloc(shared)) : nullptr;
    m.launches++;
    emulated_working now;
    for (size_t i = 0; i < blocks; i++) {
        size_t b = m.order == EMULATED_REVERSE ? blocks - 1 - i : i;
        emulated_block = {(unsigned)(b % grid.x), (unsigned)(b / grid.x % grid.y),
                          (unsigned)(b / ((size_t)grid.x * grid.y))};
        run_block();
    }
    free(m.shared);
    m.shared = nullptr;
}

void emulated_schedule(enum emulated_order order, unsigned seed) {
    m.order = order;
    m.seed = seed ? seed : 1;
}

unsigned long emulated_launches(void) {
    emulated_finish();
    return m.launches;
}

void *emulated_dynamic_shared(void) {
    if (!m.shared)
        emulated_die("a launch without dynamic shared memory");
    return m.shared;
}

void emulated_shared(void *array, size_t bytes, unsigned long *filled_for) {
    if (*filled_for == m.blocks)
        return;
    *filled_for = m.blocks;
    memset(array, 0xff, bytes);
}

void __syncthreads(void) {
    wait_as(AT_BLOCK);
}

/* The last lane to come does it for all. */
uint64_t emulated_warp(unsigned mask, uint64_t value, int from, enum emulated_exchange kind) {
    struct thread *me = m.now, *warp = &m.threads[(size_t)me->warp * WARP];
    size_t lanes = m.threads.size() - (size_t)me->warp * WARP;
    unsigned there = lanes < WARP ? (1u << lanes) - 1 : ~0u;
    mask &= there;
    me->given = value;
    me->from = from;
    if (!(mask >> me->lane & 1))
        emulated_die("a lane exchanges values without being in the mask");
    if (mask & m.warps[(size_t)me->warp].done)
        emulated_die("a lane in the mask of an exchange has returned");
    struct meeting *all = &m.warps[(size_t)me->warp].meetings[__builtin_ctz(mask)];
    if (!all->arrived)
        *all = {mask, 0, kind};
    if (all->mask == mask && all->kind == kind)
        all->arrived |= 1u << me->lane;
    if (all->arrived != mask || all->mask != mask || all->kind != kind) {
        wait_as(AT_WARP);
        return me->got;
    }
    all->arrived = 0;
    uint64_t ballot = 0;
    for (int l = 0; l < WARP; l++)
        ballot |= mask >> l & 1 && warp[l].given ? 1ull << l : 0;
    for (int l = 0; l < WARP; l++) {
        if (!(mask >> l & 1))
            continue;
        int source = warp[l].from & (WARP - 1);
        if (kind == EMULATED_SHUFFLE && !(mask >> source & 1))
            emulated_die("a shuffle reads a lane that is not in the mask");
        warp[l].got = kind == EMULATED_BALLOT ? ballot : warp[source].given;
        warp[l].state = READY;
    }
    return me->got;
}
