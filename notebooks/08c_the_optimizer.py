# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 8c. The optimiser: from plain descent to AdamW
#
# The gradient says which way is down. How far to go is another question, and a whole line of
# inventions answers it: momentum, scaling by size, Adam, weight decay, warm-up, clipping. Each was
# made against a particular trouble. Here you meet the trouble first, in a valley of two numbers and
# in a tiny GPT, and then the remedy.
#
# **Minutes:** 45, and 30 for the exercises. **Needs:** notebook 8; 8b is a help, but not needed.
# **Core** of a second week, optional in the first.
#
# Afterwards you can
#
# - write AdamW from memory, and say what each of its parts is there for;
# - tell from a loss curve that a learning rate is too high, too low, or held too long;
# - explain what one bad batch does to an optimiser that remembers, and how clipping prevents it.
#
# The code beside it is `gptlite/training/optimizer.py`; `gptlite/training/learner.py` puts it to
# use. The article does not cover training.
#
# The [glossary](GLOSSARY.md) explains the field's terms.

# %%
try:
    import gptlite
except ImportError:
    raise ImportError(
        "gptlite is not installed here. In its checkout: pip install -e '.[notebooks]' "
        "(on the package index, the name belongs to another project)"
    ) from None
import math

import matplotlib.pyplot as plt
import numpy as np

from gptlite.fast.threads import blas_threads
from gptlite.views.curve import Curve
from gptlite.views.table import Table

np.set_printoptions(precision=3, suppress=True)

# %% [markdown]
# ## A valley of two numbers
#
# A loss with two parameters, so that it can be drawn: $f(x, y) = (x^2 + 100 y^2) / 2$. It has its
# lowest point at $(0, 0)$, and it is a narrow valley: across it, along $y$, it is a hundred times
# as curved as along $x$. Losses of neural networks are like that, only with many directions and
# much greater contrasts.


# %%
def valley(p):
    """The height at p = (x, y)."""
    return (p[0] ** 2 + 100 * p[1] ** 2) / 2


def slope(p):
    """The gradient there."""
    return np.array([p[0], 100 * p[1]])


def descend(direction, rate, n_steps=60, gradient=slope):
    """Go down from one corner; give the places, [n_steps + 1, 2].

    direction(g, memory, step) says which way to go and how far, in units of the learning rate; it
    may keep something in memory from step to step.
    """
    p, memory = np.array([-4.0, 0.7]), {}
    places = [p]
    for step in range(1, n_steps + 1):
        p = p - rate * direction(gradient(p), memory, step)
        places.append(p)
    return np.array(places)


def plain(g, memory, step):
    """Plain gradient descent."""
    return g


# %% [markdown]
# **Guess first:** what is the largest learning rate with which plain descent still comes down?

# %%
rows = []
for rate in (0.002, 0.01, 0.018, 0.0198, 0.0202):
    places = descend(plain, rate)
    rows.append([f"{rate:g}", *(float(valley(places[n])) for n in (0, 10, 30, 60))])
Table(
    "Height after some steps",
    ["rate", "at first", "10 steps", "30 steps", "60 steps"],
    rows,
    digits=2,
)

# %% [markdown]
# Along one axis with curvature $c$ the gradient is $cx$, so a step gives $x - r c x = (1 - rc)\,x$.
# That shrinks only if $|1 - rc| < 1$, that is, if $r < 2/c$: here 2/100 = 0.02. The *steepest*
# direction sets the limit, and the flattest one then waits: at 0.018 a step along $x$ still gets
# only 1.8 % closer. That is the trouble with plain descent, and the contrast of curvatures (the
# **condition number**) is its measure.


