/*
 * attention: softmax(q kᵀ / sqrt(head_dim) + biases) v per sample and head, and its gradient.
 *
 * Scores are held transposed, a row of queries for each key, in blocks of up to 64 queries by 72 keys: the softmax then runs down the lanes
 * without sums across them, and every product has its operands where the register tiles of tile.h want them. Keys pass once per block of
 * queries, with a running maximum and sum (Milakov and Gimelshein 2018; Dao et al. 2022).
 */
#define QUERIES ROW_STEP
#define KEYS (12 * TILE_ROWS)
#define NO_MAXIMUM -3e38f
/* Fewer tasks than this would leave threads idle; fixed, since the order of sums must not depend on the number of threads. */
#define ENOUGH_TASKS 32

typedef struct {
  const float *qkv, *bias, *bias_t, *slopes;
  const int32_t *positions, *lengths;
  const uint32_t *rng;
  int32_t batch, tokens, heads, head_dim, purpose;
  float dropout, scale;
  int32_t row;          /* floats from one token to the next in qkv */
  int32_t query_blocks;
  float *scratch;       /* scratch_size floats for each thread */
  size_t scratch_size;
} attention_shape;

static attention_shape attention_begin(const float *qkv, const float *bias, const float *slopes, const int32_t *positions,
                                       const int32_t *lengths, const uint32_t *rng, int32_t batch, int32_t tokens, int32_t heads,
                                       int32_t head_dim, float dropout, int32_t purpose) {
  return (attention_shape){
      .qkv = qkv, .bias = bias, .slopes = slopes, .positions = positions, .lengths = lengths, .rng = rng, .batch = batch, .tokens = tokens,
      .heads = heads, .head_dim = head_dim, .purpose = purpose, .dropout = dropout, .scale = 1.0f / sqrt1((float)head_dim),
      .row = 3 * heads * head_dim, .query_blocks = chunks_of(tokens, QUERIES)};
}

INLINE int32_t round_up(int32_t n, int32_t multiple) { return chunks_of(n, multiple) * multiple; }
INLINE int32_t keys_of(const attention_shape *s, int32_t b) {
  return s->lengths ? smaller(larger(s->lengths[b], 0), s->tokens) : s->tokens;
}
/* Keys of one block: as equal as whole register tiles allow. */
INLINE int32_t key_block(int32_t keys) { return round_up(chunks_of(keys, chunks_of(keys, KEYS)), TILE_ROWS); }
INLINE int32_t vectors_at(int32_t lanes, int32_t lane) { return lanes - lane > VLEN ? 2 : 1; }
/* The query (part 0), key (1) or value (2) of token 0. */
INLINE const float *part_of(const attention_shape *s, int32_t b, int32_t h, int32_t part) {
  return s->qkv + (size_t)b * s->tokens * s->row + (size_t)(part * s->heads + h) * s->head_dim;
}
/* One block of the transposed bias: [tokens (keys)][QUERIES]. */
INLINE size_t bias_block(const attention_shape *s, int32_t h, int32_t block) {
  return ((size_t)h * s->query_blocks + block) * s->tokens * QUERIES;
}

/* Floats of the packed keys, or values, of one head. */
INLINE size_t packed_size(const attention_shape *s) { return (size_t)(s->tokens + KEYS) * s->head_dim; }
INLINE size_t gathered_size(const attention_shape *s) { return s->query_blocks > 1 ? (size_t)round_up(s->tokens * s->head_dim, 16) : 0; }
INLINE size_t positions_size(const attention_shape *s) { return s->slopes ? (size_t)round_up(s->tokens, 16) : 0; }
INLINE size_t bias_size(const attention_shape *s) { return s->bias ? bias_block(s, s->heads, 0) : 0; }

