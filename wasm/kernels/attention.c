/*
 * attention: softmax(q kᵀ / sqrt(head_dim) + biases) v per sample and head, and its gradient.
 *
 * Scores are held transposed, a row of queries for each key, in blocks of up to 64 queries by 72 keys: the softmax then runs down the lanes
 * without sums across them, and every product has its operands where the register tiles of tile.h want them. Only queries, and the gradient
 * of what is put out, are turned. Keys pass once per block of queries, with a running maximum and sum (Milakov and Gimelshein 2018; Dao et
 * al. 2022).
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
/*
 * Heads of one task. Threads at neighbouring heads read and write neighbouring lines, and slow each other; so that one takes all heads of a
 * sample where these are short and there are enough samples.
 */
INLINE int32_t heads_per_task(const attention_shape *s, int32_t samples) {
  return s->query_blocks == 1 && samples >= ENOUGH_TASKS ? s->heads : 1;
}
/* Keys of one block: as equal as whole register tiles allow. */
INLINE int32_t key_block(int32_t keys) { return round_up(chunks_of(keys, chunks_of(keys, KEYS)), TILE_ROWS); }
/* The query (part 0), key (1) or value (2) of token 0. */
INLINE const float *part_of(const attention_shape *s, int32_t b, int32_t h, int32_t part) {
  return s->qkv + (size_t)b * s->tokens * s->row + (size_t)(part * s->heads + h) * s->head_dim;
}
/* One block of the transposed bias: [tokens (keys)][QUERIES]. */
INLINE size_t bias_block(const attention_shape *s, int32_t h, int32_t block) {
  return ((size_t)h * s->query_blocks + block) * s->tokens * QUERIES;
}

INLINE size_t bias_size(const attention_shape *s) { return s->bias ? bias_block(s, s->heads, 0) : 0; }

static void transpose_bias(void *ctx, int32_t task, int32_t thread) {
  (void)thread;
  const attention_shape *s = ctx;
  int32_t h = task / s->query_blocks, block = task % s->query_blocks, first = block * QUERIES;
  const float *from = s->bias + ((size_t)h * s->tokens + first) * s->tokens;
  float *to = (float *)s->bias_t + bias_block(s, h, block);
  transpose(to, QUERIES, from, s->tokens, smaller(QUERIES, s->tokens - first), s->tokens, QUERIES);
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

/* One vector column of scores loses slope * distance. */
NOINLINE void subtract_distances(float *scores, float slope, const float *queries, const float *keys, int32_t count) {
  vf from = vload(queries);
  for (int32_t j = 0; j < count; j++, scores += QUERIES) vstore(scores, vfnma(vset1(slope), distances(from, keys[j]), vload(scores)));
}

/* The sum of one vector column of gradients times distances. */
NOINLINE float sum_distances(const float *gradients, const float *queries, const float *keys, int32_t count) {
  vf from = vload(queries), sum = vset1(0);
  for (int32_t j = 0; j < count; j++) sum = vfma(vload(gradients + j * QUERIES), distances(from, keys[j]), sum);
  return vsum(sum);
}

/* factors[key][QUERIES]: 0 or 1 / (1 - dropout) for some keys of some queries. Four keys of a query share a block of random numbers. */
NOINLINE void keep_block(float *factors, const attention_shape *s, int32_t b, int32_t h, int32_t query, int32_t lanes, int32_t key,
                         int32_t keys) {
  const vu threshold = vset1_u32(drop_threshold(s->dropout));
  const vf kept = vset1(1.0f / (1.0f - s->dropout));
  const uint32_t blocks_per_query = (uint32_t)chunks_of(s->tokens, 4);
  uint32_t first[VLEN];
  for (int32_t i = 0; i < lanes; i += VLEN) {
    for (int lane = 0; lane < VLEN; lane++) first[lane] = (uint32_t)(h * s->tokens + query + i + lane) * blocks_per_query;
    for (int32_t block = key / 4; 4 * block < key + keys; block++) {
      vu bits[4];
      philox_words(bits, s->rng, (uint32_t)b, (uint32_t)s->purpose, vadd_u32(vload_u32(first), vset1_u32((uint32_t)block)));
      for (int32_t j = larger(0, key - 4 * block); j < smaller(4, key + keys - 4 * block); j++)
        vstore(factors + (size_t)(4 * block + j - key) * QUERIES + i, vkeep(vge_u32(bits[j], threshold), kept));
    }
  }
}

/* Scratch of one thread, for one head of one sample and one block of its queries. */
typedef struct {
  float *positions;             /* [tokens] in whole vectors */
  float *keys, *values;         /* head rows of all tokens */
  float *queries, *queries_t;   /* head rows of a block, scaled, and [head_dim][QUERIES] */
  float *scores, *factors;      /* [KEYS][QUERIES]: weights, or the gradient of scores; factors of dropout */
  float *sums;                  /* head rows of a block: what is put out, or the gradient of queries */
  float *maximum, *total;       /* [QUERIES]; the gradient's logarithms of sums of exponentials, and its delta */
  float *d_keys, *d_values;     /* head rows of all tokens */
  float *d_out, *d_out_t;       /* as queries */
  float *weights;               /* [KEYS][QUERIES]: after dropout */
} attention_scratch;

/* Lays the scratch out in some memory, if there is any, and returns its size in floats. */
static size_t attention_scratch_of(attention_scratch *g, const attention_shape *s, int gradient, float *memory) {
  const size_t positions = s->slopes ? (size_t)round_up(s->tokens, VLEN) : 0;
  const size_t tokens = head_rows_size(s->tokens, s->head_dim), block = head_rows_size(QUERIES, s->head_dim), scores = KEYS * QUERIES;
  const size_t factors = s->dropout > 0 ? scores : 0;
  const size_t d_tokens = gradient ? tokens : 0, d_block = gradient ? block : 0, weights = gradient ? scores : 0;
  const struct {
    float **part;
    size_t size;
  } parts[] = {{&g->positions, positions}, {&g->keys, tokens},       {&g->values, tokens},     {&g->queries, block},
               {&g->queries_t, block},     {&g->scores, scores},     {&g->factors, factors},   {&g->sums, block},
               {&g->maximum, QUERIES},     {&g->total, QUERIES},     {&g->d_keys, d_tokens},   {&g->d_values, d_tokens},
               {&g->d_out, d_block},       {&g->d_out_t, d_block},   {&g->weights, weights}};
  size_t used = 0;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    *parts[i].part = memory ? memory + used : 0;
    used += (parts[i].size + 15) / 16 * 16;
  }
  return used;
}

