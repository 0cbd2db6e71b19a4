// Tiles of products in f32.
#include "cuda/gemm/tile.cuh"

namespace data2vec::cuda {

void runTilesF32(const TiledProduct& t) { runAligned<Arithmetic::f32, float>(t); }

}  // namespace data2vec::cuda
