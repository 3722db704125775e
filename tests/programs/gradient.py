"""A conjugate gradient with NumPy and mpi4py: the Poisson equation on a square, its rows spread over the ranks.

    A x = b      the residual's norm is summed with allreduce, border rows go to the neighbours as arrays (Sendrecv),
                 and now and then as pickled objects (sendrecv)

Sums over ranks come in a fixed order (allgather, then summed by each), so the digest does not depend on the MPI.
Rank 0 prints how many systems it has solved and a digest over the bytes of all solutions.

Usage: gradient.py SIDE STEPS [--pause-us N] [--progress]
"""

import argparse
import hashlib
import sys
import time

import numpy as np
from mpi4py import MPI

TOLERANCE = 1e-12

world = MPI.COMM_WORLD
rank, size = world.rank, world.size


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("side", type=int)
    parser.add_argument("steps", type=int)
    parser.add_argument("--pause-us", type=int, default=0)
    parser.add_argument("--progress", action="store_true")
    return parser.parse_args()


def borders(own, pickled):
    """The neighbours' rows next to `own`'s first and last."""
    above, below = np.zeros(own.shape[1]), np.zeros(own.shape[1])
    up = rank - 1 if rank > 0 else MPI.PROC_NULL
    down = rank + 1 if rank + 1 < size else MPI.PROC_NULL
    if pickled:
        came = world.sendrecv(own[0], dest=up, source=down)
        below = below if came is None else came
        came = world.sendrecv(own[-1], dest=down, source=up)
        above = above if came is None else came
    else:
        world.Sendrecv(np.ascontiguousarray(own[0]), dest=up, recvbuf=below, source=down)
        world.Sendrecv(np.ascontiguousarray(own[-1]), dest=down, recvbuf=above, source=up)
    return above, below


def apply(own, pickled):
    above, below = borders(own, pickled)
    padded = np.pad(np.vstack([above, own, below]), ((0, 0), (1, 1)))
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return 4 * own - around


def dot(one, other):
    return sum(world.allgather(float(np.sum(one * other))))


def right_hand_side(nth, side):
    rows = np.array_split(np.arange(side), size)[rank]
    return np.random.default_rng(nth).random((side, side))[rows]


def main():
    asked = options()
    total = 0
    solved = 0
    norm = 0.0
    for step in range(asked.steps):
        if asked.progress and rank == 0:
            print("step", step, file=sys.stderr, flush=True)
        if norm < TOLERANCE:
            residual = right_hand_side(solved, asked.side)
            x, direction = np.zeros_like(residual), residual.copy()
            norm = dot(residual, residual)
        image = apply(direction, pickled=step % 5 == 0)
        length = norm / dot(direction, image)
        x += length * direction
        residual -= length * image
        if asked.pause_us:
            time.sleep(asked.pause_us / 1e6)
        before, norm = norm, dot(residual, residual)
        direction = residual + (norm / before) * direction
        if norm < TOLERANCE:
            solved += 1
            total = total + x
    whole = world.gather(total + x)
    if rank == 0:
        print(solved, "solved, digest", hashlib.sha256(np.vstack(whole).tobytes()).hexdigest()[:16])


main()
