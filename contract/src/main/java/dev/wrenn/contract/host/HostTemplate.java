package dev.wrenn.contract.host;

import dev.wrenn.contract.TemplateId;

/**
 * A template as a host holds it.
 *
 * @param template its id
 * @param isSnapshot whether it holds memory; otherwise any shape can be booted from its disk
 * @param vcpus the snapshot's processors, 0 for a disk
 * @param memoryMb the snapshot's memory, 0 for a disk
 * @param sizeBytes allocated bytes
 */
public record HostTemplate(
        TemplateId template, boolean isSnapshot, int vcpus, int memoryMb, long sizeBytes) {}
