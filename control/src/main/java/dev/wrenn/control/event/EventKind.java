package dev.wrenn.control.event;

/** What somebody did, or tried to do; changes of state are noted by the database. */
public enum EventKind {
    /** A capsule was made. */
    CAPSULE_CREATE("capsule.create", "sandbox"),
    /** A capsule was paused. */
    CAPSULE_PAUSE("capsule.pause", "sandbox"),
    /** A capsule was resumed. */
    CAPSULE_RESUME("capsule.resume", "sandbox"),
    /** A capsule was destroyed. */
    CAPSULE_DESTROY("capsule.destroy", "sandbox"),
    /** A template was made of a capsule. */
    SNAPSHOT_CREATE("template.snapshot.create", "snapshot"),
    /** A template was deleted. */
    SNAPSHOT_DELETE("template.snapshot.delete", "snapshot");

    private final String wire;
    private final String resourceType;

    EventKind(String wire, String resourceType) {
        this.wire = wire;
        this.resourceType = resourceType;
    }

    /** As clients read it. */
    String wire() {
        return wire;
    }

    /** What sort of thing it happens to. */
    String resourceType() {
        return resourceType;
    }
}