/* x[rows][lanes] *= factor for rows QUERIES floats apart. */
static void scale_queries(float *x, int32_t lanes, int32_t rows, float factor) {
  for (int32_t r = 0; r < rows; r++, x += QUERIES)
    for (int32_t i = 0; i < lanes; i += VLEN) vstore(x + i, vmul(vload(x + i), vset1(factor)));
}

static void transpose_bias(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const attention_shape *s = ctx;
  int32_t h = task / s->query_blocks, block = task % s->query_blocks, first = block * QUERIES;
  const float *from = s->bias + ((size_t)h * s->tokens + first) * s->tokens;
  float *to = (float *)s->bias_t + bias_block(s, h, block);
  transpose(to, QUERIES, from, s->tokens, smaller(QUERIES, s->tokens - first), s->tokens, QUERIES);
}

/* Copies keys or values to [key block][head_dim][KEYS]. */
static void pack_keys(float *packed, const float *from, int32_t row, int32_t keys, int32_t head_dim) {
  int32_t size = key_block(keys);
  for (int32_t k = 0; k < keys; k += size, packed += (size_t)head_dim * KEYS)
    transpose(packed, KEYS, from + (size_t)k * row, row, smaller(size, keys - k), head_dim, 0);
}

/* Rows `step` floats apart. */
typedef struct {
  const float *data;
  int32_t step;
} key_rows;

/*
 * The keys (part 1) or values (2) of one head side by side in `memory`: a whole row of qkv apart they would push each other out of the
 * first-level cache. One block of queries reads them once, from where they are.
 */
static key_rows gather_keys(const attention_shape *s, float *memory, int32_t b, int32_t h, int32_t part, int32_t keys) {
  key_rows from = {part_of(s, b, h, part), s->row};
  if (s->query_blocks == 1) return from;
  for (int32_t k = 0; k < keys; k++) copy_row(memory + (size_t)k * s->head_dim, from.data + (size_t)k * from.step, s->head_dim);
  return (key_rows){memory, s->head_dim};
}

/* Copies up to 64 rows to [head_dim][QUERIES], times a factor, with zeros up to a whole number of vectors. */
static void pack_queries(float *packed, const float *from, int32_t row, int32_t queries, int32_t head_dim, float factor) {
  int32_t lanes = round_up(queries, VLEN);
  transpose(packed, QUERIES, from, row, queries, head_dim, lanes);
  if (factor != 1.0f) scale_queries(packed, lanes, head_dim, factor);
}

/* The positions of a sample's tokens, where slopes need them; -1 for a token without one, and up to a whole number of vectors. */
static void read_positions(float *positions, const attention_shape *s, int32_t b) {
  if (!s->slopes) return;
  for (int32_t t = 0; t < round_up(s->tokens, VLEN); t++) {
    int32_t position = t >= s->tokens ? -1 : s->positions ? s->positions[(size_t)b * s->tokens + t] : t;
    positions[t] = position < 0 ? -1.0f : (float)position;
  }
}

INLINE float slope_of(const attention_shape *s, int32_t h) { return s->slopes[h] < 0 ? 0 : s->slopes[h]; }

/* Of one vector of queries from a key, by their positions. */
INLINE vf distances(vf queries, float key) {
  vf zero = vset1(0);
  return key < 0 ? zero : vkeep(vle(zero, queries), vabs(vsub(queries, vset1(key))));
}

/* One vector column of scores, rows `step` floats apart, loses slope * distance. */
NOINLINE void subtract_distances(float *scores, int32_t step, float slope, const float *queries, const float *keys, int32_t count) {
  vf from = vload(queries);
  for (int32_t j = 0; j < count; j++, scores += step) vstore(scores, vfnma(vset1(slope), distances(from, keys[j]), vload(scores)));
}

/* The sum of one vector column of gradients times distances. */
NOINLINE float sum_distances(const float *gradients, const float *queries, const float *keys, int32_t count) {
  vf from = vload(queries), sum = vset1(0);
  for (int32_t j = 0; j < count; j++) sum = vfma(vload(gradients + j * QUERIES), distances(from, keys[j]), sum);
  return vsum(sum);
}

