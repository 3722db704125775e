"""Python: threads, generators, closures, a buffered file, big numbers, a hash, random numbers that go on."""
import hashlib
import os
import queue
import random
import sys
import tempfile
import threading
import time

folder = sys.argv[1]


def gate(number):
    print("ready", number, flush=True)
    while not os.path.exists(os.path.join(folder, str(number))):
        time.sleep(0.001)


def fibonacci():
    a, b = 0, 1
    while True:
        yield a
        a, b = b, a + b


jobs, results = queue.Queue(), queue.Queue()


def work():
    local = hashlib.sha256()
    while (job := jobs.get()) is not None:
        local.update(job)
        results.put(len(job))
    results.put(local.hexdigest())


worker = threading.Thread(target=work)
worker.start()
numbers = fibonacci()
random.seed(7)
kept = tempfile.TemporaryFile("w+")
total = 0
for stage in (1, 2):
    for _ in range(300):
        jobs.put(str(next(numbers)).encode())
        total += results.get()
    kept.write(f"stage {stage} {random.random()}\n")
    gate(stage)
jobs.put(None)
worker.join()
kept.seek(0)
print(kept.read(), end="")
print(total, results.get(), next(numbers) % 10**9, random.random(), os.getcwd() == os.path.realpath(os.curdir))