/* The positions, keys and values of one head of one sample. */
static void read_keys(const attention_scratch *g, const attention_shape *s, int32_t b, int32_t h, int32_t keys) {
  read_positions(g->positions, s, b);
  read_head_rows(g->keys, s->tokens, part_of(s, b, h, 1), s->row, keys, s->head_dim, 1.0f);
  read_head_rows(g->values, s->tokens, part_of(s, b, h, 2), s->row, keys, s->head_dim, 1.0f);
}

/*
 * Turns one or two vector columns of scores into exp(score + bias - running maximum), multiplies `sum` by what the maximum's change asks
 * for, which becomes `correction`, and adds to it.
 */
INLINE void softmax_vectors(float *scores, const float *bias, float *maximum, float *sum, float *correction, int32_t keys,
                            const int vectors) {
  vf before[2], largest[2], total[2];
  for (int v = 0; v < vectors; v++) before[v] = largest[v] = vload(maximum + v * VLEN);
  for (int32_t j = 0; j < keys; j++)
    for (int v = 0; v < vectors; v++) {
      float *at = scores + j * QUERIES + v * VLEN;
      vf score = vload(at);
      if (bias) vstore(at, score = vadd(score, vload(bias + j * QUERIES + v * VLEN)));
      largest[v] = vmax(largest[v], score);
    }
  for (int v = 0; v < vectors; v++) {
    vf factor = vexp_negative(vsub(before[v], largest[v]));
    vstore(correction + v * VLEN, factor);
    total[v] = vmul(vload(sum + v * VLEN), factor);
  }
  for (int32_t j = 0; j < keys; j++)
    for (int v = 0; v < vectors; v++) {
      float *at = scores + j * QUERIES + v * VLEN;
      vf weight = vexp_negative(vsub(vload(at), largest[v]));
      vstore(at, weight);
      total[v] = vadd(total[v], weight);
    }
  for (int v = 0; v < vectors; v++) vstore(maximum + v * VLEN, largest[v]), vstore(sum + v * VLEN, total[v]);
}
NOINLINE void softmax_columns(float *scores, const float *bias, float *maximum, float *sum, float *correction, int32_t keys,
                              int32_t vectors) {
  if (vectors > 1) softmax_vectors(scores, bias, maximum, sum, correction, keys, 2);
  else softmax_vectors(scores, bias, maximum, sum, correction, keys, 1);
}

