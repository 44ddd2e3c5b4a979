package dev.wrenn.control.operator;

import dev.wrenn.base.Stopwatch;
import dev.wrenn.control.http.ErrorResponse;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.util.Locale;
import java.util.concurrent.Callable;

/** Times the operations on capsules that were begun, and counts those that failed. Thread-safe. */
public final class OperationTimer {
    private static final double NANOS_PER_SECOND = 1e9;

    private final Histogram durations;
    private final Counter failures;

    /** What is timed. */
    public enum Operation {
        /** A new capsule, until its guest answers. */
        CREATE,
        /** A paused capsule, until its guest answers. */
        RESUME,
        /** Until the snapshot is durable. */
        PAUSE,
        /** Until nothing of the capsule is left. */
        DESTROY,
        /** A template of a capsule. */
        SNAPSHOT,
        /** Until the saved state is durable; the capsule runs on meanwhile. */
        CHECKPOINT,
        /** Until the guest answers in its earlier state. */
        ROLLBACK,
        /** Until all new capsules run. */
        FORK;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    OperationTimer(PrometheusRegistry registry) {
        durations =
                Histogram.builder()
                        .name("wrenn_operation_duration_seconds")
                        .help("Time of operations on capsules that succeeded.")
                        .labelNames("operation")
                        .classicOnly()
                        .classicUpperBounds(
                                0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
                        .register(registry);
        failures =
                Counter.builder()
                        .name("wrenn_operation_failures_total")
                        .help("Operations on capsules that failed, by the code clients are told.")
                        .labelNames("operation", "code")
                        .register(registry);
        for (var operation : Operation.values()) {
            durations.initLabelValues(operation.label());
        }
    }

    /** The same work, timed. */
    public <T> Callable<T> timed(Operation operation, Callable<T> work) {
        return () -> {
            var watch = Stopwatch.start();
            T result;
            try {
                result = work.call();
            } catch (Exception e) {
                failures.labelValues(operation.label(), ErrorResponse.codeOf(e).wire()).inc();
                throw e;
            }
            durations
                    .labelValues(operation.label())
                    .observe(watch.elapsedNanos() / NANOS_PER_SECOND);
            return result;
        };
    }
}
