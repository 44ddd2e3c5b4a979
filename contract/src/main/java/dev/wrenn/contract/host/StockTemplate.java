package dev.wrenn.contract.host;

/**
 * A template that a host knows how to make itself, when somebody wants it.
 *
 * @param name for {@link DiskSource.Stock}
 * @param revision another one means that the template would be another one
 * @param runsPrograms whether programs run in it from the start, so that a shape that was not
 *     prepared yet takes long
 * @param leastMemoryMb with less it does not work
 */
public record StockTemplate(
        String name, String revision, boolean runsPrograms, int leastMemoryMb) {}