typedef struct {
  attention_shape s;
  float *out, *log_sum_exp;
  int32_t parts; /* tasks that share the query blocks of one head */
} attention_args;

/* One block of queries against all keys. */
static void attend(const attention_args *args, const attention_scratch *g, int32_t b, int32_t h, int32_t block) {
  const attention_shape *s = &args->s;
  int32_t head_dim = s->head_dim, keys = keys_of(s, b), size = key_block(keys);
  int32_t query = block * QUERIES, queries = smaller(QUERIES, s->tokens - query), lanes = round_up(queries, VLEN);
  read_head_rows(g->queries, QUERIES, part_of(s, b, h, 0) + (size_t)query * s->row, s->row, queries, head_dim, s->scale);
  turn_head_rows(g->queries_t, g->queries, queries, head_dim);
  for (int32_t i = 0; i < QUERIES; i++) g->maximum[i] = NO_MAXIMUM, g->total[i] = 0;
  for (int32_t key = 0; key < keys; key += size) {
    int32_t count = smaller(size, keys - key);
    const float *bias = s->bias_t ? s->bias_t + bias_block(s, h, block) + (size_t)key * QUERIES : 0;
    float correction[QUERIES];
    multiply_head_rows(g->scores, g->keys + (size_t)key * ROW_STEP, s->tokens, g->queries_t, count, lanes, head_dim);
    for (int32_t i = 0; s->slopes && i < lanes; i += VLEN)
      subtract_distances(g->scores + i, slope_of(s, h), g->positions + query + i, g->positions + key, count);
    for (int32_t i = 0; i < lanes; i += TILE_LANES)
      softmax_columns(g->scores + i, bias ? bias + i : 0, g->maximum + i, g->total + i, correction + i, count, vectors_at(lanes, i));
    if (s->dropout > 0) {
      keep_block(g->factors, s, b, h, query, lanes, key, count);
      for (int32_t e = 0; e < count * QUERIES; e += QUERIES)
        for (int32_t i = e; i < e + lanes; i += VLEN) vstore(g->scores + i, vmul(vload(g->scores + i), vload(g->factors + i)));
    }
    if (key > 0) scale_head_rows(g->sums, correction, queries, head_dim);
    add_head_rows(g->sums, g->scores, g->values + (size_t)key * ROW_STEP, s->tokens, queries, count, head_dim, key > 0);
  }
  for (int32_t i = 0; i < lanes; i += VLEN) {
    vf total = vload(g->total + i);
    vstore(g->maximum + i, vadd(vload(g->maximum + i), vlog(total)));
    vstore(g->total + i, vdiv(vset1(1.0f), total));
  }
  scale_head_rows(g->sums, g->total, queries, head_dim);
  float *out = args->out + ((size_t)b * s->tokens + query) * s->heads * head_dim + (size_t)h * head_dim;
  write_head_rows(out, s->heads * head_dim, g->sums, QUERIES, queries, head_dim);
  copy_row(args->log_sum_exp + ((size_t)b * s->heads + h) * s->tokens + query, g->maximum, queries);
}

/* The blocks [block, end) of one head's queries. */
static void attend_head(const attention_args *args, const attention_scratch *g, int32_t b, int32_t h, int32_t block, int32_t end) {
  const attention_shape *s = &args->s;
  int32_t keys = keys_of(s, b);
  if (keys > 0) {
    read_keys(g, s, b, h, keys);
    for (; block < end; block++) attend(args, g, b, h, block);
    return;
  }
  for (int32_t i = block * QUERIES; i < smaller(s->tokens, end * QUERIES); i++) {
    zero_row(args->out + (((size_t)b * s->tokens + i) * s->heads + h) * s->head_dim, s->head_dim);
    args->log_sum_exp[((size_t)b * s->heads + h) * s->tokens + i] = -F32_INFINITY;
  }
}

