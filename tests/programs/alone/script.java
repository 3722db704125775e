// Java: threads in a pool, a monitor that one waits for, timers, compiled code, collected garbage, a buffer outside the heap, a
// file that is being written, an exception that is under way, a hash in progress.
import java.io.RandomAccessFile;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

class Script {
    static void gate(Path folder, int number) throws InterruptedException {
        System.out.println("ready " + number);
        while (!Files.exists(folder.resolve(Integer.toString(number)))) Thread.sleep(1);
    }

    static long work(long seed) {
        long sum = seed;
        for (int i = 0; i < 100_000; i++) sum = (sum * 31 + i) % 1_000_003;
        return sum;
    }

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        ExecutorService pool = Executors.newFixedThreadPool(3);
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor();
        AtomicLong ticks = new AtomicLong();
        clock.scheduleAtFixedRate(ticks::incrementAndGet, 1, 2, TimeUnit.MILLISECONDS);
        Object monitor = new Object();
        int[] stages = {0};
        List<String> log = new ArrayList<>();
        Thread watcher = new Thread(() -> {
            synchronized (monitor) {
                try {
                    for (int stage = 1; stage <= 2; stage++) {
                        while (stages[0] < stage) monitor.wait();
                        log.add("watched " + stage);
                    }
                } catch (InterruptedException interrupted) {
                    log.add("interrupted");
                }
            }
        });
        watcher.start();
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        ByteBuffer outside = ByteBuffer.allocateDirect(1 << 20);
        TreeMap<Long, Integer> seen = new TreeMap<>();
        BigInteger a = BigInteger.ZERO, b = BigInteger.ONE;
        RandomAccessFile kept = new RandomAccessFile(folder.resolve("java.out").toFile(), "rw");
        for (int stage = 1; stage <= 2; stage++) {
            List<Future<Long>> answers = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                long seed = a.mod(BigInteger.valueOf(1000)).longValue();
                answers.add(pool.submit(() -> work(seed)));
                digest.update(a.toByteArray());
                outside.putLong(i * 8, seed);
                byte[] garbage = new byte[1 << 18];
                garbage[i] = 1;
                seen.merge(seed % 97, (int) garbage[i], Integer::sum);
                BigInteger next = a.add(b);
                a = b;
                b = next;
            }
            kept.writeBytes("stage " + stage + "\n");
            try {
                throw new IllegalStateException("stage " + stage);
            } catch (IllegalStateException held) {
                long before = ticks.get();
                gate(folder, stage);
                while (ticks.get() == before) Thread.sleep(1);
                log.add(held.getMessage() + " from " + held.getStackTrace()[0].getMethodName());
            }
            long sum = 0;
            for (Future<Long> answer : answers) sum += answer.get();
            System.out.println(stage + " " + sum + " " + outside.getLong(99 * 8));
            System.gc();
            synchronized (monitor) {
                stages[0] = stage;
                monitor.notifyAll();
            }
        }
        watcher.join();
        pool.shutdown();
        clock.shutdownNow();
        System.out.println(HexFormat.of().formatHex(digest.digest()) + " " + a + " " + seen.headMap(20L));
        log.sort(null);
        System.out.println(log);
        kept.seek(0);
        System.out.println(kept.readLine() + " " + kept.readLine());
    }
}