# %%
def draw(paths):
    """Draw paths over the valley's contour lines, a panel for each."""
    across, up = np.meshgrid(np.linspace(-4.6, 2.2, 150), np.linspace(-1.0, 1.0, 100))
    figure, axes = plt.subplots(
        1, len(paths), figsize=(4.6 * len(paths), 2.9), layout="constrained", squeeze=False
    )
    for ax, (name, places) in zip(axes[0], paths.items(), strict=True):
        heights = valley([across, up])
        ax.contour(across, up, heights, levels=[0.5, 2, 6, 13, 24, 40], colors="#c5d5e6")
        ax.plot(*places.T, ".-", color="#084594", linewidth=1, markersize=5)
        ax.plot(0, 0, "+", color="#b3420b", markersize=10)
        ax.set_title(name, loc="left", fontsize=10)
        ax.set(xlabel="x", ylabel="y", xlim=(-4.6, 2.2), ylim=(-1.0, 1.0))
    return figure


_ = draw({"rate 0.002": descend(plain, 0.002), "rate 0.019": descend(plain, 0.019)})

# %% [markdown]
# Too low, and it creeps; nearly too high, and it jumps from side to side and still creeps along the
# bottom.
#
# ## Momentum
#
# Keep a running mean of the gradients, and follow that: `mean = 0.9 * mean + 0.1 * g`. **Guess
# first:** what becomes of the jumping across the valley, and what of the creeping along it?


# %%
def momentum(g, memory, step):
    """Follow the running mean of the gradients."""
    memory["mean"] = 0.9 * memory.get("mean", 0.0) + 0.1 * g
    return memory["mean"]


_ = draw({"plain, 0.019": descend(plain, 0.019), "momentum, 0.1": descend(momentum, 0.1)})
for name, rule, rate in (("plain", plain, 0.019), ("momentum", momentum, 0.1)):
    print(f"{name}: height after 60 steps {valley(descend(rule, rate)[-1]):.1e}")

# %% [markdown]
# Gradients that change sign cancel in the mean, and those that agree add up. So the rate may be
# five times as high, and the slow direction profits from it. (Polyak 1964. Many write the mean
# without the factor 0.1; then the learning rate is ten times smaller for the same steps.)
#
# ## Scaling by size
#
# The other remedy: give each parameter a step of its own. Keep a running mean of the *squared*
# gradient, and divide by its root: `g / sqrt(square)`. This is RMSprop (Tieleman and Hinton 2012).
# **Guess first:** at the start, the gradient along $y$ is 70 and along $x$ only 4. How long is the
# first step along each of them?


# %%
def rms(g, memory, step):
    """Divide the gradient by its usual size."""
    memory["square"] = 0.99 * memory.get("square", 0.0) + 0.01 * g * g
    return g / (np.sqrt(memory["square"]) + 1e-8)


places = descend(rms, 0.05)
print("the gradient at the start:", np.abs(slope(places[0])))
print("the first step:           ", np.abs(places[1] - places[0]))

# %% [markdown]
# As long along one as along the other, whatever the curvature: what counts is no longer how large a
# gradient is, only how large it is *for this parameter*. One thing is odd, however. With a rate of
# 0.05 one would expect a step of about 0.05, and the first is ten times as long. We come to it at
# once; first the picture.

# %%
_ = draw({"plain, 0.019": descend(plain, 0.019), "RMS, 0.05": places})

# %% [markdown]
# ## Adam, and the bias of the beginning
#
# Adam (Kingma and Ba 2015) is both: the running mean of the gradient, divided by the root of the
# running mean of its square. And it repairs the first step. The running means begin at 0, so at
# first they are too small: after $t$ steps with the same gradient $g$, the mean is only $(1 -
# 0.9^t)\,g$. Dividing by that factor makes it right (**bias correction**); the same for the square,
# with 0.99. **Guess first:** if the gradient is always the same, how long is a step of Adam, in
# learning rates? And without the correction?

# %%
BETA_1, BETA_2, EPSILON = 0.9, 0.99, 1e-8