/* factors[key][TILE_LANES]: 0 or 1 / (1 - dropout) for some keys of some queries. */
static void keep_tile(float *factors, const attention_shape *s, int32_t b, int32_t h, int32_t query, int32_t queries, int32_t key,
                      int32_t keys) {
  uint32_t bits[KEYS + 8], threshold = drop_threshold(s->dropout);
  float kept = 1.0f / (1.0f - s->dropout);
  uint32_t blocks_per_query = (uint32_t)chunks_of(s->tokens, 4);
  int32_t first = key / 4, lead = key % 4;
  for (int32_t i = 0; i < TILE_LANES; i++) {
    if (i < queries) {
      uint32_t block = (uint32_t)(h * s->tokens + query + i) * blocks_per_query + (uint32_t)first;
      philox_bits(bits, s->rng, (uint32_t)b, (uint32_t)s->purpose, block, chunks_of(lead + keys, 4));
    }
    for (int32_t j = 0; j < keys; j++) factors[j * TILE_LANES + i] = i < queries && bits[lead + j] >= threshold ? kept : 0.0f;
  }
}

/*
 * Turns one vector column of scores into exp(score + bias - running maximum), multiplies `sum` by what the maximum's change asks for and
 * adds to it. Returns that factor.
 */
NOINLINE void softmax_column(float *scores, const float *bias, float *maximum, float *sum, float *correction, int32_t keys) {
  vf before = vload(maximum), largest = before;
  if (bias) {
    for (int32_t j = 0; j < keys; j++) {
      vf score = vadd(vload(scores + j * TILE_LANES), vload(bias + j * QUERIES));
      vstore(scores + j * TILE_LANES, score);
      largest = vmax(largest, score);
    }
  } else {
    for (int32_t j = 0; j < keys; j++) largest = vmax(largest, vload(scores + j * TILE_LANES));
  }
  vf factor = vexp_negative(vsub(before, largest)), total = vmul(vload(sum), factor);
  for (int32_t j = 0; j < keys; j++) {
    vf weight = vexp_negative(vsub(vload(scores + j * TILE_LANES), largest));
    vstore(scores + j * TILE_LANES, weight);
    total = vadd(total, weight);
  }
  vstore(maximum, largest);
  vstore(sum, total);
  vstore(correction, factor);
}

/* x[r][lanes] *= factor[lanes] for rows QUERIES floats apart. */
NOINLINE void scale_lanes(float *x, const float *factor, int32_t rows, int32_t vectors) {
  vf f0 = vload(factor), f1 = vectors > 1 ? vload(factor + VLEN) : f0;
  for (int32_t r = 0; r < rows; r++, x += QUERIES) {
    vstore(x, vmul(vload(x), f0));
    if (vectors > 1) vstore(x + VLEN, vmul(vload(x + VLEN), f1));
  }
}

typedef struct {
  attention_shape s;
  float *out, *log_sum_exp;
  int32_t parts; /* tasks that share the query blocks of one head */
} attention_args;

