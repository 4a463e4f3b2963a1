"""A small residual network in plain PyTorch for the golden scripts of the methods: a 3x3 stem and one
basic block in each of two stages (He et al. 2016), parameters as in plain.py.
"""
import torch.nn.functional as F


def conv_bn(p, conv, bn, i, o, k, stride):
    w = p(conv + ".weight", o, k, k, i)  # as the program stores it
    gain, shift = p(bn + ".weight", o), p(bn + ".bias", o)
    p.skip(), p.skip()  # running statistics

    def run(x):
        x = F.conv2d(x, w.permute(0, 3, 1, 2), stride=stride, padding=k // 2)
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
        return (x - mean) / (var + 1e-5).sqrt() * gain.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)
    return run


def resnet(p, channels, width):
    """(N,2 width,h/2,w/2) from (N,channels,h,w)"""
    stem = conv_bn(p, "conv1", "bn1", channels, width, 3, 1)
    one = conv_bn(p, "layer1.0.conv1", "layer1.0.bn1", width, width, 3, 1), \
        conv_bn(p, "layer1.0.conv2", "layer1.0.bn2", width, width, 3, 1)
    two = [conv_bn(p, "layer2.0.conv1", "layer2.0.bn1", width, 2 * width, 3, 2)]
    shortcut = conv_bn(p, "layer2.0.downsample.0", "layer2.0.downsample.1", width, 2 * width, 1, 2)
    two.append(conv_bn(p, "layer2.0.conv2", "layer2.0.bn2", 2 * width, 2 * width, 3, 1))

    def encode(x):
        x = F.relu(stem(x))
        x = F.relu(one[1](F.relu(one[0](x))) + x)
        return F.relu(two[1](F.relu(two[0](x))) + shortcut(x))
    return encode
