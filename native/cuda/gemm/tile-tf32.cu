// Tiles of products in tf32.
#include "cuda/gemm/tile.cuh"

namespace data2vec::cuda {

void runTilesTf32(const TiledProduct& t) { runAligned<Arithmetic::tf32, float>(t); }

}  // namespace data2vec::cuda