/* One block of queries against all keys. */
static void attend(const attention_args *args, const float *keys_t, key_rows values, const float *positions, float *scratch, int32_t b,
                   int32_t h, int32_t block) {
  const attention_shape *s = &args->s;
  int32_t head_dim = s->head_dim, keys = keys_of(s, b), size = key_block(keys);
  int32_t query = block * QUERIES, queries = smaller(QUERIES, s->tokens - query), lanes = round_up(queries, VLEN);
  float *queries_t = scratch, *out_t = queries_t + head_dim * QUERIES, *scores = out_t + head_dim * QUERIES;
  float *factors = scores + KEYS * TILE_LANES, *maximum = factors + KEYS * TILE_LANES, *sum = maximum + QUERIES;
  pack_queries(queries_t, part_of(s, b, h, 0) + (size_t)query * s->row, s->row, queries, head_dim, s->scale);
  for (int32_t i = 0; i < QUERIES; i++) maximum[i] = NO_MAXIMUM, sum[i] = 0;
  for (int32_t key = 0; key < keys; key += size, keys_t += (size_t)head_dim * KEYS) {
    int32_t count = smaller(size, keys - key);
    const float *bias = s->bias_t ? s->bias_t + bias_block(s, h, block) + (size_t)key * QUERIES : 0;
    const float *v = values.data + (size_t)key * values.step;
    for (int32_t i = 0; i < lanes; i += TILE_LANES) {
      int32_t vectors = vectors_at(lanes, i);
      float correction[TILE_LANES];
      product_columns((product){scores, keys_t, queries_t + i, TILE_LANES, KEYS, QUERIES, head_dim, 0}, count, vectors);
      for (int32_t l = 0; l < vectors * VLEN; l += VLEN) {
        if (s->slopes) subtract_distances(scores + l, TILE_LANES, slope_of(s, h), positions + query + i + l, positions + key, count);
        softmax_column(scores + l, bias ? bias + i + l : 0, maximum + i + l, sum + i + l, correction + l, count);
      }
      if (s->dropout > 0) {
        keep_tile(factors, s, b, h, query + i, smaller(TILE_LANES, queries - i), key, count);
        for (int32_t e = 0; e < count * TILE_LANES; e += VLEN) vstore(scores + e, vmul(vload(scores + e), vload(factors + e)));
      }
      if (key > 0) scale_lanes(out_t + i, correction, head_dim, vectors);
      product_columns((product){out_t + i, v, scores, QUERIES, values.step, TILE_LANES, count, key > 0}, head_dim, vectors);
    }
  }
  for (int32_t i = 0; i < lanes; i += VLEN) {
    vf total = vload(sum + i), inverse = vdiv(vset1(1.0f), total);
    vstore(maximum + i, vadd(vload(maximum + i), vlog(total)));
    for (int32_t d = 0; d < head_dim; d++) vstore(out_t + d * QUERIES + i, vmul(vload(out_t + d * QUERIES + i), inverse));
  }
  float *out = args->out + ((size_t)b * s->tokens + query) * s->heads * head_dim + (size_t)h * head_dim;
  transpose(out, s->heads * head_dim, out_t, QUERIES, head_dim, queries, 0);
  copy_row(args->log_sum_exp + ((size_t)b * s->heads + h) * s->tokens + query, maximum, queries);
}

static void attention_task(void *ctx, int32_t task, int32_t thread) {
  const attention_args *args = ctx;
  const attention_shape *s = &args->s;
  int32_t part = task % args->parts, head = task / args->parts, b = head / s->heads, h = head % s->heads;
  int32_t blocks = chunks_of(s->query_blocks, args->parts), end = smaller(s->query_blocks, (part + 1) * blocks);
  int32_t keys = keys_of(s, b);
  float *keys_t = s->scratch + thread * s->scratch_size, *gathered = keys_t + packed_size(s);
  float *positions = gathered + gathered_size(s), *rest = positions + positions_size(s);
  read_positions(positions, s, b);
  if (keys > 0) pack_keys(keys_t, part_of(s, b, h, 1), s->row, keys, s->head_dim);
  key_rows values = gather_keys(s, gathered, b, h, 2, keys);
  for (int32_t block = part * blocks; block < end; block++) {
    if (keys > 0) {
      attend(args, keys_t, values, positions, rest, b, h, block);
      continue;
    }
    for (int32_t i = block * QUERIES; i < smaller(s->tokens, (block + 1) * QUERIES); i++) {
      zero_row(args->out + (((size_t)b * s->tokens + i) * s->heads + h) * s->head_dim, s->head_dim);
      args->log_sum_exp[((size_t)b * s->heads + h) * s->tokens + i] = -F32_INFINITY;
    }
  }
}

