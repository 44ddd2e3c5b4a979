package dev.wrenn.contract.guest;

/** Names a process in a guest. */
public sealed interface ProcessSelector {
    /** By its process id. */
    record ByPid(int pid) implements ProcessSelector {}

    /** By the tag its caller gave it. */
    record ByTag(String tag) implements ProcessSelector {}
}
