package dev.wrenn.contract.host;

/** Where the root disk of a template comes from that no capsule made. */
public sealed interface DiskSource {
    /**
     * A container image.
     *
     * @param reference {@code HOST/NAME:TAG} or {@code HOST/NAME@sha256:DIGEST}
     */
    record ContainerImage(String reference) implements DiskSource {}

    /**
     * One of the disks that the host knows how to make itself.
     *
     * @param name which one
     */
    record Stock(String name) implements DiskSource {}
}
