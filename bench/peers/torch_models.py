# SPDX-License-Identifier: Apache-2.0
"""The built-in models of Tenon that are raced, in PyTorch: the same layers, dropout, normalisation,
optimisers. Compare src/models/*.c, whose recipes also say the optimiser."""
import torch
from torch import nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, projected where the shape changes (He et al. 2015)."""

    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Identity() if stride == 1 and channels == filters else nn.Sequential(
            nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.shortcut(x))


def resnet20():
    layers = [nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    channels = 16
    for stage in range(3):
        for i in range(3):
            filters = 16 << stage
            layers.append(BasicBlock(channels, filters, 2 if stage > 0 and i == 0 else 1))
            channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def mnist_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(inplace=True), nn.Conv2d(32, 64, 3), nn.ReLU(inplace=True),
        nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(), nn.Linear(9216, 128),
        nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(128, 10))


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 10, 5), nn.MaxPool2d(2), nn.ReLU(inplace=True), nn.Conv2d(10, 20, 5),
        nn.Dropout(0.5), nn.MaxPool2d(2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(320, 50),
        nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(50, 10))


def tiny_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 8, 5), nn.MaxPool2d(2), nn.ReLU(inplace=True), nn.Conv2d(8, 24, 3),
        nn.MaxPool2d(2), nn.ReLU(inplace=True), nn.Conv2d(24, 48, 3), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(432, 10))


def adam(parameters):
    return torch.optim.Adam(parameters, lr=1e-3, fused=True)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.02, momentum=0.9, weight_decay=5e-4, fused=True)


# Name: the network, its optimiser.
MODELS = {"mnist-cnn": (mnist_cnn, adam), "lenet": (lenet, adam), "resnet20": (resnet20, sgd)}