/* Places the transposed bias and the scratch of each thread after `used` floats of a new workspace, and returns its start. */
static float *attention_workspace(attention_shape *s, uint64_t used, size_t scratch_size) {
  s->scratch_size = (scratch_size + 15) / 16 * 16;
  used = (used + 15) / 16 * 16;
  uint64_t bytes = (used + bias_size(s) + (uint64_t)s->scratch_size * (uint64_t)thread_count()) * sizeof(float);
  /* More than can be addressed is for the heap to refuse. */
  float *memory = workspace(bytes < SIZE_MAX ? (size_t)bytes : SIZE_MAX);
  s->scratch = memory + used + bias_size(s);
  if (s->bias) {
    s->bias_t = memory + used;
    parallel_for(transpose_bias, s, s->heads * s->query_blocks);
  }
  return memory;
}

void attention(float *out, float *log_sum_exp, const float *qkv, const float *bias, const float *slopes, const int32_t *positions,
               const int32_t *lengths, const uint32_t *rng, int32_t batch, int32_t tokens, int32_t heads, int32_t head_dim, float dropout,
               int32_t purpose) {
  if (batch == 0 || tokens == 0 || heads == 0) return;
  attention_args args = {
      attention_begin(qkv, bias, slopes, positions, lengths, rng, batch, tokens, heads, head_dim, dropout, purpose), out, log_sum_exp, 1};
  attention_shape *s = &args.s;
  if (batch * heads < ENOUGH_TASKS) args.parts = smaller(s->query_blocks, chunks_of(ENOUGH_TASKS, batch * heads));
  size_t rest = 2 * (size_t)head_dim * QUERIES + 2 * KEYS * TILE_LANES + 2 * QUERIES;
  attention_workspace(s, 0, packed_size(s) + gathered_size(s) + positions_size(s) + rest);
  parallel_for(attention_task, &args, batch * heads * args.parts);
}

typedef struct {
  attention_shape s;
  float *d_qkv, *d_bias, *d_slopes;
  const float *d_out, *out, *log_sum_exp;
  float *partials;       /* [heads][chunks] blocks of bias gradients, laid out as the transposed bias */
  float *slope_partials; /* [heads][chunks] */
  int32_t chunks;        /* parts of the batch, each summed in order */
  int32_t width;         /* head_dim in whole vectors */
} attention_grad_args;

/* Scratch of one thread, for one head of one sample and one block of its queries. */
typedef struct {
  float *keys_t, *values_t;                 /* [key block][head_dim][KEYS] */
  float *gathered;                          /* [tokens][head_dim] */
  float *positions;                         /* [tokens] in whole vectors */
  float *d_keys, *d_values;                 /* [tokens][width] */
  float *queries_t, *d_out_t, *d_queries_t; /* [head_dim][QUERIES] */
  float *queries, *d_out;                   /* [QUERIES][width] */
  float *d_scores, *kept;                   /* [KEYS][QUERIES]: gradient of the scores, probabilities after dropout */
  float *factors;                           /* [KEYS][TILE_LANES] */
  float *log_sum_exp, *delta;               /* [QUERIES] */
} grad_scratch;

/* Lays the scratch out in some memory, if there is any, and returns its size in floats. */
static size_t grad_scratch_of(grad_scratch *g, const attention_grad_args *args, float *memory) {
  const attention_shape *s = &args->s;
  size_t rows = (size_t)s->tokens * args->width, block = (size_t)s->head_dim * QUERIES, wide = (size_t)QUERIES * args->width;
  const size_t sizes[] = {packed_size(s), packed_size(s), gathered_size(s), positions_size(s), rows,           rows,
                          block,          block,          block,            wide,              wide,           KEYS * QUERIES,
                          KEYS * QUERIES, KEYS * TILE_LANES, QUERIES,       QUERIES};
  float **parts[] = {&g->keys_t,  &g->values_t, &g->gathered,    &g->positions, &g->d_keys, &g->d_values,
                     &g->queries_t, &g->d_out_t, &g->d_queries_t, &g->queries,   &g->d_out,  &g->d_scores,
                     &g->kept,    &g->factors,  &g->log_sum_exp, &g->delta};
  size_t used = 0;
  for (int i = 0; i < 16; i++) {
    *parts[i] = memory ? memory + used : 0;
    used += (sizes[i] + 15) / 16 * 16;
  }
  return used;
}

