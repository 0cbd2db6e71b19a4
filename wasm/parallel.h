/*
 * Work over threads, and scratch memory.
 *
 * parallel_for calls fn(ctx, task, thread) once for every task in [0, tasks) and returns when all are done. Results must not depend on
 * which thread runs a task, or how many there are: tasks write disjoint ranges, and sums over tasks go through one partial per task, added
 * in order afterwards. So `tasks` follows from sizes alone, unless what a task covers changes no sum. `thread` < thread_count() only picks
 * scratch memory. Calls don't nest.
 *
 * workspace(bytes) is 64-byte aligned scratch, valid until the next call of workspace; contents are not retained. Only the thread that
 * called the kernel may ask for it.
 */
#ifndef DATA2VEC_PARALLEL_H
#define DATA2VEC_PARALLEL_H
#include <stddef.h>
#include <stdint.h>
#include "simd.h"

typedef void (*task_fn)(void *ctx, int32_t task, int32_t thread);

/* What one task of an elementwise kernel covers. */
#define ELEMENTS_PER_TASK 16384

/* How many chunks of `size` cover `count`. */
INLINE int32_t chunks_of(int32_t count, int32_t size) { return count / size + (count % size != 0); }
INLINE int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }
INLINE int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

/* Where the share of thread `i` begins when `count` tasks are dealt out to threads, who take over from each other at the end. */
INLINE int32_t share_start(int32_t count, int32_t i, int32_t threads) { return (int32_t)((int64_t)count * i / threads); }

/*
 * Units of work as tasks, of which the last unit in each share is `pieces` tasks instead of one: so threads end at the same time. With more
 * than one piece there are at least as many units as shares.
 */
typedef struct {
  int32_t units, shares, pieces;
} division;
INLINE int32_t divided_tasks(division d) { return d.units + d.shares * (d.pieces - 1); }
/* The unit of a task, and which piece of it, -1 for all. */
INLINE int32_t divided_unit(division d, int32_t task, int32_t *piece) {
  *piece = -1;
  if (d.pieces == 1) return task;
  int32_t share = d.shares - 1;
  while (share_start(d.units, share, d.shares) + share * (d.pieces - 1) > task) share--;
  int32_t unit = task - share * (d.pieces - 1), last = share_start(d.units, share + 1, d.shares) - 1;
  if (unit < last) return unit;
  *piece = unit - last;
  return last;
}

#ifdef __wasm__
/* Iterations of an idle thread before it sleeps: some 30 µs. */
#define SPINS 20000

/* As in src/backend/wasm.ts. */
#define MAX_THREADS 256

/*
 * As native/cpu/pool.h: each thread computes the same part of every job's tasks, then the last tasks of others. Only the thread that takes a
 * task out of a range owns it, and a job can't end while one is owned: so fn and ctx are stable then.
 */
static struct {
  struct {
    _Alignas(64) uint64_t unclaimed; /* of a thread's range: the first task in the lower half, the end in the upper one */
  } ranges[MAX_THREADS];
  _Alignas(64) int pending; /* tasks not done yet; 0 or less once a worker has failed */
  int caller_waits;
  _Alignas(64) int job;       /* changes with each job; idle workers sleep on it */
  int sleepers;
  _Alignas(64) task_fn fn;
  void *ctx;
  int threads;
  int stop;
  int failed;
} pool = {.threads = 1};

INLINE int pool_read(int *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }

__attribute__((unused)) static int32_t thread_count(void) { return pool.threads; }

INLINE uint64_t task_range(uint32_t first, uint32_t end) { return (uint64_t)end << 32 | first; }

