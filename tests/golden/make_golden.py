#!/usr/bin/env python3
"""Writes golden.safetensors: what PyTorch says of every differentiable operator, and of three training steps of whole networks.

    python3 tests/golden/make_golden.py            (torch 2.13; needs nothing else)

tests/spec/golden_spec.lua compares the engine with the file; the tests need no PyTorch. Layouts are the engine's: activations [N, H, W, C],
weights [Cout, Kh, Kw, Cin / groups]. The metadata holds, as JSON, one entry a case (operator, arguments as Lua takes them: axes and places count
from 1) and one a network. Tensors of case i: "i.in1", ..., "i.out", "i.seed" (the gradient of out), "i.grad1", ... of the inputs that have one.
"""
import json
import pathlib
import struct

import torch
import torch.nn.functional as F

torch.manual_seed(20240607)
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

tensors, cases, networks = {}, [], []


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def randn(*shape):
    return torch.randn(*shape)


def positive(*shape):
    return torch.rand(*shape) * 2 + 0.5


def keep(name, tensor):
    tensors[name] = tensor.detach().contiguous().clone()


def case(op, inputs, function, args=None, no_grad=(), train=False):
    """inputs: tensors (None: absent) in the engine's layout; function takes them and gives the output in the engine's layout."""
    i = len(cases)
    leaves = []
    for k, x in enumerate(inputs):
        leaf = None if x is None else x.detach().clone()
        if leaf is not None and leaf.is_floating_point() and k not in no_grad:
            leaf.requires_grad_(True)
        leaves.append(leaf)
    before = [None if x is None else x.detach().clone() for x in leaves]
    out = function(*leaves)
    seed = torch.randn_like(out)
    out.backward(seed)
    for k, (x, old) in enumerate(zip(leaves, before)):
        if x is not None:
            keep(f"{i}.in{k + 1}", old.to(torch.int32) if not old.is_floating_point() else old)
        if x is not None and x.requires_grad:
            keep(f"{i}.grad{k + 1}", x.grad)
    keep(f"{i}.out", out)
    keep(f"{i}.seed", seed)
    cases.append({"op": op, "args": args or {}, "inputs": [x is not None for x in inputs], "train": train})


# --- element by element ---------------------------------------------------------------------------------------------------------------------

UNARY = {
    "abs": torch.abs, "neg": torch.neg, "exp": torch.exp, "square": torch.square, "relu": F.relu, "relu6": F.relu6, "hswish": F.hardswish,
    "hsigmoid": F.hardsigmoid, "swish": F.silu, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
}
for name, function in UNARY.items():
    case(name, [randn(3, 37) * 4], function)
case("log", [positive(3, 37)], torch.log)
case("sqrt", [positive(3, 37)], torch.sqrt)
case("scale", [randn(3, 37)], lambda x: 2.5 * x - 0.5, {"factor": 2.5, "bias": -0.5})
case("leaky_relu", [randn(3, 37)], F.leaky_relu)
case("leaky_relu", [randn(3, 37)], lambda x: F.leaky_relu(x, 0.2), {"slope": 0.2})
case("dropout", [randn(3, 7)], lambda x: F.dropout(x, 0.5, training=False), {"p": 0.5})   # in training the two draw other numbers
case("drop_path", [randn(3, 7)], lambda x: x * 1, {"p": 0.5})

for shapes in [((2, 3, 4), (2, 3, 4)), ((2, 3, 3, 5), (5,)), ((3, 1), (1, 4)), ((2, 1, 3, 1), (4, 1, 2))]:
    for name, function in {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div}.items():
        case(name, [randn(*shapes[0]), positive(*shapes[1])], function)

# --- reductions -------------------------------------------------------------------------------------------------------------------------------

for name, whole, along in [
    ("sum", torch.sum, lambda x, d, k: torch.sum(x, d, keepdim=k)),
    ("mean", torch.mean, lambda x, d, k: torch.mean(x, d, keepdim=k)),
    ("max", torch.max, lambda x, d, k: torch.max(x, d, keepdim=k)[0]),
]:
    case(name, [randn(4, 5)], whole)
    case(name, [randn(3, 7, 5)], lambda x: along(x, 1, False), {"axis": 2})
    case(name, [randn(3, 7, 5)], lambda x: along(x, 2, True), {"axis": 3, "keep": True})

