"""PyTorch beside the CUDA engine: whole data2vec pretraining steps of the base models, and attention with a bias that learns.

    python3 peer_torch.py [--batch vision=64,speech=4,text=32] [--seconds 3] [--device cuda] [--small]

Prints a JSON line after each variant, the last of which has all. Of each case every variant (bf16 and TF32, eager and compiled) is timed, since the best of them is the peer's number.
A step is the student's forward and backward, the teacher's forward over the whole input, AdamW and the moving average, in one precision
each; masks are made outside of it, and nothing is dropped at random. `--small --device cpu` tries the script itself.
"""
import argparse
import copy
import json
import time

import torch
import torch.nn.functional as F
from torch import nn

CONVOLUTIONS = [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]


class Block(nn.Module):
    """A Transformer block, norms before (vision) or after the sums; gives its output and what its feed-forward network adds."""

    def __init__(self, dim, heads, norm_first, scale):
        super().__init__()
        self.heads, self.norm_first = heads, norm_first
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.gamma1 = nn.Parameter(torch.full((dim,), scale)) if scale else None
        self.gamma2 = nn.Parameter(torch.full((dim,), scale)) if scale else None

    def forward(self, x, bias):
        batch, tokens, dim = x.shape
        qkv = self.qkv(self.norm1(x) if self.norm_first else x).view(batch, tokens, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=None if bias is None else bias.to(q.dtype))
        branch = self.out(read.transpose(1, 2).reshape(batch, tokens, dim))
        x = x + (branch if self.gamma1 is None else self.gamma1 * branch)
        if not self.norm_first:
            x = self.norm1(x)
        ffn = self.down(F.gelu(self.up(self.norm2(x) if self.norm_first else x)))
        if self.gamma2 is not None:
            ffn = self.gamma2 * ffn
        x = x + ffn
        return (x if self.norm_first else self.norm2(x)), ffn


class Encoder(nn.Module):
    """What the modalities share: hide the masked positions, run the blocks, keep what the target takes of them."""

    takes_output = False

    def __init__(self, dim, depth, heads, norm_first=False, scale=None):
        super().__init__()
        self.blocks = nn.ModuleList(Block(dim, heads, norm_first, scale) for _ in range(depth))
        self.token = nn.Parameter(torch.randn(dim) * 0.02)

    def forward(self, inputs, mask):
        x = self.embed(inputs)
        if mask is not None:
            x = torch.where(mask[..., None], self.token.to(x.dtype), x)
        x, bias = self.prepare(x)
        taken = []
        for block in self.blocks:
            x, ffn = block(x, bias)
            taken.append(x if self.takes_output else ffn)
        return x, taken

    def prepare(self, x):
        return x, None


class Vision(Encoder):
    takes_output = True
    top, per_sample = 6, "layer"

    def __init__(self, dim, depth, heads, side):
        super().__init__(dim, depth, heads, norm_first=True, scale=1e-4)
        self.patches = nn.Conv2d(3, dim, 16, 16)
        self.first = nn.Parameter(torch.zeros(1, 1, dim))
        grid = side // 16
        self.table = nn.Parameter(torch.zeros((2 * grid - 1) ** 2 + 3, heads))
        at = torch.stack(torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")).flatten(1)
        apart = (at[:, :, None] - at[:, None] + grid - 1).permute(1, 2, 0)
        index = torch.zeros(grid * grid + 1, grid * grid + 1, dtype=torch.long)
        index[1:, 1:] = apart[..., 0] * (2 * grid - 1) + apart[..., 1]
        index[0], index[:, 0], index[0, 0] = len(self.table) - 3, len(self.table) - 2, len(self.table) - 1
        self.register_buffer("index", index, persistent=False)
        self.head = nn.Linear(dim, dim)

    def embed(self, images):
        return self.patches(images).flatten(2).transpose(1, 2)

    def prepare(self, x):
        x = torch.cat([self.first.to(x.dtype).expand(len(x), -1, -1), x], 1)
        return x, self.table[self.index].permute(2, 0, 1)[None]


class Speech(Encoder):
    top, per_sample = 8, "instance"

    def __init__(self, dim, depth, heads, channels):
        super().__init__(dim, depth, heads)
        sizes = [1] + [channels] * len(CONVOLUTIONS)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(i, o, kernel, stride, bias=False) for i, o, (kernel, stride) in zip(sizes, sizes[1:], CONVOLUTIONS))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in CONVOLUTIONS)
        self.norm, self.project = nn.LayerNorm(channels), nn.Linear(channels, dim)
        self.positions = nn.ModuleList(nn.Conv1d(dim, dim, 19, padding=9, groups=16) for _ in range(5))
        self.start = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, dim)

    def embed(self, waveform):
        x = waveform[:, None]
        for convolution, norm in zip(self.convolutions, self.norms):
            x = F.gelu(norm(convolution(x).transpose(1, 2))).transpose(1, 2)
        return self.project(self.norm(x.transpose(1, 2)))

    def prepare(self, x):
        y = x.transpose(1, 2)
        for convolution in self.positions:
            y = convolution(y)
            y = F.gelu(F.layer_norm(y.transpose(1, 2), y.shape[1:2])).transpose(1, 2)
        return self.start(x + y.transpose(1, 2)), None


class Text(Encoder):
    top, per_sample = 10, "layer"

    def __init__(self, dim, depth, heads, vocabulary, tokens):
        super().__init__(dim, depth, heads)
        self.words, self.places = nn.Embedding(vocabulary, dim), nn.Parameter(torch.randn(tokens, dim) * 0.02)
        self.start = nn.LayerNorm(dim)
        self.head = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def embed(self, ids):
        return self.words(ids)

    def prepare(self, x):
        return self.start(x + self.places.to(x.dtype)), None