/*
 * One vector column: scores become the gradient of the scores, and the gradients of the kept probabilities become these probabilities.
 * delta is the sum over keys of probability times its gradient, which equals d_out · out.
 */
NOINLINE void gradient_column(float *scores, float *kept, const float *bias, const float *factors, const float *log_sum_exp,
                              const float *delta, int32_t keys) {
  vf lse = vload(log_sum_exp), mean = vload(delta);
  for (int32_t j = 0; j < keys; j++, scores += QUERIES, kept += QUERIES) {
    vf score = vload(scores), gradient = vload(kept);
    if (bias) score = vadd(score, vload(bias + j * QUERIES));
    vf probability = vexp_negative(vsub(score, lse)), after = probability;
    if (factors) {
      vf factor = vload(factors + j * TILE_LANES);
      gradient = vmul(gradient, factor);
      after = vmul(after, factor);
    }
    vstore(scores, vmul(probability, vsub(gradient, mean)));
    vstore(kept, after);
  }
}

/* rows[count][width] = factor * x, with zeros beyond head_dim. */
static void pack_rows(float *rows, const float *x, int32_t step, int32_t count, int32_t head_dim, int32_t width, float factor) {
  for (int32_t i = 0; i < count; i++, rows += width, x += step) {
    int32_t d = 0;
    for (; d + VLEN <= head_dim; d += VLEN) vstore(rows + d, vmul(vload(x + d), vset1(factor)));
    if (d < head_dim) vstore(rows + d, vmul(vload_part(x + d, head_dim - d), vset1(factor)));
  }
}

/* c[rows][width] = (accumulate ? c : 0) + weightsᵀ · x over some queries, for weights [rows][QUERIES] and x [queries][width]. */
static void add_keys(float *c, const float *weights, const float *x, int32_t rows, int32_t queries, int32_t width, int32_t accumulate) {
  for (int32_t d = 0; d < width; d += TILE_LANES)
    product_rows((product){c + d, weights, x + d, width, 1, width, queries, accumulate}, rows, vectors_at(width, d));
}

