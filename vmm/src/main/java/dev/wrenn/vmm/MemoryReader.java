package dev.wrenn.vmm;

/** Who reads the memory of a frozen VM when it is saved. */
public enum MemoryReader {
    /** The page server, out of the VMM's address space; the VMM meets it on every start. */
    PAGE_SERVER,
    /** The VMM, into a file; it meets a page server only when it is restored. */
    VMM
}
