package dev.wrenn.control.build;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Resource;
import dev.wrenn.base.Stopwatch;
import dev.wrenn.base.WrennException;
import dev.wrenn.control.capsule.BuildCapsules;
import dev.wrenn.control.capsule.StockTemplates;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.jdbi.v3.core.Jdbi;
import org.jdbi.v3.core.JdbiException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes builds from the queue and carries them out.
 *
 * <p>Each build has two threads: one runs it, the other one, the worker, stores what it says, keeps
 * its lease, and ends it when somebody cancelled it or this process stops. What a worker that was
 * cut off has left is removed by the next one, before it starts anew.
 */
public final class BuildWorkers implements Resource {
    private static final Logger LOG = LoggerFactory.getLogger(BuildWorkers.class);
    private static final Duration LOG_INTERVAL = Duration.ofMillis(200);
    private static final Duration SWEEP_INTERVAL = Duration.ofSeconds(30);
    private static final Duration KEPT = Duration.ofDays(30);

    private final BuildRows rows;
    private final BuildLogRows logs;
    private final BuildCapsules capsules;
    private final StepCache cache;
    private final BuildConfig config;
    private final List<Loop> loops;

    private BuildWorkers(Jdbi db, BuildCapsules capsules, BuildConfig config) {
        this.rows = new BuildRows(db);
        this.logs = new BuildLogRows(db);
        this.capsules = capsules;
        this.cache = new StepCache(db, capsules, config);
        this.config = config;
        this.loops =
                IntStream.rangeClosed(0, config.workers())
                        .mapToObj(i ->
                                i == 0
                                        ? Loop.every("build-sweep", SWEEP_INTERVAL, this::sweep)
                                        : Loop.every("builds-" + i, config.poll(), this::work))
                        .toList();
    }

    /** Starts them. */
    public static BuildWorkers start(Jdbi db, BuildCapsules capsules, BuildConfig config) {
        return new BuildWorkers(db, capsules, config);
    }

    private void work() {
        for (var build = rows.claim(config.lease());
                build.isPresent();
                build = rows.claim(config.lease())) {
            carryOut(build.get());
        }
    }

    private void carryOut(Build build) {
        LOG.atInfo().addKeyValue("build", build.id()).log("build started");
        var watch = Stopwatch.start();
        if (build.epoch() > 1 && hasEnded(build)) {
            return;
        }
        var log = new BuildLog();
        BuildRun.Made made;
        try {
            made = runWatched(build, log);
        } catch (WrennException e) {
            store(build, log);
            giveUp(build, e);
            return;
        }
        store(build, log);
        register(build, made);
        LOG.atInfo()
                .addKeyValue("build", build.id())
                .addKeyValue("took_ms", watch.elapsed().toMillis())
                .log("build done");
    }

    /**
     * Clears away what earlier workers made of a build.
     *
     * @return whether it needs no further work: it was done but for the last word, or was taken up
     *     too often
     */
    private boolean hasEnded(Build build) {
        if (build.template().filter(capsules::isRegistered).isPresent()) {
            return rows.finish(build, BuildStatus.SUCCESS, "");
        }
        removeTraces(build);
        if (build.attempts() > config.attempts()) {
            return rows.finish(
                    build,
                    BuildStatus.FAILED,
                    "the server stopped %d times while it ran".formatted(config.attempts()));
        }
        return false;
    }

    private BuildRun.Made runWatched(Build build, BuildLog log) {
        try (var forks = new Forks()) {
            var run = new BuildRun(build, rows, capsules, cache, log);
            var ended = new CountDownLatch(1);
            var running =
                    forks.start(
                            "build-" + build.id(),
                            () -> {
                                try {
                                    return run.execute();
                                } catch (WrennException | JdbiException e) {
                                    throw e;
                                } catch (RuntimeException e) {
                                    // Trying again would not help, unlike with the database.
                                    throw new WrennException(
                                            Kind.BUG, "internal error of the builder", e);
                                } finally {
                                    ended.countDown();
                                }
                            });
            while (!ended.await(LOG_INTERVAL.toMillis(), TimeUnit.MILLISECONDS)) {
                if (!store(build, log)) {
                    removeTraces(build); // ends what the other thread waits for
                    throw new WrennException(Kind.CONFLICT, "the build was cancelled");
                }
            }
            return running.take(LOG_INTERVAL);
        } catch (InterruptedException _) {
            removeTraces(build);
            Thread.currentThread().interrupt();
            throw new WrennException(Kind.UNAVAILABLE, "the server stops");
        }
    }

    /** Stores what was said and keeps the lease; false if the build is not ours any more. */
    private boolean store(Build build, BuildLog log) {
        var lines = log.take();
        return (lines.isEmpty() || logs.append(build, lines))
                && rows.beat(build, log.stepsDone(), config.lease());
    }

    private void giveUp(Build build, WrennException failure) {
        boolean stopping = Thread.interrupted();
        try {
            removeTraces(build);
            if (stopping) {
                rows.release(build);
            } else if (rows.finish(build, BuildStatus.FAILED, failure.shownMessage())) {
                LOG.atInfo().setCause(failure).addKeyValue("build", build.id()).log("build failed");
            }
        } finally {
            if (stopping) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void register(Build build, BuildRun.Made made) {
        if (!rows.commit(build, made.defaults())) {
            removeTraces(build);
            return;
        }
        try {
            if (build.spec().isStock()) {
                capsules.stock()
                        .register(
                                build.spec().name(),
                                new StockTemplates.Made(
                                        made.template(), made.defaults(), made.revision()));
                rows.finish(build, BuildStatus.SUCCESS, "");
                return;
            }
            capsules.register(
                    build.team(),
                    build.spec().name(),
                    made.template(),
                    made.defaults(),
                    build.spec().overwrite());
        } catch (WrennException e) {
            giveUp(build, e);
            return;
        }
        rows.finish(build, BuildStatus.SUCCESS, "");
    }

    /** Removes capsule and template of a build; what it planned last counts. */
    private void removeTraces(Build build) {
        var planned = rows.find(build.id()).orElse(build);
        planned.capsule().ifPresent(capsules::destroy);
        planned.template()
                .filter(template -> !capsules.isRegistered(template))
                .ifPresent(template -> {
                    capsules.discard(template);
                    capsules.discard(BuildRun.baseOf(template));
                });
    }

    private void sweep() {
        rows.abandonedCapsules().forEach(capsules::destroy);
        rows.forgetOlderThan(KEPT);
        cache.sweep();
    }

    /** Gives back what runs, for the next process to start anew. */
    @Override
    public void close() {
        loops.forEach(Loop::close);
    }
}
