package dev.wrenn.host.capsule;

import dev.wrenn.base.Deadline;
import dev.wrenn.base.Pause;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.time.Duration;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads again what the machine could not read, where a running VM is at stake. Bytes that were read
 * and are wrong, or a file that is not there, stay so: that is told at once.
 */
final class SecondReading {
    private static final Logger LOG = LoggerFactory.getLogger(SecondReading.class);
    private static final Duration INTERVAL = Duration.ofMillis(100);

    private SecondReading() {}

    /**
     * What the reading brings.
     *
     * @param deadline after which nothing is read again
     * @throws WrennException what the last attempt failed with
     */
    static <T> T of(Supplier<T> reading, Deadline deadline) {
        while (true) {
            boolean isLast = deadline.isPast();
            try {
                return reading.get();
            } catch (WrennException e) {
                if (isLast || !isUnreadable(e)) {
                    throw e;
                }
                LOG.atWarn().setCause(e).log("cannot be read now, will be read again");
            }
            Pause.until(() -> false, INTERVAL, deadline.atMost(INTERVAL));
        }
    }

    private static boolean isUnreadable(WrennException failure) {
        return failure.getCause() instanceof IOException cause
                && !(cause instanceof NoSuchFileException);
    }
}
