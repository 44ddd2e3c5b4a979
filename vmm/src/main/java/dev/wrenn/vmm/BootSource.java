package dev.wrenn.vmm;

import java.nio.file.Path;

/**
 * What a cold boot starts.
 *
 * @param kernel a bzImage
 * @param initrd cpio archive that the kernel unpacks
 * @param arguments kernel command line; the driver adds what its machine needs (console, clock,
 *     what to do on a panic)
 */
public record BootSource(Path kernel, Path initrd, String arguments) {}