# --- layout -----------------------------------------------------------------------------------------------------------------------------------

case("concat", [randn(2, 3, 2, 3), randn(2, 3, 2, 1), randn(2, 3, 2, 4)], lambda *x: torch.cat(x, 3), {"axis": 4})
case("concat", [randn(2, 3), randn(1, 3)], lambda *x: torch.cat(x, 0), {"axis": 1})
case("slice", [randn(6, 7, 5)], lambda x: x[:, 1:6:2], {"axis": 2, "begin": 2, "end": 6, "step": 2})
case("slice", [randn(2, 3, 3, 8)], lambda x: x[..., 4:], {"axis": 4, "begin": 5, "end": 8})
case("reshape", [randn(2, 3, 4)], lambda x: x.reshape(-1, 6), {"rank": 2, "d0": -1, "d1": 6})
case("transpose", [randn(2, 3, 4, 5)], lambda x: x.transpose(1, 3), {"axis_a": 2, "axis_b": 4})
case("pad", [randn(2, 3, 4, 5)], lambda x: F.pad(x, (1, 2, 3, 4, 1, 2), value=0.5),
     {"channels_begin": 1, "channels_end": 2, "left": 3, "right": 4, "top": 1, "bottom": 2, "value": 0.5})
case("channel_shuffle", [randn(2, 3, 3, 12)], lambda x: nhwc(nchw(x).reshape(2, 3, 4, 3, 3).transpose(1, 2).reshape(2, 12, 3, 3)), {"groups": 3})
case("pixel_shuffle", [randn(2, 3, 2, 18)], lambda x: nhwc(F.pixel_shuffle(nchw(x), 3)), {"factor": 3})
case("upsample", [randn(2, 3, 4, 5)], lambda x: nhwc(F.interpolate(nchw(x), scale_factor=2)), {"factor": 2})
case("upsample", [randn(2, 3, 4, 5)], lambda x: nhwc(F.interpolate(nchw(x), scale_factor=3, mode="bilinear", align_corners=False)),
     {"factor": 3, "mode": "bilinear"})
case("embedding", [randn(7, 5), torch.tensor([[0, 3, 3], [6, 1, 0]])], lambda t, i: F.embedding(i, t))

# --- sums of products --------------------------------------------------------------------------------------------------------------------------


