# multiprocessing: processes that are forked, with a queue each way; subprocess: one that is executed and answers on its pipes.
import multiprocessing, os, subprocess, sys, time

folder = sys.argv[2]

def gate(number):
    print("ready", number, flush=True)
    while not os.path.exists(os.path.join(folder, str(number))):
        time.sleep(0.001)

def work(number, tasks, results):
    total = 0
    while (task := tasks.get()) is not None:
        total += task * number
        results.put((number, task, total))
    results.put((number, "end", total))

def answers(workers, results):
    return sorted(results.get() for _ in range(workers))

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    workers = 3
    tasks = [context.SimpleQueue() for _ in range(workers)]
    results = context.SimpleQueue()
    processes = [context.Process(target=work, args=(i, tasks[i], results)) for i in range(workers)]
    for process in processes:
        process.start()
    calculator = subprocess.Popen(
        [sys.executable, "-uc", "import sys\nfor line in sys.stdin: print(eval(line))"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    for round in range(1, 4):
        for queue in tasks:
            queue.put(10 ** round)
        print(answers(workers, results))
        print("12 **", round, file=calculator.stdin)
        print(calculator.stdout.readline().strip(), flush=True)
        if round < 3:
            gate(round)
    for queue in tasks:
        queue.put(None)
    print(answers(workers, results))
    for process in processes:
        process.join()
    print([process.exitcode for process in processes])
    calculator.stdin.close()
    print(calculator.wait())
