/* How fast the published stream can be matched here at all: a FIFO book in C with nothing but its queues.

   Price-indexed, one array of orders named by the stream's own numbers; no owners, no fills log, no queue positions, no
   checks. benchmarks/peers.py compiles and runs it: floor FILE COUNT ORDERS RUNS; FILE holds rows of five int32: kind
   (0 limit, 1 market, 2 cancel), side (0 buy, 1 sell), price, size, order. Prints trades, lots, notional, best bid, best
   ask, then seconds a run. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TICKS = 4096, NONE = -1 };

typedef struct { int32_t kind, side, price, size, order; } message;
typedef struct { int32_t size, price, side, ahead, behind; } resting;
typedef struct { int32_t first, last; } queue;

static queue level[2][TICKS];
static resting *orders;
static int32_t best[2];
static int64_t trades, lots, notional;

static inline __attribute__((always_inline)) void settle_best(int side) { /* the best level may have emptied */
    if (side == 0) while (best[0] >= 0 && level[0][best[0]].first == NONE) best[0]--;
    else while (best[1] < TICKS && level[1][best[1]].first == NONE) best[1]++;
}

/* inlined once for each side, so that no comparison asks which it is */
static inline __attribute__((always_inline)) int32_t match(int side, int32_t size, int32_t limit) {
    int other = 1 - side;
    while (size > 0 && (side == 0 ? best[1] < TICKS && best[1] <= limit : best[0] >= 0 && best[0] >= limit)) {
        queue *q = &level[other][best[other]];
        while (size > 0 && q->first != NONE) {
            resting *maker = &orders[q->first];
            int32_t take = maker->size < size ? maker->size : size;
            maker->size -= take;
            size -= take;
            trades++, lots += take, notional += (int64_t)take * best[other];
            if (maker->size == 0) {
                q->first = maker->behind;
                if (q->first == NONE) q->last = NONE;
                else orders[q->first].ahead = NONE;
            }
        }
        settle_best(other);
    }
    return size;
}

static void rest(const message *m, int32_t size) {
    queue *q = &level[m->side][m->price];
    orders[m->order] = (resting){size, m->price, m->side, q->last, NONE};
    if (q->last == NONE) q->first = m->order;
    else orders[q->last].behind = m->order;
    q->last = m->order;
    if (m->side == 0 ? m->price > best[0] : m->price < best[1]) best[m->side] = m->price;
}

static void cancel(int32_t order) {
    resting *gone = &orders[order];
    if (gone->size == 0) return;
    queue *q = &level[gone->side][gone->price];
    if (gone->ahead == NONE) q->first = gone->behind;
    else orders[gone->ahead].behind = gone->behind;
    if (gone->behind == NONE) q->last = gone->ahead;
    else orders[gone->behind].ahead = gone->ahead;
    gone->size = 0;
    if (gone->price == best[gone->side]) settle_best(gone->side);
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    long count = atol(argv[2]), known = atol(argv[3]), runs = atol(argv[4]);
    message *stream = malloc(count * sizeof *stream);
    orders = malloc(known * sizeof *orders);
    FILE *file = fopen(argv[1], "rb");
    if (!stream || !orders || !file || fread(stream, sizeof *stream, count, file) != (size_t)count) return 1;
    for (long run = 0; run < runs; run++) {
        struct timespec begin, end;
        memset(level, 0xff, sizeof level);
        memset(orders, 0, known * sizeof *orders);
        best[0] = NONE, best[1] = TICKS, trades = lots = notional = 0;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        for (const message *m = stream; m < stream + count; m++) {
            if (m->kind == 2) cancel(m->order);
            else {
                int32_t limit = m->kind == 0 ? m->price : m->side == 0 ? TICKS : NONE;
                int32_t left = m->side == 0 ? match(0, m->size, limit) : match(1, m->size, limit);
                if (m->kind == 0 && left > 0) rest(m, left);
            }
        }
        clock_gettime(CLOCK_MONOTONIC, &end);
        if (run == 0) printf("%ld %ld %ld %d %d\n", (long)trades, (long)lots, (long)notional, best[0], best[1]);
        printf("%.9f\n", end.tv_sec - begin.tv_sec + 1e-9 * (end.tv_nsec - begin.tv_nsec));
    }
    return 0;
}