static void attention_task(void *ctx, int32_t task, int32_t thread) {
  const attention_args *args = ctx;
  const attention_shape *s = &args->s;
  int32_t heads = heads_per_task(s, s->batch), first = task / args->parts * heads, part = task % args->parts;
  int32_t blocks = chunks_of(s->query_blocks, args->parts), end = smaller(s->query_blocks, (part + 1) * blocks);
  attention_scratch g;
  attention_scratch_of(&g, s, 0, s->scratch + thread * s->scratch_size);
  for (int32_t head = first; head < first + heads; head++) attend_head(args, &g, head / s->heads, head % s->heads, part * blocks, end);
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
  attention_scratch g;
  attention_workspace(s, 0, attention_scratch_of(&g, s, 0, 0));
  parallel_for(attention_task, &args, batch * (heads / heads_per_task(s, batch)) * args.parts);
}

typedef struct {
  attention_shape s;
  float *d_qkv, *d_bias, *d_slopes;
  const float *d_out, *out, *log_sum_exp;
  float *partials;       /* [heads][chunks] blocks of bias gradients, laid out as the transposed bias */
  float *slope_partials; /* [heads][chunks] */
  int32_t chunks;        /* parts of the batch, each summed in order */
} attention_grad_args;

/*
 * One vector column: scores become the gradient of the scores, and weights, the gradient of the probabilities after dropout, become these
 * probabilities. delta is the sum over keys of probability times its gradient, which equals d_out · out.
 */
NOINLINE void gradient_column(float *scores, float *weights, const float *bias, const float *factors, const float *log_sum_exp,
                              const float *delta, int32_t keys) {
  vf lse = vload(log_sum_exp), mean = vload(delta);
  for (int32_t j = 0; j < keys; j++, scores += QUERIES, weights += QUERIES) {
    vf score = vload(scores), gradient = vload(weights);
    if (bias) score = vadd(score, vload(bias + j * QUERIES));
    vf probability = vexp_negative(vsub(score, lse)), after = probability;
    if (factors) {
      vf factor = vload(factors + j * QUERIES);
      gradient = vmul(gradient, factor);
      after = vmul(after, factor);
    }
    vstore(scores, vmul(probability, vsub(gradient, mean)));
    vstore(weights, after);
  }
}

/* One block of queries: its d_queries, and what it adds to the gradients of keys, values and bias. Returns what it adds to the slope's. */
static float attend_grad(const attention_grad_args *args, const attention_scratch *g, float *partial, int32_t b, int32_t h, int32_t block) {
  const attention_shape *s = &args->s;
  int32_t head_dim = s->head_dim, keys = keys_of(s, b), size = key_block(keys), out_row = s->heads * head_dim;
  int32_t query = block * QUERIES, queries = smaller(QUERIES, s->tokens - query), lanes = round_up(queries, VLEN);
  size_t at = ((size_t)b * s->tokens + query) * out_row + (size_t)h * head_dim;
  const float *q = part_of(s, b, h, 0) + (size_t)query * s->row;
  read_head_rows(g->queries, QUERIES, q, s->row, queries, head_dim, s->scale);
  read_head_rows(g->d_out, QUERIES, args->d_out + at, out_row, queries, head_dim, 1.0f);
  turn_head_rows(g->queries_t, g->queries, queries, head_dim);
  turn_head_rows(g->d_out_t, g->d_out, queries, head_dim);
  for (int32_t i = 0; i < lanes; i++) g->maximum[i] = g->total[i] = 0;
  copy_row(g->maximum, args->log_sum_exp + ((size_t)b * s->heads + h) * s->tokens + query, queries);
  for (int32_t i = 0; i < queries; i++) {
    size_t row = at + (size_t)i * out_row;
    g->total[i] = dot_rows(args->d_out + row, args->out + row, head_dim);
  }

  float d_slope = 0;
  for (int32_t key = 0; key < keys; key += size) {
    int32_t count = smaller(size, keys - key);
    const float *bias = s->bias_t ? s->bias_t + bias_block(s, h, block) + (size_t)key * QUERIES : 0;
    const size_t first = (size_t)key * ROW_STEP;
    multiply_head_rows(g->scores, g->keys + first, s->tokens, g->queries_t, count, lanes, head_dim);
    multiply_head_rows(g->weights, g->values + first, s->tokens, g->d_out_t, count, lanes, head_dim);
    if (s->dropout > 0) keep_block(g->factors, s, b, h, query, lanes, key, count);
    for (int32_t i = 0; i < lanes; i += VLEN) {
      const float *positions = g->positions + query + i, *factors = s->dropout > 0 ? g->factors + i : 0;
      if (s->slopes) subtract_distances(g->scores + i, slope_of(s, h), positions, g->positions + key, count);
      gradient_column(g->scores + i, g->weights + i, bias ? bias + i : 0, factors, g->maximum + i, g->total + i, count);
      if (args->d_slopes) d_slope -= sum_distances(g->scores + i, positions, g->positions + key, count);
    }
    add_head_rows(g->sums, g->scores, g->keys + first, s->tokens, queries, count, head_dim, key > 0);
    add_key_rows(g->d_values + first, s->tokens, g->weights, g->d_out, count, queries, head_dim, block > 0);
    add_key_rows(g->d_keys + first, s->tokens, g->scores, g->queries, count, queries, head_dim, block > 0);
    if (partial) {
      float *sum = partial + bias_block(s, 0, block) + (size_t)key * QUERIES;
      for (int32_t j = 0; j < count; j++) add_row(sum + j * QUERIES, g->scores + j * QUERIES, lanes);
    }
  }
  for (int32_t i = 0; i < QUERIES; i++) g->total[i] = s->scale;
  scale_head_rows(g->sums, g->total, queries, head_dim);
  write_head_rows(args->d_qkv + (q - s->qkv), s->row, g->sums, QUERIES, queries, head_dim);
  return d_slope;
}