def adam(g, memory, step, correct=True):
    """Divide the mean gradient by its usual size, both corrected for their start at 0."""
    memory["mean"] = BETA_1 * memory.get("mean", 0.0) + (1 - BETA_1) * g
    memory["square"] = BETA_2 * memory.get("square", 0.0) + (1 - BETA_2) * g * g
    mean, square = memory["mean"], memory["square"]
    if correct:
        mean, square = mean / (1 - BETA_1**step), square / (1 - BETA_2**step)
    return mean / (np.sqrt(square) + EPSILON)


always = np.array([0.003])
with_it, without = {}, {}
steps = {
    n: (float(adam(always, with_it, n)[0]), float(adam(always, without, n, correct=False)[0]))
    for n in range(1, 301)
}
rows = [[n, *steps[n]] for n in (1, 2, 5, 10, 30, 100, 300)]
Table("Length of a step, in learning rates", ["step", "corrected", "not"], rows, digits=2)

# %% [markdown]
# Corrected it is 1 from the first step on, however large or small the gradient is. Now the learning
# rate has a plain meaning: it is **the longest step that a parameter usually takes**. The other
# extreme is a gradient that is only noise, as likely up as down. **Guess first:** how long are the
# steps then?

# %%
noise = np.random.default_rng(0).normal(size=(2000, 500))  # [step, number]
memory = {}
for step, g in enumerate(noise, 1):
    moved = adam(g, memory, step)
print(f"usual step on pure noise: {np.sqrt((moved**2).mean()):.2f} learning rates")
print(f"by the formula sqrt((1 - 0.9) / (1 + 0.9)): {math.sqrt(0.1 / 1.9):.2f}")

# %% [markdown]
# A quarter, and in random directions. So a step of Adam is short where the gradients of different
# batches contradict each other, and long where they agree. The valley once more, with all four:

# %%
runs = {
    "plain, 0.019": descend(plain, 0.019, 100),
    "momentum, 0.1": descend(momentum, 0.1, 100),
    "RMS, 0.05": descend(rms, 0.05, 100),
    "Adam, 0.1": descend(adam, 0.1, 100),
}
ax = plt.subplots(figsize=(7, 3.2), layout="constrained")[1]
for (name, places), style in zip(runs.items(), ("-", "--", ":", "-."), strict=True):
    ax.semilogy([valley(p) for p in places], style, color="#084594", label=name)
ax.set(xlabel="step", ylabel="height", ylim=(1e-7, 100))
ax.set_title("Down the valley", loc="left", fontsize=10)
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
_ = draw({"RMS, 0.05": runs["RMS, 0.05"], "Adam, 0.1": runs["Adam, 0.1"]})

# %% [markdown]
# Each remedy leaves plain descent far behind, and among the three there is little to choose. A
# transformer asks for more: its curvatures differ by far more than a hundred, every batch says
# something else, and nobody wants to search for a rate in each of its matrices. There one has both
# remedies at once: Adam.
#
# ## A tiny GPT
#
# The task: go on counting. Each row begins anywhere and counts on by 1, 2 or 3; after 9 comes 0.
# The second number can only be guessed, one in three; all later ones are certain, for a model that
# compares two neighbours. So no loss can be below $\ln 3 / 8$.
#
# To an optimiser a model is one long vector. So we lay all parameters end to end, and give the
# model views into that vector: then the functions above work as they are.

# %%
from gptlite.config import parameter_shapes
from gptlite.training.gradients import loss_and_gradients

config = gptlite.GPTConfig(n_vocab=10, n_ctx=8, n_embd=16, n_head=2, n_layer=1)
SHAPES = parameter_shapes(config)
FLOOR = math.log(3) / 8


def counting(rng, rows=16):
    """Draw rows that count on: inputs and targets, [rows, 8] each."""
    start = rng.integers(10, size=(rows, 1))
    step = rng.integers(1, 4, size=(rows, 1))
    numbers = (start + step * np.arange(9)) % 10  # [rows, 9]
    return numbers[:, :-1], numbers[:, 1:]