/* One block of queries: its d_queries, and what it adds to the gradients of keys, values and bias. Returns what it adds to the slope's. */
static float attend_grad(const attention_grad_args *args, const grad_scratch *g, key_rows rows, float *partial, int32_t b, int32_t h,
                         int32_t block) {
  const attention_shape *s = &args->s;
  int32_t head_dim = s->head_dim, width = args->width, keys = keys_of(s, b), size = key_block(keys), out_row = s->heads * head_dim;
  int32_t query = block * QUERIES, queries = smaller(QUERIES, s->tokens - query), lanes = round_up(queries, VLEN);
  size_t at = ((size_t)b * s->tokens + query) * out_row + (size_t)h * head_dim;
  const float *q = part_of(s, b, h, 0) + (size_t)query * s->row;
  pack_queries(g->queries_t, q, s->row, queries, head_dim, s->scale);
  pack_queries(g->d_out_t, args->d_out + at, out_row, queries, head_dim, 1.0f);
  pack_rows(g->queries, q, s->row, queries, head_dim, width, s->scale);
  pack_rows(g->d_out, args->d_out + at, out_row, queries, head_dim, width, 1.0f);
  for (int32_t i = 0; i < lanes; i++) g->log_sum_exp[i] = g->delta[i] = 0;
  copy_row(g->log_sum_exp, args->log_sum_exp + ((size_t)b * s->heads + h) * s->tokens + query, queries);
  for (int32_t i = 0; i < queries; i++) g->delta[i] = dot_rows(g->d_out + i * width, args->out + at + (size_t)i * out_row, head_dim);

  float d_slope = 0;
  const float *keys_t = g->keys_t, *values_t = g->values_t;
  for (int32_t key = 0; key < keys; key += size, keys_t += (size_t)head_dim * KEYS, values_t += (size_t)head_dim * KEYS) {
    int32_t count = smaller(size, keys - key);
    const float *bias = s->bias_t ? s->bias_t + bias_block(s, h, block) + (size_t)key * QUERIES : 0;
    for (int32_t i = 0; i < lanes; i += TILE_LANES) {
      int32_t vectors = vectors_at(lanes, i);
      product_columns((product){g->d_scores + i, keys_t, g->queries_t + i, QUERIES, KEYS, QUERIES, head_dim, 0}, count, vectors);
      product_columns((product){g->kept + i, values_t, g->d_out_t + i, QUERIES, KEYS, QUERIES, head_dim, 0}, count, vectors);
      if (s->dropout > 0) keep_tile(g->factors, s, b, h, query + i, smaller(TILE_LANES, queries - i), key, count);
      for (int32_t v = 0; v < vectors * VLEN; v += VLEN) {
        float *scores = g->d_scores + i + v, *positions = g->positions + query + i + v;
        if (s->slopes) subtract_distances(scores, QUERIES, slope_of(s, h), positions, g->positions + key, count);
        gradient_column(scores, g->kept + i + v, bias ? bias + i + v : 0, s->dropout > 0 ? g->factors + v : 0, g->log_sum_exp + i + v,
                        g->delta + i + v, count);
        if (args->d_slopes) d_slope -= sum_distances(scores, positions, g->positions + key, count);
      }
      const float *k = rows.data + (size_t)key * rows.step;
      product_columns((product){g->d_queries_t + i, k, g->d_scores + i, QUERIES, rows.step, QUERIES, count, key > 0}, head_dim, vectors);
    }
    add_keys(g->d_values + (size_t)key * width, g->kept, g->d_out, count, queries, width, block > 0);
    add_keys(g->d_keys + (size_t)key * width, g->d_scores, g->queries, count, queries, width, block > 0);
    if (partial) {
      float *sum = partial + bias_block(s, 0, block) + (size_t)key * QUERIES;
      for (int32_t j = 0; j < count; j++) add_row(sum + j * QUERIES, g->d_scores + j * QUERIES, lanes);
    }
  }
  float *d_q = args->d_qkv + (q - s->qkv);
  scale_queries(g->d_queries_t, lanes, head_dim, s->scale);
  transpose(d_q, s->row, g->d_queries_t, QUERIES, head_dim, queries, 0);
  return d_slope;
}

static void attention_grad_task(void *ctx, int32_t task, int32_t thread) {
  const attention_grad_args *args = ctx;
  const attention_shape *s = &args->s;
  int32_t h = task / args->chunks, chunk = task % args->chunks, samples = chunks_of(s->batch, args->chunks), head_dim = s->head_dim;
  grad_scratch g;
  grad_scratch_of(&g, args, s->scratch + thread * s->scratch_size);
  size_t partial_size = bias_block(s, 1, 0);
  float *partial = args->partials ? args->partials + task * partial_size : 0;
  if (partial) __builtin_memset(partial, 0, partial_size * sizeof(float));
  float d_slope = 0;
  for (int32_t b = chunk * samples; b < smaller(s->batch, (chunk + 1) * samples); b++) {
    int32_t keys = keys_of(s, b);
    if (keys > 0) {
      read_positions(g.positions, s, b);
      pack_keys(g.keys_t, part_of(s, b, h, 1), s->row, keys, head_dim);
      pack_keys(g.values_t, part_of(s, b, h, 2), s->row, keys, head_dim);
      key_rows rows = gather_keys(s, g.gathered, b, h, 1, keys);
      for (int32_t block = 0; block < s->query_blocks; block++) d_slope += attend_grad(args, &g, rows, partial, b, h, block);
    }
    for (int32_t t = 0; t < s->tokens; t++) {
      float *row = args->d_qkv + (part_of(s, b, h, 0) - s->qkv) + (size_t)t * s->row;
      float *d_key = row + s->heads * head_dim, *d_value = d_key + s->heads * head_dim;
      if (keys == 0) zero_row(row, head_dim);
      if (t >= keys) {
        zero_row(d_key, head_dim);
        zero_row(d_value, head_dim);
        continue;
      }
      copy_row(d_key, g.d_keys + (size_t)t * args->width, head_dim);
      copy_row(d_value, g.d_values + (size_t)t * args->width, head_dim);
    }
  }
  if (args->d_slopes) args->slope_partials[task] = d_slope;
}

