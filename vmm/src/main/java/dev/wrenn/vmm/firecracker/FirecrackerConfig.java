package dev.wrenn.vmm.firecracker;

import dev.wrenn.vmm.DeviceLimits;
import java.nio.file.Path;

/**
 * Which Firecracker is used, and how.
 *
 * @param binary firecracker, 1.16 or newer, statically linked
 * @param jailer the jailer of the same version
 * @param console whether guests get a serial console; every byte of it costs an exit to the VMM, so
 *     it is for tests and for looking after a guest that does not boot
 * @param limits what one VM may transfer
 */
public record FirecrackerConfig(Path binary, Path jailer, boolean console, DeviceLimits limits) {
    /** Demands absolute paths. */
    public FirecrackerConfig {
        if (!binary.isAbsolute() || !jailer.isAbsolute()) {
            throw new IllegalArgumentException("Firecracker and jailer need absolute paths");
        }
    }
}