def as_vector(arrays):
    """Lay arrays end to end: [n]."""
    return np.concatenate([array.ravel() for array in arrays.values()])


def as_model(p):
    """Make a model whose parameters are views into the vector p."""
    pieces = np.split(p, np.cumsum([math.prod(shape) for shape in SHAPES.values()])[:-1])
    named = zip(SHAPES.items(), pieces, strict=True)
    return gptlite.GPT(config, {name: piece.reshape(shape) for (name, shape), piece in named})


def untrained():
    """Draw the parameters, always the same; matrices ten times as large as OpenAI's."""
    drawn = gptlite.GPT.init(config, seed=0).parameters
    return as_vector({name: a * (10 if a.ndim > 1 else 1) for name, a in drawn.items()})


def train(direction, rate_at, n_steps=200, change=lambda g, step: g):
    """Train the tiny GPT; give its loss at each step.

    rate_at is the learning rate, or a function of the step; change may alter the gradient.
    """
    p, memory, losses = untrained(), {}, []
    model, rng = as_model(p), np.random.default_rng(1)
    with blas_threads(1):  # arrays this small are faster on one
        for step in range(1, n_steps + 1):
            loss, gradients = loss_and_gradients(model, *counting(rng))
            losses.append(loss)
            rate = rate_at(step) if callable(rate_at) else rate_at
            g = change(as_vector(gradients), step)
            p -= np.float32(rate) * direction(g, memory, step)
    return losses


def at_the_end(losses):
    """Average the loss of the last 20 steps."""
    return float(np.mean(losses[-20:]))


def draw_losses(title, curves):
    """Draw loss curves, each point the mean of five steps, over the floor."""
    lines = {}
    for name, losses in curves.items():
        means = np.array(losses).reshape(-1, 5).mean(axis=1)  # [step / 5]
        lines[name] = (range(3, len(losses) + 1, 5), means.tolist())
    ax = Curve(title, lines, "step", "loss, nats per token").plot()
    ax.axhline(FLOOR, color="#ccc", linewidth=1)
    ax.set_ylim(0, 3)
    return ax


print(f"{len(untrained()):,} parameters; the floor is {FLOOR:.2f} nats")

# %%
curves = {
    "plain, 0.1": train(plain, 0.1),
    "momentum, 0.3": train(momentum, 0.3),
    "RMS, 0.003": train(rms, 0.003),
    "Adam, 0.01": train(adam, 0.01),
}
_ = draw_losses("Four optimisers, each with a rate that suits it", curves)
for name, losses in curves.items():
    print(f"{name:14} learned the rule: {at_the_end(losses) < 0.5}")

# %% [markdown]
# On a task this small, each gets there if its rate is right. So the question is how hard it is to
# get it right. **Guess first:** plain descent and Adam are tried with rates over a factor of a
# hundred. Whose end is flatter, and what does the curve look like at both sides?

# %%
RATES = {plain: (0.01, 0.03, 0.1, 0.3, 1.0), adam: (0.001, 0.003, 0.01, 0.03, 0.1)}
ends = {rule: [at_the_end(train(rule, rate)) for rate in rates] for rule, rates in RATES.items()}

ax = plt.subplots(figsize=(7, 3), layout="constrained")[1]
for (rule, rates), style in zip(RATES.items(), ("o-", "s--"), strict=True):
    ax.semilogx(rates, ends[rule], style, color="#084594", label=rule.__name__)
ax.axhline(FLOOR, color="#ccc", linewidth=1)
ax.set(xlabel="learning rate", ylabel="loss after 200 steps, nats", ylim=(0, None))
ax.set_title("Too low, right, too high", loc="left", fontsize=10)
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
for rule, losses in ends.items():
    middle = min(losses)
    print(f"{rule.__name__}: worse at both ends:", losses[0] > 2 * middle < losses[-1])

