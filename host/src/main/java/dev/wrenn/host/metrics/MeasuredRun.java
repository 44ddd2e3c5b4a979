package dev.wrenn.host.metrics;

import dev.wrenn.contract.CapsuleId;
import dev.wrenn.linux.ProcessIdentity;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * A run of a capsule as far as it is measured.
 *
 * @param capsule whose run it is
 * @param process its VMM, another one in each run
 * @param vcpus its virtual processors
 * @param disk its root disk
 * @param origin the disk that it was a clone of, as long as that is there
 */
public record MeasuredRun(
        CapsuleId capsule,
        ProcessIdentity process,
        int vcpus,
        Path disk,
        Supplier<Optional<Path>> origin) {}
