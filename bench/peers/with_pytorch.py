"""One training step in PyTorch. Argument --compile: forward pass and loss through torch.compile."""
import sys

import torch

import worker

ACTIVATIONS = dict(relu=torch.nn.ReLU, sigmoid=torch.nn.Sigmoid, tanh=torch.nn.Tanh)
OPTIMIZERS = dict(sgd=torch.optim.SGD, adam=torch.optim.Adam)


class Trainer(worker.Trainer):
    def __init__(self, case, data):
        torch.set_num_threads(case["threads"])
        torch.manual_seed(1)
        mkl = [line.split("Version")[1].split("-")[0] for line in torch.__config__.show().splitlines()
               if "Math Kernel Library" in line]
        self.version = f"PyTorch {torch.__version__}" + (f" (oneMKL{mkl[0]})" if mkl else "")
        layers = []
        for n_in, n_out in zip(case["network"], case["network"][1:]):
            layers += [torch.nn.Linear(n_in, n_out), ACTIVATIONS[case["activation"]]()]
        model, criterion = torch.nn.Sequential(*layers[:-1]), torch.nn.CrossEntropyLoss()

        def cost(x, y):
            with torch.autocast("cpu", torch.bfloat16, enabled=case["precision"] == "bf16"):
                outputs = model(x)
            return criterion(outputs.float(), y)

        self.cost = self.step_cost = cost
        if "--compile" in sys.argv:
            self.step_cost = torch.compile(self.cost, dynamic=False)
        self.x, self.y, self.order = map(torch.from_numpy, (data.x, data.labels, data.order))
        self.optimizer = OPTIMIZERS[case["optimizer"]](model.parameters(), lr=worker.RATE, fused=True)

    def step(self, i):
        index = self.order[i % worker.BATCHES]
        self.optimizer.zero_grad(set_to_none=True)
        self.step_cost(self.x[index], self.y[index]).backward()
        self.optimizer.step()

    def loss(self):
        with torch.no_grad():
            return self.cost(self.x, self.y)


worker.serve(Trainer)