# %% [markdown]
# Both have the shape of a U, and neither is much wider than the other. On the left the loss is
# still falling, and more steps would help; on the right more steps would not help. The difference
# is *where* the U lies: that of plain descent moves with the sizes of the gradients, that is, with
# the model, its initial weights and the loss; Adam's stays about where it is, since its steps do
# not depend on those sizes (exercise 3). That is worth more than a faster descent: rates around
# 0.001 have served a decade of models of all kinds.
#
# ## Warm-up
#
# Look at the right-hand end: with a rate of 0.1 Adam learns little. At the first steps its running
# means rest on few gradients, and all steps are as long as the rate allows, in directions that
# hardly mean anything yet; the model may be thrown where it does not find its way back. **Warm-up**
# raises the rate from 0 in a straight line. **Guess first:** the rate is 0.05, and 20 of 200 steps
# are gentle. Do they make a difference at the end?


# %%
def warm(peak, warm_up):
    """Rise in a straight line to the peak, and stay there."""
    return lambda step: peak * min(1.0, step / warm_up)


hot = {"0.05 at once": train(adam, 0.05), "0.05 after 20 gentle steps": train(adam, warm(0.05, 20))}
_ = draw_losses("Warm-up", hot)
cold, warmed = map(at_the_end, hot.values())
print("without warm-up, the loss at the end is more than twice as high:", cold > 2 * warmed)

# %% [markdown]
# ## Decay
#
# A step of Adam is as long near the goal as far from it, so at a constant rate the parameters jump
# about the lowest point and do not come to rest. The remedy is to lower the rate: gptlite, like
# GPT-1, lets it fall to 0 along half a **cosine**. **Guess first:** a rate that falls is lower on
# average, so less ground is covered. Is the loss at the end higher, or lower?


# %%
def warm_and_cosine(step, n_steps, warm_up, peak):
    """Rise in a straight line, then fall along half a cosine to 0."""
    if step <= warm_up:
        return peak * step / warm_up
    done = (step - warm_up) / (n_steps - warm_up)  # from 0 to 1
    return peak * (1 + math.cos(math.pi * done)) / 2


peak = 0.03
schedules = {
    "constant": train(adam, peak),
    "warm-up, then constant": train(adam, warm(peak, 20)),
    "warm-up, then cosine": train(adam, lambda step: warm_and_cosine(step, 200, 20, peak)),
}
ax = draw_losses("Three schedules, one peak", schedules)
constant, _, cosine = map(at_the_end, schedules.values())
print("the cosine ends lower than the constant rate:", cosine < constant)
print("within a tenth of a nat of the floor:", cosine < FLOOR + 0.1)

# %%
ax = plt.subplots(figsize=(6, 2.4), layout="constrained")[1]
ax.plot(range(1, 201), [warm_and_cosine(step, 200, 20, peak) for step in range(1, 201)], "#084594")
ax.set(xlabel="step", ylabel="learning rate")
ax.set_title("Warm-up and cosine decay", loc="left", fontsize=10)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# Lower, and smoother: as the rate goes to 0 the loss gives up its last tenth. It also means that a
# run must know in advance how long it will be: one that is cut off in the middle has not yet had
# its harvest.
#
# ## Clipping
#
# Once in a while a batch gives a gradient far longer than all others: a broken document, a page of
# digits. Let one batch, the sixtieth, have a gradient a thousand times too long. Plain descent
# would be thrown out of the world. **Guess first:** Adam divides by the size. Does it notice at
# all?


# %%
def spoiled(g, step):
    """Make the gradient of step 60 a thousand times as long."""
    return g * 1000 if step == 60 else g


def clipped(g, longest=1.0):
    """Shorten a gradient that is too long, without turning it."""
    return g * min(1.0, longest / float(np.linalg.norm(g)))