def conv(n, h, w, ci, co, k, stride=1, pad=0, dil=1, groups=1, bias=True):
    kh, kw = k if isinstance(k, tuple) else (k, k)
    case("conv2d", [randn(n, h, w, ci), randn(co, kh, kw, ci // groups) / (kh * kw * ci / groups) ** 0.5, randn(co) if bias else None],
         lambda x, v, b: nhwc(F.conv2d(nchw(x), nchw(v), b, stride, pad, dil, groups)),
         {"stride": stride, "pad": pad, "dil": dil, "groups": groups})


conv(2, 7, 9, 5, 7, 3, stride=2, pad=1)
conv(2, 6, 6, 8, 12, 1, bias=False)
conv(1, 9, 9, 8, 4, 5, stride=2, pad=4, dil=2)
conv(2, 6, 7, 8, 16, 3, pad=1, groups=4)
conv(2, 7, 7, 10, 10, 3, stride=2, pad=1, groups=10)
conv(1, 9, 8, 6, 6, 5, pad=4, dil=2, groups=6, bias=False)
conv(1, 6, 6, 6, 12, 3, pad=1, groups=6)
case("conv2d", [randn(1, 6, 11, 4), randn(5, 1, 7, 4), None], lambda x, v, b: nhwc(F.conv2d(nchw(x), nchw(v), b, 1, (0, 3))), {"pad": 0, "pad_w": 3})
case("linear", [randn(4, 6), randn(3, 6), randn(3)], F.linear)
case("linear", [randn(2, 3, 5), randn(7, 5), None], F.linear)
case("matmul", [randn(2, 3, 4), randn(2, 4, 5)], torch.matmul)
case("matmul", [randn(2, 3, 4), randn(4, 5)], torch.matmul)

# --- pools --------------------------------------------------------------------------------------------------------------------------------------

for k, s, p, c in [(2, 2, 0, False), (3, 2, 1, False), (3, 1, 1, False), (3, 2, 0, True), (2, 3, 1, True)]:
    args = {"kernel": k, "stride": s, "pad": p, "ceil": c}
    case("max_pool", [randn(2, 8, 7, 3)], lambda x: nhwc(F.max_pool2d(nchw(x), k, s, p, ceil_mode=c)), args)
    for count in (False, True):
        case("avg_pool", [randn(2, 8, 7, 3)], lambda x: nhwc(F.avg_pool2d(nchw(x), k, s, p, ceil_mode=c, count_include_pad=count)),
             {**args, "count_pad": count})
case("global_avg_pool", [randn(2, 5, 4, 6)], lambda x: x.mean((1, 2)))
case("global_max_pool", [randn(2, 5, 4, 6)], lambda x: x.amax((1, 2)))
for size in (1, 2, 3):
    case("adaptive_avg_pool", [randn(2, 7, 5, 3)], lambda x: nhwc(F.adaptive_avg_pool2d(nchw(x), size)), {"size": size})

# --- normalisations --------------------------------------------------------------------------------------------------------------------------------

ACTS = {"none": lambda x: x, "relu": F.relu, "relu6": F.relu6, "leaky": F.leaky_relu, "hswish": F.hardswish, "hsigmoid": F.hardsigmoid, "swish": F.silu,
        "sigmoid": torch.sigmoid, "tanh": torch.tanh}


def batch_norm(train, act, affine=True, eps=1e-5):
    case("batch_norm", [randn(3, 4, 5, 6) * 2 + 1, randn(6), positive(6), positive(6) if affine else None, randn(6) if affine else None],
         lambda x, m, v, g, b: ACTS[act](nhwc(F.batch_norm(nchw(x), m.clone(), v.clone(), g, b, train, 0.1, eps))), {"act": act, "eps": eps}, (1, 2), train)


for act in ACTS:
    batch_norm(True, act)
batch_norm(True, "none", affine=False)
batch_norm(False, "none")
batch_norm(False, "relu", eps=1e-3)
case("group_norm", [randn(2, 4, 3, 6), positive(6), randn(6)], lambda x, g, b: nhwc(F.group_norm(nchw(x), 3, g, b)), {"groups": 3})
case("layer_norm", [randn(4, 3, 10), positive(10), randn(10)], lambda x, g, b: F.layer_norm(x, (10,), g, b))
case("layer_norm", [randn(4, 10), None, None], lambda x, g, b: F.layer_norm(x, (10,)))
case("softmax", [randn(4, 10) * 4], lambda x: F.softmax(x, -1))
case("log_softmax", [randn(4, 10) * 4], lambda x: F.log_softmax(x, -1))

# --- losses -------------------------------------------------------------------------------------------------------------------------------------------

LABELS = torch.tensor([2, 0, 9, 9, 4])
for smoothing in (0, 0.1):
    case("cross_entropy", [randn(5, 10) * 3, LABELS], lambda x, y: F.cross_entropy(x, y, label_smoothing=smoothing), {"smoothing": smoothing})
case("soft_cross_entropy", [randn(5, 10) * 3, F.softmax(randn(5, 10), -1)], F.cross_entropy, no_grad=(1,))
for T in (1, 4):
    case("kl_loss", [randn(5, 10) * 3, randn(5, 10) * 3],
         lambda x, t: F.kl_div(F.log_softmax(x / T, -1), F.log_softmax(t / T, -1), reduction="batchmean", log_target=True) * T * T, {"temperature": T}, (1,))
case("mse_loss", [randn(5, 7), randn(5, 7)], F.mse_loss)
case("l1_loss", [randn(5, 7), randn(5, 7)], F.l1_loss)


# --- whole networks: three steps --------------------------------------------------------------------------------------------------------------------------

class Network(torch.nn.Module):
    """3x3 convolution, a depthwise-separable block with a shortcut, pools, a classifier. The names are those of the graph in golden_spec.lua."""

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.stem_bn = torch.nn.BatchNorm2d(8)
        self.dw = torch.nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.dw_bn = torch.nn.BatchNorm2d(8)
        self.pw = torch.nn.Conv2d(8, 8, 1, bias=False)
        self.pw_bn = torch.nn.BatchNorm2d(8)
        self.down = torch.nn.Conv2d(8, 12, 3, stride=2, padding=2, dilation=2, groups=2, bias=True)
        self.head = torch.nn.Linear(12, 5)

    def forward(self, x):
        y = F.max_pool2d(F.relu(self.stem_bn(self.stem(x))), 3, 2, 1)
        z = F.relu6(self.dw_bn(self.dw(y)))
        y = y + self.pw_bn(self.pw(z))
        y = F.hardswish(self.down(y))
        return self.head(F.adaptive_avg_pool2d(F.avg_pool2d(y, 2), 1).flatten(1))


def engine_layout(p):
    return p.permute(0, 2, 3, 1) if p.dim() == 4 else p


def network(optimiser, settings, smoothing, clip):
    i, net = len(networks), Network()
    decay = [p for p in net.parameters() if p.dim() > 1]
    plain = [p for p in net.parameters() if p.dim() == 1]
    with torch.no_grad():
        for p in plain:
            p.add_(torch.randn_like(p) * 0.1)
    state = {k: v for k, v in net.state_dict().items() if "num_batches" not in k}
    for name, p in state.items():
        keep(f"net{i}.start.{name}", engine_layout(p))
    weight_decay = settings.pop("weight_decay", 0)
    groups = [{"params": decay, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0}]
    opt = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optimiser](groups, **settings)
    losses, norms = [], []
    for step in range(3):
        x, y = randn(6, 10, 10, 3), torch.randint(0, 5, (6,))
        keep(f"net{i}.x{step + 1}", x)
        keep(f"net{i}.y{step + 1}", y.to(torch.int32))
        opt.zero_grad()
        loss = F.cross_entropy(net(nchw(x)), y, label_smoothing=smoothing)
        loss.backward()
        if step == 0:
            for name, p in net.named_parameters():
                keep(f"net{i}.grad.{name}", engine_layout(p.grad))
        norms.append(float(torch.nn.utils.clip_grad_norm_(net.parameters(), clip if clip else 1e9)))
        opt.step()
        losses.append(float(loss.detach()))
    for name, p in net.state_dict().items():
        if "num_batches" not in name:
            keep(f"net{i}.end.{name}", engine_layout(p))
    net.eval()
    x = randn(4, 10, 10, 3)
    keep(f"net{i}.x_eval", x)
    keep(f"net{i}.y_eval", net(nchw(x)))
    betas = settings.pop("betas", None)
    options = {"optimiser": optimiser, "weight_decay": weight_decay, "smoothing": smoothing, "clip": clip, **settings}
    if betas:
        options.update(beta1=betas[0], beta2=betas[1])
    networks.append({"options": options, "losses": losses, "norms": norms})


network("sgd", {"lr": 0.1}, 0, 0)
network("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-3}, 0.1, 0)
network("sgd", {"lr": 0.1, "momentum": 0.9}, 0.1, 0.5)
network("adam", {"lr": 0.01, "betas": (0.9, 0.99), "weight_decay": 1e-2}, 0.1, 0)
network("adamw", {"lr": 0.01, "weight_decay": 0.1}, 0, 0)


def mixture(train):
    """Row 1 of the weights: a plain term, nothing, and a term that is normalised on the way."""
    case("mix", [randn(2, 3), randn(3, 4, 5, 6), None, None, None, None, None, randn(3, 4, 5, 6) * 2 + 1, randn(6), positive(6)],
         lambda w, x, m1, v1, n, mn, vn, y, m, v: w[1, 0] * x + w[1, 2] * nhwc(F.batch_norm(nchw(y), m.clone(), v.clone(), None, None, train, 0.1, 1e-5)),
         {"row": 1}, (8, 9), train)


mixture(True)
mixture(False)


def write(path):
    header, data = {"__metadata__": {"torch": torch.__version__, "cases": json.dumps(cases), "networks": json.dumps(networks)}}, bytearray()
    for name in sorted(tensors):
        t = tensors[name]
        raw = t.numpy().tobytes()
        header[name] = {"dtype": {torch.float32: "F32", torch.int32: "I32"}[t.dtype], "shape": list(t.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    print(f"{path}: {len(cases)} cases, {len(networks)} networks, {path.stat().st_size} bytes")


write(pathlib.Path(__file__).with_name("golden.safetensors"))
