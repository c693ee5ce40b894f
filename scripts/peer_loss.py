"""The loss of the peer's ResNet-20 on weights and inputs from an .npz: what `bench.lua agree` compares with.

    python3 peer_loss.py PATH/torch_nas.py FILE.npz
"""
import json, sys
import numpy, torch

source = open(sys.argv[1]).read().rsplit("main()", 1)[0]       # its definitions without its run
peer = {"__name__": "peer"}
exec(compile(source, sys.argv[1], "exec"), peer)
arrays = numpy.load(sys.argv[2])
net = peer["ResNet20"]().train()
convs, norms = [], []
for block in [net.stem, *(m for pair in zip(net.b, net.d) for m in pair)]:      # in the order our network adds them
    for m in block.modules():
        if isinstance(m, torch.nn.Conv2d): convs.append(m)
        if isinstance(m, torch.nn.BatchNorm2d): norms.append(m)
with torch.no_grad():
    for i, m in enumerate(convs): m.weight.copy_(torch.tensor(arrays[f"conv{i + 1}.weight"]).permute(0, 3, 1, 2))
    for i, m in enumerate(norms):
        m.weight.copy_(torch.tensor(arrays[f"bn{i + 1}.weight"]))
        m.bias.copy_(torch.tensor(arrays[f"bn{i + 1}.bias"]))
    net.fc.weight.copy_(torch.tensor(arrays["linear1.weight"]))
    net.fc.bias.copy_(torch.tensor(arrays["linear1.bias"]))
x = torch.tensor(arrays["input"]).permute(0, 3, 1, 2)
loss = torch.nn.functional.cross_entropy(net(x), torch.tensor(arrays["labels"]).long())
print(json.dumps(dict(loss=loss.item(), params=sum(p.numel() for p in net.parameters()))))