spikes = {
    "one bad batch": train(adam, 0.01, change=spoiled),
    "the same, clipped": train(adam, 0.01, change=lambda g, step: clipped(spoiled(g, step))),
}
_ = draw_losses("A gradient a thousand times too long, at step 60", spikes)
open_end, clipped_end = map(at_the_end, spikes.values())
print("it recovers without clipping:", open_end < 0.3, " with clipping:", clipped_end < 0.3)

# %% [markdown]
# It does, twice. The running mean forgets by 10 % a step, so for some twenty steps it points where
# that one batch pointed, and the model walks there at full speed. Then the mean has forgotten; but
# the mean of the squares forgets by 1 % a step only, so for hundreds of steps all others are
# divided by a number far too large, and learning stands almost still. Look at the two curves: the
# damage, and then the slow way back.
#
# **Gradient clipping** looks at the length of all gradients together, the **global norm**, and if
# it is above a limit (1, as a rule) multiplies all of them by the same factor. So the direction
# stays, and what gets into the memory is bounded.
#
# ## Weight decay: the W
#
# A model that may choose among many weights with the same loss should choose small ones: they
# generalise better, and they cannot grow without end. The old way is to add `decay * p` to the
# gradient, as if the loss had a term with the squares of the weights (**L2 regularisation**). AdamW
# (Loshchilov and Hutter 2019) instead takes `rate * decay * p` off the parameter *beside* the step
# of Adam: the decay is **decoupled**. **Guess first:** two groups of weights begin at 1. Their
# gradients are noise without any signal, small in one group, a hundred times as large in the other.
# Which shrinks more, in each of the two ways?

# %%
rng = np.random.default_rng(0)
sizes = np.repeat([0.01, 1.0], 500)  # of the noise, [number]
rate, decay = 0.01, 0.1
rows = []
for name, decoupled in (("in the gradient (L2)", False), ("decoupled (AdamW)", True)):
    p, memory = np.ones(1000), {}  # [number]
    for step in range(1, 501):
        g = sizes * rng.normal(size=1000)  # [number]
        if decoupled:
            p = p - rate * decay * p
        else:
            g = g + decay * p
        p = p - rate * adam(g, memory, step)
    rows.append([name, float(p[:500].mean()), float(p[500:].mean())])
shrunk = Table(
    "Mean weight after 500 steps", ["decay", "quiet gradients", "loud gradients"], rows, digits=1
)
print(f"by the decay alone: {(1 - rate * decay) ** 500:.1f}")
shrunk

# %% [markdown]
# In the gradient, the decay goes through Adam's division like everything else. Where the gradients
# are quiet it is the loudest voice, and takes the weights to 0 at the speed of the learning rate;
# where they are loud it is drowned. Decoupled, it does the same to all. As in GPT-2's training,
# gptlite lets only matrices decay: a gain should be 1 and not 0, and a bias costs nothing.
#
# ## gptlite's own
#
# That is the whole of `gptlite/training/optimizer.py`: `global_norm` for the clipping,
# `learning_rate_at` for warm-up and cosine, and `adamw_step`, which changes a parameter in place.
# Below, 50 steps with ours and 50 with gptlite's, on the same batches, with everything switched on.

# %%
from gptlite.training.optimizer import Moments, adamw_step, global_norm, learning_rate_at

N_STEPS, WARM_UP, PEAK, DECAY, CLIP = 50, 10, 0.01, 0.1, 1.0
is_matrix = as_vector({n: np.full(s, len(s) > 1) for n, s in SHAPES.items()})  # [n]


def with_ours():
    """Train with the functions of this notebook; give the parameters as a vector."""
    p, memory, rng = untrained(), {}, np.random.default_rng(1)
    for step in range(1, N_STEPS + 1):
        _, gradients = loss_and_gradients(as_model(p), *counting(rng))
        rate = np.float32(warm_and_cosine(step, N_STEPS, WARM_UP, PEAK))
        g = clipped(as_vector(gradients), CLIP)
        p = p - rate * np.float32(DECAY) * is_matrix * p
        p = p - rate * adam(g, memory, step)
    return p


