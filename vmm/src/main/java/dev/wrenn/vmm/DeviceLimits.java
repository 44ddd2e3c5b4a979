package dev.wrenn.vmm;

import dev.wrenn.base.ByteSize;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How fast the devices of one VM may be; what is empty is not limited.
 *
 * @param diskBytes per second, reads and writes together
 * @param diskOperations per second
 * @param networkBytes per second, for each direction
 */
public record DeviceLimits(
        Optional<ByteSize> diskBytes,
        OptionalLong diskOperations,
        Optional<ByteSize> networkBytes) {
    /** No limit. */
    public static final DeviceLimits NONE =
            new DeviceLimits(Optional.empty(), OptionalLong.empty(), Optional.empty());

    /** More than most programs ask for, less than would take a fast disk or link from others. */
    public static final DeviceLimits USUAL =
            new DeviceLimits(
                    Optional.of(ByteSize.mib(512)),
                    OptionalLong.of(32_768),
                    Optional.of(ByteSize.mib(256)));

    /** Refuses a limit that would stop a device. */
    public DeviceLimits {
        if (diskBytes.filter(size -> size.bytes() < 1).isPresent()
                || diskOperations.orElse(1) < 1
                || networkBytes.filter(size -> size.bytes() < 1).isPresent()) {
            throw new IllegalArgumentException("a limit of a device must be above zero");
        }
    }
}
