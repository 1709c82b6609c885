"""One training step in scikit-learn: the body of the loop in MLPClassifier._fit_stochastic (gather, _backprop, update)
called directly. The public partial_fit does the same and checks and encodes the whole input on every call besides,
which a small batch would pay for."""
import inspect

import numpy
import sklearn
import threadpoolctl
from sklearn.neural_network import MLPClassifier
from sklearn.utils import _safe_indexing

import worker

ACTIVATIONS = dict(relu="relu", sigmoid="logistic", tanh="tanh")


class Trainer(worker.Trainer):
    def __init__(self, case, data):
        if case["network"][-1] < 3:
            raise ValueError("scikit-learn trains one output for two classes: the network would be another one")
        threadpoolctl.threadpool_limits(case["threads"])
        blas = [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]
        self.version = f"scikit-learn {sklearn.__version__} (" + ", ".join(sorted(
            {f"{b['internal_api']} {b['version']} {b.get('architecture', '')}".strip() for b in blas})) + ")"
        self.x, self.labels, self.order = data.x, data.labels, data.order
        self.mlp = MLPClassifier(case["network"][1:-1], activation=ACTIVATIONS[case["activation"]], alpha=0,
                                 solver=case["optimizer"], momentum=0, learning_rate_init=worker.RATE,
                                 batch_size=case["batch"], random_state=1)
        classes = numpy.arange(case["network"][-1])
        self.mlp.partial_fit(data.x, data.labels, classes=classes)  # creates weights and optimizer
        self.targets = self.mlp._label_binarizer.transform(data.labels).astype(bool)
        n = len(case["network"]) - 1
        self.activations = [None] * (n + 1)
        self.buffers = [None] * n, [None] * n, [None] * n  # deltas, gradients of weights and of biases
        weighted = "sample_weight" in inspect.signature(self.mlp._backprop).parameters  # since 1.7
        self.sample_weight = (None,) if weighted else ()
        self.parameters = self.mlp.coefs_ + self.mlp.intercepts_
        if self.parameters[0].dtype != numpy.float32:
            raise TypeError("this version of scikit-learn does not compute in float32")

    def step(self, i):
        index = self.order[i % worker.BATCHES]
        x = self.activations[0] = _safe_indexing(self.x, index)
        _, weights, biases = self.mlp._backprop(x, self.targets[index], *self.sample_weight, self.activations,
                                                *self.buffers)
        self.mlp._optimizer.update_params(self.parameters, weights + biases)

    def loss(self):
        p = self.mlp.predict_proba(self.x)
        return -numpy.log(p[numpy.arange(len(p)), self.labels]).mean()


worker.serve(Trainer)
