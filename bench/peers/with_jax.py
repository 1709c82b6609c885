"""One training step in JAX: gather, gradient and update in one jitted function whose parameters are donated.
Argument --scan: the steps of an epoch or more in one jitted call (lax.scan), which saves the way through Python."""
import sys

import jax
import jax.numpy as jnp
import numpy

import worker

ACTIVATIONS = dict(relu=jax.nn.relu, sigmoid=jax.nn.sigmoid, tanh=jnp.tanh)
SCAN_FLOP = 1e9  # of one call, about, but whole epochs: enough to hide what a call costs
SCAN_EPOCHS = 25  # at most


def sgd(state, gradient):
    return dict(state, w=jax.tree.map(lambda w, g: w - worker.RATE * g, state["w"], gradient))


def adam(state, gradient, beta1=0.9, beta2=0.999, epsilon=1e-8):
    t = state["t"] + 1
    m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, state["m"], gradient)
    v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, state["v"], gradient)
    rate, scale = worker.RATE / (1 - beta1 ** t), 1 / (1 - beta2 ** t)
    w = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v * scale) + epsilon), state["w"], m, v)
    return dict(w=w, m=m, v=v, t=t)


OPTIMIZERS = dict(sgd=sgd, adam=adam)


def initial_state(network):
    """Each array is a buffer of its own: donated buffers must not be shared."""
    random = numpy.random.default_rng(2)
    w = []
    for n_in, n_out in zip(network, network[1:]):
        bound = n_in ** -0.5
        w.append((random.uniform(-bound, bound, (n_in, n_out)).astype(numpy.float32),
                  numpy.zeros(n_out, numpy.float32)))
    zeros = [jax.tree.map(numpy.zeros_like, w) for _ in range(2)]
    return jax.tree.map(jnp.array, dict(w=w, m=zeros[0], v=zeros[1], t=numpy.float32(0)))


class Trainer(worker.Trainer):
    version = f"JAX {jax.__version__}"

    def __init__(self, case, data):
        activation, optimizer = ACTIVATIONS[case["activation"]], OPTIMIZERS[case["optimizer"]]

        def cost(w, x, y):
            for weights, biases in w[:-1]:
                x = activation(x @ weights + biases)
            log_p = jax.nn.log_softmax(x @ w[-1][0] + w[-1][1])
            return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

        def step(state, x, y, index):
            return optimizer(state, jax.grad(cost)(state["w"], x[index], y[index]))

        def steps(state, x, y, order):
            return jax.lax.scan(lambda state, index: (step(state, x, y, index), None), state, order)[0]

        self.cost = jax.jit(cost)
        self.x, self.y = jnp.array(data.x), jnp.array(data.labels, jnp.int32)
        self.state = initial_state(case["network"])
        order = jnp.array(data.order, jnp.int32)
        if "--scan" in sys.argv:
            epochs = max(1, min(SCAN_EPOCHS, int(SCAN_FLOP / (worker.BATCHES * case["flop"]))))
            self.order, self.steps = [jnp.tile(order, (epochs, 1))], epochs * worker.BATCHES
            self.run = jax.jit(steps, donate_argnums=0)
        else:
            self.order = list(order)
            self.run = jax.jit(step, donate_argnums=0)

    def step(self, i):
        self.state = self.run(self.state, self.x, self.y, self.order[i % len(self.order)])

    def wait(self):
        jax.block_until_ready(self.state)

    def loss(self):
        return self.cost(self.state["w"], self.x, self.y)


worker.serve(Trainer)