static void run_tasks(int32_t thread) {
  int done = 0;
  for (int32_t i = 0; i < pool.threads; i++) {
    uint64_t *unclaimed = &pool.ranges[(thread + i) % pool.threads].unclaimed;
    uint64_t left = __atomic_load_n(unclaimed, __ATOMIC_SEQ_CST);
    for (;;) {
      uint32_t first = (uint32_t)left, end = (uint32_t)(left >> 32);
      if (first >= end) break;
      uint64_t rest = i == 0 ? task_range(first + 1, end) : task_range(first, end - 1);
      if (!__atomic_compare_exchange_n(unclaimed, &left, rest, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) continue;
      pool.fn(pool.ctx, (int32_t)(i == 0 ? first : end - 1), thread);
      done++;
      left = __atomic_load_n(unclaimed, __ATOMIC_SEQ_CST);
    }
  }
  if (done > 0 && __atomic_sub_fetch(&pool.pending, done, __ATOMIC_SEQ_CST) == 0 && pool_read(&pool.caller_waits))
    __builtin_wasm_memory_atomic_notify(&pool.pending, 1);
}

static void parallel_for(task_fn fn, void *ctx, int32_t tasks) {
  if (tasks <= 1 || pool.threads == 1) {
    for (int32_t task = 0; task < tasks; task++) fn(ctx, task, 0);
    return;
  }
  pool.fn = fn, pool.ctx = ctx;
  __atomic_store_n(&pool.caller_waits, 0, __ATOMIC_SEQ_CST);
  __atomic_store_n(&pool.pending, tasks, __ATOMIC_SEQ_CST);
  for (int32_t i = 0; i < pool.threads; i++)
    __atomic_store_n(&pool.ranges[i].unclaimed, task_range(share_start(tasks, i, pool.threads), share_start(tasks, i + 1, pool.threads)),
                     __ATOMIC_SEQ_CST);
  __atomic_add_fetch(&pool.job, 1, __ATOMIC_SEQ_CST);
  if (pool_read(&pool.sleepers) > 0) __builtin_wasm_memory_atomic_notify(&pool.job, tasks - 1);
  run_tasks(0);
  for (int spins = SPINS; pool_read(&pool.pending) > 0 && spins > 0; spins--) {}
  if (pool_read(&pool.pending) > 0) {
    __atomic_store_n(&pool.caller_waits, 1, __ATOMIC_SEQ_CST);
    for (int left; (left = pool_read(&pool.pending)) > 0;) __builtin_wasm_memory_atomic_wait32(&pool.pending, left, -1);
  }
  if (pool_read(&pool.failed)) __builtin_trap();
}

/* The life of worker `thread` (1 ..): returns after stop_workers. */
__attribute__((export_name("worker_main"))) void worker_main(int thread) {
  for (;;) {
    int job = pool_read(&pool.job);
    if (pool_read(&pool.stop)) return;
    run_tasks(thread);
    for (int spins = SPINS; pool_read(&pool.job) == job && spins > 0; spins--) {}
    if (pool_read(&pool.job) != job) continue;
    __atomic_add_fetch(&pool.sleepers, 1, __ATOMIC_SEQ_CST);
    __builtin_wasm_memory_atomic_wait32(&pool.job, job, -1);
    __atomic_sub_fetch(&pool.sleepers, 1, __ATOMIC_SEQ_CST);
  }
}

/* Called for a worker that trapped within a task, so that the caller fails at once instead of waiting for ever. */
__attribute__((export_name("worker_failed"))) void worker_failed(void) {
  __atomic_store_n(&pool.failed, 1, __ATOMIC_SEQ_CST);
  __atomic_store_n(&pool.pending, 0, __ATOMIC_SEQ_CST);
  __builtin_wasm_memory_atomic_notify(&pool.pending, 1);
}

__attribute__((export_name("start_workers"))) void start_workers(int threads) { pool.threads = threads; }

__attribute__((export_name("stop_workers"))) void stop_workers(void) {
  __atomic_store_n(&pool.stop, 1, __ATOMIC_SEQ_CST);
  __atomic_add_fetch(&pool.job, 1, __ATOMIC_SEQ_CST);
  __builtin_wasm_memory_atomic_notify(&pool.job, -1);
}

/* Provided by src/backend/wasm.ts: frees the old workspace, returns a new one, or throws OutOfMemoryError. */
__attribute__((import_module("env"), import_name("grow_workspace"))) void *grow_workspace(size_t bytes);

__attribute__((unused)) static void *workspace(size_t bytes) {
  static void *memory;
  static size_t size;
  if (bytes > size) {
    size = 0;
    memory = grow_workspace(bytes);
    size = bytes;
  }
  return memory;
}

#elif defined(DATA2VEC_NATIVE)
/* Provided by native/cpu/engine.cc for the engine whose kernel this thread runs. */
int32_t data2vec_threads(void);
void data2vec_parallel_for(task_fn fn, void *ctx, int32_t tasks);
void *data2vec_workspace(size_t bytes);

__attribute__((unused)) static int32_t thread_count(void) { return data2vec_threads(); }
__attribute__((unused)) static void parallel_for(task_fn fn, void *ctx, int32_t tasks) { data2vec_parallel_for(fn, ctx, tasks); }
__attribute__((unused)) static void *workspace(size_t bytes) { return data2vec_workspace(bytes); }

#else
#include <stdlib.h>

__attribute__((unused)) static int32_t thread_count(void) { return 1; }

static void parallel_for(task_fn fn, void *ctx, int32_t tasks) {
  for (int32_t task = 0; task < tasks; task++) fn(ctx, task, 0);
}

/* A fresh allocation per call, so that the sanitizers see every overrun. */
__attribute__((unused)) static void *workspace(size_t bytes) {
  static void *memory;
  free(memory);
  memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  return memory;
}
#endif
#endif