/* Adds one block of the bias gradient, summed over the chunks of the batch. */
static void add_bias_grad(void *ctx, int32_t task, int32_t thread) {
  const attention_grad_args *args = ctx;
  const attention_shape *s = &args->s;
  int32_t h = task / s->query_blocks, block = task % s->query_blocks, query = block * QUERIES;
  int32_t size = s->tokens * QUERIES, queries = smaller(QUERIES, s->tokens - query);
  float *sum = args->partials + bias_block(s, h * args->chunks, block);
  for (int32_t chunk = 1; chunk < args->chunks; chunk++) add_row(sum, args->partials + bias_block(s, h * args->chunks + chunk, block), size);
  float *rows = s->scratch + thread * s->scratch_size;
  transpose(rows, s->tokens, sum, QUERIES, s->tokens, queries, 0);
  add_row(args->d_bias + ((size_t)h * s->tokens + query) * s->tokens, rows, queries * s->tokens);
}

/* Adds the gradient of each slope, which a slope below 0 doesn't have. */
static void add_slopes_grad(const attention_grad_args *args) {
  for (int32_t h = 0; h < args->s.heads; h++) {
    float sum = 0;
    for (int32_t chunk = 0; chunk < args->chunks; chunk++) sum += args->slope_partials[h * args->chunks + chunk];
    if (!(args->s.slopes[h] < 0)) args->d_slopes[h] += sum;
  }
}

void attention_grad(float *d_qkv, float *d_bias, float *d_slopes, const float *d_out, const float *out, const float *log_sum_exp,
                    const float *qkv, const float *bias, const float *slopes, const int32_t *positions, const int32_t *lengths,
                    const uint32_t *rng, int32_t batch, int32_t tokens, int32_t heads, int32_t head_dim, float dropout, int32_t purpose) {
  if (batch == 0 || tokens == 0 || heads == 0) return;
  attention_grad_args args = {attention_begin(qkv, bias, slopes, positions, lengths, rng, batch, tokens, heads, head_dim, dropout, purpose),
                              d_qkv, d_bias, d_slopes, d_out, out, log_sum_exp, 0, 0, batch, round_up(head_dim, VLEN)};
  attention_shape *s = &args.s;
  if (d_bias) args.chunks = chunks_of(batch, chunks_of(batch, chunks_of(ENOUGH_TASKS, heads)));
  uint64_t partials = d_bias ? (uint64_t)args.chunks * bias_block(s, heads, 0) : 0;
  grad_scratch g;
  size_t scratch = grad_scratch_of(&g, &args, 0), rows = (size_t)tokens * QUERIES;
  float *memory = attention_workspace(s, partials + (uint64_t)heads * (uint64_t)args.chunks, scratch > rows ? scratch : rows);
  if (d_bias) args.partials = memory;
  args.slope_partials = memory + partials;
  parallel_for(attention_grad_task, &args, heads * args.chunks);
  if (d_slopes) add_slopes_grad(&args);
  if (d_bias) parallel_for(add_bias_grad, &args, heads * s->query_blocks);
}
