"""The loss of a peer's network on weights and inputs from an .npz: what `bench.lua agree` compares with.

    python3 peer_loss.py PATH/torch_nas.py WORKLOAD FILE.npz          (resnet20, darts or pcdarts)
"""
import json, sys
import numpy, torch

source = open(sys.argv[1]).read().rsplit("main()", 1)[0]       # its definitions without its run
peer = {"__name__": "peer"}
exec(compile(source, sys.argv[1], "exec"), peer)
workload, arrays = sys.argv[2], numpy.load(sys.argv[3])
if workload == "resnet20":
    net = peer["ResNet20"]().train()
    parts = [net.stem, *(m for pair in zip(net.b, net.d) for m in pair)]        # in the order our network adds them
else:
    net = peer["Darts"](part=4 if workload == "pcdarts" else 1).train()
    parts = [net.stem, *net.cells]
convs, norms = [], []
for part in parts:
    for m in part.modules():
        if isinstance(m, torch.nn.Conv2d): convs.append(m)
        if isinstance(m, torch.nn.BatchNorm2d): norms.append(m)
with torch.no_grad():
    for i, m in enumerate(convs): m.weight.copy_(torch.tensor(arrays[f"conv{i + 1}.weight"]).permute(0, 3, 1, 2))
    for i, m in enumerate(norms):
        if m.weight is None: continue
        m.weight.copy_(torch.tensor(arrays[f"bn{i + 1}.weight"]))
        m.bias.copy_(torch.tensor(arrays[f"bn{i + 1}.bias"]))
    net.fc.weight.copy_(torch.tensor(arrays["linear1.weight"]))
    net.fc.bias.copy_(torch.tensor(arrays["linear1.bias"]))
    for kind, alpha in (("normal", "an"), ("reduce", "ar")):
        if not hasattr(net, alpha): continue
        getattr(net, alpha).copy_(torch.cat([torch.tensor(arrays[f"arch.{kind}.node{node}"]) for node in (1, 2, 3, 4)]))
x = torch.tensor(arrays["input"]).permute(0, 3, 1, 2)
loss = torch.nn.functional.cross_entropy(net(x), torch.tensor(arrays["labels"]).long())
result = dict(loss=loss.item(), params=sum(p.numel() for p in net.parameters()))
loss.backward()
grads = [p.grad for name, p in net.named_parameters() if name not in ("an", "ar")]
result["grad_norm"] = torch.sqrt(sum((g.double() ** 2).sum() for g in grads)).item()
if hasattr(net, "an"): result["arch_norm"] = torch.sqrt((net.an.grad.double() ** 2).sum() + (net.ar.grad.double() ** 2).sum()).item()
print(json.dumps(result))
