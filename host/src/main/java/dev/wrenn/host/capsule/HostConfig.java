package dev.wrenn.host.capsule;

import dev.wrenn.base.ByteSize;
import dev.wrenn.contract.host.Retention;
import dev.wrenn.snapshot.Archive;
import dev.wrenn.vmm.DeviceLimits;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;

/**
 * Settings of a host agent.
 *
 * @param dataFolder everything that must last: templates, snapshots, disks, journal
 * @param shim library that hands QEMU's guest memory to the pager
 * @param agent guest agent binary that goes into the initrd
 * @param volumeSize largest size of the volume image where the file system has no reflink
 * @param poolSlots network slots kept ready
 * @param maxSlots most capsules that run at the same time
 * @param startLimit longest time for a resume
 * @param bootLimit longest time for a cold boot
 * @param pauseLimit longest time for a pause
 * @param deviceLimits what one VM may transfer, as far as the VMM can limit it
 * @param privateRegistries {@code host:port} of registries of container images that may be on an
 *     address that is not public
 * @param capacity how much of the machine capsules may use
 * @param retention which checkpoints a capsule keeps that says nothing else
 * @param archive where snapshots are kept besides this machine; nowhere if empty
 */
public record HostConfig(
        Path dataFolder,
        Path shim,
        Path agent,
        ByteSize volumeSize,
        int poolSlots,
        int maxSlots,
        Duration startLimit,
        Duration bootLimit,
        Duration pauseLimit,
        DeviceLimits deviceLimits,
        Set<String> privateRegistries,
        Capacity capacity,
        Retention retention,
        Optional<ArchiveConfig> archive) {
    /** Version of the host agent and of the guest agent built with it. */
    public static final String VERSION = "0.1.0";

    /** Checks ranges. */
    public HostConfig {
        privateRegistries = Set.copyOf(privateRegistries);
        if (poolSlots < 1 || poolSlots > maxSlots) {
            throw new IllegalArgumentException(
                    "slots: 1 <= pool (%d) <= max (%d)".formatted(poolSlots, maxSlots));
        }
    }

    /** The same with these registries allowed on any address. */
    public HostConfig withPrivateRegistries(Set<String> registries) {
        return new HostConfig(
                dataFolder,
                shim,
                agent,
                volumeSize,
                poolSlots,
                maxSlots,
                startLimit,
                bootLimit,
                pauseLimit,
                deviceLimits,
                registries,
                capacity,
                retention,
                archive);
    }

    /** Opens the archive; the caller closes it. */
    public Archive openArchive(ArchiveConfig settings) {
        return settings.open(dataFolder);
    }

    /** The usual settings for a data folder and the two guest binaries. */
    public static HostConfig of(Path dataFolder, Path shim, Path agent) {
        return new HostConfig(
                dataFolder,
                shim,
                agent,
                ByteSize.gib(64),
                3,
                200,
                Duration.ofSeconds(30),
                Duration.ofSeconds(180),
                Duration.ofMinutes(5),
                DeviceLimits.USUAL,
                Set.of(),
                Capacity.DEFAULTS,
                Retention.DEFAULT,
                Optional.empty());
    }
}