/* One head of the samples of one chunk. */
static void attend_head_grad(const attention_grad_args *args, const attention_scratch *g, int32_t h, int32_t chunk) {
  const attention_shape *s = &args->s;
  int32_t samples = chunks_of(s->batch, args->chunks), head_dim = s->head_dim, index = h * args->chunks + chunk;
  size_t partial_size = bias_block(s, 1, 0);
  float *partial = args->partials ? args->partials + (size_t)index * partial_size : 0;
  if (partial) __builtin_memset(partial, 0, partial_size * sizeof(float));
  float d_slope = 0;
  for (int32_t b = chunk * samples; b < smaller(s->batch, (chunk + 1) * samples); b++) {
    int32_t keys = keys_of(s, b);
    if (keys > 0) {
      read_keys(g, s, b, h, keys);
      for (int32_t block = 0; block < s->query_blocks; block++) d_slope += attend_grad(args, g, partial, b, h, block);
    }
    float *d_query = args->d_qkv + (part_of(s, b, h, 0) - s->qkv);
    float *d_key = d_query + s->heads * head_dim, *d_value = d_key + s->heads * head_dim;
    write_head_rows(d_key, s->row, g->d_keys, s->tokens, keys, head_dim);
    write_head_rows(d_value, s->row, g->d_values, s->tokens, keys, head_dim);
    for (int32_t t = 0; t < s->tokens; t++) {
      size_t at = (size_t)t * s->row;
      if (keys == 0) zero_row(d_query + at, head_dim);
      if (t < keys) continue;
      zero_row(d_key + at, head_dim);
      zero_row(d_value + at, head_dim);
    }
  }
  if (args->d_slopes) args->slope_partials[index] = d_slope;
}

static void attention_grad_task(void *ctx, int32_t task, int32_t thread) {
  const attention_grad_args *args = ctx;
  const attention_shape *s = &args->s;
  int32_t heads = heads_per_task(s, args->chunks), first = task / args->chunks * heads;
  attention_scratch g;
  attention_scratch_of(&g, s, 1, s->scratch + thread * s->scratch_size);
  for (int32_t h = first; h < first + heads; h++) attend_head_grad(args, &g, h, task % args->chunks);
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
                              d_qkv, d_bias, d_slopes, d_out, out, log_sum_exp, 0, 0, batch};
  attention_shape *s = &args.s;
  if (d_bias) args.chunks = chunks_of(batch, chunks_of(batch, chunks_of(ENOUGH_TASKS, heads)));
  uint64_t partials = d_bias ? (uint64_t)args.chunks * bias_block(s, heads, 0) : 0;
  attention_scratch g;
  size_t scratch = attention_scratch_of(&g, s, 1, 0), rows = (size_t)tokens * QUERIES;
  float *memory = attention_workspace(s, partials + (uint64_t)heads * (uint64_t)args.chunks, scratch > rows ? scratch : rows);
  if (d_bias) args.partials = memory;
  args.slope_partials = memory + partials;
  parallel_for(attention_grad_task, &args, heads / heads_per_task(s, args.chunks) * args.chunks);
  if (d_slopes) add_slopes_grad(&args);
  if (d_bias) parallel_for(add_bias_grad, &args, heads * s->query_blocks);
}