def targets_of(teacher, inputs, skip):
    """The average of the top layers of the teacher, normalised; float32."""
    _, taken = teacher(inputs, None)
    total = 0
    for layer in taken[-teacher.top:]:
        layer = layer[:, skip:].float()
        if teacher.per_sample == "instance":
            total = total + F.instance_norm(layer.transpose(1, 2)).transpose(1, 2)
        else:
            total = total + F.layer_norm(layer, layer.shape[-1:])
    return total / teacher.top


def case_of(name, batch, small, device):
    """The student, its input, and the mask."""
    torch.manual_seed(0)
    shape = dict(dim=64, depth=2, heads=2) if small else dict(dim=768, depth=12, heads=12)
    if name == "vision":
        side = 64 if small else 224
        model, inputs = Vision(**shape, side=side), torch.randn(batch, 3, side, side)
        positions, share = (side // 16) ** 2, 0.6
    elif name == "speech":
        samples = 8000 if small else 249_600
        model, inputs = Speech(**shape, channels=32 if small else 512), torch.randn(batch, samples)
        positions, share = samples, 0.48
        for kernel, stride in CONVOLUTIONS:
            positions = (positions - kernel) // stride + 1
    else:
        positions, share = (32 if small else 512), 0.35
        vocabulary = 100 if small else 50_265
        model, inputs = Text(**shape, vocabulary=vocabulary, tokens=positions), torch.randint(vocabulary, (batch, positions))
    hidden = int(share * positions)
    mask = torch.zeros(batch, positions, dtype=torch.bool)
    for row in mask:
        row[torch.randperm(positions)[:hidden]] = True
    return model.to(device), inputs.to(device), mask.to(device)


def step_of(name, batch, small, device, variant):
    precision, compiled = variant
    student, inputs, mask = case_of(name, batch, small, device)
    teacher = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-4, fused=device == "cuda")
    rows = mask.flatten().nonzero().flatten()
    skip = 1 if name == "vision" else 0
    pairs = list(zip(teacher.parameters(), student.parameters()))

    def loss_of():
        with torch.no_grad():
            targets = targets_of(teacher, inputs, skip).flatten(0, 1)[rows]
        x, _ = student(inputs, mask)
        predicted = student.head(x[:, skip:].flatten(0, 1)[rows]).float()
        return F.mse_loss(predicted, targets) if name == "speech" else F.smooth_l1_loss(predicted, targets, beta=2.0)

    loss_of = torch.compile(loss_of, dynamic=False) if compiled else loss_of

    def step():
        with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = loss_of()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_([t for t, _ in pairs], [s.detach() for _, s in pairs], 1e-3)
        return loss

    return step


def attention_of(small, device, variant):
    """Forward and backward of attention at ViT-B's sizes, with a bias shared by the batch that gets a gradient."""
    precision, compiled = variant
    batch, heads, tokens, dim = (2, 2, 17, 16) if small else (64, 12, 197, 64)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    q, k, v = (torch.randn(batch, heads, tokens, dim, device=device, dtype=kind, requires_grad=True) for _ in range(3))
    # Rows of whole 16 bytes, which the fused kernels ask for.
    bias = torch.randn(1, heads, tokens, (tokens + 15) // 16 * 16, device=device, dtype=kind)[..., :tokens].requires_grad_()
    along = torch.randn(batch, heads, tokens, dim, device=device, dtype=kind)

    def plain():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)

    run = torch.compile(plain, dynamic=False) if compiled else plain
    return lambda: torch.autograd.grad(run(), [q, k, v, bias], along)[0].sum()


def seconds_of(step, device, limit):
    """Median time of a call after warming up."""
    def timed():
        started = time.perf_counter()
        value = step()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started, value

    for _ in range(3):
        timed()
    times, end = [], time.perf_counter() + limit
    while len(times) < 3 or (time.perf_counter() < end and len(times) < 50):
        seconds, value = timed()
        times.append(seconds)
    return sorted(times)[len(times) // 2], float(value.detach())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", default="vision=64,speech=4,text=32")
    parser.add_argument("--seconds", type=float, default=3, help="for each variant, compiling left out")
    parser.add_argument("--limit", type=float, default=100, help="seconds after which no more variants are begun")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    started, device = time.perf_counter(), options.device
    batches = {name: int(size) for name, size in (entry.split("=") for entry in options.batch.split(","))}
    where = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    rows = []
    for variant in [("bf16", False), ("tf32", False), ("bf16", True), ("tf32", True)]:
        for name in ["vision", "speech", "text", "attention"]:
            row = {"case": name, "precision": variant[0], "compiled": variant[1]}
            if time.perf_counter() - started > options.limit:
                return
            try:
                if name == "attention":
                    seconds, _ = seconds_of(attention_of(options.small, device, variant), device, options.seconds)
                else:
                    step = step_of(name, batches[name], options.small, device, variant)
                    seconds, row["loss"] = seconds_of(step, device, options.seconds)
                    row["batch"], row["samplesPerSecond"] = batches[name], batches[name] / seconds
                row["milliseconds"] = 1000 * seconds
            except Exception as error:  # a variant may not exist on this machine, or not fit its memory
                row["error"] = f"{type(error).__name__}: {str(error)[:200]}"
            rows.append(row)
            print(json.dumps({"torch": torch.__version__, "device": where, "rows": rows}), flush=True)


main()