def with_gptlite():
    """Do the same with gptlite's."""
    model, rng = as_model(untrained()), np.random.default_rng(1)
    moments = {n: Moments(np.zeros_like(p), np.zeros_like(p)) for n, p in model.parameters.items()}
    for step in range(1, N_STEPS + 1):
        _, gradients = loss_and_gradients(model, *counting(rng))
        rate = learning_rate_at(step, N_STEPS, WARM_UP, PEAK)
        scale = min(1.0, CLIP / global_norm(gradients))
        for n, p in model.parameters.items():
            adamw_step(p, gradients[n], moments[n], step, rate, DECAY, scale)
    return as_vector(model.parameters)


with blas_threads(1):
    ours, theirs = with_ours(), with_gptlite()
differ = ~np.isclose(ours, theirs, rtol=1e-3, atol=1e-4)  # [n]
print(f"{len(ours) - differ.sum():,} of {len(ours):,} parameters are the same after 50 steps")
print("and all have moved:", not np.isclose(ours, untrained(), atol=1e-6).any())

# %% [markdown]
# All but a few. **Guess first:** which are they? (Exercise 3 of notebook 8b found parameters whose
# gradient is 0, whatever the text.)

# %%
names = np.repeat(list(SHAPES), [math.prod(shape) for shape in SHAPES.values()])  # [n]
print("they are all in:", *np.unique(names[differ]))
at = np.flatnonzero(differ) - np.flatnonzero(names == "h.0.attn.c_attn.bias")[0]
print("among its 48 numbers, from", at.min() // 16 * 16, "to", at.max() // 16 * 16 + 16)

# %% [markdown]
# The keys' bias. Its true gradient is 0, and what the program has instead is rounding, some
# $10^{-9}$ and different in each program. Adam divides by the usual size, and makes full steps out
# of it. No harm is done here, for these sixteen numbers change nothing; but it is good to know that
# Adam cannot tell a gradient from noise. ($\epsilon$ in the denominator is there for that; it would
# have to be larger.)
#
# `gptlite.pretrain` and `gptlite.finetune` both learn with this and nothing else; in
# `gptlite/training/learner.py`, `Learner.train_step` is one step of it. Two things are there that a
# notebook can do without: the arrays are updated in pieces that fit into a core's cache, and a loss
# that is not finite stops the run before anything has been changed.

# %% [markdown]
# ## Exercises
#
# Each has stars for its difficulty, minutes, a hint, and a cell to work in: put your answer in
# place of the `...`, run the cell, and the check says whether it is right.

# %%
from gptlite.exercises import check

# %% [markdown]
# **1. The limit.** (★☆☆, 5 min) A loss has the curvature 400 in its steepest direction and 0.5 in
# its flattest. What is the highest rate for plain descent, and about how many steps does it then
# need to bring the flattest direction to a hundredth?
#
# <details><summary>Hint</summary>
#
# A step multiplies a direction of curvature c by 1 - rate * c. How often, until a hundredth is
# left?
#
# </details>

# %%
# solution: answer = (..., ...)
highest = 2 / 400
n_steps = math.log(0.01) / math.log(1 - highest * 0.5)
x = np.array([1.0, 1.0])
for _ in range(round(n_steps)):
    x = x - 0.998 * highest * np.array([0.5, 400]) * x
print(f"a little below that rate: flattest {x[0]:.3f}, steepest {abs(x[1]):.3f}")
answer = (highest, n_steps)
# end of solution
check("08c.1", answer)

# %% [markdown] tags=["solution"]
# 2/400 = 0.005. Each step then multiplies the flat direction by $1 - 0.005 · 0.5 = 0.9975$: about
# 1,840 steps.

# %% [markdown]
# **2. A valley that lies askew.** (★★☆, 12 min) Turn the valley by 45°, so that it no longer runs
# along an axis, and turn the place to start from with it. Turned back, the places on the way down
# can be compared with those in the valley as it was. Are they others for plain descent? Are they
# others for Adam? (Two of True and False.)
#
# <details><summary>Hint</summary>
#
# With the matrix `turn = np.array([[1, -1], [1, 1]]) / math.sqrt(2)`, the gradient at `p` is
# `turn @ slope(turn.T @ p)`. Go 60 steps, with rates of 0.018 and 0.1.
#
# </details>

# %%
# solution: answer = (..., ...)
turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / math.sqrt(2)


def slope_askew(p):
    """The gradient of the valley turned by 45°."""
    return turn @ slope(turn.T @ p)


def after_60_steps(direction, rate, gradient, start):
    """Go down from a place: the last place."""
    p, memory = start, {}
    for step in range(1, 61):
        p = p - rate * direction(gradient(p), memory, step)
    return p


start = np.array([-4.0, 0.7])
answer = []
for rule, rate in ((plain, 0.018), (adam, 0.1)):
    straight = after_60_steps(rule, rate, slope, start)
    askew = turn.T @ after_60_steps(rule, rate, slope_askew, turn @ start)
    answer.append(not np.allclose(straight, askew, atol=1e-6))
# end of solution
check("08c.2", answer)

# %% [markdown] tags=["solution"]
# Plain descent does not know what the axes are: it takes the same steps, turned. Adam scales each
# axis by itself, and now both have the same mixture of steep and flat: there is nothing left to be
# evened out. What it gains depends on the parameters being, by and large, the directions that
# matter.

# %% [markdown]
# **3. Another unit.** (★★☆, 8 min) Somebody measures the loss in thousandths of a nat, so that all
# gradients are a thousand times as large. How many times as long as before is the first step of
# plain descent, that of Adam, and that of plain descent with the gradient clipped, if that was
# longer than the limit already?
#
# <details><summary>Hint</summary>
#
# Draw a gradient of a hundred numbers, and give it to `plain`, `adam` and `clipped`, as it is and
# multiplied by 1000.
#
# </details>

# %%
# solution: answer = (..., ..., ...)
g = np.random.default_rng(0).normal(size=100)
rules = (lambda g: plain(g, {}, 1), lambda g: adam(g, {}, 1), clipped)
answer = [float(np.linalg.norm(rule(1000 * g)) / np.linalg.norm(rule(g))) for rule in rules]
print(" ".join(f"{factor:.1f}" for factor in answer))
# end of solution
check("08c.3", answer)

# %% [markdown] tags=["solution"]
# Plain descent takes steps a thousand times as long and is lost. Adam takes the same steps as
# before: the factor is in the mean and in the root of the square, and is divided out. With clipping
# at 1 nearly every gradient is now cut, to the same length; directions and relative sizes stay.

# %% [markdown]
# **4. The price.** (★☆☆, 5 min) How many bytes does training with AdamW need for GPT-2's
# parameters, their gradients and the two running means, in float32? And for the largest GPT-2's?
# (What the way back keeps of the forward pass comes on top.)
#
# <details><summary>Hint</summary>
#
# `gptlite.GPTConfig.preset("gpt2-xl").n_params` counts the parameters. How many numbers does each
# of them bring along?
#
# </details>

# %%
# solution: answer = (..., ...)
answer = [16 * gptlite.GPTConfig.preset(name).n_params for name in ("gpt2", "gpt2-xl")]
print(" and ".join(f"{n_bytes / 1e9:.0f} GB" for n_bytes in answer))
# end of solution
check("08c.4", answer)

# %% [markdown] tags=["solution"]
# Four numbers for each parameter, 16 bytes: 2 GB for the small one, 25 GB for the largest. An
# optimiser without a memory would need half of that.
