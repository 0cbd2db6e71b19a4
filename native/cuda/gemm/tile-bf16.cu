// Tiles of products in bf16, with results of either type.
#include "cuda/gemm/tile.cuh"

namespace data2vec::cuda {

void runTilesBf16(const TiledProduct& t) {
  if (t.product.out == Element::bf16)
    runAligned<Arithmetic::bf16, bf16>(t);
  else
    runAligned<Arithmetic::bf16, float>(t);
}

}  // namespace data2vec::cuda
