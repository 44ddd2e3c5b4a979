package dev.wrenn.bench;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Progress;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Stopwatch;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;

/** Small capsules that are alive at the same time; they are destroyed when it is closed. */
final class Crew implements Resource {
    static final int SIZE = 16;
    static final int MEMORY_MB = 128;
    private static final Duration LIMIT = Duration.ofMinutes(5);

    private final Api api;
    private final List<String> capsules;
    private final double createMillis;

    private Crew(Api api, List<String> capsules, double createMillis) {
        this.api = api;
        this.capsules = List.copyOf(capsules);
        this.createMillis = createMillis;
    }

    /** Creates all of them at once. */
    static Crew create(Laboratory lab, Progress progress) {
        var capsules = new ArrayList<String>();
        lab.warmUp(MEMORY_MB, progress);
        try (var step = progress.start("Creating %d capsules at once".formatted(SIZE), SIZE);
                var forks = new Forks()) {
            var watch = Stopwatch.start();
            Callable<String> create = () -> lab.api().create(MEMORY_MB).id();
            var creations = new ArrayList<Forks.Fork<String>>();
            for (int i = 0; i < SIZE; i++) {
                creations.add(forks.start("create", create));
            }
            for (var creation : creations) {
                capsules.add(creation.take(LIMIT));
                step.advance(1);
            }
            double millis = watch.elapsedNanos() / 1e6;
            step.done();
            return new Crew(lab.api(), capsules, millis);
        } catch (RuntimeException e) {
            capsules.forEach(lab.api()::destroy);
            throw e;
        }
    }

    /** Their ids. */
    List<String> capsules() {
        return capsules;
    }

    /** How long it took until all of them answered. */
    double createMillis() {
        return createMillis;
    }

    @Override
    public void close() {
        capsules.forEach(api::destroy);
    }
}
