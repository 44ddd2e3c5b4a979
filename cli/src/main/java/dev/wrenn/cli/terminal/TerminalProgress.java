package dev.wrenn.cli.terminal;

import dev.wrenn.base.Progress;
import dev.wrenn.base.Stopwatch;
import java.io.PrintStream;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicBoolean;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * Shows progress on standard error: as a bar if a person looks at a terminal, as a line at each
 * beginning and end otherwise.
 */
public final class TerminalProgress implements Progress {
    private static final int UPDATE_MILLIS = 200;
    private static final int MAX_WIDTH = 100;
    private static final int STDERR = 2;

    private final PrintStream out;
    private final boolean isTerminal;
    private final AtomicBoolean barShown = new AtomicBoolean();

    TerminalProgress(PrintStream out, boolean isTerminal) {
        this.out = out;
        this.isTerminal = isTerminal;
    }

    /** On this process's own. */
    public static TerminalProgress onStandardError() {
        return new TerminalProgress(System.err, Person.isTerminal(STDERR));
    }

    @Override
    public Step start(String step, long totalUnits) {
        // One line has room for one bar; a second step at the same time is told in lines.
        return isTerminal && barShown.compareAndSet(false, true)
                ? new Bar(step, totalUnits)
                : new Line(step, totalUnits);
    }

    private final class Bar implements Step {
        private final ProgressBar bar;
        private final AtomicBoolean closed = new AtomicBoolean();

        Bar(String step, long totalUnits) {
            this.bar =
                    new ProgressBarBuilder()
                            .setTaskName("==> " + step)
                            .setInitialMax(totalUnits > 0 ? totalUnits : -1)
                            .setUpdateIntervalMillis(UPDATE_MILLIS)
                            .setMaxRenderedLength(MAX_WIDTH)
                            .setStyle(ProgressBarStyle.ASCII)
                            .hideEta()
                            .setConsumer(new ConsoleProgressBarConsumer(out))
                            .build();
        }

        @Override
        public void advance(long units) {
            bar.stepBy(units);
        }

        @Override
        public void expect(long totalUnits) {
            bar.maxHint(totalUnits);
        }

        @Override
        public void done() {
            if (bar.getMax() > 0) {
                bar.stepTo(bar.getMax());
            }
            close();
        }

        @Override
        public void close() {
            if (closed.compareAndSet(false, true)) {
                bar.close();
                barShown.set(false);
            }
        }
    }

    private final class Line implements Step {
        private final String step;
        private final Stopwatch watch = Stopwatch.start();
        private final AtomicBoolean closed = new AtomicBoolean();
        private long expected;
        private long finished;
        private long shownQuarters;

        Line(String step, long totalUnits) {
            this.step = step;
            this.expected = totalUnits;
            out.println("==> " + step);
        }

        @Override
        public void advance(long units) {
            quarter(units)
                    .ifPresent(
                            quarters -> out.printf("    %d %% after %s%n", 25 * quarters, took()));
        }

        /** A new quarter that was reached by that much more. */
        private synchronized OptionalLong quarter(long units) {
            finished += units;
            long quarters = expected > 0 ? Math.min(3, 4 * finished / expected) : 0;
            if (quarters <= shownQuarters) {
                return OptionalLong.empty();
            }
            shownQuarters = quarters;
            return OptionalLong.of(quarters);
        }

        @Override
        public synchronized void expect(long totalUnits) {
            expected = totalUnits;
        }

        @Override
        public void done() {
            if (closed.compareAndSet(false, true)) {
                out.println("    done in " + took());
            }
        }

        @Override
        public void close() {
            if (closed.compareAndSet(false, true)) {
                out.printf("    \"%s\" did not finish, after %s%n", step, took());
            }
        }

        private String took() {
            return "%.1f s".formatted(watch.elapsed().toMillis() / 1000.0);
        }
    }
}
